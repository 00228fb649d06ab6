package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Versions of what is installed by this program. RabbitMQ is the one that is there,
// or the one of the system's packages.
const (
	kafkaVersion    = "4.2.0"
	perfTestVersion = "2.22.1"
	natsVersion     = "v2.15.0"
	natsCLIVersion  = "v0.3.0"
)

// installation starts brokers where there are no scripts for it. What is
// downloaded stays in the user's cache; what brokers store is gone with the run.
type installation struct {
	cache string
	work  string
}

func newInstallation(work string) *installation {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = work
	}
	return &installation{cache: filepath.Join(cache, "weir-bench"), work: work}
}

func (in *installation) start(of peer) (*process, error) {
	data := filepath.Join(in.work, fmt.Sprintf("%s-%d", of.broker, time.Now().UnixNano()))
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	port := freePort()
	switch of.broker {
	case "kafka":
		return in.startKafka(of, data, port)
	case "nats":
		return in.startNATS(of, data, port)
	default:
		return in.startRabbit(data, port)
	}
}

// freePort is one that is free, and so are the ports beside it and 10,000 above.
// It is below those that the system gives to outgoing connections.
func freePort() int {
	for {
		port := 12_000 + rand.IntN(8000)
		free := true
		for _, p := range []int{port, port + 1, port + 10_000} {
			l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(p))
			if err != nil {
				free = false
				break
			}
			_ = l.Close()
		}
		if free {
			return port
		}
	}
}

// jars resolves Maven's coordinates (group:artifact:version) with all they need
// into a folder, once.
func (in *installation) jars(name string, coordinates ...string) (string, error) {
	folder := filepath.Join(in.cache, name)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	for _, program := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("no %s in PATH", program)
		}
	}
	var pom strings.Builder
	pom.WriteString(`<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>` +
		`<groupId>weir</groupId><artifactId>bench</artifactId><version>1</version><dependencies>`)
	for _, c := range coordinates {
		f := strings.Split(c, ":")
		fmt.Fprintf(&pom, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>", f[0], f[1], f[2])
	}
	pom.WriteString("</dependencies></project>\n")
	build, err := os.MkdirTemp(in.work, "maven")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(build, "pom.xml"), []byte(pom.String()), 0o644); err != nil {
		return "", err
	}
	half := folder + ".part" // a broken download must not look like a whole one
	if err := errors.Join(os.MkdirAll(in.cache, 0o755), os.RemoveAll(half)); err != nil {
		return "", err
	}
	c := exec.Command("mvn", "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+half)
	c.Dir = build
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("maven: %w: %s", err, tail(string(out)))
	}
	return folder, os.Rename(half, folder)
}

func (in *installation) java(name string, coordinates []string, args ...string) (*exec.Cmd, error) {
	folder, err := in.jars(name, coordinates...)
	if err != nil {
		return nil, err
	}
	own := []string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(folder, "*")}
	return exec.Command("java", append(own, args...)...), nil
}

func (in *installation) perfTest(args ...string) (*exec.Cmd, error) {
	return in.java("perf-test-"+perfTestVersion, []string{"com.rabbitmq:perf-test:" + perfTestVersion},
		append([]string{"com.rabbitmq.perf.PerfTest"}, args...)...)
}

func (in *installation) kafka(args ...string) (*exec.Cmd, error) {
	return in.java("kafka-"+kafkaVersion, []string{
		"org.apache.kafka:kafka_2.13:" + kafkaVersion, "org.apache.kafka:kafka-tools:" + kafkaVersion, "org.slf4j:slf4j-simple:1.7.36",
	}, args...)
}

func (in *installation) kafkaTool(class string, args ...string) (*exec.Cmd, error) {
	return in.kafka(append([]string{class}, args...)...)
}

