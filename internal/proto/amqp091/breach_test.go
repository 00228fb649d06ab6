package amqp091_test

import (
	"crypto/tls"
	"io"
	"slices"
	"strings"
	"testing"

	"weir/internal/proto/amqp091/codec"
)

func frame(kind uint8, channel uint16, payload ...byte) []byte {
	b := codec.BeginFrame(nil, kind, channel)
	return codec.EndFrame(append(b, payload...), 0)
}

func header(channel uint16, class byte, size byte) []byte {
	return frame(codec.FrameHeader, channel, 0, class, 0, 0, 0, 0, 0, 0, 0, 0, 0, size, 0, 0)
}

func methods(channel uint16, ms ...codec.Method) []byte {
	var b []byte
	for _, m := range ms {
		b = codec.AppendMethod(b, channel, m)
	}
	return b
}

func TestForeignHeadersAreAnsweredWithOurs(t *testing.T) {
	s := start(t)
	for _, hello := range []string{
		"AMQP\x00\x01\x00\x00", "AMQP\x03\x01\x00\x00", "GET / HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00", "AMQP\x00\x00\x09\x00", "xxxxxxxx",
	} {
		r := s.raw()
		r.write([]byte(hello))
		answer, _ := io.ReadAll(r.nc)
		if string(answer) != codec.ProtocolHeader {
			t.Errorf("%q answered with %q", hello, answer)
		}
	}
	if c, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true}); err == nil {
		_ = c.Close()
		t.Error("TLS on the plain port")
	}
}

