package kafka_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"weir/internal/vfs"
)

// fetcher asks for messages in a fixed version of the request.
type fetcher struct {
	*admin
	version int16
	topics  map[string][16]byte
}

func newFetcher(t *testing.T, address string, version int16) *fetcher {
	v := kversion.Stable()
	v.SetMaxKeyVersion(1, version)
	c, ctx := client(t, address, kgo.MaxVersions(v))
	return &fetcher{&admin{t, c, ctx}, version, map[string][16]byte{}}
}

// part is one partition to ask for.
type part struct {
	topic  string
	number int32
	from   int64
}

func (f *fetcher) fetch(session, epoch int32, parts []part, change func(m *kmsg.FetchRequest)) *kmsg.FetchResponse {
	f.Helper()
	m := kmsg.NewPtrFetchRequest()
	m.SessionID, m.SessionEpoch, m.MaxBytes, m.MaxWaitMillis, m.MinBytes = session, epoch, 1<<20, 10, 1
	for _, p := range parts {
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = p.topic, f.topics[p.topic]
		q := kmsg.NewFetchRequestTopicPartition()
		q.Partition, q.FetchOffset, q.PartitionMaxBytes = p.number, p.from, 1<<20
		t.Partitions = append(t.Partitions, q)
		m.Topics = append(m.Topics, t)
	}
	if change != nil {
		change(m)
	}
	r := ask[*kmsg.FetchResponse](f.admin, m)
	if r.Version != f.version {
		f.Fatalf("answered in version %d", r.Version)
	}
	return r
}

// told lists the partitions of an answer and how many batches each has.
func (f *fetcher) told(r *kmsg.FetchResponse) string {
	f.Helper()
	out := ""
	for _, t := range r.Topics {
		name := t.Topic
		for n, id := range f.topics {
			if id == t.TopicID && f.version >= 13 {
				name = n
			}
		}
		for _, p := range t.Partitions {
			batches := 0
			for b := p.RecordBatches; len(b) > 0; batches++ {
				var one kmsg.RecordBatch
				if err := one.ReadFrom(b); err != nil {
					f.Fatal(err)
				}
				b = b[12+one.Length:]
			}
			out += fmt.Sprintf("%s-%d:%d ", name, p.Partition, batches)
			if p.ErrorCode != 0 {
				out += kerr.TypedErrorForCode(p.ErrorCode).Message + " "
			}
		}
	}
	return out
}

