package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"weir/test/bench/report"
)

// features are shapes of single features of the dialect under load. Declarations
// are made by the client, so that both brokers are told the same.
var features = []shape{
	feature("policies", "16 B under a policy and an operator policy", underPolicies(false)),
	feature("policies-change", "16 B under a policy that changes every second, and an operator policy", underPolicies(true)),
	feature("bindings-10k-direct", "16 B, direct exchange, 10,000 bindings, each message hits one", routed("direct", 10)),
	feature("bindings-10k-topic", "16 B, topic exchange, 10,000 bindings, each message hits one", routed("topic", 10)),
	feature("bindings-10k-headers", "16 B, headers exchange, 10,000 bindings, 20 unconfirmed", routed("headers", 10, "--confirms", "20")),
	feature("topic", "16 B, topic exchange to 100 queues, each message to one", routed("topic", 100)),
	feature("headers", "16 B, headers exchange to 100 queues, each message to one", routed("headers", 100)),
	feature("dead-letter-reject", "16 B, each rejected into a dead-letter queue, consumed there", weirBench(classic, "--dead-letter", "reject")),
	feature("dead-letter-overflow", "16 B, each pushed out of a full queue into a dead-letter queue", weirBench(classic, "--dead-letter", "overflow")),
	feature("priority", "16 B of 10 priorities behind 100,000; latency of the highest", weirBench(classic, "--priorities", "10", "--backlog", "100000")),
	feature("tx-10", "16 B in transactions of 10, 10 producers; confirm: of the commit", transactions(10)),
	feature("tx-100", "16 B in transactions of 100, 10 producers; confirm: of the commit", transactions(100)),
}

func feature(name, title string, load loader) shape {
	return shape{name: name, group: report.GroupFeatures, title: title, peer: classic, weir: report.Synced, tool: toolBench, load: load}
}

func routed(kind string, queues int, flags ...string) loader {
	n := strconv.Itoa(queues)
	bindings := "0" // one for each queue
	if queues < 100 {
		bindings = "10000"
	}
	return weirBench(classic, append([]string{"--exchange-type", kind, "--queues", n, "--consumers", n, "--bindings", bindings}, flags...)...)
}

func transactions(size int) loader {
	return weirBench(classic, "--transaction", strconv.Itoa(size), "--queues", "10", "--producers", "10", "--consumers", "10")
}

// underPolicies puts the queues under a policy and an operator policy, whose limits
// are in force and never reached.
func underPolicies(changing bool) loader {
	load := weirBench(classic)
	policy := func(ttl int) map[string]any {
		return map[string]any{
			"pattern": "^bench-", "apply-to": "queues", "priority": 1,
			"definition": map[string]any{"max-length": 50_000_000, "message-ttl": ttl},
		}
	}
	return func(s *settings, p *process) (f report.Figures, err error) {
		operator := map[string]any{
			"pattern": "^bench-", "apply-to": "queues", "priority": 1,
			"definition": map[string]any{"max-length": 40_000_000, "expires": 86_400_000},
		}
		if err := errors.Join(p.put("policies", policy(3_600_000)), p.put("operator-policies", operator)); err != nil {
			return f, err
		}
		stop, changed := make(chan struct{}), make(chan error, 1)
		go func() { changed <- change(p, stop, changing, policy) }()
		f, err = load(s, p)
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
	return p.manage(http.MethodPut, kind+onePolicy, body)
}

func (p *process) remove(kind string) error { return p.manage(http.MethodDelete, kind+onePolicy, nil) }

// onePolicy is the policy of the benchmark in the default virtual host.
const onePolicy = "/%2F/weir-bench"
