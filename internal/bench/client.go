package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"weir/internal/proto/amqp091/codec"
)

const (
	dialTimeout    = 10 * time.Second
	frameBytesMax  = 131072
	readBufferSize = 256 << 10
	channel        = 1
)

// client is one connection with one channel.
type client struct {
	conn     net.Conn
	frameMax int
	buffer   []byte // read, not yet taken: buffer[from:to]
	from, to int
	out      []byte
}

// errRefused is a connection or channel closed by the broker.
var errRefused = errors.New("refused by the broker")

// dial connects and opens the channel.
func dial(target string) (*client, error) {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "amqp" {
		return nil, fmt.Errorf("url %q: want amqp://user:password@host:port/vhost", target)
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "5672")
	}
	conn, err := net.DialTimeout("tcp", host, dialTimeout)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, buffer: make([]byte, readBufferSize)}
	if err := c.handshake(u); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

func (c *client) handshake(u *url.URL) error {
	user, password := "guest", "guest"
	if u.User != nil {
		user = u.User.Username()
		password, _ = u.User.Password()
	}
	vhost := strings.TrimPrefix(u.EscapedPath(), "/")
	if vhost, _ = url.PathUnescape(vhost); vhost == "" {
		vhost = "/"
	}
	if _, err := io.WriteString(c.conn, codec.ProtocolHeader); err != nil {
		return err
	}
	var start codec.ConnectionStart
	if err := c.expect(&start); err != nil {
		return err
	}
	capabilities := codec.AppendField(nil, "consumer_cancel_notify", true)
	properties := codec.AppendField(nil, "product", "weir bench")
	properties = codec.AppendField(properties, "capabilities", codec.Table(capabilities))
	startOk := &codec.ConnectionStartOk{
		ClientProperties: properties, Mechanism: "PLAIN", Response: []byte("\x00" + user + "\x00" + password), Locale: "en_US",
	}
	var tune codec.ConnectionTune
	if err := c.call(0, startOk, &tune); err != nil {
		return err
	}
	c.frameMax = frameBytesMax
	if tune.FrameMax != 0 && int(tune.FrameMax) < c.frameMax {
		c.frameMax = int(tune.FrameMax)
	}
	out := codec.AppendMethod(nil, 0, &codec.ConnectionTuneOk{ChannelMax: tune.ChannelMax, FrameMax: uint32(c.frameMax)})
	if _, err := c.conn.Write(out); err != nil {
		return err
	}
	if err := c.call(0, &codec.ConnectionOpen{VirtualHost: vhost}, &codec.ConnectionOpenOk{}); err != nil {
		return err
	}
	return c.call(channel, &codec.ChannelOpen{}, &codec.ChannelOpenOk{})
}

// decoder is a method that can be read.
type decoder interface {
	codec.Method
	Decode(b []byte) error
}

// call sends a method and waits for its answer.
func (c *client) call(ch uint16, m codec.Method, answer decoder) error {
	if _, err := c.conn.Write(codec.AppendMethod(nil, ch, m)); err != nil {
		return err
	}
	return c.expect(answer)
}

// expect reads frames until the method comes; heartbeats are passed over.
func (c *client) expect(answer decoder) error {
	for {
		f, err := c.frame()
		if err != nil {
			return err
		}
		if f.Type != codec.FrameMethod {
			continue
		}
		id := methodID(f.Payload)
		if id == answer.ID() {
			return answer.Decode(f.Payload[4:])
		}
		if err := closed(id, f.Payload); err != nil {
			return err
		}
	}
}

func methodID(payload []byte) codec.ID {
	return codec.ID(binary.BigEndian.Uint32(payload))
}

// closed returns the broker's reason if the method ends channel or connection.
func closed(id codec.ID, payload []byte) error {
	switch id {
	case codec.IDConnectionClose:
		var m codec.ConnectionClose
		if err := m.Decode(payload[4:]); err != nil {
			return err
		}
		return fmt.Errorf("%w: %d %s", errRefused, m.ReplyCode, m.ReplyText)
	case codec.IDChannelClose:
		var m codec.ChannelClose
		if err := m.Decode(payload[4:]); err != nil {
			return err
		}
		return fmt.Errorf("%w: %d %s", errRefused, m.ReplyCode, m.ReplyText)
	case codec.IDBasicCancel:
		return fmt.Errorf("%w: consumer cancelled", errRefused)
	}
	return nil
}

// frame returns the next frame; it aliases the buffer until the next call.
func (c *client) frame() (codec.Frame, error) {
	for {
		var f codec.Frame
		n, err := codec.ReadFrame(c.buffer[c.from:c.to], &f)
		if err != nil {
			return f, err
		}
		if n > 0 {
			c.from += n
			return f, nil
		}
		if err := c.fill(); err != nil {
			return f, err
		}
	}
}

// pending says that a whole frame may be in the buffer already.
func (c *client) pending() bool {
	have := c.to - c.from
	return have >= codec.FrameHeadBytes && have >= int(codec.PayloadBytes(c.buffer[c.from:c.to]))+codec.FrameOverheadBytes
}

func (c *client) fill() error {
	if c.from > 0 {
		c.to = copy(c.buffer, c.buffer[c.from:c.to])
		c.from = 0
	}
	if c.to == len(c.buffer) {
		return fmt.Errorf("frame larger than %d bytes", len(c.buffer))
	}
	n, err := c.conn.Read(c.buffer[c.to:])
	c.to += n
	if n > 0 {
		return nil
	}
	return err
}
