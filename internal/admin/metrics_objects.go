package admin

import (
	"net/url"
	"slices"

	"weir/internal/broker"
	"weir/internal/stats"
)

// objects are what the metrics per object are of. Each family goes through all of
// them by itself, since samples of one name stand together: that costs time, and
// no memory per object.
type objects struct {
	call        *call
	spaces      []string
	survey      *broker.Survey
	connections []broker.SessionInfo
}

// family is a group of metrics, by RabbitMQ's name.
type family struct {
	name  string
	write func(o *objects, w *stats.Writer, prefix string)
	// detailed families are not of /metrics/per-object.
	detailed bool
}

type objectMetric[T any] struct {
	name, help string
	kind       stats.Kind
	read       func(v *T) float64
}

var families = []family{
	{name: "queue_coarse_metrics", write: perQueue([]objectMetric[broker.QueueCounts]{
		{"queue_messages_ready", "Messages ready to be delivered.", stats.Gauge, func(q *broker.QueueCounts) float64 { return float64(q.Ready) }},
		{"queue_messages_unacked", "Messages delivered and not yet settled.", stats.Gauge, func(q *broker.QueueCounts) float64 { return float64(q.Unsettled) }},
		{"queue_messages", "Messages ready, delayed and unsettled.", stats.Gauge, func(q *broker.QueueCounts) float64 { return float64(q.Total) }},
	})},
	{name: "queue_consumer_count", write: perQueue([]objectMetric[broker.QueueCounts]{
		{"queue_consumers", "Consumers.", stats.Gauge, func(q *broker.QueueCounts) float64 { return float64(q.Consumers) }},
	})},
	{name: "queue_metrics", write: perQueue([]objectMetric[broker.QueueCounts]{
		{"queue_messages_bytes", "Bytes of messages.", stats.Gauge, func(q *broker.QueueCounts) float64 { return float64(q.Bytes) }},
		{"queue_messages_ready_bytes", "Bytes of ready messages.", stats.Gauge, func(q *broker.QueueCounts) float64 { return float64(q.ReadyBytes) }},
		{"queue_messages_unacked_bytes", "Bytes of all other messages.", stats.Gauge, func(q *broker.QueueCounts) float64 { return float64(max(q.Bytes-q.ReadyBytes, 0)) }},
	})},
	{name: "channel_queue_exchange_metrics", write: perQueue([]objectMetric[broker.QueueCounts]{
		{"queue_messages_published_total", "Messages stored.", stats.Counter, func(q *broker.QueueCounts) float64 { return float64(q.Published) }},
	})},
	{name: "queue_delivery_metrics", write: perQueue([]objectMetric[broker.QueueCounts]{
		{"queue_messages_redelivered_total", "Messages handed out again.", stats.Counter, func(q *broker.QueueCounts) float64 { return float64(q.Redelivered) }},
		{"queue_messages_acked_total", "Messages settled by consumers.", stats.Counter, func(q *broker.QueueCounts) float64 { return float64(q.Acked) }},
	})},
	{name: "channel_metrics", write: perChannel([]objectMetric[broker.Part]{
		{"channel_consumers", "Consumers of the channel.", stats.Gauge, func(p *broker.Part) float64 { return float64(p.Consumers) }},
		{"channel_messages_unacked", "Messages delivered and not yet acknowledged.", stats.Gauge, func(p *broker.Part) float64 { return float64(p.Unsettled) }},
		{"channel_messages_unconfirmed", "Messages published and not yet confirmed.", stats.Gauge, func(p *broker.Part) float64 { return float64(p.Unconfirmed) }},
		{"channel_messages_uncommitted", "Messages published in the open transaction.", stats.Gauge, func(p *broker.Part) float64 { return float64(p.UncommittedMessages) }},
		{"channel_acks_uncommitted", "Acknowledgements in the open transaction.", stats.Gauge, func(p *broker.Part) float64 { return float64(p.UncommittedSettles) }},
		{"consumer_prefetch", "Unacknowledged messages a consumer may have, 0 any number.", stats.Gauge, func(p *broker.Part) float64 { return float64(p.Prefetch) }},
		{"channel_prefetch", "Unacknowledged messages the channel may have, 0 any number.", stats.Gauge, func(p *broker.Part) float64 { return float64(p.SharedPrefetch) }},
	})},
	{name: "channel_exchange_metrics", write: perChannel(ofTraffic(sumMetrics[:4]))},
	{name: "channel_queue_metrics", write: perChannel(ofTraffic(sumMetrics[4:11]))},
	{name: "connection_coarse_metrics", write: perConnection([]objectMetric[broker.SessionDetail]{
		{"connection_incoming_bytes_total", "Bytes received.", stats.Counter, func(d *broker.SessionDetail) float64 { return float64(d.BytesReceived) }},
		{"connection_outgoing_bytes_total", "Bytes sent.", stats.Counter, func(d *broker.SessionDetail) float64 { return float64(d.BytesSent) }},
	})},
	{name: "connection_metrics", write: perConnection([]objectMetric[broker.SessionDetail]{
		{"connection_channels", "Channels of the connection.", stats.Gauge, func(d *broker.SessionDetail) float64 { return float64(len(d.Parts)) }},
	})},
	{name: "vhost_status", detailed: true, write: func(o *objects, w *stats.Writer, _ string) {
		w.Begin("rabbitmq_cluster_vhost_status", "1 for a virtual host that serves.", stats.Gauge)
		for _, space := range o.spaces {
			w.Sample("rabbitmq_cluster_vhost_status", 1, "vhost", space)
		}
	}},
	{name: "exchange_names", detailed: true, write: func(o *objects, w *stats.Writer, _ string) {
		w.Begin("rabbitmq_cluster_exchange_name", "Exchanges.", stats.Gauge)
		for _, x := range o.call.options.Broker.Exchanges(o.spaces...) {
			w.Sample("rabbitmq_cluster_exchange_name", 1, "vhost", x.Namespace, "exchange", x.Name, "type", x.Kind)
		}
	}},
	{name: "exchange_bindings", detailed: true, write: writeBindings},
	{name: "connection_churn_metrics", detailed: true, write: writeChurn},
}

