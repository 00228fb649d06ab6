package admin_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/vfs"
)

// dial connects as guest; the connection ends with the test.
func (n *node) dial() *amqp.Connection {
	n.t.Helper()
	c, err := amqp.DialConfig("amqp://guest:guest@"+n.amqp.Addr().String()+"/", amqp.Config{
		Properties: amqp.Table{"connection_name": "probe"},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := c.Close(); err != nil && !c.IsClosed() {
			n.t.Error(err)
		}
	})
	return c
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// busy makes a connection with two channels: the first confirms, has published six
// messages of which one reached no queue, and holds four of five unsettled.
func (n *node) busy() (*amqp.Connection, *amqp.Channel) {
	n.t.Helper()
	t := n.t
	c := n.dial()
	ch, idle := must[*amqp.Channel](t)(c.Channel()), must[*amqp.Channel](t)(c.Channel())
	must[amqp.Queue](t)(ch.QueueDeclare("q", true, false, false, false, nil))
	for _, err := range []error{ch.Confirm(false), ch.Qos(7, 0, false), idle.Qos(9, 0, true)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		d := must[*amqp.DeferredConfirmation](t)(ch.PublishWithDeferredConfirm("", "q", false, false, amqp.Publishing{Body: []byte("m")}))
		if !d.Wait() {
			t.Fatal("not confirmed")
		}
	}
	d := must[*amqp.DeferredConfirmation](t)(ch.PublishWithDeferredConfirm("", "nowhere", false, false, amqp.Publishing{}))
	d.Wait()
	in := must[<-chan amqp.Delivery](t)(ch.Consume("q", "tag1", false, false, false, false, amqp.Table{"x-priority": 5}))
	for i := range 5 {
		if m := <-in; i == 0 {
			if err := m.Ack(false); err != nil {
				t.Fatal(err)
			}
		}
	}
	must[amqp.Queue](t)(ch.QueueDeclarePassive("q", true, false, false, false, nil)) // everything before it was read
	return c, ch
}

func TestConnectionsAndChannelsAreListedAsRabbitMQDoes(t *testing.T) {
	n := start(t)
	n.busy()
	list := n.call(200, "GET", "/api/connections", "").items(t)
	if len(list) != 1 {
		t.Fatalf("connections %v", list)
	}
	want(t, list[0], "user", "guest", "vhost", "/", "protocol", "AMQP 0-9-1", "auth_mechanism", "PLAIN", "channels", "2",
		"channel_max", "2047", "frame_max", "131072", "timeout", "10", "state", "running", "type", "network", "ssl", "false",
		"ssl_protocol", "<nil>", "user_provided_name", "probe", "host", "127.0.0.1", "peer_host", "127.0.0.1")
	for _, field := range []string{"recv_oct", "send_oct", "connected_at", "port", "peer_port"} {
		if f, ok := list[0][field].(float64); !ok || f <= 0 {
			t.Errorf("%s is %v", field, list[0][field])
		}
	}
	name := fmt.Sprint(list[0]["name"])
	all := n.call(200, "GET", "/api/channels", "").items(t)
	if len(all) != 2 {
		t.Fatalf("channels %v", all)
	}
	want(t, all[0], "name", name+" (1)", "number", "1", "user", "guest", "vhost", "/", "confirm", "true", "transactional", "false",
		"prefetch_count", "7", "global_prefetch_count", "0", "consumer_count", "1", "messages_unacknowledged", "4",
		"messages_unconfirmed", "0", "state", "running")
	want(t, all[0]["message_stats"].(map[string]any), "publish", "6", "confirm", "6", "drop_unroutable", "1", "return_unroutable", "0",
		"deliver", "5", "deliver_no_ack", "0", "deliver_get", "5", "ack", "1", "redeliver", "0")
	want(t, all[0]["connection_details"].(map[string]any), "name", name, "peer_host", "127.0.0.1")
	want(t, all[1], "number", "2", "confirm", "false", "prefetch_count", "0", "global_prefetch_count", "9", "consumer_count", "0")
	for path, items := range map[string]int{
		"/api/connections/" + url.PathEscape(name) + "/channels": 2, "/api/vhosts/%2F/channels": 2, "/api/vhosts/%2F/connections": 1,
		"/api/connections/username/guest": 1, "/api/connections/username/nobody": 0, "/api/channels?name=(2)": 1,
	} {
		if got := n.call(200, "GET", path, "").items(t); len(got) != items {
			t.Errorf("%s: %v", path, got)
		}
	}
	one := n.call(200, "GET", "/api/channels/"+url.PathEscape(name+" (1)"), "").object(t)
	if details := one["consumer_details"].([]any); len(details) != 1 {
		t.Errorf("consumers of the channel: %v", details)
	}
	want(t, n.call(404, "GET", "/api/channels/nope", "").object(t), "error", "Object Not Found", "reason", "Not Found")
	n.call(404, "GET", "/api/connections/nope/channels", "")
	n.call(404, "GET", "/api/vhosts/nope/channels", "")
}

func TestConsumersTellTheirChannelAndPrefetch(t *testing.T) {
	n := start(t)
	n.busy()
	list := n.call(200, "GET", "/api/consumers/%2F", "").items(t)
	if len(list) != 1 {
		t.Fatalf("consumers %v", list)
	}
	want(t, list[0], "consumer_tag", "tag1", "ack_required", "true", "exclusive", "false", "prefetch_count", "7", "active", "true",
		"activity_status", "up", "consumer_timeout", "0", "queue", "map[name:q vhost:/]", "arguments", "map[x-priority:5]")
	want(t, list[0]["channel_details"].(map[string]any), "number", "1", "user", "guest", "peer_host", "127.0.0.1")
	q := n.call(200, "GET", "/api/queues/%2F/q", "").object(t)
	if details := q["consumer_details"].([]any); len(details) != 1 {
		t.Errorf("consumers of the queue: %v", details)
	}
}

func TestSingleActiveConsumersAreToldApart(t *testing.T) {
	n := start(t)
	ch := must[*amqp.Channel](t)(n.dial().Channel())
	must[amqp.Queue](t)(ch.QueueDeclare("q", true, false, false, false, amqp.Table{
		"x-single-active-consumer": true, "x-consumer-timeout": 60_000,
	}))
	for _, tag := range []string{"a", "b"} {
		must[<-chan amqp.Delivery](t)(ch.Consume("q", tag, true, false, false, false, nil))
	}
	list := n.call(200, "GET", "/api/consumers", "").items(t)
	want(t, list[0], "consumer_tag", "a", "consumer_timeout", "60000", "active", "true", "activity_status", "single_active", "ack_required", "false")
	want(t, list[1], "consumer_tag", "b", "active", "false", "activity_status", "waiting")
}

func TestReadersOfStreamsAreListed(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/s", `{"type":"stream"}`)
	for range 5 {
		n.call(200, "POST", "/api/exchanges/%2F//publish", `{"routing_key":"s","payload":"m"}`)
	}
	ch := must[*amqp.Channel](t)(n.dial().Channel())
	if err := ch.Qos(3, 0, false); err != nil {
		t.Fatal(err)
	}
	in := must[<-chan amqp.Delivery](t)(ch.Consume("s", "reader", false, false, false, false, amqp.Table{"x-stream-offset": "first"}))
	for range 3 {
		<-in
	}
	list := n.call(200, "GET", "/api/consumers", "").items(t)
	if len(list) != 1 {
		t.Fatalf("consumers %v", list)
	}
	want(t, list[0], "consumer_tag", "reader", "prefetch_count", "3", "ack_required", "true", "activity_status", "up")
	c := n.call(200, "GET", "/api/channels", "").items(t)[0]
	want(t, c, "messages_unacknowledged", "3", "consumer_count", "1")
	want(t, c["message_stats"].(map[string]any), "deliver", "3")
	want(t, n.call(200, "GET", "/api/queues/%2F/s", "").object(t), "type", "stream", "messages", "5", "consumers", "1")
}

func TestGetsAreCounted(t *testing.T) {
	n := start(t)
	ch := must[*amqp.Channel](t)(n.dial().Channel())
	must[amqp.Queue](t)(ch.QueueDeclare("q", true, false, false, false, nil))
	for range 2 {
		if err := ch.Publish("", "q", false, false, amqp.Publishing{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, auto := range []bool{false, true, true} {
		if _, _, err := ch.Get("q", auto); err != nil {
			t.Fatal(err)
		}
	}
	c := n.call(200, "GET", "/api/channels", "").items(t)[0]
	want(t, c, "messages_unacknowledged", "1")
	want(t, c["message_stats"].(map[string]any), "get", "1", "get_no_ack", "1", "get_empty", "1", "deliver_get", "2")
}

func TestWhatClosedChannelsDidStaysInTheTotals(t *testing.T) {
	n := start(t)
	c, ch := n.busy()
	totals := func() (map[string]any, map[string]any, map[string]any) {
		o := n.call(200, "GET", "/api/overview", "").object(t)
		return o["message_stats"].(map[string]any), o["churn_rates"].(map[string]any), o["object_totals"].(map[string]any)
	}
	open, _, objects := totals()
	want(t, open, "publish", "6", "confirm", "6", "deliver", "5", "ack", "1")
	want(t, objects, "channels", "2", "connections", "1", "consumers", "1", "queues", "1")
	if err := ch.Close(); err != nil {
		t.Fatal(err)
	}
	closed, churn, _ := totals()
	want(t, closed, "publish", "6", "confirm", "6", "deliver", "5", "ack", "1")
	want(t, churn, "channel_created", "2", "channel_closed", "1", "connection_created", "1", "connection_closed", "0",
		"queue_declared", "1", "queue_created", "1", "queue_deleted", "0")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	n.call(204, "DELETE", "/api/queues/%2F/q", "")
	closed, churn, _ = totals()
	want(t, closed, "publish", "6", "confirm", "6", "deliver", "5", "ack", "1")
	want(t, churn, "queue_deleted", "1")
}

func TestConnectionsOfAUserAreClosedTogether(t *testing.T) {
	n := start(t)
	c := n.dial()
	closed := c.NotifyClose(make(chan *amqp.Error, 1))
	n.call(204, "DELETE", "/api/connections/username/nobody", "")
	n.call(204, "DELETE", "/api/connections/username/guest", "")
	if reason := <-closed; reason == nil || reason.Code != 320 || reason.Reason != "CONNECTION_FORCED - Closed via management plugin" {
		t.Errorf("closed with %v", reason)
	}
	n.call(201, "PUT", "/api/users/watcher", `{"password":"p","tags":"management"}`)
	if r := n.as("watcher:p", "DELETE", "/api/connections/username/guest", ""); r.status != 401 {
		t.Errorf("another user's connections: %d", r.status)
	}
}

func TestOpenTransactionsAreListed(t *testing.T) {
	n := start(t)
	ch := must[*amqp.Channel](t)(n.dial().Channel())
	must[amqp.Queue](t)(ch.QueueDeclare("q", true, false, false, false, nil))
	if err := ch.Tx(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := ch.Publish("", "q", false, false, amqp.Publishing{}); err != nil {
			t.Fatal(err)
		}
	}
	must[amqp.Queue](t)(ch.QueueDeclarePassive("q", true, false, false, false, nil))
	show := func(fields ...string) {
		t.Helper()
		c := n.call(200, "GET", "/api/channels", "").items(t)[0]
		want(t, c, fields...)
	}
	show("transactional", "true", "messages_uncommitted", "3", "acks_uncommitted", "0")
	if err := ch.TxCommit(); err != nil {
		t.Fatal(err)
	}
	m, _, err := ch.Get("q", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Ack(false); err != nil {
		t.Fatal(err)
	}
	must[amqp.Queue](t)(ch.QueueDeclarePassive("q", true, false, false, false, nil))
	show("messages_uncommitted", "0", "acks_uncommitted", "1")
	want(t, n.call(200, "GET", "/api/channels", "").items(t)[0]["message_stats"].(map[string]any), "publish", "3", "ack", "0")
}

// Listings run beside clients that open, use and close channels; the totals count
// everything exactly once.
func TestListingsWhileChannelsComeAndGo(t *testing.T) {
	n := start(t)
	const clients, rounds, messages = 4, 12, 5
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	done := make(chan error, clients)
	for range clients {
		c := n.dial()
		go func() { done <- churnChannels(c, rounds, messages) }()
	}
	last := 0.0
	for left := clients; left > 0; {
		for _, path := range []string{"/api/channels", "/api/connections", "/api/consumers", "/metrics/per-object?prefix=rabbitmq"} {
			n.call(200, "GET", path, "")
		}
		stats := n.call(200, "GET", "/api/overview", "").object(t)["message_stats"].(map[string]any)
		if now := stats["publish"].(float64); now < last {
			t.Errorf("%v publishes after %v", now, last)
		} else {
			last = now
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			left--
		default:
		}
	}
	o := n.call(200, "GET", "/api/overview", "").object(t)
	want(t, o["message_stats"].(map[string]any), "publish", fmt.Sprint(clients*rounds*messages), "confirm", fmt.Sprint(clients*rounds*messages))
	want(t, o["churn_rates"].(map[string]any), "channel_created", fmt.Sprint(clients*rounds), "channel_closed", fmt.Sprint(clients*rounds))
}

func churnChannels(c *amqp.Connection, rounds, messages int) error {
	for range rounds {
		ch, err := c.Channel()
		if err != nil {
			return err
		}
		if err := ch.Confirm(false); err != nil {
			return err
		}
		if _, err := ch.Consume("q", "", true, false, false, false, nil); err != nil {
			return err
		}
		for range messages {
			d, err := ch.PublishWithDeferredConfirm("", "q", false, false, amqp.Publishing{Body: []byte("m")})
			if err != nil {
				return err
			}
			d.Wait()
		}
		if err := ch.Close(); err != nil {
			return err
		}
	}
	return nil
}

// A user of the management API sees what is his, and of the virtual hosts he may
// enter; the node is for those who watch it.
func TestPlainUsersSeeTheirOwn(t *testing.T) {
	n := start(t)
	n.busy()
	n.call(201, "PUT", "/api/vhosts/mine", "")
	n.call(201, "PUT", "/api/queues/mine/m", `{}`)
	n.call(201, "PUT", "/api/users/plain", `{"password":"p","tags":"management"}`)
	n.call(201, "PUT", "/api/permissions/mine/plain", `{"configure":".*","write":".*","read":".*"}`)
	for path, status := range map[string]int{
		"GET /api/overview": 200, "GET /api/nodes": 401, "GET /api/channels": 200, "GET /api/connections": 200,
		"GET /api/vhosts/%2F/channels": 401, "POST /api/rebalance/queues": 401, "POST /api/queues/mine/m/actions": 401,
		"GET /api/health/checks/alarms": 200, "GET /api/weir/queues/%2F/q/messages": 401,
	} {
		method, path, _ := strings.Cut(path, " ")
		if r := n.as("plain:p", method, path, ""); r.status != status {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	for _, path := range []string{"/api/channels", "/api/connections", "/api/consumers"} {
		if list := n.as("plain:p", "GET", path, "").items(t); len(list) != 0 {
			t.Errorf("%s: %v", path, list)
		}
	}
	o := n.as("plain:p", "GET", "/api/overview", "").object(t)
	want(t, o["object_totals"].(map[string]any), "queues", "1", "connections", "0", "channels", "0", "consumers", "0")
	want(t, o["message_stats"].(map[string]any), "publish", "0")
	want(t, o["queue_totals"].(map[string]any), "messages", "0")
	want(t, o, "listeners", "<nil>", "churn_rates", "<nil>")
	o = n.call(200, "GET", "/api/overview?disable_stats=true", "").object(t)
	want(t, o, "message_stats", "<nil>", "disable_stats", "true")
	want(t, o["object_totals"].(map[string]any), "queues", "2", "connections", "1")
}

// A full disk shows in the checks, the metrics and the state of whoever it holds
// back, and passes when there is room again.
func TestAlarmsAndBlockedConnectionsAreShown(t *testing.T) {
	disk := vfs.NewMem()
	n := startOn(t, disk)
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	ch := must[*amqp.Channel](t)(n.dial().Channel())
	n.call(200, "GET", "/api/health/checks/alarms", "")
	disk.SetFreeLimit(1 << 20)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for body := make([]byte, 32<<10); ; {
			select {
			case <-stop:
				return
			default:
			}
			if ch.Publish("", "q", false, false, amqp.Publishing{Body: body}) != nil {
				return
			}
		}
	}()
	state := func() string {
		return fmt.Sprint(n.call(200, "GET", "/api/connections", "").items(t)[0]["state"])
	}
	eventually(t, "a blocked connection", func() bool { return state() == "blocked" })
	r := n.call(503, "GET", "/api/health/checks/alarms", "").object(t)
	want(t, r, "status", "failed", "reason", "Resource alarm(s) in effect: low on disk")
	want(t, r["alarms"].([]any)[0].(map[string]any), "resource", "disk")
	if body := n.as("", "GET", "/metrics?prefix=rabbitmq", "").body; !strings.Contains(body, "rabbitmq_alarms_free_disk_space_watermark 1\n") {
		t.Error("no alarm in the metrics")
	}
	n.call(200, "GET", "/api/health/checks/is-in-service", "")
	disk.SetFreeLimit(1 << 40)
	close(stop)
	eventually(t, "a running connection", func() bool { return state() == "running" })
	<-ended
	n.call(200, "GET", "/api/health/checks/alarms", "")
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}
