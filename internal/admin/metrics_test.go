package admin_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"weir/internal/broker"
)

var metricHead = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)

// Every metric stands in the page on operations, once, and is named after what
// it is.
func TestMetricsAreDocumented(t *testing.T) {
	n := start(t)
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"", "?prefix=rabbitmq"} {
		seen := map[string]bool{}
		for _, m := range metricHead.FindAllStringSubmatch(n.as("", "GET", "/metrics"+query, "").body, -1) {
			name, kind := m[1], m[2]
			if seen[name] {
				t.Errorf("%s twice", name)
			}
			seen[name] = true
			if (kind == "counter") != strings.HasSuffix(name, "_total") {
				t.Errorf("%s is a %s", name, kind)
			}
			if query == "" && !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("%s is not in docs/operations.md", name)
			}
		}
		if len(seen) < 20 {
			t.Errorf("%d metrics", len(seen))
		}
	}
}

func TestMetricsPerObject(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/a%22b%5C", `{}`)
	n.call(200, "POST", "/api/exchanges/%2F//publish", `{"routing_key":"a\"b\\","payload":"p"}`)
	for prefix, query := range map[string]string{"weir": "", "rabbitmq": "?prefix=rabbitmq"} {
		r := n.as("", "GET", "/metrics/per-object"+query, "")
		if line := prefix + `_queue_messages_ready{vhost="/",queue="a\"b\\"} 1` + "\n"; !strings.Contains(r.body, line) {
			t.Errorf("no %s in %s", line, r.body)
		}
	}
}

