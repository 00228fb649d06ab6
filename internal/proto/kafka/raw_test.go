package kafka_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/vfs"
)

// batch is a record batch of n records without key and value.
func batch(n int32, change func(b []byte)) []byte {
	b := make([]byte, 61, 61+7*n)
	for i := range n {
		b = append(b, 12, 0, 0, byte(2*i), 1, 1, 0)
	}
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	b[16] = 2
	binary.BigEndian.PutUint32(b[23:], uint32(n-1))
	binary.BigEndian.PutUint64(b[43:], 1<<64-1)
	binary.BigEndian.PutUint32(b[57:], uint32(n))
	now := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint64(b[27:], now)
	binary.BigEndian.PutUint64(b[35:], now)
	if change != nil {
		change(b)
	}
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func TestBadBatchesAreRefused(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	c, ctx := client(t, address)
	if _, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, c); err != nil {
		t.Fatal(err)
	}
	m := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr("t")
	m.Topics, m.AllowAutoTopicCreation = append(m.Topics, topic), true
	made, err := m.RequestWith(ctx, c)
	if err != nil || !errors.Is(kerr.ErrorForCode(made.Topics[0].ErrorCode), kerr.LeaderNotAvailable) {
		t.Fatal(made, err) // it is made, but that is for the next time
	}
	if made, err = m.RequestWith(ctx, c); err != nil {
		t.Fatal(err)
	}
	wrong := batch(1, nil)
	wrong[60]++ // the checksum does not know
	for name, row := range map[string]struct {
		batch []byte
		want  error
	}{
		"none":            {nil, kerr.InvalidRecord},
		"short":           {batch(1, nil)[:40], kerr.CorruptMessage},
		"checksum":        {wrong, kerr.CorruptMessage},
		"lying length":    {batch(1, func(b []byte) { binary.BigEndian.PutUint32(b[8:], 1<<30) }), kerr.CorruptMessage},
		"negative length": {batch(1, func(b []byte) { binary.BigEndian.PutUint32(b[8:], 1<<31) }), kerr.CorruptMessage},
		"old magic":       {batch(1, func(b []byte) { b[16] = 1 }), kerr.InvalidRecord},
		"no epoch":        {batch(1, func(b []byte) { binary.BigEndian.PutUint64(b[43:], 7); b[51] = 255 }), kerr.InvalidRecord},
		"control":         {batch(1, func(b []byte) { b[22] |= 1 << 5 }), kerr.InvalidRecord},
		"nobody's part":   {batch(1, func(b []byte) { b[22] |= 1 << 4 }), kerr.InvalidRecord},
		"lying records":   {batch(3, func(b []byte) { b[61+7]++ }), kerr.InvalidRecord},
		"not compressed":  {batch(3, func(b []byte) { b[22] = 2 }), kerr.InvalidRecord},
		"no such codec":   {batch(3, func(b []byte) { b[22] = 7 }), kerr.InvalidRecord},
		"base offset":     {batch(3, func(b []byte) { b[7] = 7 }), kerr.InvalidRecord},
		"two batches":     {append(batch(1, nil), batch(1, nil)...), kerr.InvalidRecord},
		"in the future":   {batch(1, func(b []byte) { b[27], b[35] = 1, 1 }), kerr.InvalidTimestamp},
		"no records":      {batch(1, func(b []byte) { binary.BigEndian.PutUint32(b[57:], 0) }), kerr.InvalidRecord},
		"lying count":     {batch(1, func(b []byte) { binary.BigEndian.PutUint32(b[23:], 1<<31-1) }), kerr.InvalidRecord},
		"good":            {batch(3, nil), nil},
	} {
		m := kmsg.NewPtrProduceRequest()
		topic := kmsg.NewProduceRequestTopic()
		part := kmsg.NewProduceRequestTopicPartition()
		part.Records = row.batch
		topic.Topic, topic.TopicID, topic.Partitions = "t", made.Topics[0].TopicID, append(topic.Partitions, part)
		m.Acks, m.Topics = -1, append(m.Topics, topic)
		answer, err := m.RequestWith(ctx, c)
		if err != nil {
			t.Fatal(name, err)
		}
		if got := kerr.ErrorForCode(answer.Topics[0].Partitions[0].ErrorCode); got != row.want {
			t.Errorf("%s: %v, not %v", name, got, row.want)
		}
	}
	list := kmsg.NewPtrListOffsetsRequest()
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic = "t"
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Timestamp = -1
	asked.Partitions = append(asked.Partitions, part)
	list.Topics = append(list.Topics, asked)
	answer, err := list.RequestWith(ctx, c)
	if err != nil || answer.Topics[0].Partitions[0].Offset != 3 {
		t.Fatalf("%+v %v: only the good batch may be there", answer, err)
	}
}

func TestHostileFramesCostTheirConnectionOnly(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	other, ctx := client(t, address)
	for name, send := range map[string][]byte{
		"100 MB":          {6, 0, 0, 0, 0, 18, 0, 0},
		"negative":        {255, 255, 255, 255, 0, 18, 0, 0},
		"tiny":            {0, 0, 0, 1, 0},
		"unknown key":     {0, 0, 0, 10, 3, 231, 0, 0, 0, 0, 0, 1, 255, 255},
		"unknown version": {0, 0, 0, 10, 0, 3, 0, 99, 0, 0, 0, 1, 255, 255},
		"client id":       {0, 0, 0, 10, 0, 3, 0, 0, 0, 0, 0, 1, 127, 255},
		"huge array":      {0, 0, 0, 14, 0, 3, 0, 0, 0, 0, 0, 1, 255, 255, 127, 255, 255, 255},
		"produce bomb":    {0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 127, 255},
	} {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Write(send); err != nil {
			t.Fatal(err)
		}
		_ = nc.(*net.TCPConn).CloseWrite()
		_ = nc.SetReadDeadline(time.Now().Add(patience))
		// The end may come as a reset: not all that was sent has been read.
		if b, err := io.ReadAll(nc); errors.Is(err, os.ErrDeadlineExceeded) || len(b) > 0 {
			t.Errorf("%s: %x %v", name, b, err)
		}
		_ = nc.Close()
	}
	if err := other.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}
