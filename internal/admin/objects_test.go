package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestQueueLife(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/q", `{"durable":"true","auto_delete":false,"arguments":{"x-max-length":5,"own":[1,{"a":"b"}]}}`)
	n.call(204, "PUT", "/api/queues/%2F/q", `{"arguments":{"x-max-length":5}}`)
	r := n.call(400, "PUT", "/api/queues/%2F/q", `{"arguments":{"x-max-length":6}}`)
	want(t, r.object(t), "error", "bad_request", "code", "conflict")
	q := n.call(200, "GET", "/api/queues/%2F/q", "").object(t)
	want(t, q, "name", "q", "vhost", "/", "type", "classic", "durable", "true", "messages", "0", "state", "running")
	for range 7 {
		r := n.call(200, "POST", "/api/exchanges/%2F/amq.default/publish", `{"routing_key":"q","payload":"aGk=","payload_encoding":"base64","properties":{}}`)
		want(t, r.object(t), "routed", "true")
	}
	want(t, n.call(200, "GET", "/api/queues/%2F/q", "").object(t), "messages", "5", "messages_ready", "5", "message_bytes", "10")
	n.call(204, "DELETE", "/api/queues/%2F/q/contents", "")
	want(t, n.call(200, "GET", "/api/queues/%2F/q", "").object(t), "messages", "0")
	n.call(204, "DELETE", "/api/queues/%2F/q?if-empty=true&if-unused=true", "")
	n.call(404, "GET", "/api/queues/%2F/q", "")
	n.call(404, "DELETE", "/api/queues/%2F/q", "")
}

func TestQueueArgumentsAreEnforcedOrRefused(t *testing.T) {
	n := start(t)
	for _, arguments := range []string{
		`{"x-max-length":-1}`, `{"x-max-length":"5"}`, `{"x-message-ttl":1.5}`, `{"x-overflow":"drop"}`, `{"x-expires":0}`,
		`{"x-queue-type":"odd"}`, `{"x-max-age":"1D"}`, `{"x-dead-letter-routing-key":"k"}`, `{"x-delivery-limit":3}`,
		`{"x-max-priority":256}`, `{"x-queue-type":"quorum","x-max-priority":5}`, `{"x-rate-limit":0}`,
		`{"x-queue-type":"quorum","x-delayed-retry-type":"failed"}`, `{"x-queue-type":"quorum","x-member-placement-tag":"a"}`,
	} {
		r := n.call(400, "PUT", "/api/queues/%2F/q", `{"arguments":`+arguments+`}`)
		want(t, r.object(t), "error", "bad_request")
	}
	n.call(400, "PUT", "/api/queues/%2F/q", `{"exclusive":true}`)
	n.call(400, "PUT", "/api/queues/%2F/q", `{"durable":false,"type":"quorum"}`)
	n.call(400, "PUT", "/api/queues/%2F/q", `{"name":"other"}`)
	n.call(400, "PUT", "/api/queues/%2F/amq.q", `{}`)
	n.call(404, "GET", "/api/queues/%2F/q", "")
}

// What is refused here is refused in RabbitMQ's words, and what it takes is taken.
func TestArgumentsAreThoseOfAMQP(t *testing.T) {
	n := start(t)
	for path, body := range map[string]string{
		"/api/queues/%2F/q1":    `{"type":"quorum","arguments":{"x-delayed-retry-type":"all","x-delayed-retry-min":5,"x-max-in-memory-length":3}}`,
		"/api/queues/%2F/q2":    `{"arguments":{"x-queue-type":"undefined","x-queue-version":2,"x-max-length":5}}`,
		"/api/exchanges/%2F/e1": `{"type":"x-consistent-hash","arguments":{"hash-header":"customer"}}`,
		"/api/exchanges/%2F/e2": `{"type":"x-delayed-message","arguments":{"x-delayed-type":"topic"}}`,
	} {
		n.call(201, "PUT", path, body)
		n.call(204, "PUT", path, body)
	}
	want(t, n.call(200, "GET", "/api/queues/%2F/q2", "").object(t), "type", "classic")
	for _, row := range [][3]string{
		{
			"/api/queues/%2F/q", `{"arguments":{"x-max-length":-1}}`,
			"invalid arg 'x-max-length' for queue 'q' in vhost '/': {value_negative,-1}",
		},
		{
			"/api/queues/%2F/q", `{"type":"odd"}`,
			"invalid arg 'x-queue-type' for queue 'q' in vhost '/': \"unsupported queue type 'odd'\"",
		},
		{"/api/queues/%2F/q2", `{"arguments":{"x-max-length":6,"x-queue-version":2}}`, "inequivalent arg " +
			"'x-max-length' for queue 'q2' in vhost '/': received '6' but current is '5'"},
		{"/api/exchanges/%2F/e", `{"type":"odd"}`, "unknown exchange type 'odd'"},
		{
			"/api/exchanges/%2F/e", `{"type":"x-delayed-message"}`,
			"Invalid argument, 'x-delayed-type' must be an existing exchange type",
		},
		{
			"/api/exchanges/%2F/e1", `{"type":"x-consistent-hash","arguments":{"hash-property":"priority"}}`,
			"Unsupported property: priority",
		},
	} {
		want(t, n.call(400, "PUT", row[0], row[1]).object(t), "reason", row[2])
	}
}

