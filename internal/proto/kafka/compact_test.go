package kafka_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/vfs"
)

// table is what a compacted topic says when it is read from its beginning.
type table struct {
	last    map[string]string // a key without an entry was deleted, or never there
	records int
	deletes int
}

// readTable reads partition 0 up to its end.
func readTable(t *testing.T, address, topic string, o ...kgo.Opt) table {
	t.Helper()
	a := newAdmin(t, address)
	end := a.offset(topic, -1)
	a.c.Close()
	o = append(o, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}), kgo.KeepControlRecords())
	c, ctx := client(t, address, o...)
	defer c.Close()
	out := table{last: map[string]string{}}
	at := int64(-1)
	for at < end-1 {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%v at %d of %d", err, at, end)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset <= at {
				t.Fatalf("%d behind %d", r.Offset, at)
			}
			at = r.Offset
			if r.Attrs.IsControl() {
				return
			}
			if out.records++; r.Value == nil {
				out.deletes++
				delete(out.last, string(r.Key))
			} else {
				out.last[string(r.Key)] = string(r.Value)
			}
		})
	}
	return out
}

// TestCompaction holds that the last value of every key is there at any time, in
// every compression, and that the others go.
func TestCompaction(t *testing.T) {
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "zstd": kgo.ZstdCompression()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := vfs.NewMem()
			address, stop := start(t, disk)
			a := newAdmin(t, address)
			a.mustCreate("t", 1, "cleanup.policy", "compact", "segment.ms", "1", "min.cleanable.dirty.ratio", "0.01", "delete.retention.ms", "0")
			p, ctx := client(t, address, kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic("t"))
			random := rand.New(rand.NewPCG(1, 2))
			want := map[string]string{}
			for i := range 2000 {
				key := fmt.Sprint(random.IntN(50))
				r := &kgo.Record{Key: []byte(key), Value: []byte(fmt.Sprint("value ", i))}
				if want[key] = string(r.Value); random.IntN(5) == 0 {
					r.Value = nil
					delete(want, key)
				}
				p.Produce(ctx, r, nil)
			}
			if err := p.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			// A record of a key of its own keeps the end where readers find it.
			end := func() {
				if err := p.ProduceSync(ctx, &kgo.Record{Key: []byte("end"), Value: []byte("end")}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			want["end"] = "end"
			end()
			got := table{records: 1 << 30}
			for deadline := time.Now().Add(patience); got.records > len(want) || got.deletes > 0; time.Sleep(200 * time.Millisecond) {
				if got = readTable(t, address, "t"); !maps.Equal(got.last, want) {
					t.Fatalf("%v, not %v", got.last, want)
				}
				if time.Now().After(deadline) {
					t.Fatalf("%d records of %d keys, %d without value", got.records, len(want), got.deletes)
				}
			}
			a.c.Close()
			p.Close()
			crashed := disk.CrashClone(func() bool { return random.IntN(2) == 0 })
			stop()
			for _, d := range []vfs.FS{disk, crashed} {
				address, stop = start(t, d)
				if got := readTable(t, address, "t"); !maps.Equal(got.last, want) {
					t.Fatalf("after a restart: %v, not %v", got.last, want)
				}
				stop()
			}
		})
	}
}

// TestCompactionOfTransactions has the last value of a key in a transaction that
// never happened.
func TestCompactionOfTransactions(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	a.mustCreate("t", 1, "cleanup.policy", "compact", "segment.ms", "1", "min.cleanable.dirty.ratio", "0.01")
	p, ctx := client(t, address, kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	for i, commit := range []bool{true, true, false} {
		if err := p.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := p.ProduceSync(ctx, kgo.KeyStringRecord("k", fmt.Sprint(i)), kgo.KeyStringRecord(fmt.Sprint("own", i), "v")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := p.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"k": "1", "own0": "v", "own1": "v"}
	got := table{records: 1 << 30}
	for deadline := time.Now().Add(patience); got.records > len(want); time.Sleep(200 * time.Millisecond) {
		if got = readTable(t, address, "t", kgo.FetchIsolationLevel(kgo.ReadCommitted())); !maps.Equal(got.last, want) {
			t.Fatalf("%v, not %v", got.last, want)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", got)
		}
	}
}

func TestCompactionLag(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	a := newAdmin(t, address)
	settings := []string{"cleanup.policy", "compact", "segment.ms", "1", "min.cleanable.dirty.ratio", "0.01"}
	a.mustCreate("late", 1, append(settings, "min.compaction.lag.ms", "3600000")...)
	a.mustCreate("soon", 1, append(settings, "min.compaction.lag.ms", "0")...)
	p, ctx := client(t, address)
	for i := range 5 {
		for _, topic := range []string{"late", "soon"} {
			if err := p.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(fmt.Sprint(i))}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for deadline := time.Now().Add(patience); readTable(t, address, "soon").records > 1; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not compacted")
		}
	}
	if got := readTable(t, address, "late"); got.records != 5 {
		t.Fatalf("%+v", got)
	}
}