// Every row sends bytes on a connection with channel 1 open and names the close
// that answers them.
func TestBreachesOnAnOpenChannel(t *testing.T) {
	s := start(t)
	pub := &codec.BasicPublish{RoutingKey: []byte("nowhere")}
	for _, row := range []struct {
		name string
		send []byte
		code uint16
		text string
		id   codec.ID
	}{
		{"heartbeat on a channel", frame(8, 1), 505, "UNEXPECTED_FRAME - type 8, all octets = <<>>", 0},
		{"heartbeat with a payload", frame(8, 0, 1), 501, "FRAME_ERROR - type 8, all octets = <<1>>: unknown_frame", 0},
		{"unknown frame type", frame(5, 1, 1, 2), 501, "FRAME_ERROR - type 5, all octets = <<1,2>>: unknown_frame", 0},
		{"short method frame", frame(1, 1, 0, 60), 501, "FRAME_ERROR - type 1, all octets = <<0,60>>: unknown_frame", 0},
		{
			"wrong frame end",
			[]byte{1, 0, 1, 0, 0, 0, 1, 9, 0},
			501,
			"FRAME_ERROR - type 1, all octets = <<9>>: {invalid_frame_end_marker,0}", 0,
		},
		{
			"frame above frame-max",
			[]byte{3, 0, 1, 0x00, 0x02, 0x00, 0x01},
			501,
			"FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,131073,131064}", 0,
		},
		{"content header on channel 0", header(0, 60, 0), 505, "UNEXPECTED_FRAME", 0},
		{
			"header without a publish", header(1, 60, 0), 505,
			"UNEXPECTED_FRAME - expected method frame, got non method frame instead", 0,
		},
		{
			"body without a publish", frame(3, 1, 1), 505,
			"UNEXPECTED_FRAME - expected method frame, got non method frame instead", 0,
		},
		{
			"method instead of a header", slices.Concat(methods(1, pub), methods(1, &codec.BasicQos{})), 505,
			"UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead",
			codec.IDBasicPublish,
		},
		{
			"body instead of a header", slices.Concat(methods(1, pub), frame(3, 1, 1)), 505,
			"UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead",
			codec.IDBasicPublish,
		},
		{
			"header of another class", slices.Concat(methods(1, pub), header(1, 50, 0)), 505,
			"UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead",
			codec.IDBasicPublish,
		},
		{
			"header instead of a body", slices.Concat(methods(1, pub), header(1, 60, 5), header(1, 60, 5)), 505,
			"UNEXPECTED_FRAME - expected content body, got non content body frame instead", codec.IDBasicPublish,
		},
		{
			"method instead of a body", slices.Concat(methods(1, pub), header(1, 60, 5), methods(1, pub)), 505,
			"UNEXPECTED_FRAME - expected content body, got non content body frame instead", codec.IDBasicPublish,
		},
		{
			"body larger than announced", slices.Concat(methods(1, pub), header(1, 60, 2), frame(3, 1, 1, 2, 3)), 501,
			"FRAME_ERROR - content body frame exceeds remaining content size", codec.IDBasicPublish,
		},
		{
			"second channel.open", methods(1, &codec.ChannelOpen{}), 504,
			"CHANNEL_ERROR - second 'channel.open' seen", codec.IDChannelOpen,
		},
		{
			"method on a closed channel", methods(7, &codec.BasicQos{}), 504,
			"CHANNEL_ERROR - expected 'channel.open'", codec.IDBasicQos,
		},
		{"content on a closed channel", header(7, 60, 0), 505, "UNEXPECTED_FRAME", 0},
		{
			"connection method on a channel", methods(1, &codec.ConnectionOpen{}), 503,
			"COMMAND_INVALID - unimplemented method", codec.IDConnectionOpen,
		},
		{
			"channel method on channel 0", methods(0, &codec.ChannelOpen{}), 504,
			"CHANNEL_ERROR - unexpected method in connection state running", codec.IDChannelOpen,
		},
		{
			"second connection.open", methods(0, &codec.ConnectionOpen{}), 504,
			"CHANNEL_ERROR - unexpected method in connection state running", codec.IDConnectionOpen,
		},
		{"unknown method", frame(1, 1, 0, 60, 0, 99), 503, "COMMAND_INVALID - unknown method 60.99", 60<<16 | 99},
		{
			"a server's method", methods(1, &codec.BasicGetEmpty{}), 503,
			"COMMAND_INVALID - unimplemented method", codec.IDBasicGetEmpty,
		},
		{
			"undecodable arguments", frame(1, 1, 0, 60, 0, 10, 1), 501, "FRAME_ERROR - cannot decode <<1>>",
			codec.IDBasicQos,
		},
		{
			"bad UTF-8 in a name", methods(1, &codec.QueueDelete{Queue: "\xff"}), 501, "FRAME_ERROR - cannot decode",
			codec.IDQueueDelete,
		},
		{
			"immediate", publish(1, &codec.BasicPublish{Immediate: true}, &codec.Properties{}, "x"), 540,
			"NOT_IMPLEMENTED - immediate=true", codec.IDBasicPublish,
		},
		{"flow off", methods(1, &codec.ChannelFlow{}), 540, "NOT_IMPLEMENTED - active=false", codec.IDChannelFlow},
		{
			"prefetch size", methods(1, &codec.BasicQos{PrefetchSize: 10}), 540,
			"NOT_IMPLEMENTED - prefetch_size!=0 (10)", codec.IDBasicQos,
		},
		{
			"recover without requeue", methods(1, &codec.BasicRecover{}), 540, "NOT_IMPLEMENTED - requeue=false",
			codec.IDBasicRecover,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := s.raw()
			r.t = t
			r.login().channel()
			r.write(row.send)
			m := expect(r, &codec.ConnectionClose{})
			if m.ReplyCode != row.code || !strings.HasPrefix(m.ReplyText, row.text) ||
				codec.ID(uint32(m.ClassID)<<16|uint32(m.MethodID)) != row.id {
				t.Fatalf("%+v", m)
			}
			r.send(0, &codec.ConnectionCloseOk{})
			r.ended()
		})
	}
}

