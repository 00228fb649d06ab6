package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/record"
)

// The timestamps that stand for something else, and the versions they came with.
const (
	offsetLatest        = -1
	offsetEarliest      = -2
	offsetMaxTimestamp  = -3
	offsetEarliestLocal = -4
	offsetLatestTiered  = -5
	offsetPendingUpload = -6
)

// offsetSince are the versions from which on a timestamp is understood.
var offsetSince = map[int64]int16{
	offsetLatest: 0, offsetEarliest: 0, offsetMaxTimestamp: 7, offsetEarliestLocal: 8, offsetLatestTiered: 9, offsetPendingUpload: 11,
}

func (c *conn) listOffsets(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrListOffsetsRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrListOffsetsResponse()
	for i := range m.Topics {
		t := &m.Topics[i]
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = t.Topic
		number := func(p *kmsg.ListOffsetsRequestTopicPartition) int32 { return p.Partition }
		twice := repeated(t.Partitions, number)
		t.Partitions = distinct(t.Partitions, number)
		for k := range t.Partitions {
			p := &t.Partitions[k]
			found := place{offset: -1, time: -1, epoch: -1, code: kerr.InvalidRequest.Code}
			if !twice[p.Partition] {
				found = c.listOffset(t.Topic, p, r.version, m.IsolationLevel == readCommitted)
			}
			o := kmsg.NewListOffsetsResponseTopicPartition()
			o.Partition, o.ErrorCode, o.Offset, o.Timestamp, o.LeaderEpoch = p.Partition, found.code, found.offset, found.time, found.epoch
			out.Partitions = append(out.Partitions, o)
		}
		answer.Topics = append(answer.Topics, out)
	}
	return answer, nil
}

// place is where something is in a partition; -1 is nowhere.
type place struct {
	offset, time int64
	epoch        int32
	code         int16
}

func (c *conn) listOffset(topic string, p *kmsg.ListOffsetsRequestTopicPartition, version int16, committed bool) place {
	nowhere := place{offset: -1, time: -1, epoch: -1}
	if since, special := offsetSince[p.Timestamp]; p.Timestamp < 0 && (!special || version < since) {
		nowhere.code = kerr.UnsupportedVersion.Code
		return nowhere
	}
	if p.CurrentLeaderEpoch > leaderEpoch {
		nowhere.code = kerr.UnknownLeaderEpoch.Code
		return nowhere
	}
	b, err := c.session.Bounds(topic, int(p.Partition))
	if err != nil {
		nowhere.code = code(err)
		return nowhere
	}
	end := b.End
	if committed {
		end = b.Stable
	}
	switch p.Timestamp {
	case offsetLatest:
		return place{offset: int64(end), time: -1, epoch: leaderEpoch}
	case offsetEarliest, offsetEarliestLocal:
		return place{offset: int64(b.First), time: -1, epoch: leaderEpoch}
	case offsetLatestTiered, offsetPendingUpload:
		return nowhere // nothing is kept elsewhere
	}
	at := p.Timestamp
	if at == offsetMaxTimestamp {
		if at, err = c.session.Newest(topic, int(p.Partition)); err != nil || at == 0 {
			nowhere.code = code(err)
			return nowhere
		}
	}
	found, err := c.placeOf(topic, int(p.Partition), at, b.First, end)
	if nowhere.code = code(err); found.offset < 0 {
		return nowhere
	}
	return found
}

// placeOf finds the first message at or after a time, between two offsets.
func (c *conn) placeOf(topic string, partition int, unixMillis int64, first, end record.Offset) (place, *broker.Error) {
	nowhere := place{offset: -1}
	base, err := c.session.OffsetAt(topic, partition, broker.Position{UnixMillis: max(unixMillis, 1)})
	for base = max(base, first); err == nil && base < end; {
		f := c.session.Fetch([]broker.FetchPart{{Topic: topic, Partition: partition, From: base, MaxBytes: 1}}, broker.FetchLimits{MaxBytes: 1})[0]
		if err = f.Err; err != nil || len(f.Records) == 0 {
			return nowhere, err
		}
		found, next := c.placeIn(f.Records[0], f.Offsets[0], first, unixMillis)
		if found.offset >= 0 && found.offset < int64(end) {
			return found, nil
		}
		base = max(next, base+1)
	}
	return nowhere, err
}

// placeIn finds the first message at or after a time in a stored record, or says
// where the next one begins.
func (c *conn) placeIn(rec []byte, base, first record.Offset, unixMillis int64) (found place, next record.Offset) {
	var e record.Envelope
	native, err := record.Decode(rec, &e)
	found, next = place{offset: -1}, base+record.Offset(e.Count)
	if err != nil {
		return found, base + 1
	}
	opener := c.session.Opener(e.Dialect)
	if opener == nil || e.Count == 1 {
		if e.Timestamp >= unixMillis && base >= first {
			found = place{offset: int64(base), time: e.Timestamp, epoch: leaderEpoch}
		}
		return found, next
	}
	c.server.unpacking <- struct{}{}
	defer func() { <-c.server.unpacking }()
	err = opener.Open(native, unpackBytesMax, func(m *record.Message) bool {
		o := base + record.Offset(m.Delta)
		if m.Timestamp < unixMillis || o < first {
			return true
		}
		found = place{offset: int64(o), time: m.Timestamp, epoch: leaderEpoch}
		return false
	})
	if err != nil { // what cannot be opened is found by its record's time
		found = place{offset: int64(base), time: e.Timestamp, epoch: leaderEpoch}
	}
	return found, next
}
