package amqp091

import (
	"weir/internal/proto/amqp091/codec"
)

// stage is how far a publish has been received.
type stage uint8

const (
	contentNone   stage = iota
	contentHeader       // the method was; the header is next
	contentBody         // the header was; body frames follow
)

// content is a publish whose frames do not lie in the buffer together. Its parts
// are copies and grow as bytes arrive, never ahead of them.
type content struct {
	stage     stage
	mandatory bool
	immediate bool
	exchange  int // bytes of address that are the exchange
	address   []byte
	sized     []byte
	body      []byte
	missing   uint64 // body bytes
}

// interrupted is the exception for a frame that may not come now.
func (k *content) interrupted() *exception {
	e := raise(codeUnexpectedFrame, "expected content body, got non content body frame instead")
	if k.stage == contentHeader {
		e = raise(codeUnexpectedFrame, "expected content header for class %d, got non content header frame instead",
			codec.ClassBasic)
	}
	return e.caused(codec.IDBasicPublish)
}

// method returns the publish the content belongs to.
func (k *content) method() codec.BasicPublish {
	return codec.BasicPublish{
		Exchange: k.address[1:k.exchange], RoutingKey: k.address[k.exchange+1:],
		Mandatory: k.mandatory, Immediate: k.immediate,
	}
}

// bodyKeptBytes is the largest body buffer a quiet channel holds on to: thousands of
// channels may be open.
const bodyKeptBytes = 8 << 10

// finish gives the buffers back to be used again.
func (k *content) finish() {
	if cap(k.body) > bodyKeptBytes {
		k.body = nil
	}
	*k = content{address: k.address[:0], sized: k.sized[:0], body: k.body[:0]}
}

// basicPublish handles the method. Where header and body lie behind it in the
// buffer, which is the usual case, the message is published from there.
func (ch *channel) basicPublish(arguments, ahead []byte) *exception {
	var m codec.BasicPublish
	if m.Decode(arguments) != nil {
		return undecodable(arguments)
	}
	address := arguments[2 : len(arguments)-1] // between ticket and bits
	var f codec.Frame
	n, err := codec.ReadFrame(ahead, &f)
	if n > 0 && err == nil && f.Type == codec.FrameHeader && f.Channel == ch.number {
		var h codec.Header
		if codec.DecodeHeader(f.Payload, &h) == nil && h.Class == codec.ClassBasic {
			if h.BodyBytes == 0 {
				ch.conn.r += n
				return ch.publish(&m, address, h.Sized, nil)
			}
			k, err := codec.ReadFrame(ahead[n:], &f)
			if k > 0 && err == nil && f.Type == codec.FrameBody && f.Channel == ch.number &&
				uint64(len(f.Payload)) == h.BodyBytes {
				ch.conn.r += n + k
				return ch.publish(&m, address, h.Sized, f.Payload)
			}
		}
	}
	ch.content.stage = contentHeader
	ch.content.mandatory, ch.content.immediate = m.Mandatory, m.Immediate
	ch.content.exchange = 1 + len(m.Exchange)
	ch.content.address = append(ch.content.address[:0], address...)
	return nil
}

// contentHeader handles a header frame.
func (ch *channel) contentHeader(payload []byte) *exception {
	k := &ch.content
	switch k.stage {
	case contentNone:
		return raise(codeUnexpectedFrame, "expected method frame, got non method frame instead")
	case contentBody:
		return k.interrupted()
	case contentHeader:
	}
	var h codec.Header
	if codec.DecodeHeader(payload, &h) != nil {
		return raise(codeFrameError, "type %d, %s: unknown_frame", codec.FrameHeader, octets(payload))
	}
	if h.Class != codec.ClassBasic {
		return raise(codeUnexpectedFrame, "expected content header for class %d, got one for class %d instead",
			codec.ClassBasic, h.Class).caused(codec.IDBasicPublish)
	}
	if e := ch.checkSize(h.BodyBytes); e != nil {
		k.finish()
		return e.caused(codec.IDBasicPublish)
	}
	k.sized = append(k.sized[:0], h.Sized...)
	k.missing, k.stage = h.BodyBytes, contentBody
	if k.missing == 0 {
		return ch.contentComplete()
	}
	return nil
}

// contentBody handles a body frame.
func (ch *channel) contentBody(payload []byte) *exception {
	k := &ch.content
	switch k.stage {
	case contentNone:
		return raise(codeUnexpectedFrame, "expected method frame, got non method frame instead")
	case contentHeader:
		return k.interrupted()
	case contentBody:
	}
	if uint64(len(payload)) > k.missing {
		return raise(codeFrameError, "content body frame exceeds remaining content size").caused(codec.IDBasicPublish)
	}
	k.missing -= uint64(len(payload))
	if k.missing == 0 && len(k.body) == 0 {
		m := k.method()
		e := ch.publish(&m, k.address, k.sized, payload)
		k.finish()
		return e.caused(codec.IDBasicPublish)
	}
	k.body = append(k.body, payload...)
	if k.missing == 0 {
		return ch.contentComplete()
	}
	return nil
}

func (ch *channel) contentComplete() *exception {
	k := &ch.content
	m := k.method()
	e := ch.publish(&m, k.address, k.sized, k.body)
	k.finish()
	return e.caused(codec.IDBasicPublish)
}

// checkSize refuses a body that is too large before it is read.
func (ch *channel) checkSize(bytes uint64) *exception {
	most := ch.conn.bodyBytesMax
	if bytes > most {
		return raise(codePreconditionFailed, "message size %d is larger than configured max size %d", bytes, most)
	}
	return nil
}
