package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"weir/internal/broker"
	"weir/internal/record"
)

const (
	// commandBytesMax bounds one line of a subscriber.
	commandBytesMax = 4 << 10
	// writeTime is how long a subscriber may not take anything.
	writeTime = 30 * time.Second
	// creditMax is how much credit a subscriber may have at once.
	creditMax = 1 << 20
)

// killWithClient ends a session whose caller has gone. The caller stops it.
func (c *call) killWithClient(s *broker.Session) func() {
	stop := context.AfterFunc(c.r.Context(), func() { s.Kill("the client has gone") })
	return func() { stop() }
}

// tally counts the completions of a publishing stream.
type tally struct {
	mu      sync.Mutex
	last    uint64
	refused int
	changed chan struct{}
}

func (t *tally) complete(x broker.Completion) {
	t.mu.Lock()
	t.last = x.Last
	t.refused += len(x.Refused)
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

func (t *tally) at() (last uint64, refused int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last, t.refused
}

// published is the answer to a publishing stream.
type published struct {
	Published  uint64 `json:"published"`
	Unroutable uint64 `json:"unroutable"`
	Refused    int    `json:"refused"`
}

// publishStream publishes one message per line of the body to the exchange the
// path names, and answers when all of them are durable.
func (c *call) publishStream() *failure {
	killed := make(chan struct{})
	s, f := c.openAs(c.args[0], broker.SessionOptions{Dialect: dialectStream, Kill: func(string) {
		close(killed)
		c.stopReading()
	}})
	if f != nil {
		return f
	}
	t := &tally{changed: make(chan struct{}, 1)}
	p := s.Publisher(t.complete)
	var answer published
	lineMax := int(2*c.options.Broker.MessageBytesMax()) + bodyBytesMax
	in := bufio.NewReaderSize(c.r.Body, 64<<10)
	for line := 1; ; line++ {
		text, err := readLine(in, lineMax)
		if err != nil && len(text) == 0 && errors.Is(err, io.EOF) {
			break
		}
		if err == nil || errors.Is(err, io.EOF) {
			f = c.publishLine(p, text, &answer)
		} else {
			f = badRequest(err.Error())
			select {
			case <-killed:
				f = unhealthy("closed by an administrator")
			default:
			}
		}
		if f != nil {
			s.Flush()
			f.reason = "line " + strconv.Itoa(line) + ": " + f.reason + "; published before it: " + strconv.FormatUint(answer.Published, 10)
			return f
		}
		if in.Buffered() == 0 || s.Full() || line%1024 == 0 {
			s.Flush()
		}
	}
	stop := c.killWithClient(s)
	defer stop()
	s.Flush()
	for last := uint64(0); last < p.Sequence(); last, answer.Refused = t.at() {
		select {
		case <-t.changed:
		case <-killed:
			return unhealthy("not all messages are durable yet")
		}
	}
	return c.ok(&answer)
}

var errLongLine = errors.New("line longer than a message may be")

// readLine reads a line of any length up to max. It grows as bytes arrive.
func readLine(in *bufio.Reader, bytesMax int) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > bytesMax {
			return nil, errLongLine
		}
		if err == nil && line == nil {
			return part, nil
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func (c *call) publishLine(p *broker.Publisher, text []byte, answer *published) *failure {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	var body publishBody
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return badRequest(err.Error())
	}
	m, f := body.message(exchangeName(c.args[1]))
	if f != nil {
		return f
	}
	o, f := m.outgoing(&c.principal)
	if f != nil {
		return f
	}
	if int64(len(m.body)) > c.options.Broker.MessageBytesMax() {
		return failed(&broker.Error{Code: broker.CodeTooLarge, Text: "message larger than the configured limit"})
	}
	n, err := p.Publish(o)
	if err != nil {
		return failed(err)
	}
	answer.Published++
	if n == 0 {
		answer.Unroutable++
	}
	return nil
}

// command is one line of a subscriber: more credit, or an outcome for the
// messages from Settle[0] up to and including Settle[1].
type command struct {
	Credit  int64             `json:"credit"`
	Settle  *[2]record.Offset `json:"settle"`
	Outcome string            `json:"outcome"`
}

var words = map[string]broker.Outcome{
	"": broker.Accept, "accept": broker.Accept, "release": broker.Release, "return": broker.Return, "reject": broker.Reject,
}

// delivered is one message of a subscription.
type delivered struct {
	Offset record.Offset `json:"offset"`
	messageItem
}

// outbox is the sink of a subscription: what waits to be written. Credit and the
// session's window bound it.
type outbox struct {
	mu      sync.Mutex
	list    []broker.Delivery
	cause   string // why it ended
	changed chan struct{}
}

func (o *outbox) poke() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// Deliver implements broker.Sink.
func (o *outbox) Deliver(_ *broker.Attachment, ds []broker.Delivery) {
	o.mu.Lock()
	o.list = append(o.list, ds...)
	o.mu.Unlock()
	o.poke()
}

// Detached implements broker.Sink.
func (o *outbox) Detached(_ *broker.Attachment, cause *broker.Error) { o.end(cause.Error()) }

func (o *outbox) end(cause string) {
	o.mu.Lock()
	o.cause = cause
	o.mu.Unlock()
	o.poke()
}

func (o *outbox) take() ([]broker.Delivery, string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	return list, o.cause
}

// subscribeStream sends a queue's messages, one per line, as far as the lines of
// the body give credit for, until the body ends. Messages that are not settled
// by then go back.
func (c *call) subscribeStream() *failure {
	control := http.NewResponseController(c.w)
	box := &outbox{changed: make(chan struct{}, 1)}
	s, f := c.openAs(c.args[0], broker.SessionOptions{Dialect: dialectStream, Kill: box.end})
	if f != nil {
		return f
	}
	q := c.r.URL.Query()
	tag := q.Get("tag")
	if tag == "" {
		tag = c.r.RemoteAddr
	}
	if err := broker.CheckName(broker.ObjectConsumer, tag); err != nil {
		return failed(err)
	}
	a, err := s.Attach(broker.AttachOptions{Queue: c.args[1], Tag: tag, Exclusive: q.Get("exclusive") == "true"}, box)
	if err != nil {
		return failed(err)
	}
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	c.w.WriteHeader(http.StatusOK)
	if control.Flush() != nil {
		return nil
	}
	commands := make(chan command, 16)
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() { readCommands(c.r.Body, commands, stop) })
	cause := c.serveSubscription(s, a, box, commands, control)
	close(stop)
	c.stopReading() // it may wait for bytes that never come
	reader.Wait()
	if cause != "" && json.NewEncoder(c.w).Encode(map[string]string{"end": cause}) != nil {
		c.options.Log.Debug("http: subscriber has gone", "cause", cause)
	}
	return nil
}