func TestMetricsUnderRabbitMQsNamesAreTrue(t *testing.T) {
	n := start(t)
	c, ch := n.busy()
	m, _, err := ch.Get("q", true)
	if err != nil || m.Body != nil { // the queue is empty: a consumer holds all of it
		t.Fatal(err, m.Body)
	}
	scrape := func(path string, lines ...string) {
		t.Helper()
		body := n.as("", "GET", path, "").body
		for _, line := range lines {
			if !strings.Contains(body, "\n"+line+"\n") {
				t.Errorf("%s: no %q", path, line)
			}
		}
		if t.Failed() {
			t.Log(body)
		}
	}
	global := []string{
		`rabbitmq_global_messages_received_total{protocol="amqp091"} 6`,
		`rabbitmq_global_messages_received_confirm_total{protocol="amqp091"} 6`,
		`rabbitmq_global_messages_routed_total{protocol="amqp091"} 5`,
		`rabbitmq_global_messages_confirmed_total{protocol="amqp091"} 6`,
		`rabbitmq_global_messages_unroutable_dropped_total{protocol="amqp091"} 1`,
		`rabbitmq_global_messages_delivered_total{protocol="amqp091",queue_type="weir_queue"} 5`,
		`rabbitmq_global_messages_acknowledged_total{protocol="amqp091",queue_type="weir_queue"} 1`,
		`rabbitmq_global_messages_get_empty_total{protocol="amqp091",queue_type="weir_queue"} 1`,
		`rabbitmq_channel_messages_published_total 6`,
		`rabbitmq_connections_opened_total 1`,
		`rabbitmq_channels_opened_total 2`,
		`rabbitmq_queues_created_total 1`,
	}
	scrape("/metrics?prefix=rabbitmq", append(global,
		`rabbitmq_connections 1`, `rabbitmq_channels 2`, `rabbitmq_consumers 1`, `rabbitmq_queues 1`, `rabbitmq_connections_closed_total 0`,
		`rabbitmq_queue_messages_ready 0`, `rabbitmq_queue_messages_unacked 4`, `rabbitmq_channel_messages_unacked 4`,
		`rabbitmq_global_publishers{protocol="amqp091"} 1`, `rabbitmq_global_consumers{protocol="amqp091"} 1`,
	)...)
	name := fmt.Sprint(n.call(200, "GET", "/api/connections", "").items(t)[0]["name"])
	scrape("/metrics/per-object?prefix=rabbitmq",
		`rabbitmq_queue_messages_unacked{vhost="/",queue="q"} 4`, `rabbitmq_queue_consumers{vhost="/",queue="q"} 1`,
		`rabbitmq_channel_messages_unacked{channel="`+name+` (1)",vhost="/"} 4`,
		`rabbitmq_channel_messages_published_total{channel="`+name+` (1)",vhost="/"} 6`,
		`rabbitmq_connection_channels{connection="`+name+`",vhost="/"} 2`)
	scrape("/metrics/detailed?family=queue_coarse_metrics&family=vhost_status&family=exchange_bindings&family=node_memory&vhost=%2F",
		`rabbitmq_detailed_queue_messages_unacked{vhost="/",queue="q"} 4`, `rabbitmq_cluster_vhost_status{vhost="/"} 1`,
		`rabbitmq_cluster_exchange_bindings{vhost="/",exchange="amq.topic",type="topic"} 0`)
	for path, absent := range map[string]string{
		"/metrics/detailed?family=queue_coarse_metrics&vhost=other": "queue_messages",
		"/metrics/detailed?family=queue_consumer_count":             "queue_messages",
		"/metrics/detailed": "queue",
		"/metrics/detailed?family=channel_metrics&vhost=other&vhost=": "channel=",
	} {
		if body := n.as("", "GET", path, "").body; strings.Contains(body, absent+"{") || strings.Contains(body, "_ready{") {
			t.Errorf("%s: %s", path, body)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	scrape("/metrics?prefix=rabbitmq", append(global, `rabbitmq_connections 0`, `rabbitmq_channels 0`,
		`rabbitmq_connections_closed_total 1`, `rabbitmq_channels_closed_total 2`, `rabbitmq_channel_messages_unacked 0`)...)
}

func TestDeadLettersAreCountedByReason(t *testing.T) {
	n, _ := yard(t)
	body := n.as("", "GET", "/metrics?prefix=rabbitmq", "").body
	labels := `{queue_type="weir_queue",dead_letter_strategy="at_least_once"} `
	for name, count := range map[string]string{"rejected": "6", "confirmed": "6", "expired": "0", "maxlen": "0"} {
		if line := "rabbitmq_global_messages_dead_lettered_" + name + "_total" + labels + count + "\n"; !strings.Contains(body, line) {
			t.Errorf("no %s", line)
		}
	}
}

// The answer is never in memory as a whole: what a scrape allocates is a small part
// of it, whatever the number of objects.
func TestMetricsPerObjectAreStreamed(t *testing.T) {
	n := start(t)
	const queues = 4000
	s, err := n.broker.Open(broker.Principal{User: "guest"}, broker.SessionOptions{Namespace: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range queues {
		if _, _, err := s.DeclareQueue(broker.QueueSpec{Name: fmt.Sprintf("queue-%06d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	scrape := func() (body, allocated uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answer, err := http.Get("http://" + n.http.Addr().String() + "/metrics/per-object?prefix=rabbitmq")
		if err != nil {
			t.Fatal(err)
		}
		size, err := io.Copy(io.Discard, answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return uint64(size), after.TotalAlloc - before.TotalAlloc
	}
	scrape()
	body, allocated := scrape()
	if body < queues*400 {
		t.Fatalf("%d bytes of metrics", body)
	}
	if allocated > body/3 {
		t.Errorf("%d bytes of metrics, %d allocated", body, allocated)
	}
	t.Logf("%d queues: %d bytes of metrics, %d allocated", queues, body, allocated)
}

// Samples of one name stand together under one head, as the format wants it.
func TestMetricsPerObjectAreWellFormed(t *testing.T) {
	n := start(t)
	n.busy()
	all := "/metrics/detailed?vhost=%2F"
	for _, family := range strings.Fields("queue_coarse_metrics queue_consumer_count queue_metrics queue_delivery_metrics channel_metrics " +
		"channel_exchange_metrics channel_queue_metrics channel_queue_exchange_metrics connection_coarse_metrics connection_metrics " +
		"connection_churn_metrics vhost_status exchange_names exchange_bindings") {
		all += "&family=" + family
	}
	for _, path := range []string{"/metrics", "/metrics?prefix=rabbitmq", "/metrics/per-object", "/metrics/per-object?prefix=rabbitmq", all} {
		seen, name, samples := map[string]bool{}, "", 0
		for line := range strings.Lines(n.as("", "GET", path, "").body) {
			fields := strings.Fields(line)
			switch {
			case strings.HasPrefix(line, "# TYPE"):
				if name = fields[2]; seen[name] {
					t.Errorf("%s: %s twice", path, name)
				}
				seen[name] = true
			case strings.HasPrefix(line, "# HELP"):
			case !strings.HasPrefix(line, name):
				t.Errorf("%s: a sample %q of %s", path, line, name)
			default:
				samples++
			}
		}
		if len(seen) < 15 || samples < len(seen) {
			t.Errorf("%s: %d metrics, %d samples", path, len(seen), samples)
		}
	}
}
