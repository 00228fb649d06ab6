package admin

import (
	"math"

	"weir/internal/broker"
	"weir/internal/stats"
)

// The labels of RabbitMQ's global counters: weir has one kind of queue under all
// of RabbitMQ's types, and one way to dead-letter.
const (
	labelQueueType = "weir_queue"
	labelStrategy  = "at_least_once"
)

// protocolLabels are RabbitMQ's labels of dialects.
var protocolLabels = map[string]string{"AMQP 0-9-1": "amqp091"}

// partGauges sum over the channels there are.
type partGauges struct {
	Publishers, Consumers, Unsettled, Unconfirmed, UncommittedMessages, UncommittedSettles float64
}

func (g *partGauges) add(p *broker.Part) {
	if p.Traffic.Published > 0 {
		g.Publishers++
	}
	g.Consumers += float64(p.Consumers)
	g.Unsettled += float64(p.Unsettled)
	g.Unconfirmed += float64(p.Unconfirmed)
	g.UncommittedMessages += float64(p.UncommittedMessages)
	g.UncommittedSettles += float64(p.UncommittedSettles)
}

// trafficMetric is a counter of what clients did.
type trafficMetric struct {
	name, help string
	read       func(t *broker.Traffic) uint64
}

// sumMetrics are RabbitMQ's aggregates over channels and connections. There they
// lose what has ended; here they do not.
var sumMetrics = []trafficMetric{
	{"channel_messages_published_total", "Messages published.", func(t *broker.Traffic) uint64 { return t.Published }},
	{"channel_messages_confirmed_total", "Messages confirmed.", func(t *broker.Traffic) uint64 { return t.Confirmed }},
	{"channel_messages_unroutable_returned_total", "Messages given back as unroutable.", func(t *broker.Traffic) uint64 { return t.Returned }},
	{"channel_messages_unroutable_dropped_total", "Messages dropped as unroutable.", func(t *broker.Traffic) uint64 { return t.Unroutable }},
	{"channel_get_ack_total", "Messages fetched, to be acknowledged.", func(t *broker.Traffic) uint64 { return t.Pulled }},
	{"channel_get_total", "Messages fetched, acknowledged by that.", func(t *broker.Traffic) uint64 { return t.PulledAuto }},
	{"channel_get_empty_total", "Fetches that found no message.", func(t *broker.Traffic) uint64 { return t.PulledEmpty }},
	{"channel_messages_delivered_ack_total", "Messages delivered, to be acknowledged.", func(t *broker.Traffic) uint64 { return t.Delivered }},
	{"channel_messages_delivered_total", "Messages delivered, acknowledged by that.", func(t *broker.Traffic) uint64 { return t.DeliveredAuto }},
	{"channel_messages_redelivered_total", "Messages delivered again.", func(t *broker.Traffic) uint64 { return t.Redelivered }},
	{"channel_messages_acked_total", "Messages acknowledged.", func(t *broker.Traffic) uint64 { return t.Accepted }},
	{"connection_incoming_bytes_total", "Bytes received.", func(t *broker.Traffic) uint64 { return t.BytesReceived }},
	{"connection_outgoing_bytes_total", "Bytes sent.", func(t *broker.Traffic) uint64 { return t.BytesSent }},
}

// protocolMetrics have the label protocol.
var protocolMetrics = []trafficMetric{
	{"global_messages_received_total", "Messages received from publishers.", func(t *broker.Traffic) uint64 { return t.Published }},
	{"global_messages_received_confirm_total", "Messages received from publishers expecting confirms.", func(t *broker.Traffic) uint64 { return t.PublishedConfirm }},
	{"global_messages_routed_total", "Messages routed to queues.", func(t *broker.Traffic) uint64 { return t.Routed }},
	{"global_messages_unroutable_dropped_total", "Messages dropped as unroutable.", func(t *broker.Traffic) uint64 { return t.Unroutable }},
	{"global_messages_unroutable_returned_total", "Messages given back as unroutable.", func(t *broker.Traffic) uint64 { return t.Returned }},
	{"global_messages_confirmed_total", "Messages confirmed to publishers.", func(t *broker.Traffic) uint64 { return t.Confirmed }},
}

