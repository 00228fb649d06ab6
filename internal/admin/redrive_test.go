package admin_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// yard is a broker with queue "work" on exchange "orders", a copy of it in "audit",
// and messages m0 … m5 of keys order.0 … order.5 that were rejected into "dead".
func yard(t *testing.T) (*node, *amqp.Channel) {
	t.Helper()
	n := start(t)
	ch := must[*amqp.Channel](t)(n.dial().Channel())
	n.call(201, "PUT", "/api/exchanges/%2F/orders", `{"type":"topic"}`)
	for queue, arguments := range map[string]string{
		"dead": `{}`, "audit": `{}`, "work": `{"x-dead-letter-exchange":"","x-dead-letter-routing-key":"dead"}`,
	} {
		n.call(201, "PUT", "/api/queues/%2F/"+queue, `{"arguments":`+arguments+`}`)
	}
	n.call(201, "POST", "/api/bindings/%2F/e/orders/q/work", `{"routing_key":"order.#"}`)
	n.call(201, "POST", "/api/bindings/%2F/e/orders/q/audit", `{"routing_key":"#"}`)
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		d := must[*amqp.DeferredConfirmation](t)(ch.PublishWithDeferredConfirm("orders", fmt.Sprintf("order.%d", i), false, false, amqp.Publishing{
			Body: fmt.Appendf(nil, "m%d", i), Headers: amqp.Table{"odd": i%2 == 1}, MessageId: fmt.Sprint("id", i),
		}))
		d.Wait()
		m, ok, err := ch.Get("work", false)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if err := m.Nack(false, false); err != nil {
			t.Fatal(err)
		}
		n.until("dead", i+1)
	}
	return n, ch
}

// until waits until a queue has so many ready messages.
func (n *node) until(queue string, ready int) {
	n.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for n.ready(queue) != ready {
		if time.Now().After(deadline) {
			n.t.Fatalf("%s has %d ready messages, want %d", queue, n.ready(queue), ready)
		}
	}
}

func (n *node) ready(queue string) int {
	n.t.Helper()
	return int(n.call(200, "GET", "/api/queues/%2F/"+queue, "").object(n.t)["messages_ready"].(float64))
}

// redrive calls and returns all lines and the last of them.
func (n *node) redrive(queue, body string) ([]map[string]any, map[string]any) {
	n.t.Helper()
	var lines []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(n.call(200, "POST", "/api/weir/queues/%2F/"+queue+"/redrive", body).body), "\n") {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			n.t.Fatal(err, line)
		}
		lines = append(lines, o)
	}
	return lines, lines[len(lines)-1]
}

// payloads peeks at a queue.
func (n *node) payloads(queue string) string {
	n.t.Helper()
	var all []string
	for _, m := range n.call(200, "GET", "/api/weir/queues/%2F/"+queue+"/messages?count=100", "").items(n.t) {
		all = append(all, fmt.Sprint(m["payload"]))
	}
	return strings.Join(all, " ")
}

func TestRedriveBringsMessagesBackToTheQueueTheyDiedIn(t *testing.T) {
	n, ch := yard(t)
	_, end := n.redrive("dead", `{}`)
	want(t, end, "looked", "6", "moved", "6", "unroutable", "0", "taken", "0", "unknown_origin", "0", "done", "true")
	if got := n.payloads("work"); got != "m0 m1 m2 m3 m4 m5" {
		t.Errorf("back home: %s", got)
	}
	if got := n.payloads("audit"); got != "m0 m1 m2 m3 m4 m5" {
		t.Errorf("queues that had their copy got it again: %s", got)
	}
	n.until("dead", 0)
	m, ok, err := ch.Get("work", false)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if m.Exchange != "orders" || m.RoutingKey != "order.0" || m.MessageId != "id0" || m.Redelivered {
		t.Errorf("%s %s %s %v", m.Exchange, m.RoutingKey, m.MessageId, m.Redelivered)
	}
	if err := m.Nack(false, false); err != nil { // dies once more
		t.Fatal(err)
	}
	n.until("dead", 1)
	items := n.call(200, "GET", "/api/weir/queues/%2F/dead/messages", "").items(t)
	deaths := items[0]["properties"].(map[string]any)["headers"].(map[string]any)["x-death"].([]any)
	want(t, deaths[0].(map[string]any), "count", "2", "queue", "work", "exchange", "orders", "routing-keys", "[order.0]")
}

