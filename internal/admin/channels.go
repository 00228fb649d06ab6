package admin

import (
	"slices"
	"strconv"

	"weir/internal/broker"
)

// channelItem is a channel as RabbitMQ shows it.
type channelItem struct {
	Name           string         `json:"name"`
	Number         uint32         `json:"number"`
	Node           string         `json:"node"`
	User           string         `json:"user"`
	Performer      string         `json:"user_who_performed_action"`
	Vhost          string         `json:"vhost"`
	State          string         `json:"state"`
	Confirm        bool           `json:"confirm"`
	Transactional  bool           `json:"transactional"`
	Prefetch       uint32         `json:"prefetch_count"`
	GlobalPrefetch uint32         `json:"global_prefetch_count"`
	Consumers      int            `json:"consumer_count"`
	Unacknowledged uint64         `json:"messages_unacknowledged"`
	Unconfirmed    uint64         `json:"messages_unconfirmed"`
	Uncommitted    uint64         `json:"messages_uncommitted"`
	AcksPending    uint64         `json:"acks_uncommitted"`
	Connection     connectionPart `json:"connection_details"`
	Stats          map[string]any `json:"message_stats"`
	// Details are there where one channel is asked for.
	Details *[]consumerItem `json:"consumer_details,omitempty"`
}

type connectionPart struct {
	Name     string `json:"name"`
	PeerHost string `json:"peer_host"`
	PeerPort uint16 `json:"peer_port"`
}

// channelOpen is one channel of a connection.
type channelOpen struct {
	session *broker.SessionInfo
	part    broker.Part
	state   string
}

func channelName(connection string, number uint32) string {
	return connection + " (" + strconv.FormatUint(uint64(number), 10) + ")"
}

func (o *channelOpen) name() string { return channelName(o.session.Name, o.part.Number) }

// channelKey is the key of a channel's rates.
type channelKey string

func (c *call) showChannel(o *channelOpen) *channelItem {
	s, p, name := o.session, &o.part, o.name()
	return &channelItem{
		Name: name, Number: p.Number, Node: c.node, User: s.User, Performer: s.User, Vhost: s.Namespace, State: o.state,
		Confirm: p.Confirming, Transactional: p.Transacting, Prefetch: p.Prefetch, GlobalPrefetch: p.SharedPrefetch,
		Consumers: p.Consumers, Unacknowledged: p.Unsettled, Unconfirmed: p.Unconfirmed,
		Uncommitted: p.UncommittedMessages, AcksPending: p.UncommittedSettles,
		Connection: connectionPart{s.Name, s.Remote.Addr().String(), s.Remote.Port()},
		Stats:      c.rated(channelKey(name), trafficCounters(&p.Traffic)...),
	}
}

// trafficCounters are RabbitMQ's names of what clients did.
func trafficCounters(t *broker.Traffic) []counter {
	return []counter{
		{"publish", t.Published},
		{"confirm", t.Confirmed},
		{"return_unroutable", t.Returned},
		{"drop_unroutable", t.Unroutable},
		{"deliver", t.Delivered},
		{"deliver_no_ack", t.DeliveredAuto},
		{"get", t.Pulled},
		{"get_no_ack", t.PulledAuto},
		{"get_empty", t.PulledEmpty},
		{"deliver_get", t.Delivered + t.DeliveredAuto + t.Pulled + t.PulledAuto},
		{"redeliver", t.Redelivered},
		{"ack", t.Accepted},
	}
}

// channelsOf lists the channels of connections, in the order of their names.
func channelsOf(connections []broker.SessionInfo) []channelOpen {
	var all []channelOpen
	for i := range connections {
		d := connections[i].Detail()
		for _, p := range d.Parts {
			all = append(all, channelOpen{&connections[i], p, d.State})
		}
	}
	return all
}

func (c *call) listChannels(connections []broker.SessionInfo) *failure {
	all := channelsOf(connections)
	c.rates.prune(len(all), c.options.Clock.Millis())
	return c.list(len(all), func(i int) string { return all[i].name() }, func(i int) any { return c.showChannel(&all[i]) })
}

func (c *call) channels() *failure { return c.listChannels(c.connectionsOpen()) }

func (c *call) vhostChannels() *failure {
	connections, f := c.connectionsOf(c.args[0])
	if f != nil {
		return f
	}
	return c.listChannels(connections)
}

func (c *call) connectionChannels() *failure {
	s, f := c.connectionNamed(c.args[0])
	if f != nil {
		return f
	}
	return c.listChannels([]broker.SessionInfo{*s})
}

func (c *call) channel() *failure {
	all := channelsOf(c.connectionsOpen())
	i := slices.IndexFunc(all, func(o channelOpen) bool { return o.name() == c.args[0] })
	if i < 0 {
		return notFound("no channel '" + c.args[0] + "'")
	}
	o := &all[i]
	item := c.showChannel(o)
	details := []consumerItem{}
	for _, a := range c.options.Broker.Consumers() {
		if a.Session == o.session.Name && a.Part == o.part.Number {
			details = append(details, c.showConsumer(&a))
		}
	}
	item.Details = &details
	return c.ok(item)
}
