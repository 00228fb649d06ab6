package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/vfs"
)

// transact produces n records to every partition of the topic in one transaction.
func transact(ctx context.Context, t *testing.T, c *kgo.Client, topic, text string, n int, end kgo.TransactionEndTry) {
	t.Helper()
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		r := &kgo.Record{Topic: topic, Partition: int32(i % 3), Value: fmt.Append(nil, text, i)}
		c.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.EndTransaction(ctx, end); err != nil {
		t.Fatal(err)
	}
}

// values reads a topic from its start until it has n records, and a moment more.
func values(ctx context.Context, t *testing.T, address, topic string, n int, level kgo.IsolationLevel) map[string]int {
	t.Helper()
	c, _ := client(t, address, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(level))
	defer c.Close()
	got := map[string]int{}
	for count := 0; ; {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if count >= n {
			wait, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
		}
		f := c.PollFetches(wait)
		cancel()
		if count >= n && errors.Is(f.Err(), context.DeadlineExceeded) {
			return got
		}
		if err := f.Err(); err != nil {
			t.Fatalf("%v after %d records", err, count)
		}
		f.EachRecord(func(r *kgo.Record) { got[string(r.Value)]++; count++ })
	}
}

func TestTransactions(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	admin, ctx := client(t, address)
	createTopic(t, admin, ctx, "t", 3)
	p, _ := client(t, address, kgo.TransactionalID("me"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	transact(ctx, t, p, "t", "yes", 30, kgo.TryCommit)
	transact(ctx, t, p, "t", "no", 30, kgo.TryAbort)
	transact(ctx, t, p, "t", "again", 30, kgo.TryCommit)
	check := func() {
		t.Helper()
		committed := values(ctx, t, address, "t", 60, kgo.ReadCommitted())
		for i := range 30 {
			for _, text := range []string{"yes", "again"} {
				if n := committed[fmt.Sprint(text, i)]; n != 1 {
					t.Errorf("%s%d is there %d times", text, i, n)
				}
			}
		}
		if len(committed) != 60 {
			t.Errorf("%d values committed", len(committed))
		}
		if all := values(ctx, t, address, "t", 90, kgo.ReadUncommitted()); len(all) != 90 {
			t.Errorf("%d values in all", len(all))
		}
	}
	check()

	// Another producer of the same id fences the first one and ends its transaction.
	if err := p.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := p.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte("never")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	q, _ := client(t, address, kgo.TransactionalID("me"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	transact(ctx, t, q, "t", "other", 3, kgo.TryCommit)
	if err := p.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte("never")}).FirstErr(); err == nil {
		t.Error("a fenced producer produces")
	}
	if got := values(ctx, t, address, "t", 63, kgo.ReadCommitted()); len(got) != 63 || got["never"] != 0 {
		t.Errorf("%d values after fencing", len(got))
	}
	p.CloseAllowingRebalance()

	// What is open when the broker stops is open when it comes back.
	if err := q.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := q.ProduceSync(ctx, &kgo.Record{Topic: "t", Partition: 1, Value: []byte("late")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	q.CloseAllowingRebalance()
	admin.Close()
	stop()
	address, stop = start(t, disk)
	defer stop()
	admin, ctx = client(t, address)
	list, err := kmsg.NewPtrListTransactionsRequest().RequestWith(ctx, admin)
	if err != nil || len(list.TransactionStates) != 1 || list.TransactionStates[0].TransactionState != "Ongoing" {
		t.Fatalf("%+v %v", list, err)
	}
	for _, bad := range []string{"(", strings.Repeat("m?", 1024)} {
		list, err := (&kmsg.ListTransactionsRequest{Version: 2, DurationFilterMillis: -1, TransactionalIDPattern: &bad}).RequestWith(ctx, admin)
		if err != nil || kerr.ErrorForCode(list.ErrorCode) != kerr.InvalidRegularExpression {
			t.Errorf("%+v %v", list, err)
		}
	}
	describe := kmsg.NewPtrDescribeTransactionsRequest()
	describe.TransactionalIDs = []string{"me", "nobody"}
	described, err := describe.RequestWith(ctx, admin)
	if err != nil || len(described.TransactionStates[0].Topics) != 1 || described.TransactionStates[0].Topics[0].Partitions[0] != 1 {
		t.Fatalf("%+v %v", described, err)
	}
	if kerr.ErrorForCode(described.TransactionStates[1].ErrorCode) != kerr.TransactionalIDNotFound {
		t.Errorf("%+v", described.TransactionStates[1])
	}
	r, _ := client(t, address, kgo.TransactionalID("me"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer r.Close()
	transact(ctx, t, r, "t", "back", 3, kgo.TryCommit)
	if got := values(ctx, t, address, "t", 66, kgo.ReadCommitted()); len(got) != 66 || got["late"] != 0 {
		t.Errorf("%d values after the restart", len(got))
	}
}

// TestOffsetsInTransactions copies one topic to another: every record moves once,
// whatever is aborted in between.
func TestOffsetsInTransactions(t *testing.T) {
	address, stop := start(t, vfs.NewMem())
	defer stop()
	p, ctx := client(t, address, kgo.DefaultProduceTopic("in"))
	createTopic(t, p, ctx, "in", 2)
	createTopic(t, p, ctx, "out", 3)
	const n = 500
	for i := range n {
		p.Produce(ctx, kgo.StringRecord(fmt.Sprint(i)), func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for life := 0; life < 2; life++ {
		s, err := kgo.NewGroupTransactSession(
			kgo.SeedBrokers(address), kgo.TransactionalID("copy"), kgo.ConsumerGroup("copiers"), kgo.ConsumeTopics("in"),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(), kgo.FetchMaxWait(100*time.Millisecond),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DefaultProduceTopic("out"),
		)
		if err != nil {
			t.Fatal(err)
		}
		moved, rounds := 0, 0
		for moved < n*3/4 && life == 0 || life == 1 {
			wait, cancel := context.WithTimeout(ctx, time.Second)
			records := s.PollRecords(wait, 50).Records()
			cancel()
			if len(records) == 0 {
				break
			}
			if err := s.Begin(); err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				s.Produce(ctx, kgo.StringRecord(string(r.Value)), nil)
			}
			rounds++
			committed, err := s.End(ctx, kgo.TransactionEndTry(rounds%4 != 3))
			if err != nil {
				t.Fatal(err)
			}
			if committed {
				moved += len(records)
			}
		}
		s.Close()
	}
	got := values(ctx, t, address, "out", n, kgo.ReadCommitted())
	for i := range n {
		if got[fmt.Sprint(i)] != 1 {
			t.Errorf("%d was moved %d times", i, got[fmt.Sprint(i)])
		}
	}
	p.Close()
}