func TestChannelErrors(t *testing.T) {
	s := start(t)
	pub := &codec.BasicPublish{RoutingKey: []byte("nowhere")}
	expire := &codec.Properties{Flags: codec.FlagExpiration, Expiration: []byte("soon")}
	user := &codec.Properties{Flags: codec.FlagUserID, UserID: []byte("mallory")}
	cc := &codec.Properties{Flags: codec.FlagHeaders, Headers: codec.AppendMap(nil, map[string]any{"CC": "k"})}
	for _, row := range []struct {
		name string
		send []byte
		code uint16
		text string
		id   codec.ID
	}{
		{
			"unknown delivery tag", methods(1, &codec.BasicAck{DeliveryTag: 5}), 406,
			"PRECONDITION_FAILED - unknown delivery tag 5", codec.IDBasicAck,
		},
		{
			"tag 0 without multiple", methods(1, &codec.BasicNack{}), 406,
			"PRECONDITION_FAILED - unknown delivery tag 0", codec.IDBasicNack,
		},
		{
			"publish to no exchange", publish(1, &codec.BasicPublish{Exchange: []byte("no")}, &codec.Properties{}, ""), 404,
			"NOT_FOUND - no exchange 'no' in vhost '/'", codec.IDBasicPublish,
		},
		{
			"bad expiration", publish(1, pub, expire, "x"), 406,
			"PRECONDITION_FAILED - invalid expiration 'soon': no_integer", codec.IDBasicPublish,
		},
		{
			"another's user-id", publish(1, pub, user, "x"), 406,
			"PRECONDITION_FAILED - user_id property set to 'mallory' but authenticated user was 'guest'",
			codec.IDBasicPublish,
		},
		{
			"CC of a wrong type", publish(1, pub, cc, "x"), 406,
			"PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}", codec.IDBasicPublish,
		},
		{
			"no queue declared", methods(1, &codec.BasicGet{}), 404, "NOT_FOUND - no previously declared queue",
			codec.IDBasicGet,
		},
		{
			"get from no queue", methods(1, &codec.BasicGet{Queue: "no"}), 404, "NOT_FOUND - no queue 'no' in vhost '/'",
			codec.IDBasicGet,
		},
		{
			"passive declare of no queue", methods(1, &codec.QueueDeclare{Queue: "no", Passive: true}), 404,
			"NOT_FOUND - no queue 'no' in vhost '/'", codec.IDQueueDeclare,
		},
		{
			"reserved queue name", methods(1, &codec.QueueDeclare{Queue: "amq.mine"}), 403,
			"ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'", codec.IDQueueDeclare,
		},
		{
			"reserved exchange name", methods(1, &codec.ExchangeDeclare{Exchange: "amq.mine", Type: "direct"}), 403,
			"ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'", codec.IDExchangeDeclare,
		},
		{
			"unknown exchange type", methods(1, &codec.ExchangeDeclare{Exchange: "e", Type: "odd"}), 406,
			"PRECONDITION_FAILED - unknown exchange type 'odd'", codec.IDExchangeDeclare,
		},
		{
			"default exchange", methods(1, &codec.ExchangeDeclare{Type: "direct"}), 403,
			"ACCESS_REFUSED - operation not permitted on the default exchange", codec.IDExchangeDeclare,
		},
		{
			"delete a system exchange", methods(1, &codec.ExchangeDelete{Exchange: "amq.topic"}), 403,
			"ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed", codec.IDExchangeDelete,
		},
		{
			"amq.topic as direct", methods(1, &codec.ExchangeDeclare{Exchange: "amq.topic", Type: "direct", Durable: true}), 406,
			"PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.topic' in vhost '/': received 'direct' " +
				"but current is 'topic'", codec.IDExchangeDeclare,
		},
		{
			"bind to the default exchange", methods(1, &codec.QueueBind{Queue: "q"}), 403,
			"ACCESS_REFUSED - operation not permitted on the default exchange", codec.IDQueueBind,
		},
		{
			"bind no queue", methods(1, &codec.QueueBind{Queue: "no", Exchange: "amq.direct"}), 404,
			"NOT_FOUND - no queue 'no' in vhost '/'", codec.IDQueueBind,
		},
		{
			"reply without a reply consumer", publish(1, pub, &codec.Properties{
				Flags:   codec.FlagReplyTo,
				ReplyTo: []byte("amq.rabbitmq.reply-to"),
			}, "x"), 406,
			"PRECONDITION_FAILED - fast reply consumer does not exist", codec.IDBasicPublish,
		},
		{
			"acknowledging reply consumer", methods(1, &codec.BasicConsume{Queue: "amq.rabbitmq.reply-to"}), 406,
			"PRECONDITION_FAILED - reply consumer cannot acknowledge", codec.IDBasicConsume,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := s.raw()
			r.t = t
			r.login().channel()
			r.write(row.send)
			m := expect(r, &codec.ChannelClose{})
			if m.ReplyCode != row.code || m.ReplyText != row.text ||
				codec.ID(uint32(m.ClassID)<<16|uint32(m.MethodID)) != row.id {
				t.Fatalf("%+v", m)
			}
			// Until close-ok everything is ignored; then the number is free again.
			r.write(publish(1, pub, &codec.Properties{}, "late"))
			r.send(1, &codec.BasicAck{DeliveryTag: 9}, &codec.QueueDeclare{Queue: "late"}, &codec.ChannelCloseOk{},
				&codec.BasicAck{DeliveryTag: 9})
			r.channel()
			r.send(1, &codec.QueueDeclare{Queue: "late", Passive: true})
			if m := expect(r, &codec.ChannelClose{}); m.ReplyCode != 404 {
				t.Fatalf("%+v", m)
			}
		})
	}
}

