package kafka

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/frugal"
	records "weir/internal/proto/kafka/batch"
)

// What a produce request and a fetch of a hundred messages in one batch allocate,
// from the frame to the engine and to the answer.
const (
	produceBudget = 30
	fetchBudget   = 32
)

func TestRequestBudget(t *testing.T) {
	var z fuzzed
	z.start(t)
	defer z.stop()
	produce := kmsg.NewPtrProduceRequest()
	to, part := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	part.Records = hundred(t)
	to.Topic, to.Partitions = "t", append(to.Partitions, part)
	produce.Version, produce.Acks, produce.TimeoutMillis = 9, -1, 1000
	produce.Topics = append(produce.Topics, to)
	fetch := kmsg.NewPtrFetchRequest()
	from, asked := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	asked.PartitionMaxBytes = 1 << 20
	from.Topic, from.Partitions = "t", append(from.Partitions, asked)
	fetch.Version, fetch.MaxBytes, fetch.SessionEpoch = 12, 1, epochWithout
	fetch.Topics = append(fetch.Topics, from)
	for name, c := range map[string]struct {
		frame  []byte
		budget float64
	}{"produce": {frameOf(produce), produceBudget}, "fetch": {frameOf(fetch), fetchBudget}} {
		t.Run(name, func(t *testing.T) {
			z.serve(frameOf(produce)) // there is something to fetch
			const requests = 200
			in := binary.BigEndian.AppendUint32(nil, uint32(len(c.frame)))
			in = bytes.Repeat(append(in, c.frame...), requests)
			frugal.Budget(t, requests, c.budget, func() {
				conn := newFed(z.server, in)
				conn.serve()
				conn.close()
				z.server.forget(conn)
			})
			if b, err := z.broker.Coordinate("/").Bounds("t", 0); err != nil || name == "produce" && b.End < 100*requests {
				t.Fatal("the batches were not taken", b, err)
			}
		})
	}
}

// hundred is a batch of a hundred small messages.
func hundred(t *testing.T) []byte {
	t.Helper()
	b := kmsg.NewRecordBatch()
	for i := range int32(100) {
		r := kmsg.NewRecord()
		r.OffsetDelta, r.Value = i, []byte("0123456789")
		body := r.AppendTo(nil)[1:] // its length is 0
		b.Records = append(binary.AppendVarint(b.Records, int64(len(body))), body...)
	}
	b.Magic, b.FirstTimestamp, b.MaxTimestamp, b.ProducerID = 2, 1, 1, -1
	b.LastOffsetDelta, b.NumRecords = 99, 100
	out := records.Batch(b.AppendTo(nil))
	out.Seal()
	return out
}
