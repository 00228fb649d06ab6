package admin

import (
	"crypto/tls"
	"slices"
	"strings"
	"time"

	"weir/internal/auth"
	"weir/internal/broker"
)

// connectionItem is a connection as RabbitMQ shows it.
type connectionItem struct {
	Name        string         `json:"name"`
	Node        string         `json:"node"`
	User        string         `json:"user"`
	Performer   string         `json:"user_who_performed_action"`
	Vhost       string         `json:"vhost"`
	Protocol    string         `json:"protocol"`
	State       string         `json:"state"`
	Type        string         `json:"type"`
	Mechanism   string         `json:"auth_mechanism,omitempty"`
	Host        string         `json:"host,omitempty"`
	Port        uint16         `json:"port,omitempty"`
	PeerHost    string         `json:"peer_host"`
	PeerPort    uint16         `json:"peer_port"`
	Channels    int            `json:"channels"`
	ChannelMax  uint32         `json:"channel_max"`
	FrameMax    uint32         `json:"frame_max"`
	Timeout     int64          `json:"timeout"` // of heartbeats, in seconds
	ConnectedAt int64          `json:"connected_at"`
	UserName    string         `json:"user_provided_name,omitempty"`
	Properties  map[string]any `json:"client_properties"`

	Received        uint64 `json:"recv_oct"`
	ReceivedDetails rate   `json:"recv_oct_details"`
	Sent            uint64 `json:"send_oct"`
	SentDetails     rate   `json:"send_oct_details"`
	secureItem
}

// secureItem is what RabbitMQ shows of TLS: nulls where there is none.
type secureItem struct {
	Secure   bool    `json:"ssl"`
	Version  *string `json:"ssl_protocol"`
	Cipher   *string `json:"ssl_cipher"`
	Exchange *string `json:"ssl_key_exchange"` // part of the cipher's name
	Hash     *string `json:"ssl_hash"`         // likewise
	Subject  *string `json:"peer_cert_subject"`
	Issuer   *string `json:"peer_cert_issuer"`
	Validity *string `json:"peer_cert_validity"`
}

func showSecure(s *tls.ConnectionState) secureItem {
	if s == nil {
		return secureItem{}
	}
	version := strings.Replace(strings.ToLower(tls.VersionName(s.Version)), "tls ", "tlsv", 1)
	cipher := tls.CipherSuiteName(s.CipherSuite)
	item := secureItem{Secure: true, Version: &version, Cipher: &cipher}
	if len(s.PeerCertificates) > 0 {
		p := s.PeerCertificates[0]
		subject, issuer := p.Subject.String(), p.Issuer.String()
		validity := p.NotBefore.UTC().Format(time.RFC3339) + " - " + p.NotAfter.UTC().Format(time.RFC3339)
		item.Subject, item.Issuer, item.Validity = &subject, &issuer, &validity
	}
	return item
}

// connectionKey is the key of a connection's rates.
type connectionKey string

func (c *call) showConnection(s *broker.SessionInfo) any {
	given, _ := s.Properties["connection_name"].(string)
	d := s.Detail()
	per := c.rates.of(connectionKey(s.Name), c.options.Clock.Millis(), []float64{float64(d.BytesReceived), float64(d.BytesSent)})
	item := &connectionItem{
		Name: s.Name, Node: c.node, User: s.User, Performer: s.User, Vhost: s.Namespace, Protocol: s.Dialect,
		State: d.State, Type: "network", Mechanism: d.Mechanism,
		PeerHost: s.Remote.Addr().String(), PeerPort: s.Remote.Port(),
		Channels: len(d.Parts), ChannelMax: d.PartsMax, FrameMax: d.FrameBytesMax, Timeout: int64(d.Heartbeat / time.Second),
		ConnectedAt: s.Opened, UserName: given, Properties: object(s.Properties),
		Received: d.BytesReceived, ReceivedDetails: rate{per[0]}, Sent: d.BytesSent, SentDetails: rate{per[1]},
		secureItem: showSecure(d.Secure),
	}
	if d.Local.IsValid() {
		item.Host, item.Port = d.Local.Addr().Unmap().String(), d.Local.Port()
	}
	return item
}

// connectionsOpen lists the sessions the caller may see: his own, or those of all
// he may look into. Calls of this API are none.
func (c *call) connectionsOpen() []broker.SessionInfo {
	all := c.roles.Has(auth.Monitoring)
	return slices.DeleteFunc(c.options.Broker.Sessions(), func(s broker.SessionInfo) bool {
		return s.Dialect == dialectCall || !all && s.User != c.principal.User
	})
}

// connectionsOf is connectionsOpen in one namespace.
func (c *call) connectionsOf(space string) ([]broker.SessionInfo, *failure) {
	if f := c.space(space); f != nil {
		return nil, f
	}
	return slices.DeleteFunc(c.connectionsOpen(), func(s broker.SessionInfo) bool { return s.Namespace != space }), nil
}

func (c *call) listConnections(all []broker.SessionInfo) *failure {
	c.rates.prune(len(all), c.options.Clock.Millis())
	return c.list(len(all), func(i int) string { return all[i].Name }, func(i int) any { return c.showConnection(&all[i]) })
}

func (c *call) connections() *failure { return c.listConnections(c.connectionsOpen()) }

func (c *call) vhostConnections() *failure {
	all, f := c.connectionsOf(c.args[0])
	if f != nil {
		return f
	}
	return c.listConnections(all)
}

// connectionNamed finds a connection the caller may see.
func (c *call) connectionNamed(name string) (*broker.SessionInfo, *failure) {
	for _, s := range c.connectionsOpen() {
		if s.Name == name {
			return &s, nil
		}
	}
	return nil, notFound("no connection '" + name + "'")
}

func (c *call) connection() *failure {
	s, f := c.connectionNamed(c.args[0])
	if f != nil {
		return f
	}
	return c.ok(c.showConnection(s))
}

// reason is what a client is told whose connection is closed.
func (c *call) reason() (string, *failure) {
	reason := c.r.Header.Get("X-Reason")
	if reason == "" {
		reason = "Closed via management plugin"
	}
	if len(reason) > shortBytesMax {
		return "", badRequest("X-Reason: longer than 255 bytes")
	}
	return reason, nil
}

func (c *call) closeConnection() *failure {
	reason, f := c.reason()
	if f != nil {
		return f
	}
	if err := c.options.Broker.KillSession(c.principal, c.args[0], reason); err != nil {
		return failed(err)
	}
	return c.done(false)
}

// mine refuses everybody but the user himself and administrators.
func (c *call) mine(user string) *failure {
	if user != c.principal.User && !c.roles.Has(auth.Administrator) {
		return refused("User not authorised to access object")
	}
	return nil
}

func (c *call) userConnections() *failure {
	if f := c.mine(c.args[0]); f != nil {
		return f
	}
	return c.listConnections(slices.DeleteFunc(c.connectionsOpen(), func(s broker.SessionInfo) bool { return s.User != c.args[0] }))
}

// closeUserConnections closes all connections of a user, who may have none.
func (c *call) closeUserConnections() *failure {
	if f := c.mine(c.args[0]); f != nil {
		return f
	}
	reason, f := c.reason()
	if f != nil {
		return f
	}
	for _, s := range c.connectionsOpen() {
		if s.User != c.args[0] {
			continue
		}
		if err := c.options.Broker.KillSession(c.principal, s.Name, reason); err != nil && err.Code != broker.CodeNotFound {
			return failed(err)
		}
	}
	return c.done(false)
}
