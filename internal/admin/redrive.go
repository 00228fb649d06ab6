package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
	"weir/internal/record"
	"weir/internal/route"
)

// redriveBody asks for a redrive. Without a target, messages go straight to the
// queue they died in first, or through the exchange they were published to.
type redriveBody struct {
	Filter struct {
		Headers    map[string]string `json:"headers"`
		Reason     string            `json:"reason"`      // of the last death
		Queue      string            `json:"queue"`       // of the first death
		RoutingKey string            `json:"routing_key"` // topic pattern, on the key it was published with
		OlderMS    int64             `json:"older_ms"`    // in this queue
		YoungerMS  int64             `json:"younger_ms"`
	} `json:"filter"`
	To struct {
		Exchange   *string `json:"exchange"`
		RoutingKey *string `json:"routing_key"`
		Queue      *string `json:"queue"`
	} `json:"to"`
	ThroughExchange bool    `json:"through_exchange"`
	Rate            float64 `json:"rate"`
	Limit           uint64  `json:"limit"`
	DryRun          bool    `json:"dry_run"`
}

func (b *redriveBody) check() *failure {
	switch {
	case b.Rate < 0 || b.Rate > 1e9:
		return badRequest("rate: not a number of messages per second")
	case b.Filter.OlderMS < 0 || b.Filter.YoungerMS < 0:
		return badRequest("filter: negative age")
	case b.To.Queue != nil && (b.To.Exchange != nil || b.To.RoutingKey != nil || b.ThroughExchange):
		return badRequest("to: a queue leaves no choice of exchange or routing_key")
	case b.To.RoutingKey != nil && b.To.Exchange == nil:
		return badRequest("to: a routing_key needs an exchange")
	case b.To.Exchange != nil && b.ThroughExchange:
		return badRequest("to: either an exchange or through_exchange")
	}
	for _, text := range []*string{b.To.Exchange, b.To.RoutingKey, b.To.Queue} {
		if text != nil && len(*text) > shortBytesMax {
			return badRequest("to: longer than 255 bytes")
		}
	}
	return nil
}

// redriver plans where the messages of one call go.
type redriver struct {
	*redriveBody
	keys    *route.Table // nil: all
	now     int64
	unknown uint64 // matched, but nobody knows where they came from
}

func newRedriver(b *redriveBody, now int64) *redriver {
	r := &redriver{redriveBody: b, now: now}
	if b.Filter.RoutingKey != "" {
		r.keys = route.New(route.Topic)
		r.keys.Add(route.Binding{Key: b.Filter.RoutingKey, Target: 1})
	}
	return r
}

// letter is a dead letter taken apart.
type letter struct {
	stored     native.Message
	properties codec.Properties
	origin     native.Origin
	known      bool // its origin is
	storedAt   int64
}

func openLetter(rec []byte) (*letter, bool) {
	var e record.Envelope
	b, err := record.Decode(rec, &e)
	if err != nil || e.Dialect != record.DialectAMQP091 {
		return nil, false
	}
	l := &letter{storedAt: e.Timestamp}
	if l.stored, err = native.Open(b); err != nil || l.stored.Properties(&l.properties) != nil {
		return nil, false
	}
	l.origin, l.known = native.ReadOrigin(&l.stored, &l.properties)
	return l, true
}

// key is what the message was published with.
func (l *letter) key() string {
	if l.known {
		return l.origin.Keys[0]
	}
	return string(l.stored.Key)
}

func (r *redriver) matches(l *letter) bool {
	f := &r.Filter
	age := r.now - l.storedAt
	switch {
	case f.Reason != "" && l.origin.Reason != f.Reason, f.Queue != "" && l.origin.Queue != f.Queue,
		f.OlderMS > 0 && age < f.OlderMS, f.YoungerMS > 0 && age > f.YoungerMS,
		r.keys != nil && len(r.keys.Match([]byte(l.key()), nil, nil)) == 0:
		return false
	}
	if len(f.Headers) == 0 {
		return true
	}
	headers := l.properties.Headers.Map()
	for name, want := range f.Headers {
		v, ok := headers[name]
		if !ok || fmt.Sprint(v) != want {
			return false
		}
	}
	return true
}