// program builds a Go program of a pinned version, once, in a module of its own.
func (in *installation) program(name, module, version, path string) (string, error) {
	binary := filepath.Join(in.cache, name+"-"+version)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	build, err := os.MkdirTemp(in.work, "go")
	if err != nil {
		return "", err
	}
	for file, text := range map[string]string{
		"go.mod":  fmt.Sprintf("module bench\n\ngo 1.26.0\n\nrequire %s %s\n", module, version),
		"need.go": fmt.Sprintf("//go:build need\n\npackage bench\n\nimport _ %q\n", path),
	} {
		if err := os.WriteFile(filepath.Join(build, file), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	c := exec.Command("go", "build", "-mod=mod", "-o", binary, path)
	c.Dir = build
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w: %s", path, err, tail(string(out)))
	}
	return binary, nil
}

func (in *installation) natsCLI(p *process, args ...string) (*exec.Cmd, error) {
	binary, err := in.program("nats", "github.com/nats-io/natscli", natsCLIVersion, "github.com/nats-io/natscli/nats")
	if err != nil {
		return nil, err
	}
	return exec.Command(binary, append([]string{"-s", "nats://" + p.nats}, args...)...), nil
}

func (in *installation) startNATS(of peer, data string, port int) (*process, error) {
	binary, err := in.program("nats-server", "github.com/nats-io/nats-server/v2", natsVersion, "github.com/nats-io/nats-server/v2")
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("listen: 127.0.0.1:%d\njetstream {\n  store_dir: %q\n", port, filepath.Join(data, "store"))
	if of.start != "" {
		text += "  sync_interval: " + of.start + "\n"
	}
	file := filepath.Join(data, "server.conf")
	if err := os.WriteFile(file, []byte(text+"}\n"), 0o644); err != nil {
		return nil, err
	}
	return in.launch("nats", port, data, nil, func() *exec.Cmd { return exec.Command(binary, "-c", file) })
}

func (in *installation) startKafka(of peer, data string, port int) (*process, error) {
	file := filepath.Join(data, "server.properties")
	text := fmt.Sprintf(`node.id=1
process.roles=controller,broker
listeners=PLAINTEXT://127.0.0.1:%[1]d,CONTROLLER://127.0.0.1:%[2]d
advertised.listeners=PLAINTEXT://127.0.0.1:%[1]d
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:%[2]d
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=%[3]s
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.replication.factor=1
%[4]s
`, port, port+1, filepath.Join(data, "log"), of.start)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	format, err := in.kafka("kafka.tools.StorageTool", "format", "-t", "d2VpcmJlbmNoMDAwMDAwMA", "-c", file)
	if err != nil {
		return nil, err
	}
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format: %w: %s", err, tail(string(out)))
	}
	server, err := in.kafka("kafka.Kafka", file)
	if err != nil {
		return nil, err
	}
	args := append([]string{"-Xms1g", "-Xmx1g", "-XX:+UseG1GC"}, server.Args[1:]...)
	return in.launch("kafka", port, data, nil, func() *exec.Cmd { return exec.Command("java", args...) })
}

// launch starts a broker and waits for its port.
func (in *installation) launch(broker string, port int, data string, env []string, command func() *exec.Cmd) (*process, error) {
	log, err := os.OpenFile(filepath.Join(data, "output"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c := command()
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for this program, which stops it
	if err := c.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	p := addressed(broker, port)
	p.pid = c.Process.Pid
	p.stop = func() error {
		_ = c.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended: // whatever it says of being told to end
		case <-time.After(30 * time.Second):
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // with what a script has started
			<-ended
		}
		return nil
	}
	p.again = func() (*process, error) { return in.launch(broker, port, data, env, command) }
	for late := time.Now().Add(2 * time.Minute); time.Now().Before(late); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-ended:
			text, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("%s ended while it started: %w: %s", broker, err, tail(string(text)))
		default:
		}
		if accepts(port) {
			return p, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("%s did not listen", broker), p.stop())
}

func accepts(port int) bool {
	c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return c.Close() == nil
}