func TestRedriveThroughTheExchange(t *testing.T) {
	n, _ := yard(t)
	_, end := n.redrive("dead", `{"through_exchange":true}`)
	want(t, end, "moved", "6")
	if got := n.payloads("work") + "|" + n.payloads("audit"); got != "m0 m1 m2 m3 m4 m5|m0 m1 m2 m3 m4 m5 m0 m1 m2 m3 m4 m5" {
		t.Error(got)
	}
}

func TestRedriveMovesWhatTheFilterSaysAndLeavesTheRest(t *testing.T) {
	for _, row := range []struct{ body, moved, left string }{
		{`{"filter":{"headers":{"odd":"true"}}}`, "m1 m3 m5", "m0 m2 m4"},
		{`{"filter":{"routing_key":"*.3"}}`, "m3", "m0 m1 m2 m4 m5"},
		{`{"filter":{"reason":"rejected","queue":"work"},"limit":2}`, "m0 m1", "m2 m3 m4 m5"},
		{`{"filter":{"reason":"expired"}}`, "", "m0 m1 m2 m3 m4 m5"},
		{`{"filter":{"queue":"other"}}`, "", "m0 m1 m2 m3 m4 m5"},
		{`{"filter":{"older_ms":3600000}}`, "", "m0 m1 m2 m3 m4 m5"},
		{`{"filter":{"younger_ms":3600000,"headers":{"odd":"false"}},"limit":1}`, "m0", "m1 m2 m3 m4 m5"},
		{`{"dry_run":true}`, "", "m0 m1 m2 m3 m4 m5"},
	} {
		n, ch := yard(t)
		n.redrive("dead", row.body)
		if moved, left := n.payloads("work"), n.payloads("dead"); moved != row.moved || left != row.left {
			t.Errorf("%s moved %q, left %q", row.body, moved, left)
		}
		for {
			m, ok, err := ch.Get("dead", true)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if m.Redelivered || m.Headers["x-delivery-count"] != nil {
				t.Errorf("%s: %s was touched", row.body, m.Body)
			}
		}
	}
}

func TestRedriveDryRunTellsWhatWouldMove(t *testing.T) {
	n, _ := yard(t)
	lines, end := n.redrive("dead", `{"dry_run":true,"filter":{"headers":{"odd":"true"}}}`)
	want(t, end, "looked", "6", "moved", "3", "dry_run", "true", "done", "true")
	if len(lines) != 4 {
		t.Fatalf("lines %v", lines)
	}
	want(t, lines[0], "offset", "1", "fate", "moved", "exchange", "", "routing_key", "work", "message_id", "id1", "reason", "rejected")
}

func TestRedriveElsewhere(t *testing.T) {
	n, ch := yard(t)
	n.call(201, "PUT", "/api/queues/%2F/other", `{}`)
	_, end := n.redrive("dead", `{"to":{"queue":"other"},"limit":2}`)
	want(t, end, "moved", "2")
	_, end = n.redrive("dead", `{"to":{"exchange":"orders","routing_key":"later"},"limit":1}`)
	want(t, end, "moved", "1")
	if got := n.payloads("other") + "|" + n.payloads("audit"); got != "m0 m1|m0 m1 m2 m3 m4 m5 m2" {
		t.Error(got)
	}
	m, _, err := ch.Get("other", true)
	if err != nil || m.Exchange != "orders" || m.RoutingKey != "order.0" {
		t.Errorf("%v %s %s", err, m.Exchange, m.RoutingKey)
	}
	lines, end := n.redrive("dead", `{"to":{"queue":"nowhere"}}`)
	want(t, end, "moved", "0", "unroutable", "3")
	want(t, lines[0], "fate", "unroutable")
	_, end = n.redrive("other", `{}`) // what is there did not die there, but its death is known
	want(t, end, "moved", "1")
	n.call(200, "POST", "/api/exchanges/%2F//publish", `{"routing_key":"other","payload":"x","properties":{"headers":{
		"x-first-death-queue":"audit","x-first-death-exchange":"","x-first-death-reason":"rejected",
		"x-death":[{"queue":"audit","reason":"rejected","routing-keys":["k"]}]}}}`)
	_, end = n.redrive("other", `{}`)
	want(t, end, "moved", "0", "unknown_origin", "1") // nobody is sent where a client's header says
}

