package admin

import (
	"slices"

	"weir/internal/broker"
)

type connectionItem struct {
	Name       string         `json:"name"`
	Node       string         `json:"node"`
	User       string         `json:"user"`
	Vhost      string         `json:"vhost"`
	Protocol   string         `json:"protocol"`
	State      string         `json:"state"`
	Type       string         `json:"type"`
	PeerHost   string         `json:"peer_host"`
	PeerPort   uint16         `json:"peer_port"`
	UserName   string         `json:"user_provided_name,omitempty"`
	Properties map[string]any `json:"client_properties"`
}

func (c *call) showConnection(s *broker.SessionInfo) any {
	given, _ := s.Properties["connection_name"].(string)
	return &connectionItem{
		Name: s.Name, Node: c.node, User: s.User, Vhost: s.Namespace, Protocol: s.Dialect, State: "running", Type: "network",
		PeerHost: s.Remote.Addr().String(), PeerPort: s.Remote.Port(), UserName: given, Properties: object(s.Properties),
	}
}

func (c *call) connections() *failure {
	all := c.connectionsOpen()
	if len(c.args) == 1 {
		if f := c.space(c.args[0]); f != nil {
			return f
		}
		all = slices.DeleteFunc(all, func(s broker.SessionInfo) bool { return s.Namespace != c.args[0] })
	}
	return c.list(len(all), func(i int) string { return all[i].Name }, func(i int) any { return c.showConnection(&all[i]) })
}

func (c *call) connection() *failure {
	for _, s := range c.connectionsOpen() {
		if s.Name == c.args[0] {
			return c.ok(c.showConnection(&s))
		}
	}
	return notFound("no connection '" + c.args[0] + "'")
}

func (c *call) closeConnection() *failure {
	reason := c.r.Header.Get("X-Reason")
	if reason == "" {
		reason = "Closed via management plugin"
	}
	if len(reason) > shortBytesMax {
		return badRequest("X-Reason: longer than 255 bytes")
	}
	if err := c.options.Broker.KillSession(c.principal, c.args[0], reason); err != nil {
		return failed(err)
	}
	return c.done(false)
}

// channels is what the waist knows of them: nothing. Dialects keep their channels
// to themselves.
func (c *call) channels() *failure { return notFound("channels are not listed; see /api/consumers") }

type consumerItem struct {
	Tag         string         `json:"consumer_tag"`
	Queue       queueName      `json:"queue"`
	Channel     channelDetails `json:"channel_details"`
	AckRequired bool           `json:"ack_required"`
	Exclusive   bool           `json:"exclusive"`
	Active      bool           `json:"active"`
	Priority    int32          `json:"priority"`
	Arguments   map[string]any `json:"arguments"`
}

type queueName struct {
	Name  string `json:"name"`
	Vhost string `json:"vhost"`
}

type channelDetails struct {
	Connection string `json:"connection_name"`
	Name       string `json:"name"`
	Node       string `json:"node"`
	PeerHost   string `json:"peer_host"`
	PeerPort   uint16 `json:"peer_port"`
	User       string `json:"user"`
}

func (c *call) consumers() *failure {
	spaces, f := c.spaces(c.args...)
	if f != nil {
		return f
	}
	all := slices.DeleteFunc(c.options.Broker.Consumers(), func(a broker.ConsumerInfo) bool { return !slices.Contains(spaces, a.Namespace) })
	return c.list(len(all), func(i int) string { return all[i].Tag }, func(i int) any {
		a := &all[i]
		return &consumerItem{
			a.Tag,
			queueName{a.Queue, a.Namespace},
			channelDetails{a.Session, a.Session, c.node, a.Remote.Addr().String(), a.Remote.Port(), a.User},
			!a.AutoSettle, a.Exclusive, a.Active, a.Priority, object(a.Arguments),
		}
	})
}