func TestLogins(t *testing.T) {
	s := start(t)
	for _, row := range []struct {
		name, mechanism, response string
		notify                    bool
		code                      uint16 // 0: tune, 1: just closed
	}{
		{"plain", "PLAIN", "\x00guest\x00guest", true, 0},
		{"amqplain", "AMQPLAIN", string(codec.AppendMap(nil, map[string]any{"LOGIN": "guest", "PASSWORD": "guest"})), true, 0},
		{"wrong password", "PLAIN", "\x00guest\x00nope", true, 403},
		{"wrong password, old client", "PLAIN", "\x00guest\x00nope", false, 1},
		{"no such user", "PLAIN", "\x00nobody\x00guest", true, 403},
		{"external", "EXTERNAL", "", true, 1},
		{"malformed", "PLAIN", "guest", true, 1},
		{"malformed table", "AMQPLAIN", "guest", true, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := s.raw()
			r.t = t
			r.write([]byte(codec.ProtocolHeader))
			expect(r, &codec.ConnectionStart{})
			m := &codec.ConnectionStartOk{Mechanism: row.mechanism, Response: []byte(row.response), Locale: "en_US"}
			if row.notify {
				m.ClientProperties = clientProperties
			}
			r.send(0, m)
			switch row.code {
			case 0:
				tune := expect(r, &codec.ConnectionTune{})
				if tune.ChannelMax != 2047 || tune.FrameMax != 131072 || tune.Heartbeat != 60 {
					t.Fatalf("%+v", tune)
				}
			case 1:
				r.ended()
			default:
				c := expect(r, &codec.ConnectionClose{})
				if c.ReplyCode != row.code || c.ClassID != 0 || c.MethodID != 0 || !strings.HasPrefix(c.ReplyText, "ACCESS_REFUSED - Login was refused using "+
					"authentication mechanism PLAIN. For details see the broker logfile.") {
					t.Fatalf("%+v", c)
				}
			}
		})
	}
}

func TestTuning(t *testing.T) {
	s := start(t)
	for _, row := range []struct {
		tune codec.ConnectionTuneOk
		text string
	}{
		{codec.ConnectionTuneOk{ChannelMax: 1, FrameMax: 4096}, ""},
		{codec.ConnectionTuneOk{ChannelMax: 2047, FrameMax: 131072}, ""},
		{
			codec.ConnectionTuneOk{ChannelMax: 1, FrameMax: 4095},
			"NOT_ALLOWED - negotiated frame_max = 4095 is lower than the minimum allowed value (4096)",
		},
		{
			codec.ConnectionTuneOk{ChannelMax: 1, FrameMax: 131073},
			"NOT_ALLOWED - negotiated frame_max = 131073 is higher than the maximum allowed value (131072)",
		},
		{
			codec.ConnectionTuneOk{ChannelMax: 0, FrameMax: 4096},
			"NOT_ALLOWED - negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)",
		},
	} {
		r := s.raw()
		r.write([]byte(codec.ProtocolHeader))
		expect(r, &codec.ConnectionStart{})
		r.send(0, &codec.ConnectionStartOk{Mechanism: "PLAIN", Response: []byte("\x00guest\x00guest")})
		expect(r, &codec.ConnectionTune{})
		r.send(0, &row.tune)
		if row.text == "" {
			r.send(0, &codec.ConnectionOpen{VirtualHost: "/"})
			expect(r, &codec.ConnectionOpenOk{})
		} else if m := expect(r, &codec.ConnectionClose{}); m.ReplyCode != 530 || m.ReplyText != row.text {
			t.Errorf("%+v", m)
		}
	}
}