func TestRedriveStopsWhereThereIsNoRoom(t *testing.T) {
	n, _ := yard(t)
	n.call(201, "PUT", "/api/queues/%2F/small", `{"arguments":{"x-max-length":4,"x-overflow":"reject-publish"}}`)
	_, end := n.redrive("dead", `{"to":{"queue":"small"}}`)
	want(t, end, "moved", "4", "done", "false", "error", `queue is full (queue "small")`)
	if got := n.payloads("small") + "|" + n.payloads("dead"); got != "m0 m1 m2 m3|m4 m5" {
		t.Error(got)
	}
}

func TestRedriveKeepsToTheRate(t *testing.T) {
	n, _ := yard(t)
	began := time.Now()
	_, end := n.redrive("dead", `{"rate":20}`)
	want(t, end, "moved", "6")
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("6 messages at 20 a second took %v", took)
	}
}

func TestRedriveRefuses(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	for _, body := range []string{
		`{"rate":-1}`, `{"to":{"queue":"a","exchange":"b"}}`, `{"to":{"routing_key":"b"}}`, `{"filter":{"older_ms":-1}}`, `{"what":1}`, `[`,
		`{"to":{"exchange":"x"},"through_exchange":true}`, `{"to":{"queue":"` + strings.Repeat("x", 256) + `"}}`,
	} {
		n.call(400, "POST", "/api/weir/queues/%2F/q/redrive", body)
	}
	n.call(404, "POST", "/api/weir/queues/%2F/none/redrive", `{}`)
	n.call(404, "GET", "/api/weir/queues/%2F/none/messages", "")
	n.call(405, "GET", "/api/weir/queues/%2F/q/redrive", "")
	n.call(201, "PUT", "/api/users/weak", `{"password":"p","tags":"management"}`)
	n.call(201, "PUT", "/api/permissions/%2F/weak", `{"configure":"","write":"","read":""}`)
	for _, row := range [][3]string{{"POST", "redrive", `{}`}, {"GET", "messages", ""}, {"POST", "rewind", `{"to":"first"}`}} {
		if r := n.as("weak:p", row[0], "/api/weir/queues/%2F/q/"+row[1], row[2]); r.status != 401 {
			t.Errorf("%s: %d %s", row[1], r.status, r.body)
		}
	}
}

func TestPeekShowsEveryMessageAndChangesNothing(t *testing.T) {
	n, ch := yard(t)
	m, _, err := ch.Get("dead", false)
	if err != nil {
		t.Fatal(err)
	}
	items := n.call(200, "GET", "/api/weir/queues/%2F/dead/messages?truncate=1", "").items(t)
	if len(items) != 6 {
		t.Fatalf("items %v", items)
	}
	want(t, items[0], "offset", "0", "state", "unacked", "payload", "m", "payload_bytes", "2", "delivery_count", "0", "exchange", "", "routing_key", "dead")
	want(t, items[1], "offset", "1", "state", "ready", "redelivered", "false")
	if err := m.Nack(false, true); err != nil {
		t.Fatal(err)
	}
	n.until("dead", 6)
	offsets := func(query string) string {
		var all []string
		for _, m := range n.call(200, "GET", "/api/weir/queues/%2F/dead/messages?"+query, "").items(t) {
			all = append(all, fmt.Sprint(m["offset"]))
		}
		return strings.Join(all, " ")
	}
	stored := int64(items[3]["stored_at"].(float64))
	for query, expected := range map[string]string{
		"count=2": "0 1", "from=4": "4 5", "from=last&count=2": "4 5", "from=99": "", "from=first&count=1": "0",
		"from=" + time.UnixMilli(stored+3_600_000).UTC().Format(time.RFC3339): "",
		"from=2001-01-01T00:00:00Z&count=1":                                   "0",
	} {
		if got := offsets(query); got != expected {
			t.Errorf("%s: %q, want %q", query, got, expected)
		}
	}
	for _, bad := range []string{"from=x", "from=-1", "count=0", "count=1001", "truncate=-1", "encoding=x"} {
		n.call(400, "GET", "/api/weir/queues/%2F/dead/messages?"+bad, "")
	}
	for range 3 {
		n.call(200, "GET", "/api/weir/queues/%2F/dead/messages", "")
	}
	next, _, err := ch.Get("dead", true)
	if err != nil || string(next.Body) != "m0" || !next.Redelivered {
		t.Errorf("%v %s %v", err, next.Body, next.Redelivered)
	}
	next, _, err = ch.Get("dead", true)
	if err != nil || string(next.Body) != "m1" || next.Redelivered {
		t.Errorf("peeking counted as a delivery: %v %s %v", err, next.Body, next.Redelivered)
	}
}

