package amqp091_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/broker"
	"weir/internal/proto/amqp091"
	"weir/internal/proto/amqp091/native"
)

// managed is a server and somebody who manages it.
type managed struct {
	*server
	broker *broker.Broker
	guest  broker.Principal
}

func manage(t testing.TB) *managed {
	t.Helper()
	m := &managed{}
	m.server = start(t, func(o *amqp091.Options) { m.broker = o.Broker })
	var err *broker.Error
	if m.guest, err = m.broker.Authenticate("guest", "guest", netip.MustParseAddrPort("127.0.0.1:1")); err != nil {
		t.Fatal(err)
	}
	return m
}

// policy sets a policy of namespace "/". A name that begins with "op" is an
// operator's.
func (m *managed) policy(name, pattern, applyTo string, priority int, definition map[string]any) {
	m.t.Helper()
	spec := broker.PolicySpec{Namespace: "/", Name: name, Operator: strings.HasPrefix(name, "op")}
	body := native.PolicyBody{Pattern: pattern, ApplyTo: applyTo, Priority: int64(priority), Definition: definition}
	if bad := native.ReadPolicy(&spec, body); bad != "" {
		m.t.Fatal(bad)
	}
	if _, err := m.broker.PutPolicy(m.guest, spec); err != nil {
		m.t.Fatal(err)
	}
}

func (m *managed) noPolicy(name string) {
	m.t.Helper()
	if err := m.broker.DeletePolicy(m.guest, "/", name, strings.HasPrefix(name, "op")); err != nil {
		m.t.Fatal(err)
	}
}

// confirmed publishes and says whether the broker took it.
func confirmed(t testing.TB, ch *amqp.Channel, queue, body string) bool {
	t.Helper()
	c, err := ch.PublishWithDeferredConfirmWithContext(context.Background(), "", queue, false, false, text(body))
	check(t, err)
	return c.Wait()
}

// TestPoliciesWhileBusy sets, changes and removes policies while messages go
// through the queue; each has its effect at once and loses it at once.
func TestPoliciesWhileBusy(t *testing.T) {
	for _, kind := range []string{"classic", "quorum"} {
		t.Run(kind, func(t *testing.T) {
			m := manage(t)
			busy := open(t, m.dial())
			must(busy.QueueDeclare("busy", true, false, false, false, amqp.Table{"x-queue-type": kind}))(t)
			check(t, busy.Qos(50, 0, false))
			var delivered, published atomic.Int64
			stop := make(chan struct{})
			var work sync.WaitGroup
			deliveries := consume(t, busy, "busy", false)
			work.Go(func() {
				for d := range deliveries {
					delivered.Add(1)
					_ = d.Ack(false)
				}
			})
			sender := m.channel()
			work.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_ = sender.PublishWithContext(context.Background(), "", "busy", false, false, text("x"))
						published.Add(1)
					}
				}
			})
			ch := m.channel()
			check(t, ch.Confirm(false))
			must(ch.QueueDeclare("busy.still", true, false, false, false, amqp.Table{"x-queue-type": kind}))(t)
			queue(t, ch, "dead", nil)
			changePolicies(t, m, ch)
			before := delivered.Load()
			for end := time.Now().Add(patience); delivered.Load() < before+100; {
				if time.Now().After(end) {
					t.Fatalf("%d published, %d delivered, then no more", published.Load(), delivered.Load())
				}
			}
			close(stop)
			_ = busy.Close()
			work.Wait()
		})
	}
}

func changePolicies(t *testing.T, m *managed, ch *amqp.Channel) {
	t.Helper()
	fill := func(n int) {
		for i := range n {
			if !confirmed(t, ch, "busy.still", fmt.Sprint("m", i)) {
				t.Fatalf("message %d refused", i)
			}
		}
	}
	fill(5)
	m.policy("p", "^busy", "queues", 0, map[string]any{"max-length": int64(2)})
	eventuallyReady(t, ch, "busy.still", 2) // what was there is dropped
	fill(5)
	wantReady(t, ch, "busy.still", 2)
	m.policy("p", "^busy", "queues", 0, map[string]any{"max-length": int64(3), "overflow": "reject-publish"})
	if !confirmed(t, ch, "busy.still", "third") || confirmed(t, ch, "busy.still", "fourth") {
		t.Fatal("max-length 3 with reject-publish: the third is taken, the fourth refused")
	}
	m.policy("op", "^busy", "queues", 0, map[string]any{"max-length": int64(1)})
	must(ch.QueuePurge("busy.still", false))(t)
	if !confirmed(t, ch, "busy.still", "first") || confirmed(t, ch, "busy.still", "second") {
		t.Fatal("the operator's limit is not in force")
	}
	m.noPolicy("op")
	m.policy("p", "^busy", "queues", 0, map[string]any{"message-ttl": int64(1), "dead-letter-exchange": "", "dead-letter-routing-key": "dead"})
	fill(2) // expires, but not what is older than the policy
	dead := consume(t, ch, "dead", true)
	for range 2 {
		d := next(t, dead)
		death := d.Headers["x-death"].([]any)[0].(amqp.Table)
		if death["reason"] != "expired" || !strings.HasPrefix(fmt.Sprint(death["queue"]), "busy") {
			t.Fatalf("dead-lettered as %v", death)
		}
	}
	m.noPolicy("p")
	must(ch.QueuePurge("busy.still", false))(t)
	fill(5)
	wantReady(t, ch, "busy.still", 5)
}

