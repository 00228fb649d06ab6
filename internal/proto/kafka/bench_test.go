package kafka_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/vfs"
)

const (
	benchPartitions = 16
	benchBatchBytes = 16 << 10 // as the Java client's batch.size
	benchInFlight   = 5        // and its requests without an answer
)

// benchBatch is a batch of records of so many bytes, as the Java client fills it.
func benchBatch(size int) (b []byte, n int) {
	value := make([]byte, size)
	b = batch(1, nil)[:61]
	for ; len(b)+size+20 < benchBatchBytes; n++ {
		rec := append(kbin.AppendVarint(kbin.AppendVarint([]byte{0}, 0), int32(n)), 1) // no key
		rec = append(kbin.AppendVarint(rec, int32(size)), value...)
		rec = append(rec, 0) // no headers
		b = append(kbin.AppendVarint(b, int32(len(rec))), rec...)
	}
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[23:], uint32(n-1))
	binary.BigEndian.PutUint32(b[57:], uint32(n))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b, n
}

// BenchmarkProduce is a producer with a batch for each of 16 partitions in every
// request and five requests without an answer. One operation is one record.
func BenchmarkProduce(b *testing.B) {
	for _, size := range []int{100, 1024} {
		b.Run(fmt.Sprint(size, "B"), func(b *testing.B) { benchmarkProduce(b, size) })
	}
}

func benchmarkProduce(b *testing.B, size int) {
	b.Chdir(b.TempDir())
	address, stop := startSized(b, vfs.OS(), 64<<20)
	defer stop()
	made := benchTopic(b, address)
	nc, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	m := kmsg.NewPtrProduceRequest()
	m.SetVersion(m.MaxVersion())
	m.Acks = -1
	topic := kmsg.NewProduceRequestTopic()
	topic.TopicID = made
	records, each := benchBatch(size)
	for i := range int32(benchPartitions) {
		part := kmsg.NewProduceRequestTopicPartition()
		part.Partition, part.Records = i, records
		topic.Partitions = append(topic.Partitions, part)
	}
	m.Topics = append(m.Topics, topic)
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, m, 1)
	slots := make(chan struct{}, benchInFlight)
	total := b.N/(each*benchPartitions) + 1
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	answered := make(chan error, 1)
	go func() { answered <- readAnswers(nc, total, slots) }()
	for range total {
		slots <- struct{}{}
		if _, err := nc.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-answered; err != nil {
		b.Fatal(err)
	}
}

func benchTopic(b *testing.B, address string) [16]byte {
	c, ctx := client(b, address)
	m := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "t", benchPartitions, 1
	m.Topics = append(m.Topics, topic)
	made, err := m.RequestWith(ctx, c)
	if err != nil || made.Topics[0].ErrorCode != 0 {
		b.Fatal(made, err)
	}
	return made.Topics[0].TopicID
}

// readAnswers takes as many, each of which frees a slot.
func readAnswers(r io.Reader, total int, slots chan struct{}) error {
	answer := make([]byte, 1<<16)
	for range total {
		if _, err := io.ReadFull(r, answer[:4]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(answer)
		if _, err := io.ReadFull(r, answer[:n]); err != nil {
			return err
		}
		part := kmsg.NewPtrProduceResponse()
		part.SetVersion(part.MaxVersion())
		if err := part.ReadFrom(answer[5:n]); err != nil {
			return err
		}
		for _, p := range part.Topics[0].Partitions {
			if p.ErrorCode != 0 {
				return fmt.Errorf("partition %d: error %d", p.Partition, p.ErrorCode)
			}
		}
		<-slots
	}
	return nil
}
