package admin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
	"weir/internal/record"
)

const (
	peekCountDefault = 10
	peekCountMax     = 1000
	// peekStep messages are in memory at once.
	peekStep = 16
	// fromFirst and fromLast are the words for a queue's ends.
	fromFirst = "first"
	fromLast  = "last"
)

// peeked is one message somebody looks at.
type peeked struct {
	Offset record.Offset `json:"offset"`
	State  string        `json:"state"`
	Count  uint32        `json:"delivery_count"`
	Stored int64         `json:"stored_at"` // unix ms
	messageItem
}

// position reads where to begin: "first", an offset or a time.
func position(text string) (broker.Position, *failure) {
	if text == "" || text == fromFirst {
		return broker.Position{}, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return broker.Position{Offset: record.Offset(n)}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil && t.UnixMilli() > 0 {
		return broker.Position{UnixMillis: t.UnixMilli()}, nil
	}
	return broker.Position{}, badRequest("neither first, an offset nor a time such as 2026-01-31T12:00:00Z: " + strconv.Quote(text))
}

// count reads a number of the query within bounds.
func count(q url.Values, name string, otherwise, least, most int64) (int64, *failure) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, badRequest(name + ": not between " + strconv.FormatInt(least, 10) + " and " + strconv.FormatInt(most, 10))
	}
	return n, nil
}

// peek shows messages without taking them: nothing about the queue changes.
func (c *call) peek() *failure {
	q := c.r.URL.Query()
	n, f := count(q, "count", peekCountDefault, 1, peekCountMax)
	if f != nil {
		return f
	}
	truncate, f := count(q, "truncate", -1, 0, 1<<31)
	if f != nil {
		return f
	}
	encoding := q.Get("encoding")
	if encoding != "" && encoding != "auto" && encoding != encodingBase64 {
		return badRequest("encoding: neither auto nor base64")
	}
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	from := q.Get("from")
	var at broker.Position
	if from == fromLast {
		end, err := s.End(c.args[1])
		if err != nil {
			return failed(err)
		}
		at.Offset = end - min(end, record.Offset(n))
	} else if at, f = position(from); f != nil {
		f.reason = "from: " + f.reason
		return f
	}
	return c.sendPeeked(s, at, int(n), encoding, truncate)
}

// sendPeeked answers with an array, a few messages at a time.
func (c *call) sendPeeked(s *broker.Session, at broker.Position, n int, encoding string, truncate int64) *failure {
	encoder := json.NewEncoder(c.w)
	write := func(text string) bool {
		_, err := c.w.Write([]byte(text))
		return err == nil
	}
	for sent := 0; ; {
		list, next, err := s.Peek(c.args[1], at, min(n-sent, peekStep))
		if err != nil {
			return failed(err)
		}
		if sent == 0 {
			c.w.Header().Set("Content-Type", "application/json")
			c.w.Header().Set("Cache-Control", "no-store")
			if !write("[") {
				return nil
			}
		}
		for i := range list {
			p := &list[i]
			if sent > 0 && !write(",") {
				return nil
			}
			sent++
			item := peeked{p.Offset, c.standing(p.Standing), p.Count, storedAt(p.Record), showMessage(c.shown(&p.Delivery), encoding, truncate)}
			item.Redelivered = p.Redelivered
			if encoder.Encode(&item) != nil {
				return nil // the client has gone
			}
		}
		at = broker.Position{Offset: next}
		if len(list) == 0 || sent >= n {
			write("]\n")
			return nil
		}
	}
}

// standing is the word for a message's state. Nothing of a stream is ever settled.
func (c *call) standing(s broker.Standing) string {
	if s != broker.Settled {
		return s.String()
	}
	if q, ok := c.options.Broker.Queue(c.args[0], c.args[1]); ok && native.QueueType(q.Arguments) == "stream" {
		return "stored"
	}
	return s.String()
}

// shown is a message as this API shows all of them.
func (c *call) shown(d *broker.Delivery) []byte {
	return c.options.Broker.Show(d, record.DialectAMQP091)
}

// storedAt is when a record came into its queue, in unix milliseconds.

func storedAt(rec []byte) int64 {
	var e record.Envelope
	if _, err := record.Decode(rec, &e); err != nil {
		return 0
	}
	return e.Timestamp
}

// rewind makes settled messages ready again, where the queue keeps them.
func (c *call) rewind() *failure {
	var body struct {
		To string `json:"to"`
	}
	if f := c.read(&body); f != nil {
		return f
	}
	if body.To == "" {
		return badRequest("to: missing")
	}
	at, f := position(body.To)
	if f != nil {
		f.reason = "to: " + f.reason
		return f
	}
	s, f := c.open(c.args[0])
	if f != nil {
		return f
	}
	if err := s.Rewind(c.args[1], at); err != nil {
		g := failed(err)
		if err.Field == "retention" {
			g.reason = "queue '" + c.args[1] + "' retains nothing: settled messages are gone. Declare it with x-retain-ms or " +
				"x-retain-bytes, or set a policy, and what is settled from then on can be rewound to"
			g.code = codeConflict
		}
		return g
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
