package admin

import (
	"cmp"
	"net/http"
	"strings"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
	"weir/internal/record"
)

// queueItem is a queue as RabbitMQ shows it.
type queueItem struct {
	Name       string         `json:"name"`
	Vhost      string         `json:"vhost"`
	Type       string         `json:"type"`
	Durable    bool           `json:"durable"`
	AutoDelete bool           `json:"auto_delete"`
	Exclusive  bool           `json:"exclusive"`
	Arguments  map[string]any `json:"arguments"`
	Policy     *string        `json:"policy"`
	Operator   *string        `json:"operator_policy"`
	Effective  map[string]any `json:"effective_policy_definition"`
	Node       string         `json:"node"`
	State      string         `json:"state"`

	Messages            uint64         `json:"messages"`
	Ready               uint64         `json:"messages_ready"`
	Unacknowledged      uint64         `json:"messages_unacknowledged"`
	Bytes               int64          `json:"message_bytes"`
	BytesReady          int64          `json:"message_bytes_ready"`
	Consumers           int            `json:"consumers"`
	ActiveConsumer      *string        `json:"single_active_consumer_tag"`
	BytesUnacknowledged int64          `json:"message_bytes_unacknowledged"`
	MessagesDetails     rate           `json:"messages_details"`
	ReadyDetails        rate           `json:"messages_ready_details"`
	UnackedDetails      rate           `json:"messages_unacknowledged_details"`
	Stats               map[string]any `json:"message_stats"`
	// Details are there where one queue is asked for, and Only, the tag of its
	// exclusive consumer, where it has one.
	Only    *string         `json:"exclusive_consumer_tag,omitempty"`
	Details *[]consumerItem `json:"consumer_details,omitempty"`
}

// queueKey and depthKey are the keys of a queue's rates.
type (
	queueKey record.LogID
	depthKey record.LogID
)

func (c *call) showQueue(q *broker.QueueInfo) *queueItem {
	depth := c.rates.of(depthKey(q.Log), c.options.Clock.Millis(), []float64{float64(q.Total), float64(q.Ready), float64(q.Unsettled)})
	return &queueItem{
		Name: q.Name, Vhost: q.Namespace, Type: native.QueueType(q.Arguments), Durable: q.Durable, AutoDelete: q.AutoDelete,
		Exclusive: q.Exclusive, Arguments: object(q.Arguments),
		Policy: given(q.Policy), Operator: given(q.OperatorPolicy), Effective: object(q.Definition), Node: c.node, State: "running",
		Messages: q.Total, Ready: q.Ready, Unacknowledged: q.Unsettled, Bytes: q.Bytes, BytesReady: q.ReadyBytes,
		BytesUnacknowledged: max(q.Bytes-q.ReadyBytes, 0),
		Consumers:           q.Consumers, ActiveConsumer: given(q.ActiveConsumer),
		MessagesDetails: rate{depth[0]}, ReadyDetails: rate{depth[1]}, UnackedDetails: rate{depth[2]},
		Stats: c.rated(queueKey(q.Log), counter{"publish", q.Published}, counter{"deliver_get", q.Delivered},
			counter{"ack", q.Acked}, counter{"redeliver", q.Redelivered}),
	}
}

// given is null in JSON for a name that is not there.
func given(name string) *string {
	if name == "" {
		return nil
	}
	return &name
}

