package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// features are shapes of single features of the dialect under load. Declarations
// are made by the client, so that both brokers are told the same.
var features = []shape{
	{"policies", "16 B under a policy and an operator policy", "OS cache", underPolicies(false)},
	{"policies-change", "16 B under a policy that changes every second, and an operator policy", "OS cache", underPolicies(true)},
	{"bindings-10k-direct", "16 B through a direct exchange with 10,000 bindings, each message hits one", "OS cache", routed("direct", 10)},
	{"bindings-10k-topic", "16 B through a topic exchange with 10,000 bindings, each message hits one", "OS cache", routed("topic", 10)},
	{
		"bindings-10k-headers", "16 B through a headers exchange with 10,000 bindings, each message hits one (20 confirms outstanding)",
		"OS cache", routed("headers", 10, "--confirms", "20"),
	},
	{"topic", "16 B through a topic exchange to 100 queues, each message to one", "OS cache", routed("topic", 100)},
	{"headers", "16 B through a headers exchange to 100 queues, each message to one", "OS cache", routed("headers", 100)},
	{"dead-letter-reject", "16 B, every message rejected into a dead-letter queue and consumed there", "OS cache", featureBench("--dead-letter", "reject")},
	{"dead-letter-overflow", "16 B, every message pushed out of a full queue into a dead-letter queue and consumed there", "OS cache", featureBench("--dead-letter", "overflow")},
	{"priority", "16 B of 10 priorities behind a backlog of 100,000 (end to end: of the highest)", "OS cache", featureBench("--priorities", "10", "--backlog", "100000")},
	{"tx-10", "16 B in transactions of 10, 10 producers (confirm: of the commit)", "OS cache", transactions(10)},
	{"tx-100", "16 B in transactions of 100, 10 producers (confirm: of the commit)", "OS cache", transactions(100)},
}

// featureBench is weirBench with the server's CPU of the measured time alone:
// making 10,000 bindings is not part of what a message costs.
func featureBench(flags ...string) func(*settings, string, *process) (figures, error) {
	return func(s *settings, binary string, p *process) (figures, error) {
		own := []string{
			"--warmup", "1s", "--server-pid", strconv.Itoa(p.pid),
			"--queue-prefix", fmt.Sprint("bench-", time.Now().UnixNano()), // a run that was broken off may have left some
		}
		r, err := runBench(s, binary, p, append(own, flags...))
		if err != nil {
			return figures{}, err
		}
		return figures{
			rate: r.ConsumeRate, micros: r.ServerMicro, rss: p.rss(),
			confirm: float64(r.Confirm.P99), end: float64(r.EndToEnd.P99),
		}, nil
	}
}

func routed(kind string, queues int, flags ...string) func(*settings, string, *process) (figures, error) {
	n := strconv.Itoa(queues)
	bindings := "0" // one for each queue
	if queues < 100 {
		bindings = "10000"
	}
	return featureBench(append([]string{"--exchange-type", kind, "--queues", n, "--consumers", n, "--bindings", bindings}, flags...)...)
}

func transactions(size int) func(*settings, string, *process) (figures, error) {
	return featureBench("--transaction", strconv.Itoa(size), "--queues", "10", "--producers", "10", "--consumers", "10")
}

// underPolicies puts the queues under a policy and an operator policy, whose limits
// are in force and never reached.
func underPolicies(changing bool) func(*settings, string, *process) (figures, error) {
	load := featureBench()
	policy := func(ttl int) map[string]any {
		return map[string]any{
			"pattern": "^bench-", "apply-to": "queues", "priority": 1,
			"definition": map[string]any{"max-length": 50_000_000, "message-ttl": ttl},
		}
	}
	return func(s *settings, binary string, p *process) (f figures, err error) {
		operator := map[string]any{
			"pattern": "^bench-", "apply-to": "queues", "priority": 1,
			"definition": map[string]any{"max-length": 40_000_000, "expires": 86_400_000},
		}
		if err := errors.Join(p.put("policies", policy(3_600_000)), p.put("operator-policies", operator)); err != nil {
			return f, err
		}
		stop, changed := make(chan struct{}), make(chan error, 1)
		go func() { changed <- change(p, stop, changing, policy) }()
		f, err = load(s, binary, p)
		close(stop)
		return f, errors.Join(err, <-changed, p.remove("policies"), p.remove("operator-policies"))
	}
}

// change sets another policy every second until stop.
func change(p *process, stop chan struct{}, changing bool, policy func(ttl int) map[string]any) error {
	if !changing {
		return nil
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-stop:
			return nil
		case <-tick.C:
			if err := p.put("policies", policy(3_600_000-n%2*1_000_000)); err != nil {
				return err
			}
		}
	}
}

func (p *process) put(kind string, item map[string]any) error {
	body, err := json.Marshal(item)
	if err != nil {
		return err
	}
	return p.call(http.MethodPut, kind, body)
}

func (p *process) remove(kind string) error { return p.call(http.MethodDelete, kind, nil) }

// call asks the management API about the one policy of the benchmark.
func (p *process) call(method, kind string, body []byte) error {
	target := p.api + "/api/" + kind + "/" + url.PathEscape("/") + "/weir-bench"
	request, err := http.NewRequest(method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.SetBasicAuth("guest", "guest")
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s: %s %s: %s", p.name, method, target, answer.Status)
	}
	return nil
}