func readCommands(body io.Reader, commands chan<- command, stop <-chan struct{}) {
	defer close(commands)
	in := bufio.NewReaderSize(body, commandBytesMax)
	for {
		line, err := in.ReadSlice('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var m command
			if bad := json.Unmarshal(line, &m); bad != nil {
				return
			}
			select {
			case commands <- m:
			case <-stop:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// serveSubscription runs until one side ends; it says why if that was not the
// client.
func (c *call) serveSubscription(s *broker.Session, a *broker.Attachment, box *outbox, commands <-chan command, control *http.ResponseController) string {
	out := bufio.NewWriterSize(c.w, 32<<10)
	encoder := json.NewEncoder(out)
	var credit int64
	for {
		select {
		case m, ok := <-commands:
			if !ok {
				s.Flush()
				return ""
			}
			outcome, known := words[m.Outcome]
			credit += m.Credit
			if m.Credit < 0 || credit > creditMax || !known {
				return "malformed command, or too much credit"
			}
			if m.Settle != nil && m.Settle[0] <= m.Settle[1] {
				a.Settle(m.Settle[0], m.Settle[1]+1, outcome)
			}
			if m.Credit > 0 {
				a.Credit(m.Credit)
			}
			s.Flush()
		case <-box.changed:
			list, cause := box.take()
			if control.SetWriteDeadline(c.options.Clock.Now().Add(writeTime)) != nil {
				return cause
			}
			sent := 0
			for i := range list {
				d := &list[i]
				item := delivered{d.Offset, showMessage(c.shown(d), "", -1)}
				item.Redelivered = d.Redelivered
				if encoder.Encode(&item) != nil {
					return cause
				}
				sent += d.Bytes()
			}
			credit -= int64(len(list))
			if out.Flush() != nil || control.Flush() != nil {
				return cause
			}
			s.Sent(sent)
			if cause != "" {
				return cause
			}
		}
	}
}