func TestCarbonCopies(t *testing.T) {
	n := start(t)
	for _, q := range []string{"to", "cc", "bcc"} {
		n.call(201, "PUT", "/api/queues/%2F/"+q, `{}`)
	}
	n.call(200, "POST", "/api/exchanges/%2F//publish",
		`{"routing_key":"to","payload":"p","properties":{"headers":{"CC":["cc"],"BCC":["bcc"],"a":1}}}`)
	for _, q := range []string{"to", "cc", "bcc"} {
		items := n.call(200, "POST", "/api/queues/%2F/"+q+"/get", `{"ackmode":"ack_requeue_false"}`).items(t)
		if len(items) != 1 {
			t.Fatalf("%s has %d messages", q, len(items))
		}
		want(t, items[0], "properties", "map[headers:map[CC:[cc] a:1]]")
	}
}

// A queue made here is the same queue to an AMQP client that declares it alike.
func TestQueueIsTheSameForAMQP(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/q", `{"arguments":{"x-max-length":5,"x-dead-letter-exchange":"amq.fanout"}}`)
	c, err := amqp.Dial("amqp://guest:guest@" + n.amqp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ch, err := c.Channel()
	if err != nil {
		t.Fatal(err)
	}
	arguments := amqp.Table{"x-max-length": int32(5), "x-dead-letter-exchange": "amq.fanout"}
	if _, err := ch.QueueDeclare("q", true, false, false, false, arguments); err != nil {
		t.Fatal(err)
	}
	n.call(200, "POST", "/api/exchanges/%2F//publish", `{"routing_key":"q","payload":"héllo",
		"properties":{"headers":{"a":1,"b":[true,"x"],"c":{"d":1.5}},"delivery_mode":2,"content_type":"text/plain","timestamp":7,"priority":"3"}}`)
	m, ok, err := ch.Get("q", true)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got := fmt.Sprintf("%s %v %d %s %d %d", m.Body, m.Headers, m.DeliveryMode, m.ContentType, m.Timestamp.Unix(), m.Priority); got != "héllo map[a:1 b:[true x] c:map[d:1.5]] 2 text/plain 7 3" {
		t.Errorf("got %s", got)
	}
	err = ch.PublishWithContext(t.Context(), "", "q", false, false, amqp.Publishing{Body: []byte{0xff, 0}, Headers: amqp.Table{"n": int64(5)}, MessageId: "m1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclarePassive("q", true, false, false, false, nil); err != nil { // behind the publish
		t.Fatal(err)
	}
	items := n.call(200, "POST", "/api/queues/%2F/q/get", `{"count":"5","ackmode":"ack_requeue_false","encoding":"auto"}`).items(t)
	if len(items) != 1 {
		t.Fatalf("items %v", items)
	}
	want(t, items[0], "payload", "/wA=", "payload_encoding", "base64", "payload_bytes", "2", "routing_key", "q", "redelivered", "false",
		"properties", "map[headers:map[n:5] message_id:m1]")
	list := n.call(200, "GET", "/api/connections", "").items(t)
	if len(list) != 1 {
		t.Fatalf("connections %v", list)
	}
	want(t, list[0], "user", "guest", "vhost", "/", "protocol", "AMQP 0-9-1")
	closed := c.NotifyClose(make(chan *amqp.Error, 1))
	n.call(204, "DELETE", "/api/connections/"+strings.ReplaceAll(fmt.Sprint(list[0]["name"]), " ", "%20"), "")
	if reason := <-closed; reason == nil || reason.Code != 320 {
		t.Errorf("closed with %v", reason)
	}
}

func TestGetModes(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/exchanges/%2F/dead", `{"type":"fanout"}`)
	n.call(201, "PUT", "/api/queues/%2F/dead", `{}`)
	n.call(201, "POST", "/api/bindings/%2F/e/dead/q/dead", `{}`)
	n.call(201, "PUT", "/api/queues/%2F/q", `{"arguments":{"x-dead-letter-exchange":"dead"}}`)
	for i := range 3 {
		n.call(200, "POST", "/api/exchanges/%2F//publish", fmt.Sprintf(`{"routing_key":"q","payload":"m%d"}`, i))
	}
	get := func(mode string, count int) string {
		t.Helper()
		var texts []string
		for _, m := range n.call(200, "POST", "/api/queues/%2F/q/get", fmt.Sprintf(`{"count":%d,"ackmode":%q,"truncate":50000}`, count, mode)).items(t) {
			texts = append(texts, fmt.Sprint(m["payload"]))
		}
		return strings.Join(texts, " ")
	}
	for _, step := range []struct {
		mode  string
		count int
		want  string
	}{
		{"ack_requeue_true", 9, "m0 m1 m2"},
		{"reject_requeue_true", 9, "m0 m1 m2"},
		{"ack_requeue_false", 1, "m0"},
		{"reject_requeue_false", 1, "m1"},
		{"ack_requeue_false", 9, "m2"},
		{"ack_requeue_false", 9, ""},
	} {
		if got := get(step.mode, step.count); got != step.want {
			t.Errorf("%s %d: %q, want %q", step.mode, step.count, got, step.want)
		}
	}
	for _, bad := range []string{`{}`, `{"ackmode":"x"}`, `{"ackmode":"ack_requeue_true","count":0}`, `{"ackmode":"ack_requeue_true","truncate":-1}`, `{"ackmode":"ack_requeue_true","encoding":"hex"}`} {
		n.call(400, "POST", "/api/queues/%2F/q/get", bad)
	}
}

func TestExchangesAndBindings(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/exchanges/%2F/x", `{"type":"headers"}`)
	n.call(204, "PUT", "/api/exchanges/%2F/x", `{"type":"headers"}`)
	want(t, n.call(400, "PUT", "/api/exchanges/%2F/x", `{"type":"topic"}`).object(t), "code", "conflict")
	n.call(400, "PUT", "/api/exchanges/%2F/y", `{"type":"nonsense"}`)
	n.call(400, "PUT", "/api/exchanges/%2F/amq.y", `{"type":"topic"}`)
	n.call(201, "PUT", "/api/queues/%2F/q", "")
	r := n.call(201, "POST", "/api/bindings/%2F/e/x/q/q", `{"routing_key":"a/b","arguments":{"x-match":"any","h":1}}`)
	n.call(201, "PUT", "/api/queues/%2F/shown", `{"durable":true,"arguments":null,"node":null,"messages":-1,"policy":null}`)
	n.call(204, "DELETE", "/api/queues/%2F/shown", "")
	n.call(201, "POST", "/api/bindings/%2F/e/x/q/q", `{"routing_key":"","properties_key":null}`)
	n.call(400, "POST", "/api/bindings/%2F/e/x/q/q", `{"arguments":{"x-match":"none"}}`)
	n.call(404, "POST", "/api/bindings/%2F/e/x/q/nope", `{}`)
	n.call(401, "POST", "/api/bindings/%2F/e//q/q", `{}`)
	if items := n.call(200, "GET", "/api/bindings/%2F/e//q/q", "").items(t); len(items) != 1 || items[0]["source"] != "" {
		t.Errorf("default binding: %v", items)
	}
	if items := n.call(200, "GET", "/api/queues/%2F/q/bindings", "").items(t); len(items) != 3 {
		t.Errorf("bindings: %v", items)
	}
	if items := n.call(200, "GET", "/api/exchanges/%2F/x/bindings/source", "").items(t); len(items) != 2 {
		t.Errorf("bindings of x: %v", items)
	}
	key, ok := strings.CutPrefix(r.header.Get("Location"), "q/")
	if !ok {
		t.Errorf("location %q", r.header.Get("Location"))
	}
	n.call(201, "POST", "/api/bindings/%2F/e/x/q/q", `{"routing_key":"short","destination_type":"q"}`)
	n.call(204, "DELETE", "/api/bindings/%2F/e/x/q/q/short", "")
	n.call(400, "POST", "/api/bindings/%2F/e/x/q/q", `{"routing_key":"short","destination_type":"e"}`)
	want(t, n.call(200, "GET", "/api/bindings/%2F/e/x/q/q/"+key, "").object(t), "routing_key", "a/b", "arguments", "map[h:1 x-match:any]")
	n.call(200, "POST", "/api/exchanges/%2F/x/publish", `{"routing_key":"","payload":"p","properties":{"headers":{"h":1}}}`)
	n.call(204, "DELETE", "/api/bindings/%2F/e/x/q/q/"+key, "")
	n.call(204, "DELETE", "/api/bindings/%2F/e/x/q/q/~", "")
	n.call(404, "DELETE", "/api/bindings/%2F/e/x/q/q/~", "")
	want(t, n.call(200, "GET", "/api/queues/%2F/q", "").object(t), "messages", "1")
	n.call(204, "DELETE", "/api/exchanges/%2F/x", "")
	n.call(401, "DELETE", "/api/exchanges/%2F/amq.topic", "")
	n.call(404, "POST", "/api/exchanges/%2F/x/publish", `{"routing_key":"","payload":"p"}`)
}

func TestListQueries(t *testing.T) {
	n := start(t)
	for i := range 25 {
		n.call(201, "PUT", fmt.Sprintf("/api/queues/%%2F/q%02d", i), "")
	}
	n.call(201, "PUT", "/api/queues/%2F/with+and%20blank", "")
	n.call(200, "GET", "/api/queues/%2F/with+and%20blank", "")
	n.call(201, "PUT", "/api/queues/%2F/a%20b", "")
	want(t, n.call(200, "GET", "/api/queues/%2F/a+b", "").object(t), "name", "a b") // as KEDA escapes
	// What KEDA asks for.
	p := n.call(200, "GET", "/api/queues/%2F?page=1&use_regex=true&pagination=false&name=%5Eq&page_size=10", "").object(t)
	want(t, p, "total_count", "27", "filtered_count", "25", "item_count", "10", "page_count", "3", "page_size", "10")
	first := p["items"].([]any)[0].(map[string]any)
	want(t, first, "name", "q00", "messages_ready", "0")
	for _, field := range []string{"publish_details", "deliver_get_details"} {
		if _, ok := first["message_stats"].(map[string]any)[field].(map[string]any)["rate"]; !ok {
			t.Errorf("no rate in %s", field)
		}
	}
	items := n.call(200, "GET", "/api/queues?columns=name,message_stats.publish&sort=name&sort_reverse=true", "").items(t)
	want(t, items[0], "name", "with+and blank", "message_stats", "map[publish:0]")
	if len(items[0]) != 2 {
		t.Errorf("columns: %v", items[0])
	}
	items = n.call(200, "GET", "/api/queues?disable_stats=true&enable_queue_totals=true&name=q00", "").items(t)
	want(t, items[0], "name", "q00", "messages", "0", "message_stats", "<nil>", "consumers", "<nil>")
	items = n.call(200, "GET", "/api/queues?disable_stats=true&name=q00", "").items(t)
	want(t, items[0], "name", "q00", "type", "classic", "messages", "<nil>")
	want(t, n.call(400, "GET", "/api/queues?page=9&page_size=10", "").object(t),
		"error", "page_out_of_range", "reason", "Page out of range, page: 9 page size: 10, len: 27")
	for _, bad := range []string{"page=0", "page=x", "page=9", "page=1&page_size=501", "name=(&use_regex=true"} {
		n.call(400, "GET", "/api/queues?"+bad, "")
	}
}

func TestOverviewHasWhatStrictClientsRead(t *testing.T) {
	n := start(t)
	o := n.call(200, "GET", "/api/overview", "").object(t)
	for _, field := range strings.Fields("cluster_name node erlang_full_version erlang_version rabbitmq_version product_name product_version " +
		"statistics_db_event_queue churn_rates queue_totals object_totals message_stats listeners") {
		if _, ok := o[field]; !ok {
			t.Errorf("no %s", field)
		}
	}
	want(t, n.call(200, "GET", "/api/whoami", "").object(t), "name", "guest", "tags", "[administrator]")
	nodes := n.call(200, "GET", "/api/nodes", "").items(t)
	n.call(200, "GET", "/api/nodes/"+fmt.Sprint(nodes[0]["name"]), "")
	n.call(404, "GET", "/api/nodes/other", "")
	n.call(200, "GET", "/api/consumers", "")
}

func TestChecks(t *testing.T) {
	n := start(t)
	_, port, _ := strings.Cut(n.amqp.Addr().String(), ":")
	for _, path := range []string{"alarms", "local-alarms", "virtual-hosts", "is-in-service", "port-listener/" + port, "protocol-listener/amqp091"} {
		want(t, n.call(200, "GET", "/api/health/checks/"+path, "").object(t), "status", "ok")
	}
	for _, path := range []string{
		"node-is-quorum-critical", "ready-to-serve-clients", "below-node-connection-limit", "metadata-store/initialized",
		"certificate-expiration/3/months", "quorum-queues-without-elected-leaders/all-vhosts/",
		"quorum-queues-without-elected-leaders/vhost/%2F/pattern/.*",
	} {
		want(t, n.call(200, "GET", "/api/health/checks/"+path, "").object(t), "status", "ok")
	}
	n.call(400, "GET", "/api/health/checks/certificate-expiration/3/moons", "")
	n.call(400, "GET", "/api/health/checks/certificate-expiration/x/days", "")
	n.call(404, "GET", "/api/health/checks/nope", "")
	want(t, n.call(503, "GET", "/api/health/checks/port-listener/1", "").object(t),
		"status", "failed", "reason", "No active listener", "missing", "1", "ports", "["+port+"]")
	n.call(400, "GET", "/api/health/checks/port-listener/x", "")
	want(t, n.call(503, "GET", "/api/health/checks/protocol-listener/mqtt,amqp", "").object(t),
		"status", "failed", "missing", "[mqtt]", "protocols", "[amqp]")
	n.call(200, "GET", "/api/version", "")
	n.call(400, "PUT", "/api/cluster-name", `{}`)
	n.call(204, "PUT", "/api/cluster-name", `{"name":"dam"}`)
	want(t, n.call(200, "GET", "/api/cluster-name", "").object(t), "name", "dam")
	want(t, n.call(200, "GET", "/api/overview", "").object(t), "cluster_name", "dam")
	want(t, n.call(200, "GET", "/api/healthchecks/node/", "").object(t), "status", "ok")
	n.call(404, "GET", "/api/healthchecks/node/other", "")
	n.call(204, "PUT", "/api/feature-flags/stream_queue/enable", "")
	n.call(400, "PUT", "/api/feature-flags/nope/enable", "")
	for _, path := range []string{"extensions", "deprecated-features", "deprecated-features/used", "feature-flags"} {
		n.call(200, "GET", "/api/"+path, "").items(t)
	}
	n.call(204, "POST", "/api/rebalance/queues", "")
	n.call(201, "PUT", "/api/queues/%2F/q", "")
	n.call(400, "POST", "/api/queues/%2F/q/actions", `{"action":"sync"}`)
	n.call(404, "POST", "/api/queues/%2F/none/actions", `{"action":"sync"}`)
	want(t, n.call(200, "GET", "/api/aliveness-test/%2F", "").object(t), "status", "ok")
	for _, path := range []string{"/health/live", "/health/ready", "/metrics", "/metrics?prefix=rabbitmq", "/metrics/per-object"} {
		if r := n.as("", "GET", path, ""); r.status != http.StatusOK {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	if r := n.as("", "GET", "/metrics?prefix=x", ""); r.status != http.StatusBadRequest {
		t.Errorf("unknown prefix: %d", r.status)
	}
	if r := n.as("guest:wrong", "GET", "/metrics", ""); r.status != http.StatusUnauthorized {
		t.Errorf("metrics with a wrong login: %d", r.status)
	}
	if r := n.as("", "GET", "/metrics?prefix=rabbitmq", ""); !strings.Contains(r.body, "rabbitmq_identity_info{rabbitmq_node=") || strings.Contains(r.body, "\nweir_") {
		t.Errorf("metrics: %s", r.body)
	}
}
