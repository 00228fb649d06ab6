package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/record"
)

const (
	fetchBytesMax = 64 << 20
	fetchWaitMax  = time.Minute
	// readCommitted is the level of isolation that sees no open transaction.
	readCommitted = 1
	// fetchIDs is from where on topics are named by their ids.
	fetchIDs = 13
)

// fetchPart is one partition a client wants messages of. In a session it is kept
// from one fetch to the next.
type fetchPart struct {
	topic     string // versions below fetchIDs
	id        broker.TopicID
	partition int32
	from      int64
	maxBytes  int32
	epoch     int32 // of the leader, as the client knows it
	told      bounds
}

// bounds are what a client knows of a partition besides its messages.
type bounds struct{ first, end int64 }

// fetchedPart is what a client is told of one partition.
type fetchedPart struct {
	part *fetchPart
	code int16
	broker.Fetched
}

// fetch writes its answer itself.
func (c *conn) fetch(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrFetchRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	scope, bad := c.fetchScope(m)
	if bad != errNone {
		return nil, c.writeFetched(r, bad, 0, nil)
	}
	all := c.fetchParts(m, scope.parts)
	defer broker.ReleaseFetched(c.fetched) // it is written by then
	if scope.session != nil {
		all = scope.session.news(all, scope.full)
		return nil, c.writeFetched(r, errNone, scope.session.id, all)
	}
	return nil, c.writeFetched(r, errNone, 0, all)
}

// fetchParts waits for messages of partitions.
func (c *conn) fetchParts(m *kmsg.FetchRequest, asked []*fetchPart) []fetchedPart {
	all := make([]fetchedPart, len(asked))
	parts := make([]broker.FetchPart, 0, len(asked))
	which := make([]int, 0, len(asked))
	for i, a := range asked {
		all[i].part = a
		name, refused := a.topic, int16(errNone)
		if m.Version >= fetchIDs {
			var t *known
			if t, refused = c.knownTopicID(a.id); refused == errNone {
				name = t.Name
			}
		}
		switch {
		case refused != errNone:
			all[i].code = refused
		case a.epoch > leaderEpoch:
			all[i].code = kerr.UnknownLeaderEpoch.Code
		case a.from < 0:
			all[i].code = kerr.OffsetOutOfRange.Code
		default:
			parts = append(parts, broker.FetchPart{Topic: name, Partition: int(a.partition), From: record.Offset(a.from), MaxBytes: int(max(a.maxBytes, 0))})
			which = append(which, i)
		}
	}
	limits := broker.FetchLimits{
		MinBytes: int(m.MinBytes), MaxBytes: int(min(max(m.MaxBytes, 0), fetchBytesMax)),
		Wait: min(time.Duration(m.MaxWaitMillis)*time.Millisecond, fetchWaitMax), Committed: m.IsolationLevel == readCommitted,
	}
	if len(which) < len(asked) {
		limits.Wait = 0 // there is something to say at once
	}
	c.fetched = c.session.Fetch(parts, limits)
	for k, f := range c.fetched {
		c.translate(&f, parts[k].Topic)
		p := &all[which[k]]
		p.Fetched, p.code = f, code(f.Err)
	}
	return all
}
