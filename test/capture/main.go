package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "capture:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "files":
		return captureFiles(args[1])
	case len(args) > 0 && args[0] == "serve":
		return serve(args)
	}
	binary := os.Getenv("CAPTURE_BIN")
	return syscall.Exec(binary, append([]string{binary}, args...), os.Environ())
}

// listener is a door that clients come to.
type listener struct {
	net.Listener
	cut func(c *conversation)
}

// cutters know how what clients say at a door is cut into inputs.
var cutters = map[string]func(c *conversation){"amqp": cutAMQP, "kafka": cutKafka, "http": cutHTTP}

// serve runs the broker behind doors of our own.
func serve(args []string) error {
	doors := map[string]listener{}
	args = slices.Clone(args)
	for i, arg := range args {
		if i == 0 || args[i-1] != "--listen" {
			continue
		}
		name, address, _ := strings.Cut(arg, "=")
		if cutters[name] == nil || address == "off" {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		doors[name] = listener{l, cutters[name]}
		args[i] = name + "=127.0.0.1:0"
	}
	if l, ok := doors["kafka"]; ok {
		args = append(args, "--set", "kafka.advertised="+l.Addr().String())
	}
	broker := exec.Command(os.Getenv("CAPTURE_BIN"), args...)
	broker.Stderr = os.Stderr
	broker.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := broker.StdoutPipe()
	if err != nil {
		return err
	}
	if err := broker.Start(); err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for s := range signals {
			_ = broker.Process.Signal(s)
		}
	}()
	announce(out, doors)
	return broker.Wait()
}

var hostPort = regexp.MustCompile(`[0-9.]+:[0-9]+`)

// announce tells where our doors are in the place of the broker's.
func announce(out io.Reader, doors map[string]listener) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		name, at, _ := strings.Cut(line, " ")
		if l, ok := doors[name]; ok {
			if address := hostPort.FindString(at); address != "" {
				go accept(l, address)
				line = strings.Replace(line, address, l.Addr().String(), 1)
			}
		}
		fmt.Println(line)
	}
}

func accept(l listener, to string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go pass(client, to, l.cut)
	}
}

// conversation is what was said on a connection, as far as it is looked at.
type conversation struct{ client, broker *os.File }

// pass carries a connection through and has both directions cut.
func pass(client net.Conn, to string, cut func(c *conversation)) {
	broker, err := net.Dial("tcp", to)
	if err != nil {
		_ = client.Close()
		return
	}
	clientRead, clientSaid, err1 := os.Pipe()
	brokerRead, brokerSaid, err2 := os.Pipe()
	if err1 != nil || err2 != nil {
		return
	}
	go cut(&conversation{clientRead, brokerRead})
	go relay(client, broker, brokerSaid)
	relay(broker, client, clientSaid)
}

// relay copies one direction. What is cut is never waited for longer than it takes
// to read it.
func relay(to, from net.Conn, copied *os.File) {
	_, _ = io.Copy(io.MultiWriter(to, copied), from)
	_ = copied.Close()
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}
