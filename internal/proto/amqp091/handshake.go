package amqp091

import (
	"io"
	"strings"
	"time"

	"weir/internal/auth"
	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
)

// The version clients see. Kombu, Spring and others choose their path by product
// and version: this is the newest line on which all of them use global prefetch
// and transient queues as a matter of course. Kombu takes 4.0 and later for brokers
// without global prefetch, and then a worker with delayed tasks stands still.
const (
	productName    = "RabbitMQ"
	productVersion = "3.13.7"
)

func serverProperties(o *Options) codec.Table {
	return codec.AppendMap(nil, map[string]any{
		"product":      productName,
		"version":      productVersion,
		"platform":     o.Identity,
		"cluster_name": o.ClusterName,
		"copyright":    "The weir authors",
		"information":  "weir, one broker for every message. Licensed under the Apache License 2.0.",
		"capabilities": map[string]any{
			"publisher_confirms":           true,
			"exchange_exchange_bindings":   true,
			"basic.nack":                   true,
			"consumer_cancel_notify":       true,
			"connection.blocked":           true,
			"consumer_priorities":          true,
			"authentication_failure_close": true,
			"per_consumer_qos":             true,
			"direct_reply_to":              true,
		},
	})
}

// readHeader reads the protocol header and answers it with connection.start, or
// with our header where it is anybody else's: TLS and HTTP on this port as well.
func (c *conn) readHeader() bool {
	var header [len(codec.ProtocolHeader)]byte
	for n := range header {
		if _, err := io.ReadFull(c.net, header[n:n+1]); err != nil {
			return false
		}
		// 0-9, which says 1 1 0 9, is close enough for its clients.
		if header[n] != codec.ProtocolHeader[n] && header[n] != "AMQP\x01\x01\x00\x09"[n] {
			break
		}
	}
	if h := string(header[:]); h != codec.ProtocolHeader && h != "AMQP\x01\x01\x00\x09" {
		c.server.options.Log.Info("amqp091: not our protocol", "conn", c.name, "header", h)
		_ = c.net.SetWriteDeadline(c.server.options.Clock.Now().Add(closeTimeout))
		_, _ = io.WriteString(c.net, codec.ProtocolHeader)
		// Closing over unread input would reset the connection and with it the
		// answer.
		if half, ok := c.net.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		c.deadline(time.Second)
		_, _ = io.CopyN(io.Discard, c.net, handshakeFrameBytesMax)
		return false
	}
	c.send(0, &codec.ConnectionStart{
		VersionMinor: 9, ServerProperties: c.server.properties,
		Mechanisms: []byte(c.mechanisms()), Locales: []byte("en_US"),
	})
	return true
}

// mechanisms are those a client may log in with. EXTERNAL is for clients who have
// shown a certificate with a user name in it.
func (c *conn) mechanisms() string {
	if _, ok := c.certified(); ok {
		return "PLAIN AMQPLAIN EXTERNAL"
	}
	return "PLAIN AMQPLAIN"
}

// certified returns the user name in the client's certificate.
func (c *conn) certified() (string, bool) {
	if c.tls == nil || len(c.tls.VerifiedChains) == 0 {
		return "", false
	}
	return auth.CertificateUser(c.tls.VerifiedChains[0][0], c.server.options.CertificateName)
}

// connectionMethod handles a method on channel 0.
func (c *conn) connectionMethod(id codec.ID, arguments []byte) *exception {
	switch {
	case id == codec.IDConnectionClose:
		return c.connectionClose(arguments)
	case id == codec.IDConnectionCloseOk && c.state == stateClosing:
		c.state = stateEnded
		return nil
	case c.state == stateClosing:
		return nil
	case id == codec.IDConnectionStartOk && c.state == stateStarting:
		return c.connectionStartOK(arguments)
	case id == codec.IDConnectionTuneOk && c.state == stateTuning:
		return c.connectionTuneOK(arguments)
	case id == codec.IDConnectionOpen && c.state == stateOpening:
		return c.connectionOpen(arguments)
	case id == codec.IDConnectionUpdateSecret && c.state == stateRunning:
		return c.connectionUpdateSecret(arguments)
	case codec.New(id) == nil:
		return raise(codeCommandInvalid, "unknown method %v", id)
	}
	return raise(codeChannelError, "unexpected method in connection state %v", c.state)
}

func (c *conn) connectionStartOK(arguments []byte) *exception {
	var m codec.ConnectionStartOk
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	c.client = append(codec.Table(nil), m.ClientProperties...)
	c.mechanism = m.Mechanism
	if v, ok := c.client.Lookup("capabilities"); ok {
		capabilities, _ := v.Table()
		c.cancelNotify = capable(capabilities, "consumer_cancel_notify")
		c.blockedNotify = capable(capabilities, "connection.blocked")
		c.failureClose = capable(capabilities, "authentication_failure_close")
	}
	if user, ok := c.certified(); ok && m.Mechanism == "EXTERNAL" {
		principal, err := c.server.options.Broker.Identify(user, c.remote)
		return c.login(user, principal, err)
	}
	user, password, e := credentials(m.Mechanism, m.Response)
	if e != nil {
		return e
	}
	principal, err := c.server.options.Broker.Authenticate(user, password, c.remote)
	return c.login(user, principal, err)
}