// ofTraffic reads the traffic of channels.
func ofTraffic(list []trafficMetric) []objectMetric[broker.Part] {
	var out []objectMetric[broker.Part]
	for _, m := range list {
		out = append(out, objectMetric[broker.Part]{m.name, m.help, stats.Counter, func(p *broker.Part) float64 {
			return float64(m.read(&p.Traffic))
		}})
	}
	return out
}

func perQueue(list []objectMetric[broker.QueueCounts]) func(o *objects, w *stats.Writer, prefix string) {
	return func(o *objects, w *stats.Writer, prefix string) {
		for _, m := range list {
			name := prefix + "_" + m.name
			w.Begin(name, m.help, m.kind)
			o.survey.Each(func(q *broker.QueueCounts) bool {
				w.Sample(name, m.read(q), "vhost", q.Namespace, "queue", q.Name)
				return true
			})
		}
	}
}

func perChannel(list []objectMetric[broker.Part]) func(o *objects, w *stats.Writer, prefix string) {
	return func(o *objects, w *stats.Writer, prefix string) {
		for _, m := range list {
			name := prefix + "_" + m.name
			w.Begin(name, m.help, m.kind)
			for i := range o.connections {
				s := &o.connections[i]
				d := s.Detail()
				for j := range d.Parts {
					p := &d.Parts[j]
					w.Sample(name, m.read(p), "channel", channelName(s.Name, p.Number), "vhost", s.Namespace)
				}
			}
		}
	}
}

func perConnection(list []objectMetric[broker.SessionDetail]) func(o *objects, w *stats.Writer, prefix string) {
	return func(o *objects, w *stats.Writer, prefix string) {
		for _, m := range list {
			name := prefix + "_" + m.name
			w.Begin(name, m.help, m.kind)
			for i := range o.connections {
				s := &o.connections[i]
				d := s.Detail()
				w.Sample(name, m.read(&d), "connection", s.Name, "vhost", s.Namespace)
			}
		}
	}
}

func writeBindings(o *objects, w *stats.Writer, _ string) {
	w.Begin("rabbitmq_cluster_exchange_bindings", "Bindings of an exchange.", stats.Gauge)
	count := map[[2]string]int{}
	for _, b := range o.call.options.Broker.Bindings(o.spaces...) {
		count[[2]string{b.Namespace, b.Source}]++
	}
	for _, x := range o.call.options.Broker.Exchanges(o.spaces...) {
		w.Sample("rabbitmq_cluster_exchange_bindings", float64(count[[2]string{x.Namespace, x.Name}]), "vhost", x.Namespace, "exchange", x.Name, "type", x.Kind)
	}
}

// churn are the names of connection_churn_metrics among the measures.
var churn = []string{
	"connections_opened_total", "connections_closed_total", "channels_opened_total", "channels_closed_total",
	"queues_declared_total", "queues_created_total", "queues_deleted_total",
}

func writeChurn(o *objects, w *stats.Writer, prefix string) {
	s := o.call.scrape()
	for i := range measures {
		if m := &measures[i]; slices.Contains(churn, m.rabbit) {
			w.One(prefix+"_"+m.rabbit, m.help, m.kind, m.read(s))
		}
	}
}

// objects are those the caller may see, less what the query does not ask for.
func (c *call) objects(query url.Values) *objects {
	spaces := c.visible()
	if c.principal.User == "" { // let in from this machine, as a scraper
		spaces = nil
		for _, n := range c.options.Broker.Namespaces() {
			spaces = append(spaces, n.Name)
		}
	}
	if wanted := query["vhost"]; len(wanted) > 0 {
		spaces = slices.DeleteFunc(spaces, func(s string) bool { return !slices.Contains(wanted, s) })
	}
	connections := slices.DeleteFunc(c.options.Broker.Sessions(), func(s broker.SessionInfo) bool {
		return s.Dialect == dialectCall || !slices.Contains(spaces, s.Namespace)
	})
	return &objects{c, spaces, c.options.Broker.Survey(spaces...), connections}
}

func (c *call) metricsPerObject() *failure {
	prefix, f := c.metricsPrefix()
	if f != nil {
		return f
	}
	o := c.objects(nil)
	w := c.metricsWriter()
	c.identity(w, prefix, "per-object")
	for i := range families {
		if !families[i].detailed {
			families[i].write(o, w, prefix)
		}
	}
	return c.flushMetrics(w)
}

// metricsDetailed shows the families the query asks for, as RabbitMQ names them.
// Families that weir has no numbers for are empty.
func (c *call) metricsDetailed() *failure {
	query := c.r.URL.Query()
	o := c.objects(query)
	w := c.metricsWriter()
	c.identity(w, prefixRabbit, "detailed")
	for i := range families {
		if slices.Contains(query["family"], families[i].name) {
			families[i].write(o, w, prefixRabbit+"_detailed")
		}
	}
	return c.flushMetrics(w)
}