func TestPolicyExpires(t *testing.T) {
	m := manage(t)
	ch := m.channel()
	for _, name := range []string{"idle", "kept"} {
		queue(t, ch, name, nil)
	}
	m.policy("p", "^", "all", 0, map[string]any{"expires": int64(600_000)})
	m.policy("q", "^idle$", "all", 1, map[string]any{"expires": int64(1)})
	for end := time.Now().Add(patience); ; {
		if _, there := m.broker.Queue("/", "idle"); !there {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the idle queue stays")
		}
	}
	m.noPolicy("p")
	m.noPolicy("q")
	wantReady(t, ch, "kept", 0)
}

func TestPolicySelection(t *testing.T) {
	m := manage(t)
	ch := m.channel()
	declare := func(name, kind string) {
		must(ch.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": kind}))(t)
	}
	declare("c", "classic")
	declare("k", "quorum")
	check(t, ch.ExchangeDeclare("x", "fanout", true, false, false, false, nil))
	m.policy("b", ".*", "all", 1, map[string]any{"max-length": int64(5)})
	m.policy("a", ".*", "all", 1, map[string]any{"max-length": int64(6)})
	m.policy("low", ".*", "all", 0, map[string]any{"max-length": int64(7)})
	m.policy("quorum", "^k$", "quorum_queues", 2, map[string]any{"delivery-limit": int64(3)})
	m.policy("unfit", "^c$", "all", 9, map[string]any{"delivery-limit": int64(3)}) // of quorum queues only
	m.policy("op", ".*", "queues", 0, map[string]any{"max-length": int64(2), "message-ttl": int64(9)})
	wantQueue := func(name, policy, operator string, definition map[string]any) {
		t.Helper()
		q, _ := m.broker.Queue("/", name)
		if q.Policy != policy || q.OperatorPolicy != operator || fmt.Sprint(q.Definition) != fmt.Sprint(definition) {
			t.Errorf("%s: policy %q, operator's %q: %v", name, q.Policy, q.OperatorPolicy, q.Definition)
		}
	}
	wantQueue("c", "a", "op", map[string]any{"max-length": 2, "message-ttl": 9})
	wantQueue("k", "quorum", "op", map[string]any{"delivery-limit": 3, "max-length": 2, "message-ttl": 9})
	declare("log", "stream")
	m.policy("stream", "^log$", "streams", 0, map[string]any{"max-age": "7D", "max-length-bytes": int64(1000)})
	// The operator's limits make no sense for streams.
	wantQueue("log", "stream", "", map[string]any{"max-age": "7D", "max-length-bytes": 1000})
	declare("later", "classic")
	wantQueue("later", "a", "op", map[string]any{"max-length": 2, "message-ttl": 9})
	// "unfit" applies to the exchange: only queues have a type to be unfit for.
	if x, _ := m.broker.Exchange("/", "x"); x.Policy != "a" || x.OperatorPolicy != "" {
		t.Errorf("exchange: policy %q, operator's %q", x.Policy, x.OperatorPolicy)
	}
}

func TestPolicyAlternateExchange(t *testing.T) {
	m := manage(t)
	ch := m.channel()
	check(t, ch.Confirm(false))
	check(t, ch.ExchangeDeclare("x", "direct", false, false, false, false, nil))
	queue(t, ch, "lost", nil)
	check(t, ch.QueueBind("lost", "", "amq.fanout", false, nil))
	publish := func() {
		c, err := ch.PublishWithDeferredConfirmWithContext(context.Background(), "x", "nowhere", false, false, text("m"))
		check(t, err)
		c.Wait()
	}
	publish()
	wantReady(t, ch, "lost", 0)
	m.policy("p", "^x$", "exchanges", 0, map[string]any{"alternate-exchange": "amq.fanout"})
	publish()
	wantReady(t, ch, "lost", 1)
	m.noPolicy("p")
	publish()
	wantReady(t, ch, "lost", 1)
}

func TestQuorumDeliveryLimit(t *testing.T) {
	m := manage(t)
	ch := m.channel()
	check(t, ch.Qos(1, 0, false))
	for _, c := range []struct {
		name  string
		args  amqp.Table
		times int
	}{
		{"default", amqp.Table{"x-queue-type": "quorum"}, 21},
		{"declared", amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": 2}, 3},
		{"none", amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": 0}, 1},
		{"by-policy", amqp.Table{"x-queue-type": "quorum"}, 5},
		{"unlimited", amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": -1}, 40},
	} {
		must(ch.QueueDeclare(c.name, true, false, false, false, c.args))(t)
		if c.name == "by-policy" {
			m.policy("p", "^by-policy$", "quorum_queues", 0, map[string]any{"delivery-limit": int64(4)})
		}
		put(t, ch, "", c.name, text("m"))
		deliveries := consume(t, ch, c.name, false)
		for range c.times {
			check(t, next(t, deliveries).Nack(false, true))
		}
		want := 0
		if c.name == "unlimited" {
			check(t, next(t, deliveries).Ack(false))
		}
		eventuallyReady(t, ch, c.name, want)
		select {
		case d, ok := <-deliveries:
			if ok {
				t.Errorf("%s: delivered again, %v", c.name, d.Headers)
			}
		default:
		}
	}
}