func capable(capabilities codec.Table, name string) bool {
	v, _ := capabilities.Lookup(name)
	yes, _ := v.Bool()
	return yes
}

// credentials reads the response of a SASL mechanism.
func credentials(mechanism string, response []byte) (user, password string, e *exception) {
	switch mechanism {
	case "PLAIN":
		parts := strings.Split(string(response), "\x00")
		if len(parts) != 3 {
			return "", "", raise(codeSyntaxError, "response %q invalid", response)
		}
		return parts[1], parts[2], nil
	case "AMQPLAIN":
		if codec.CheckTable(response) != nil {
			return "", "", raise(codeSyntaxError, "AMQPLAIN auth info is not a table")
		}
		login, ok := codec.Table(response).Lookup("LOGIN")
		secret, also := codec.Table(response).Lookup("PASSWORD")
		if !ok || !also || login.Kind != 'S' || secret.Kind != 'S' {
			return "", "", raise(codeSyntaxError, "AMQPLAIN auth info is missing LOGIN or PASSWORD field")
		}
		return string(login.Bytes), string(secret.Bytes), nil
	}
	return "", "", raise(codeCommandInvalid, "unknown authentication mechanism '%s'", mechanism)
}

// login goes on with who the client is, or refuses it.
func (c *conn) login(user string, principal broker.Principal, err *broker.Error) *exception {
	if err != nil {
		c.server.options.Log.Warn("amqp091: login refused", "conn", c.name, "user", user, "cause", err)
		if !c.failureClose {
			c.state = stateEnded
			return nil
		}
		// No method is named as the cause, which an error that is returned would be.
		c.fail(0, raise(codeAccessRefused, "Login was refused using authentication mechanism %s. For details see "+
			"the broker logfile.", c.mechanism))
		return nil
	}
	c.principal = principal
	c.state = stateTuning
	o := &c.server.options
	c.send(0, &codec.ConnectionTune{
		ChannelMax: o.ChannelsMax, FrameMax: o.FrameBytesMax,
		Heartbeat: uint16(o.Heartbeat / time.Second),
	})
	return nil
}

func (c *conn) connectionTuneOK(arguments []byte) *exception {
	var m codec.ConnectionTuneOk
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	o := &c.server.options
	e := negotiate("frame_max", codec.FrameBytesMin, o.FrameBytesMax, m.FrameMax, "")
	if e == nil {
		e = negotiate("channel_max", 1, uint32(o.ChannelsMax), uint32(m.ChannelMax), " (no limit)")
	}
	if e != nil {
		return e
	}
	c.frameMax.Store(m.FrameMax)
	c.channelMax = m.ChannelMax
	c.heartbeat = time.Duration(m.Heartbeat) * time.Second
	c.state = stateOpening
	return nil
}

// negotiate refuses what is out of bounds. 0 means no limit and is above any.
func negotiate(field string, least, most, got uint32, zero string) *exception {
	if got != 0 {
		zero = ""
	}
	if got != 0 && got < least {
		return raise(codeNotAllowed, "negotiated %s = %d%s is lower than the minimum allowed value (%d)", field, got,
			zero, least)
	}
	if got == 0 || got > most {
		return raise(codeNotAllowed, "negotiated %s = %d%s is higher than the maximum allowed value (%d)", field, got,
			zero, most)
	}
	return nil
}

func (c *conn) connectionOpen(arguments []byte) *exception {
	var m codec.ConnectionOpen
	if err := m.Decode(arguments); err != nil {
		return undecodable(arguments)
	}
	c.vhost = m.VirtualHost
	session, err := c.server.options.Broker.Open(c.principal, broker.SessionOptions{
		Namespace: m.VirtualHost, Dialect: "AMQP 0-9-1", Name: c.name, Remote: c.remote,
		Properties: c.client.Map(), Pressure: c.pressure, Kill: c.force, Describer: c,
	})
	if err != nil {
		if err.Code == broker.CodeAccessRefused {
			return raise(codeNotAllowed, "access to vhost '%s' refused for user '%s'", m.VirtualHost, c.principal.User)
		}
		if err.Object == broker.ObjectNone {
			err.Object, err.Name = broker.ObjectNamespace, m.VirtualHost
		}
		return c.exception(err)
	}
	c.out.Lock()
	c.session = session
	c.out.Unlock()
	c.bodyBytesMax = uint64(c.server.options.Broker.MessageBytesMax())
	c.client = nil
	c.state = stateRunning
	c.deadline(0)
	c.startTimer()
	c.send(0, &codec.ConnectionOpenOk{})
	return nil
}

// pressure tells the client that the engine holds its messages back, or no more.
func (c *conn) pressure(blocked bool, reason string) {
	o := &c.out
	o.Lock()
	defer o.Unlock()
	c.held = blocked
	if !c.blockedNotify || blocked == c.blockedShown || o.closed {
		return
	}
	c.blockedShown = blocked
	var m codec.Method = &codec.ConnectionUnblocked{}
	if blocked {
		m = &codec.ConnectionBlocked{Reason: reason}
	}
	o.endFramesLocked(codec.AppendMethod(o.beginFramesLocked(), 0, m))
	c.wakeWriterLocked()
}

// undecodable is the exception for arguments that do not fit their method.
func undecodable(arguments []byte) *exception {
	return raise(codeFrameError, "cannot decode %s", numbers(arguments[:min(len(arguments), 128)])) // the text ends sooner
}
