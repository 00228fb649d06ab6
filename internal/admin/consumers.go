package admin

import (
	"slices"

	"weir/internal/broker"
)

// consumerItem is a consumer as RabbitMQ shows it.
type consumerItem struct {
	Tag         string         `json:"consumer_tag"`
	Queue       queueName      `json:"queue"`
	Channel     channelDetails `json:"channel_details"`
	AckRequired bool           `json:"ack_required"`
	Exclusive   bool           `json:"exclusive"`
	Active      bool           `json:"active"`
	Status      string         `json:"activity_status"`
	Prefetch    uint32         `json:"prefetch_count"`
	Priority    int32          `json:"priority"`
	Timeout     int64          `json:"consumer_timeout"` // in ms, 0 is none
	Arguments   map[string]any `json:"arguments"`
}

type queueName struct {
	Name  string `json:"name"`
	Vhost string `json:"vhost"`
}

type channelDetails struct {
	Connection string `json:"connection_name"`
	Name       string `json:"name"`
	Number     uint32 `json:"number"`
	Node       string `json:"node"`
	PeerHost   string `json:"peer_host"`
	PeerPort   uint16 `json:"peer_port"`
	User       string `json:"user"`
}

// activity is RabbitMQ's word for why a consumer is served or not.
func activity(a *broker.ConsumerInfo) string {
	switch {
	case !a.Active:
		return "cancelled"
	case a.Waiting:
		return "waiting"
	case a.Only:
		return "single_active"
	}
	return "up"
}

func (c *call) showConsumer(a *broker.ConsumerInfo) consumerItem {
	name := a.Session
	if a.Part != 0 {
		name = channelName(a.Session, a.Part)
	}
	return consumerItem{
		a.Tag,
		queueName{a.Queue, a.Namespace},
		channelDetails{a.Session, name, a.Part, c.node, a.Remote.Addr().String(), a.Remote.Port(), a.User},
		!a.AutoSettle, a.Exclusive, a.Active && !a.Waiting, activity(a), a.Prefetch, a.Priority, a.LeaseMillis, object(a.Arguments),
	}
}

func (c *call) consumers() *failure {
	spaces, f := c.spaces(c.args...)
	if f != nil {
		return f
	}
	all := slices.DeleteFunc(c.options.Broker.Consumers(), func(a broker.ConsumerInfo) bool { return !slices.Contains(spaces, a.Namespace) })
	return c.list(len(all), func(i int) string { return all[i].Tag }, func(i int) any { return c.showConsumer(&all[i]) })
}

// consumersOf lists the consumers of one queue.
func (c *call) consumersOf(q *broker.QueueInfo) []consumerItem {
	out := []consumerItem{}
	for _, a := range c.options.Broker.Consumers() {
		if a.Namespace == q.Namespace && a.Queue == q.Name {
			out = append(out, c.showConsumer(&a))
		}
	}
	return out
}