// plan says where a message goes; nil where it stays.
func (r *redriver) plan(d *broker.Delivery) *broker.Outgoing {
	l, ok := openLetter(d.Record)
	if !ok || !r.matches(l) {
		return nil
	}
	// exchange and key are shown to consumers, to and by are what it is routed with.
	exchange, key := string(l.stored.Exchange), l.key()
	if l.known {
		exchange = l.origin.Exchange
	}
	var to, by string
	switch {
	case r.To.Queue != nil:
		by = *r.To.Queue
	case r.To.Exchange != nil:
		to, by = *r.To.Exchange, key
		if r.To.RoutingKey != nil {
			by = *r.To.RoutingKey
		}
		exchange, key = to, by
	case !l.known:
		r.unknown++
		return nil
	case r.ThroughExchange:
		to, by = exchange, key
	default:
		by = l.origin.Queue
	}
	o := &broker.Outgoing{
		Exchange: to, Key: []byte(by), Dialect: record.DialectAMQP091, Priority: l.properties.Priority, TTL: -1,
		Message: &native.Headers{Properties: l.properties},
		Native:  native.Readdress(&l.stored, &l.properties, exchange, key),
	}
	if r.ThroughExchange && l.known {
		o.ExtraKeys = l.origin.Keys[1:]
	}
	return o
}

// redriveLine is what becomes known of one message.
type redriveLine struct {
	Offset     record.Offset `json:"offset"`
	Fate       string        `json:"fate"`
	Exchange   string        `json:"exchange"`
	RoutingKey string        `json:"routing_key"`
	MessageID  string        `json:"message_id,omitempty"`
	Reason     string        `json:"reason,omitempty"`
}

// redriveTotals are progress, and with Done the end.
type redriveTotals struct {
	Looked     uint64 `json:"looked"`
	Moved      uint64 `json:"moved"`
	Unroutable uint64 `json:"unroutable"`
	Taken      uint64 `json:"taken"`
	Unknown    uint64 `json:"unknown_origin"`
	DryRun     bool   `json:"dry_run,omitempty"`
	Done       bool   `json:"done"`
	Error      string `json:"error,omitempty"`
}

var fates = map[broker.Moved]string{broker.MovedHome: "moved", broker.MovedTaken: "taken", broker.MovedLost: "unroutable"}

// redriveReportEvery is how often a run tells how far it is.
const redriveReportEvery = time.Second

// redrive moves messages and tells of it line by line; it ends with the request.
func (c *call) redrive() *failure {
	var body redriveBody
	control := http.NewResponseController(c.w)
	c.r.Body = http.MaxBytesReader(c.w, c.r.Body, bodyBytesMax)
	if control.SetReadDeadline(c.options.Clock.Now().Add(requestTime)) != nil {
		return unhealthy("no deadline")
	}
	if f := c.read(&body); f != nil {
		return f
	}
	if control.SetReadDeadline(time.Time{}) != nil {
		return unhealthy("no deadline")
	}
	if f := body.check(); f != nil {
		return f
	}
	s, f := c.openAs(c.args[0], broker.SessionOptions{Dialect: dialectStream})
	if f != nil {
		return f
	}
	// What is wrong with the queue is told before the answer has begun.
	if _, err := s.End(c.args[1]); err != nil {
		return failed(err)
	}
	stop := c.killWithClient(s)
	defer stop()
	p := newRedriver(&body, c.options.Clock.Millis())
	out := json.NewEncoder(c.w)
	tell := func(v any) {
		// A client that has gone ends the request, and that the run.
		_ = control.SetWriteDeadline(c.options.Clock.Now().Add(writeTime))
		_ = out.Encode(v)
		_ = control.Flush()
	}
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	c.w.WriteHeader(http.StatusOK)
	var progress broker.Redriven
	told := c.options.Clock.Now()
	done, err := s.Redrive(c.r.Context(), &broker.Redrive{
		Queue: c.args[1], Limit: body.Limit, Rate: body.Rate, DryRun: body.DryRun, Plan: p.plan,
		Report: func(d *broker.Delivery, o *broker.Outgoing, what broker.Moved) {
			switch what {
			case broker.MovedHome:
				progress.Moved++
			case broker.MovedTaken:
				progress.Taken++
			case broker.MovedLost:
				progress.Unroutable++
			}
			if body.DryRun || what != broker.MovedHome {
				tell(lineOf(d, o, what))
			}
			if now := c.options.Clock.Now(); now.Sub(told) >= redriveReportEvery {
				told = now
				tell(&redriveTotals{
					Moved: progress.Moved, Taken: progress.Taken, Unroutable: progress.Unroutable, Unknown: p.unknown, DryRun: body.DryRun,
				})
			}
		},
	})
	end := redriveTotals{done.Looked, done.Moved, done.Unroutable, done.Taken, p.unknown, body.DryRun, err == nil, ""}
	if err != nil {
		end.Error = failed(err).reason
	}
	tell(&end)
	return nil
}

func lineOf(d *broker.Delivery, o *broker.Outgoing, what broker.Moved) *redriveLine {
	line := &redriveLine{Offset: d.Offset, Fate: fates[what], Exchange: o.Exchange, RoutingKey: string(o.Key)}
	if l, ok := openLetter(d.Record); ok {
		line.MessageID = strings.ToValidUTF8(string(slices.Clone(l.properties.MessageID)), "�")
		line.Reason = l.origin.Reason
	}
	return line
}