// deliveryMetrics have the label queue_type too.
var deliveryMetrics = []trafficMetric{
	{"global_messages_delivered_total", "Messages delivered to consumers.", handedOut},
	{"global_messages_delivered_consume_manual_ack_total", "Messages delivered, to be acknowledged.", func(t *broker.Traffic) uint64 { return t.Delivered }},
	{"global_messages_delivered_consume_auto_ack_total", "Messages delivered, acknowledged by that.", func(t *broker.Traffic) uint64 { return t.DeliveredAuto }},
	{"global_messages_delivered_get_manual_ack_total", "Messages fetched, to be acknowledged.", func(t *broker.Traffic) uint64 { return t.Pulled }},
	{"global_messages_delivered_get_auto_ack_total", "Messages fetched, acknowledged by that.", func(t *broker.Traffic) uint64 { return t.PulledAuto }},
	{"global_messages_get_empty_total", "Fetches that found no message.", func(t *broker.Traffic) uint64 { return t.PulledEmpty }},
	{"global_messages_redelivered_total", "Messages delivered again.", func(t *broker.Traffic) uint64 { return t.Redelivered }},
	{"global_messages_acknowledged_total", "Messages acknowledged by consumers.", func(t *broker.Traffic) uint64 { return t.Accepted }},
}

func handedOut(t *broker.Traffic) uint64 {
	return t.Delivered + t.DeliveredAuto + t.Pulled + t.PulledAuto
}

// rabbitMetrics writes what only RabbitMQ's dashboards know.
func (c *call) rabbitMetrics(w *stats.Writer, s *scrape) {
	sum, byProtocol := c.partGauges()
	gauge := func(name, help string, v float64) { w.One("rabbitmq_"+name, help, stats.Gauge, v) }
	gauge("channel_consumers", "Consumers of channels.", sum.Consumers)
	gauge("channel_messages_unacked", "Messages delivered and not yet acknowledged.", sum.Unsettled)
	gauge("channel_messages_unconfirmed", "Messages published and not yet confirmed.", sum.Unconfirmed)
	gauge("channel_messages_uncommitted", "Messages published in open transactions.", sum.UncommittedMessages)
	gauge("channel_acks_uncommitted", "Acknowledgements in open transactions.", sum.UncommittedSettles)
	gauge("queue_consumers", "Consumers of queues.", float64(s.Consumers))
	if s.memoryLimit > 0 && s.memoryLimit < math.MaxInt64 {
		gauge("resident_memory_limit_bytes", "Soft limit of memory.", float64(s.memoryLimit))
	}
	for _, m := range sumMetrics {
		w.One("rabbitmq_"+m.name, m.help, stats.Counter, float64(m.read(&s.clients.Traffic)))
	}
	each := func(list []trafficMetric, labels ...string) {
		for _, m := range list {
			w.Begin("rabbitmq_"+m.name, m.help, stats.Counter)
			for dialect, label := range protocolLabels {
				t := s.traffic[dialect].Traffic
				w.Sample("rabbitmq_"+m.name, float64(m.read(&t)), append([]string{"protocol", label}, labels...)...)
			}
		}
	}
	each(protocolMetrics)
	for _, g := range []struct {
		name, help string
		read       func(g *partGauges) float64
	}{
		{"global_publishers", "Channels that have published.", func(g *partGauges) float64 { return g.Publishers }},
		{"global_consumers", "Consumers.", func(g *partGauges) float64 { return g.Consumers }},
	} {
		w.Begin("rabbitmq_"+g.name, g.help, stats.Gauge)
		for dialect, label := range protocolLabels {
			of := byProtocol[dialect]
			w.Sample("rabbitmq_"+g.name, g.read(&of), "protocol", label)
		}
	}
	each(deliveryMetrics, "queue_type", labelQueueType)
	dead := func(name, help string, n uint64) {
		w.One("rabbitmq_global_messages_dead_lettered_"+name+"_total", help, stats.Counter, float64(n),
			"queue_type", labelQueueType, "dead_letter_strategy", labelStrategy)
	}
	t := &s.Totals
	dead("expired", "Messages dead-lettered because they expired.", t.Expiry())
	dead("maxlen", "Messages dead-lettered because a queue was full.", t.Overflow())
	dead("rejected", "Messages dead-lettered because they were rejected.", t.Rejection())
	dead("delivery_limit", "Messages dead-lettered because they were returned too often.", t.Returning())
	dead("confirmed", "Dead letters stored at their target.", t.DeadStored)
}

// partGauges sums over all channels, and by dialect.
func (c *call) partGauges() (sum partGauges, byDialect map[string]partGauges) {
	byDialect = map[string]partGauges{}
	for _, s := range c.options.Broker.Sessions() {
		if s.Dialect == dialectCall {
			continue
		}
		g := byDialect[s.Dialect]
		d := s.Detail()
		for i := range d.Parts {
			sum.add(&d.Parts[i])
			g.add(&d.Parts[i])
		}
		byDialect[s.Dialect] = g
	}
	return sum, byDialect
}