// To move a message takes the right to read the queue and to write to the exchange
// it goes through, which is the default one on its way to a queue.
func TestRedriveWantsBothRights(t *testing.T) {
	n, _ := yard(t)
	n.call(201, "PUT", "/api/users/reader", `{"password":"p","tags":"management"}`)
	n.call(201, "PUT", "/api/permissions/%2F/reader", `{"configure":"","write":"^orders$","read":".*"}`)
	redrive := func(body string) map[string]any {
		t.Helper()
		r := n.as("reader:p", "POST", "/api/weir/queues/%2F/dead/redrive", body)
		var end map[string]any
		lines := strings.Split(strings.TrimSpace(r.body), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil {
			t.Fatal(err, r.body)
		}
		return end
	}
	end := redrive(`{}`)
	want(t, end, "moved", "0", "done", "false")
	if !strings.HasPrefix(fmt.Sprint(end["error"]), "ACCESS_REFUSED") {
		t.Errorf("end %v", end)
	}
	if got := n.payloads("dead"); got != "m0 m1 m2 m3 m4 m5" || n.ready("dead") != 6 {
		t.Errorf("left %s", got)
	}
	want(t, redrive(`{"through_exchange":true,"limit":2}`), "moved", "2", "done", "true")
}

func TestPeekAndRedriveOfAStream(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/s", `{"type":"stream"}`)
	n.call(200, "POST", "/api/exchanges/%2F//publish", `{"routing_key":"s","payload":"m"}`)
	items := n.call(200, "GET", "/api/weir/queues/%2F/s/messages", "").items(t)
	want(t, items[0], "payload", "m", "state", "stored", "offset", "0")
	_, end := n.redrive("s", `{"to":{"queue":"s"}}`)
	want(t, end, "moved", "0", "done", "false", "error", `a stream is read by offset (queue "s")`)
}

func TestRewind(t *testing.T) {
	n := start(t)
	ch := must[*amqp.Channel](t)(n.dial().Channel())
	n.call(201, "PUT", "/api/queues/%2F/kept", `{"arguments":{"x-retain-ms":3600000}}`)
	n.call(201, "PUT", "/api/queues/%2F/plain", `{}`)
	for i := range 4 {
		n.call(200, "POST", "/api/exchanges/%2F//publish", fmt.Sprintf(`{"routing_key":"kept","payload":"m%d"}`, i))
		if _, _, err := ch.Get("kept", true); err != nil {
			t.Fatal(err)
		}
	}
	n.until("kept", 0)
	if items := n.call(200, "GET", "/api/weir/queues/%2F/kept/messages", "").items(t); len(items) != 4 || items[0]["state"] != "settled" {
		t.Errorf("kept: %v", items)
	}
	n.call(204, "POST", "/api/weir/queues/%2F/kept/rewind", `{"to":"2"}`)
	n.until("kept", 2)
	n.call(204, "POST", "/api/weir/queues/%2F/kept/rewind", `{"to":"first"}`)
	n.until("kept", 4)
	n.call(204, "POST", "/api/weir/queues/%2F/kept/rewind", `{"to":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`)
	n.until("kept", 4)
	r := n.call(400, "POST", "/api/weir/queues/%2F/plain/rewind", `{"to":"first"}`).object(t)
	if !strings.Contains(fmt.Sprint(r["reason"]), "retains nothing") || r["code"] != "conflict" {
		t.Errorf("answer %v", r)
	}
	n.call(400, "POST", "/api/weir/queues/%2F/kept/rewind", `{}`)
	n.call(400, "POST", "/api/weir/queues/%2F/kept/rewind", `{"to":"yesterday"}`)
	n.call(404, "POST", "/api/weir/queues/%2F/none/rewind", `{"to":"first"}`)
}

func TestRedriveWhileConsumersAreFaster(t *testing.T) {
	n, ch := yard(t)
	in := must[<-chan amqp.Delivery](t)(ch.Consume("dead", "", true, false, false, false, nil))
	_, end := n.redrive("dead", `{"to":{"queue":"audit"}}`)
	var got []string
	for range 6 - int(end["moved"].(float64)) {
		got = append(got, string((<-in).Body))
	}
	slices.Sort(got)
	if len(slices.Compact(got)) != len(got) {
		t.Errorf("twice: %v", got)
	}
}