func TestFetchInEveryVersion(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	made, err := a.create("t", 2)
	if err != nil {
		t.Fatal(err)
	}
	p, ctx := client(t, address, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	large := bytes.Repeat([]byte("x"), 10_000)
	for _, value := range [][]byte{[]byte("small"), large, nil} {
		if err := p.ProduceSync(ctx, &kgo.Record{Topic: "t", Partition: 1, Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	for version := int16(4); version <= 18; version++ {
		f := newFetcher(t, address, version)
		f.topics["t"] = made.TopicID
		r := f.fetch(0, -1, []part{{"t", 1, 0}, {"t", 0, 0}, {"t", 2, 0}, {"none", 0, 0}, {"t", 0, 9}}, nil)
		want := "t-1:3 t-0:0 t-2:0 UNKNOWN_TOPIC_OR_PARTITION none-0:0 UNKNOWN_TOPIC_OR_PARTITION t-0:0 OFFSET_OUT_OF_RANGE "
		if version >= 13 {
			want = "t-1:3 t-0:0 t-2:0 UNKNOWN_TOPIC_OR_PARTITION -0:0 UNKNOWN_TOPIC_ID t-0:0 OFFSET_OUT_OF_RANGE "
		}
		if got := f.told(r); got != want {
			t.Errorf("version %d: %s", version, got)
		}
		if q := r.Topics[0].Partitions[0]; q.HighWatermark != 3 || q.LastStableOffset != 3 || !bytes.Contains(q.RecordBatches, large) {
			t.Errorf("version %d: %+v", version, q)
		}
	}
}

func TestFetchSessions(t *testing.T) {
	for _, version := range []int16{7, 12, 13, 18} {
		address, stop := start(t, vfs.NewMem())
		a := newAdmin(t, address)
		f := newFetcher(t, address, version)
		for _, name := range []string{"a", "b", "c"} {
			made, err := a.create(name, 1)
			if err != nil {
				t.Fatal(err)
			}
			f.topics[name] = made.TopicID
		}
		p, ctx := client(t, address)
		produce := func(topic string) {
			if err := p.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		produce("a")
		r := f.fetch(0, 0, []part{{"a", 0, 0}, {"b", 0, 0}}, nil)
		id := r.SessionID
		step := func(epoch int32, parts []part, want string, change func(m *kmsg.FetchRequest)) {
			t.Helper()
			r := f.fetch(id, epoch, parts, change)
			if got := f.told(r); r.ErrorCode != 0 || got != want {
				t.Errorf("version %d: %d %s, not %s", version, r.ErrorCode, got, want)
			}
		}
		if got := f.told(r); got != "a-0:1 b-0:0 " || id == 0 {
			t.Fatal(got, id)
		}
		step(1, []part{{"a", 0, 1}}, "", nil)
		produce("b")
		step(2, nil, "b-0:1 ", nil)
		step(3, []part{{"b", 0, 1}, {"c", 0, 0}}, "c-0:0 ", nil)
		produce("b")
		step(4, nil, "", func(m *kmsg.FetchRequest) {
			forget := kmsg.NewFetchRequestForgottenTopic()
			forget.Topic, forget.TopicID, forget.Partitions = "b", f.topics["b"], []int32{0}
			m.ForgottenTopics = append(m.ForgottenTopics, forget)
		})
		for name, bad := range map[string]struct {
			id, epoch int32
			want      error
		}{"id": {id + 1, 5, kerr.FetchSessionIDNotFound}, "epoch": {id, 7, kerr.InvalidFetchSessionEpoch}} {
			if err := kerr.ErrorForCode(f.fetch(bad.id, bad.epoch, nil, nil).ErrorCode); err != bad.want {
				t.Errorf("%s: %v", name, err)
			}
		}
		if r := f.fetch(id, -1, []part{{"a", 0, 0}}, nil); r.SessionID != 0 || f.told(r) != "a-0:1 " {
			t.Errorf("%+v", r)
		}
		if err := kerr.ErrorForCode(f.fetch(id, 5, nil, nil).ErrorCode); err != kerr.FetchSessionIDNotFound {
			t.Error(err)
		}
		f.c.Close()
		stop()
	}
}

func TestFetchLimits(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	f := newFetcher(t, address, 12)
	a.mustCreate("t", 3)
	p, ctx := client(t, address, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for i := range 6 {
		if err := p.ProduceSync(ctx, &kgo.Record{Topic: "t", Partition: int32(i % 3), Value: make([]byte, 1000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	all := []part{{"t", 0, 0}, {"t", 1, 0}, {"t", 2, 0}}
	for _, row := range []struct {
		whole, each int32
		want        string
	}{{1, 1, "t-0:1 t-1:0 t-2:0 "}, {1 << 20, 1, "t-0:1 t-1:0 t-2:0 "}, {2500, 1 << 20, "t-0:2 t-1:0 t-2:0 "}, {3500, 1 << 20, "t-0:2 t-1:1 t-2:0 "}, {-5, -5, "t-0:1 t-1:0 t-2:0 "}} {
		r := f.fetch(0, -1, all, func(m *kmsg.FetchRequest) {
			m.MaxBytes = row.whole
			for i := range m.Topics {
				m.Topics[i].Partitions[0].PartitionMaxBytes = row.each
			}
		})
		if got := f.told(r); got != row.want {
			t.Errorf("%+v: %s", row, got)
		}
		if q := r.Topics[0].Partitions[2]; q.HighWatermark != 2 {
			t.Errorf("%+v: %+v", row, q)
		}
	}
}

func TestListOffsets(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	a := newAdmin(t, address)
	a.mustCreate("t", 1)
	p, ctx := client(t, address)
	at := time.Now().Truncate(time.Second).Add(-time.Minute)
	for _, batch := range [][]int{{0, 10, 20}, {50, 30, 40}} {
		var records []*kgo.Record
		for _, ms := range batch {
			records = append(records, &kgo.Record{Topic: "t", Timestamp: at.Add(time.Duration(ms) * time.Millisecond)})
		}
		if err := p.ProduceSync(ctx, records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		t.Helper()
		for _, row := range []struct{ ask, offset, time int64 }{
			{-1, 6, -1}, {-2, 0, -1}, {-3, 3, 50}, {-4, 0, -1}, {-5, -1, -1}, {-6, -1, -1},
			{0, 0, 0}, {10, 1, 10}, {11, 2, 20}, {21, 3, 50}, {50, 3, 50}, {51, -1, -1},
		} {
			m := kmsg.NewPtrListOffsetsRequest()
			asked := kmsg.NewListOffsetsRequestTopic()
			asked.Topic = "t"
			part := kmsg.NewListOffsetsRequestTopicPartition()
			if part.Timestamp = row.ask; row.ask >= 0 {
				part.Timestamp += at.UnixMilli()
			}
			if row.time >= 0 {
				row.time += at.UnixMilli()
			}
			asked.Partitions = append(asked.Partitions, part)
			m.Topics = append(m.Topics, asked)
			got := ask[*kmsg.ListOffsetsResponse](a, m).Topics[0].Partitions[0]
			if got.ErrorCode != 0 || got.Offset != row.offset || got.Timestamp != row.time {
				t.Errorf("%+v: %+v", row, got)
			}
		}
	}
	check()
	a.c.Close()
	p.Close()
	stop()
	address, stop = start(t, disk)
	defer stop()
	a = newAdmin(t, address)
	check()
}
