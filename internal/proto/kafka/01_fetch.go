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
)

// fetch answers without sessions of fetches: session id 0 says that there are none.
func (c *conn) fetch(r *request) (kmsg.Response, error) {
	m := kmsg.NewPtrFetchRequest()
	if err := r.decode(m); err != nil {
		return nil, err
	}
	answer := kmsg.NewPtrFetchResponse()
	if m.SessionID != 0 {
		answer.ErrorCode = 70 // FETCH_SESSION_ID_NOT_FOUND: the client asks in full
		return answer, nil
	}
	var parts []broker.FetchPart
	for i := range m.Topics {
		for k := range m.Topics[i].Partitions {
			p := &m.Topics[i].Partitions[k]
			parts = append(parts, broker.FetchPart{
				Topic: m.Topics[i].Topic, Partition: int(p.Partition), From: record.Offset(max(p.FetchOffset, 0)), MaxBytes: int(p.PartitionMaxBytes),
			})
		}
	}
	fetched := c.session.Fetch(parts, broker.FetchLimits{
		MinBytes: int(m.MinBytes), MaxBytes: int(min(m.MaxBytes, fetchBytesMax)),
		Wait: min(time.Duration(m.MaxWaitMillis)*time.Millisecond, fetchWaitMax), Committed: m.IsolationLevel == readCommitted,
	})
	for i := range m.Topics {
		t := kmsg.NewFetchResponseTopic()
		t.Topic = m.Topics[i].Topic
		for k := range m.Topics[i].Partitions {
			t.Partitions = append(t.Partitions, fetchedPartition(&m.Topics[i].Partitions[k], &fetched[0]))
			fetched = fetched[1:]
		}
		answer.Topics = append(answer.Topics, t)
	}
	return answer, nil
}

func fetchedPartition(asked *kmsg.FetchRequestTopicPartition, f *broker.Fetched) kmsg.FetchResponseTopicPartition {
	p := kmsg.NewFetchResponseTopicPartition()
	p.Partition, p.ErrorCode = asked.Partition, code(f.Err)
	p.HighWatermark, p.LastStableOffset, p.LogStartOffset = int64(f.End), int64(f.Stable), int64(f.First)
	if f.Err != nil && p.ErrorCode != kerr.OffsetOutOfRange.Code {
		p.HighWatermark, p.LastStableOffset, p.LogStartOffset = -1, -1, -1
	}
	if asked.FetchOffset < 0 {
		p.ErrorCode = kerr.OffsetOutOfRange.Code
		return p
	}
	for _, a := range f.Aborted {
		t := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
		t.ProducerID, t.FirstOffset = int64(a.Producer), int64(a.First)
		p.AbortedTransactions = append(p.AbortedTransactions, t)
	}
	bytes := 0
	for _, rec := range f.Records {
		bytes += len(rec)
	}
	p.RecordBatches = make([]byte, 0, bytes)
	for i, rec := range f.Records {
		p.RecordBatches = appendStored(p.RecordBatches, rec, f.Offsets[i])
	}
	return p
}