func TestUnknownVirtualHost(t *testing.T) {
	s := start(t)
	r := s.raw()
	r.write([]byte(codec.ProtocolHeader))
	expect(r, &codec.ConnectionStart{})
	r.send(0, &codec.ConnectionStartOk{Mechanism: "PLAIN", Response: []byte("\x00guest\x00guest")})
	expect(r, &codec.ConnectionTune{})
	r.send(0, &codec.ConnectionTuneOk{ChannelMax: 1, FrameMax: 4096}, &codec.ConnectionOpen{VirtualHost: "other"})
	if m := expect(r, &codec.ConnectionClose{}); m.ReplyCode != 530 || m.ReplyText != "NOT_ALLOWED - vhost other not found" {
		t.Fatalf("%+v", m)
	}
}

func TestLargeFramesBeforeLoginAreRefused(t *testing.T) {
	s := start(t)
	r := s.raw()
	r.write([]byte(codec.ProtocolHeader))
	expect(r, &codec.ConnectionStart{})
	r.write([]byte{1, 0, 0, 0, 0, 0x20, 0x01})
	r.ended()
}

func TestChannelMax(t *testing.T) {
	s := start(t)
	r := s.raw()
	r.write([]byte(codec.ProtocolHeader))
	expect(r, &codec.ConnectionStart{})
	r.send(0, &codec.ConnectionStartOk{Mechanism: "PLAIN", Response: []byte("\x00guest\x00guest")})
	expect(r, &codec.ConnectionTune{})
	r.send(0, &codec.ConnectionTuneOk{ChannelMax: 1, FrameMax: 4096}, &codec.ConnectionOpen{VirtualHost: "/"})
	expect(r, &codec.ConnectionOpenOk{})
	r.channel()
	r.send(2, &codec.ChannelOpen{})
	m := expect(r, &codec.ConnectionClose{})
	if m.ReplyText != "NOT_ALLOWED - number of channels opened (1) has reached the negotiated channel_max (1)" {
		t.Fatalf("%+v", m)
	}
}

func TestMessageTooLargeIsRefusedBeforeItIsRead(t *testing.T) {
	s := start(t)
	r := s.raw().login().channel()
	r.write(methods(1, &codec.BasicPublish{RoutingKey: []byte("q")}))
	r.write(frame(codec.FrameHeader, 1, 0, 60, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0))
	m := expect(r, &codec.ChannelClose{})
	if m.ReplyCode != 406 || m.ReplyText !=
		"PRECONDITION_FAILED - message size 16777217 is larger than configured max size 16777216" {
		t.Fatalf("%+v", m)
	}
}

func TestFramesArriveInAnyPieces(t *testing.T) {
	s := start(t)
	r := s.raw().login().channel()
	r.send(1, &codec.QueueDeclare{Queue: "q"})
	expect(r, &codec.QueueDeclareOk{})
	all := publish(1, &codec.BasicPublish{RoutingKey: []byte("q")}, &codec.Properties{}, "a message")
	for _, b := range all {
		r.write([]byte{b})
	}
	r.write(append(all, methods(1, &codec.QueueDeclare{Queue: "q", Passive: true})...))
	if m := expect(r, &codec.QueueDeclareOk{}); m.MessageCount != 2 {
		t.Fatalf("%+v", m)
	}
}

func TestCloseIsAnswered(t *testing.T) {
	s := start(t)
	r := s.raw().login().channel()
	r.send(1, &codec.ChannelClose{})
	expect(r, &codec.ChannelCloseOk{})
	r.channel()
	r.send(0, &codec.ConnectionClose{})
	expect(r, &codec.ConnectionCloseOk{})
	r.ended()
}

func TestDrainClosesWithConnectionForced(t *testing.T) {
	s := start(t)
	r := s.raw().login()
	s.Drain()
	m := expect(r, &codec.ConnectionClose{})
	if m.ReplyCode != 320 || m.ReplyText !=
		"CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'" {
		t.Fatalf("%+v", m)
	}
	r.send(0, &codec.ConnectionCloseOk{})
	r.ended()
	refused := s.raw()
	refused.ended()
}

func TestUpdateSecret(t *testing.T) {
	s := start(t)
	r := s.raw().login()
	r.send(0, &codec.ConnectionUpdateSecret{NewSecret: []byte("guest"), Reason: "renewed"})
	expect(r, &codec.ConnectionUpdateSecretOk{})
	r.send(0, &codec.ConnectionUpdateSecret{NewSecret: []byte("another")})
	expect(r, &codec.ConnectionUpdateSecretOk{})
}