// object is a map that is never null in JSON.
func object(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func (c *call) queues() *failure {
	spaces, f := c.spaces(c.args...)
	if f != nil {
		return f
	}
	all := c.options.Broker.Queues(spaces...)
	c.rates.prune(len(all), c.options.Clock.Millis())
	view := func(i int) any { return c.showQueue(&all[i]) }
	if q := c.r.URL.Query(); q.Get("disable_stats") == "true" {
		totals := q.Get("enable_queue_totals") == "true"
		view = func(i int) any { return c.showQueueOnly(&all[i], totals) }
	}
	return c.list(len(all), func(i int) string { return all[i].Name }, view)
}

// showQueueOnly shows a queue without its numbers, or with its totals alone.
func (c *call) showQueueOnly(q *broker.QueueInfo, totals bool) map[string]any {
	item := map[string]any{
		"name": q.Name, "vhost": q.Namespace, "type": native.QueueType(q.Arguments), "durable": q.Durable, "auto_delete": q.AutoDelete,
		"exclusive": q.Exclusive, "arguments": object(q.Arguments), "policy": given(q.Policy), "operator_policy": given(q.OperatorPolicy),
		"effective_policy_definition": object(q.Definition), "node": c.node, "state": "running",
	}
	if totals {
		item["messages"], item["messages_ready"], item["messages_unacknowledged"] = q.Total, q.Ready, q.Unsettled
	}
	return item
}

// findQueue finds the queue a path names. A plus is a plus, but some clients
// mean a blank by it.
func (c *call) findQueue() (broker.QueueInfo, *failure) {
	if f := c.space(c.args[0]); f != nil {
		return broker.QueueInfo{}, f
	}
	q, ok := c.options.Broker.Queue(c.args[0], c.args[1])
	if !ok && strings.Contains(c.args[1], "+") {
		q, ok = c.options.Broker.Queue(c.args[0], strings.ReplaceAll(c.args[1], "+", " "))
	}
	if !ok {
		return q, notFound("no queue '" + c.args[1] + "' in vhost '" + c.args[0] + "'")
	}
	return q, nil
}

func (c *call) queue() *failure {
	q, f := c.findQueue()
	if f != nil {
		return f
	}
	if query := c.r.URL.Query(); query.Get("disable_stats") == "true" {
		return c.ok(c.showQueueOnly(&q, query.Get("enable_queue_totals") == "true"))
	}
	item := c.showQueue(&q)
	details := c.consumersOf(&q)
	item.Details = &details
	for i := range details {
		if details[i].Exclusive {
			item.Only = &details[i].Tag
		}
	}
	return c.ok(item)
}

// open begins a session of the caller that ends with the call.
func (c *call) open(space string) (*broker.Session, *failure) {
	return c.openAs(space, broker.SessionOptions{Dialect: dialectCall})
}

// The dialects of sessions in listings: calls come and go, streams are shown.
const (
	dialectCall   = "HTTP call"
	dialectStream = "HTTP"
)

func (c *call) openAs(space string, o broker.SessionOptions) (*broker.Session, *failure) {
	o.Namespace, o.Remote, o.Uncounted = space, c.remote, true
	if o.Name == "" {
		o.Name = c.r.RemoteAddr + " (HTTP)"
	}
	s, err := c.options.Broker.Open(c.principal, o)
	if err != nil {
		return nil, failed(err)
	}
	c.sessions = append(c.sessions, s)
	return s, nil
}

// putQueue declares a queue.
func (c *call) putQueue() *failure {
	var body struct {
		AutoDelete flag      `json:"auto_delete"`
		Durable    *flag     `json:"durable"`
		Exclusive  flag      `json:"exclusive"`
		Arguments  arguments `json:"arguments"`
		Type       string    `json:"type"`
		QueueType  string    `json:"queue_type"`
		Name       string    `json:"name"`
		Vhost      string    `json:"vhost"`
		Node       string    `json:"node"`
	}
	if f := c.readObject(&body); f != nil {
		return f
	}
	if f := echoed(body.Vhost, c.args[0], body.Name, c.args[1], body.Node, c.node); f != nil {
		return f
	}
	body.Type = cmp.Or(body.Type, body.QueueType)
	spec := broker.QueueSpec{Name: c.args[1], Durable: true, AutoDelete: bool(body.AutoDelete)}
	if body.Durable != nil {
		spec.Durable = bool(*body.Durable)
	}
	switch {
	case spec.Name == "":
		return badRequest("a queue needs a name")
	case bool(body.Exclusive):
		return badRequest("exclusive: there is no connection here that could own the queue")
	case body.Type != "" && body.Arguments["x-queue-type"] == nil:
		if body.Arguments == nil {
			body.Arguments = arguments{}
		}
		body.Arguments["x-queue-type"] = body.Type
	}
	t, f := encodeTable(body.Arguments)
	if f != nil {
		return f
	}
	if e := native.ReadQueue(&spec, c.args[0], native.DefaultType(&spec, c.options.Broker.QueueClass(c.args[0]), t), false); e != nil {
		return badRequest(e.Text)
	}
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	if strings.HasPrefix(spec.Name, "amq.") {
		if _, ok := c.options.Broker.Queue(c.args[0], spec.Name); !ok {
			return reserved("queue", spec.Name)
		}
	}
	_, created, err := s.DeclareQueue(spec)
	if err != nil {
		return failed(err)
	}
	return c.done(created)
}

func reserved(kind, name string) *failure {
	return badRequest("ACCESS_REFUSED - " + kind + " name '" + name + "' contains reserved prefix 'amq.*'")
}

func (c *call) deleteQueue() *failure {
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	q := c.r.URL.Query()
	_, err := s.DeleteQueue(c.args[1], broker.DeleteOptions{
		IfUnused: q.Get("if-unused") == "true", IfEmpty: q.Get("if-empty") == "true",
	})
	if err != nil {
		return failed(err)
	}
	return c.done(false)
}

func (c *call) purgeQueue() *failure {
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	if _, err := s.PurgeQueue(c.args[1]); err != nil {
		return failed(err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// queueAction knows no action: those RabbitMQ had were for mirrored queues.
func (c *call) queueAction() *failure {
	if !c.roles.Has(auth.Administrator) {
		return refused("Not administrator user")
	}
	var body struct {
		Action string `json:"action"`
		Vhost  string `json:"vhost"`
		Name   string `json:"name"`
	}
	if f := c.read(&body); f != nil {
		return f
	}
	if _, f := c.findQueue(); f != nil {
		return f
	}
	return badRequest("unknown action: " + body.Action)
}
