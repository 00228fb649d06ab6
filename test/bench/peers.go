package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// peers starts brokers to compare with and runs their tools: by the scripts of a
// folder where it has them, by its own means otherwise. One broker runs at a time,
// so that an idle one costs the others nothing.
type peers struct {
	folder   string // of scripts; may not be there
	own      *installation
	versions map[string]string // as found, by name

	running *process
	peer    peer             // what runs
	failed  map[string]error // by broker: it cannot be had
}

func newPeers(work string, versions map[string]string) *peers {
	folder := os.Getenv("PEERS")
	if folder == "" {
		folder = filepath.Join("..", "shared", "peers")
	}
	if os.Getenv("RABBITMQ_PORT") == "" {
		_ = os.Setenv("RABBITMQ_PORT", strconv.Itoa(rabbitPort)) // fails for names that are none
	}
	return &peers{folder: folder, own: newInstallation(work), versions: versions, failed: map[string]error{}}
}

// script is that of a broker, or empty where there is none.
func (ps *peers) script(broker string) string {
	path := filepath.Join(ps.folder, broker)
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return ""
	}
	return path
}

// get returns the peer, running, with nothing stored when it was started.
func (ps *peers) get(of peer) (*process, error) {
	if ps.running != nil && ps.peer.broker == of.broker && ps.peer.start == of.start {
		return ps.running, nil
	}
	if err := ps.failed[of.broker]; err != nil {
		return nil, err
	}
	if err := ps.stop(); err != nil {
		return nil, err
	}
	p, err := ps.launch(of)
	for try := 1; err != nil && try < startsMax && interrupted.Err() == nil; try++ {
		fmt.Printf("%v; once more\n", err)
		time.Sleep(startPause)
		p, err = ps.launch(of)
	}
	if err != nil {
		ps.failed[of.broker] = fmt.Errorf("%w: %s cannot be had: %w", errSkipped, of.broker, err)
		return nil, ps.failed[of.broker]
	}
	ps.running, ps.peer = p, of
	return p, ps.note(p)
}

const (
	startsMax  = 3 // of a peer: a port may be taken just then
	startPause = 2 * time.Second
)

// launch starts a peer by a script if there is one.
func (ps *peers) launch(of peer) (*process, error) {
	if script := ps.script(of.broker); script != "" {
		fmt.Printf("starting %s %s by %s\n", of.broker, of.start, script)
		return startScript(script, of, true)
	}
	fmt.Printf("starting %s %s: no script in %s, installed by Go, Maven or the system's packages\n", of.broker, of.start, ps.folder)
	return ps.own.start(of)
}

func (ps *peers) stop() error {
	if ps.running == nil {
		return nil
	}
	err := ps.running.stop()
	ps.running = nil
	return err
}

// note keeps the version that runs.
func (ps *peers) note(p *process) error {
	switch {
	case p.kafka != "":
		if ps.versions[p.name] != "" {
			return nil
		}
		c, err := ps.kafkaTool("org.apache.kafka.tools.ConsumerPerformance", "--version")
		if err != nil {
			return err
		}
		out, err := c.Output()
		if err != nil {
			return err
		}
		ps.versions[p.name] = strings.Fields(string(out) + " unknown")[0]
	case p.nats != "":
		c, err := net.Dial("tcp", p.nats)
		if err != nil {
			return err
		}
		defer c.Close()
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			return err
		}
		var info struct{ Version string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "INFO ")), &info); err != nil {
			return err
		}
		ps.versions[p.name] = info.Version
	default:
		return ps.noteRabbit(p)
	}
	return nil
}

func (ps *peers) noteRabbit(p *process) error {
	request, err := http.NewRequest(http.MethodGet, p.api+"/api/overview", nil)
	if err != nil {
		return err
	}
	request.SetBasicAuth("guest", "guest")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var overview struct {
		Rabbit string `json:"rabbitmq_version"`
		Erlang string `json:"erlang_version"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&overview); err != nil {
		return err
	}
	ps.versions[p.name] = overview.Rabbit + " on Erlang " + overview.Erlang
	return nil
}

// perfTest, kafkaTool and natsCLI are the brokers' own tools.
func (ps *peers) perfTest(args ...string) (*exec.Cmd, error) {
	if script := ps.script("rabbitmq"); script != "" {
		return exec.Command(script, append([]string{"perf"}, args...)...), nil
	}
	return ps.own.perfTest(args...)
}

func (ps *peers) kafkaTool(class string, args ...string) (*exec.Cmd, error) {
	if script := ps.script("kafka"); script != "" {
		return exec.Command(script, append([]string{"tool", class}, args...)...), nil
	}
	return ps.own.kafkaTool(class, args...)
}

func (ps *peers) natsCLI(args ...string) (*exec.Cmd, error) {
	if script := ps.script("nats"); script != "" {
		return exec.Command(script, append([]string{"cli"}, args...)...), nil
	}
	return ps.own.natsCLI(ps.running, args...)
}

// rabbitPort is what RabbitMQ's script is told unless somebody else has: with its
// own, RabbitMQ's third port, 20,000 above, is one that outgoing connections get,
// and it does not start while one has it.
const rabbitPort = 11_672

// scriptPorts are the scripts' own, and the variables that say otherwise.
var scriptPorts = map[string]struct {
	variable string
	port     int
}{"rabbitmq": {"RABBITMQ_PORT", rabbitPort}, "kafka": {"KAFKA_PORT", 29092}, "nats": {"NATS_PORT", 24222}}

// startTime is how long a peer may take to be installed and to start.
const startTime = 8 * time.Minute

// startScript starts a broker by its script, on an empty store if so asked.
func startScript(script string, of peer, wipe bool) (*process, error) {
	at := scriptPorts[of.broker]
	port := at.port
	if text := os.Getenv(at.variable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at.variable, err)
		}
		port = n
	}
	run := func(args ...string) (string, error) {
		c := exec.Command(script, args...)
		c.WaitDelay = time.Second // what it starts holds on to its output
		late := time.AfterFunc(startTime, func() { _ = c.Process.Kill() })
		defer late.Stop()
		out, err := c.CombinedOutput()
		if errors.Is(err, exec.ErrWaitDelay) {
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("%s: %w: %s", strings.Join(c.Args, " "), err, tail(string(out)))
		}
		return string(out), err
	}
	if wipe {
		if _, err := run("status"); err == nil {
			return nil, errors.New("it runs already; somebody else may be using it")
		}
		if _, err := run("wipe"); err != nil {
			return nil, err
		}
	}
	args := []string{"start"}
	if of.start != "" {
		args = append(args, of.start)
	}
	if _, err := run(args...); err != nil {
		return nil, err
	}
	p := addressed(of.broker, port)
	p.stop = func() error { _, err := run("stop"); return err }
	p.again = func() (*process, error) { return startScript(script, of, false) }
	status, err := run("status")
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	p.pid = firstPid(status)
	return p, nil
}

// addressed is a broker at a port of this machine. RabbitMQ's management is 10,000
// above.
func addressed(broker string, port int) *process {
	host := "127.0.0.1:" + strconv.Itoa(port)
	switch broker {
	case "kafka":
		return &process{name: "Kafka", kafka: host}
	case "nats":
		return &process{name: "NATS", nats: host}
	default:
		return &process{name: "RabbitMQ", url: "amqp://guest:guest@" + host, api: fmt.Sprintf("http://127.0.0.1:%d", port+10_000)}
	}
}
