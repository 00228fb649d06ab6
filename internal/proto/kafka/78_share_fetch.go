package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
)

// shareFetch hands messages to a member of a share group, after it has
// acknowledged others.
func (c *conn) shareFetch(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrShareFetchRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrShareFetchResponse()
	if answer.ErrorCode = c.mayShare(m.GroupID, m.MemberID); answer.ErrorCode != errNone {
		return answer, nil
	}
	key := shareKey{*m.GroupID, *m.MemberID}
	var s *shareSession
	switch {
	case m.ShareSessionEpoch == shareEpochNew && acknowledges(m), badRenew(m):
		answer.ErrorCode = kerr.InvalidRequest.Code
	case m.ShareSessionEpoch == shareEpochNew:
		s, answer.ErrorCode = c.openShare(key)
	default:
		s, answer.ErrorCode = c.share(key, m.ShareSessionEpoch)
	}
	if answer.ErrorCode != errNone {
		return answer, nil
	}
	s.update(m)
	w := s.acknowledgeFetched(m)
	w.Wait()
	out := &shareAnswer{answer: answer, at: map[*sharePart]*kmsg.ShareFetchResponseTopicPartition{}}
	if m.ShareSessionEpoch != shareEpochFinal && !m.IsRenewAck {
		c.takeShared(s, m, out)
	}
	for p, code := range w.codes {
		out.of(p).AcknowledgeErrorCode = code
	}
	if m.ShareSessionEpoch == shareEpochFinal {
		c.closeShare(key)
	}
	out.finish()
	return answer, nil
}

func acknowledges(m *kmsg.ShareFetchRequest) bool {
	for i := range m.Topics {
		for k := range m.Topics[i].Partitions {
			if len(m.Topics[i].Partitions[k].AcknowledgementBatches) > 0 {
				return true
			}
		}
	}
	return false
}

// badRenew says whether a request that renews asks for messages as well.
func badRenew(m *kmsg.ShareFetchRequest) bool {
	return m.IsRenewAck && (m.MaxBytes != 0 || m.MinBytes != 0 || m.MaxRecords != 0 || m.MaxWaitMillis != 0)
}

// update changes what the session fetches.
func (s *shareSession) update(m *kmsg.ShareFetchRequest) {
	if m.ShareSessionEpoch == shareEpochFinal {
		return
	}
	for i := range m.Topics {
		for k := range m.Topics[i].Partitions {
			id, number := m.Topics[i].TopicID, m.Topics[i].Partitions[k].Partition
			p := s.part(id, number)
			if p == nil {
				p = &sharePart{id: id, number: number}
				s.parts = append(s.parts, p)
			}
			p.fetched = true
		}
	}
	for i := range m.ForgottenTopicsData {
		for _, number := range m.ForgottenTopicsData[i].Partitions {
			if p := s.part(m.ForgottenTopicsData[i].TopicID, number); p != nil {
				p.fetched = false
			}
		}
	}
}

// acknowledgeFetched carries out the acknowledgements of a fetch.
func (s *shareSession) acknowledgeFetched(m *kmsg.ShareFetchRequest) *acknowledging {
	w := &acknowledging{}
	for i := range m.Topics {
		for k := range m.Topics[i].Partitions {
			asked := &m.Topics[i].Partitions[k]
			if len(asked.AcknowledgementBatches) == 0 {
				continue
			}
			acks := make([]shareAck, 0, len(asked.AcknowledgementBatches))
			for _, b := range asked.AcknowledgementBatches {
				acks = append(acks, shareAck{b.FirstOffset, b.LastOffset, b.AcknowledgeTypes})
			}
			p := s.part(m.Topics[i].TopicID, asked.Partition)
			if p == nil {
				p = unknownPart(m.Topics[i].TopicID, asked.Partition)
			}
			w.acknowledge(p, acks, m.IsRenewAck)
		}
	}
	return w
}

// takeShared takes messages of the session's partitions; another one is the first
// each time.
func (c *conn) takeShared(s *shareSession, m *kmsg.ShareFetchRequest, out *shareAnswer) {
	var from []*broker.Sharing
	var parts []*sharePart
	failed := false
	n := len(s.parts)
	for i := range n {
		p := s.parts[(s.turn+i)%n]
		if !p.fetched {
			continue
		}
		if refused := c.joinShare(s, p); refused != errNone {
			out.of(p).ErrorCode, failed = refused, true
			continue
		}
		out.lock = max(out.lock, p.lock)
		from, parts = append(from, p.sharing), append(parts, p)
	}
	s.turn++
	limits := broker.TakeLimits{Wait: min(time.Duration(max(m.MaxWaitMillis, 0))*time.Millisecond, fetchWaitMax)}
	limits.Messages, limits.Bytes = int(m.MaxRecords), int(min(max(m.MaxBytes, 0), fetchBytesMax))
	limits.LeasedMax = shareLocksMax
	if failed {
		limits.Wait = 0 // there is something to say at once
	}
	if len(from) == 0 || limits.Messages <= 0 {
		return
	}
	for i, ds := range c.session.Take(from, limits) {
		if len(ds) == 0 {
			continue
		}
		o := out.of(parts[i])
		o.Records, o.AcquiredRecords = c.batches(parts[i].id, ds), acquired(ds)
	}
}

// shareAnswer gathers what is said of partitions.
type shareAnswer struct {
	answer *kmsg.ShareFetchResponse
	lock   time.Duration
	at     map[*sharePart]*kmsg.ShareFetchResponseTopicPartition
	order  []*sharePart
}

func (a *shareAnswer) of(p *sharePart) *kmsg.ShareFetchResponseTopicPartition {
	if a.at[p] == nil {
		o := kmsg.NewShareFetchResponseTopicPartition()
		o.Partition, o.Records = p.number, []byte{}
		a.at[p] = &o
		a.order = append(a.order, p)
	}
	return a.at[p]
}

func (a *shareAnswer) finish() {
	if a.lock == 0 {
		a.lock = shareLockDefault
	}
	a.answer.AcquisitionLockTimeoutMillis = int32(a.lock.Milliseconds())
	topics := map[broker.TopicID]int{}
	for _, p := range a.order {
		i, ok := topics[p.id]
		if !ok {
			i = len(a.answer.Topics)
			topics[p.id] = i
			t := kmsg.NewShareFetchResponseTopic()
			t.TopicID = p.id
			a.answer.Topics = append(a.answer.Topics, t)
		}
		a.answer.Topics[i].Partitions = append(a.answer.Topics[i].Partitions, *a.at[p])
	}
}
