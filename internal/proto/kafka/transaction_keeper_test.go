package kafka_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"weir/internal/broker"
	"weir/internal/proto/kafka"
	"weir/internal/record"
	"weir/internal/vfs"
)

// administrator opens a session beside the clients'.
func administrator(t *testing.T, b *broker.Broker) *broker.Session {
	t.Helper()
	p, err := b.Identify("guest", netip.MustParseAddrPort("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Open(p, broker.SessionOptions{Namespace: "/"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAdministratorsAbortTransactions(t *testing.T) {
	var b *broker.Broker
	address, stop := start(t, vfs.NewMem(), func(o *kafka.Options) { b = o.Broker })
	defer stop()
	c, ctx := client(t, address)
	createTopic(t, c, ctx, "t", 2)
	p, _ := client(t, address, kgo.TransactionalID("me"), kgo.DefaultProduceTopic("t"))
	if err := p.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := p.ProduceSync(ctx, &kgo.Record{Value: []byte("never")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s := administrator(t, b)
	defer s.Close()
	// Somebody nobody knows has begun one as well.
	hung := make(chan *broker.Error, 1)
	blob := &broker.Blob{
		Dialect: record.DialectKafka, Count: 1, Timestamp: 1, Native: []byte("x"),
		Producer: record.Producer{ID: 4711, Epoch: 3, Part: record.PartTransaction},
	}
	if err := s.Append("t", 1, blob, func(_, _ record.Offset, err *broker.Error) { hung <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-hung; err != nil {
		t.Fatal(err)
	}
	all := s.ListTransactions()
	if len(all) != 2 || all[0].ID != "me" || all[0].State != "Ongoing" || len(all[0].Partitions) != 1 ||
		all[1].State != broker.Hanging || all[1].Producer != 4711 || all[1].Epoch != 3 || all[1].Partitions[0].Number != 1 {
		t.Fatalf("%+v", all)
	}
	if err := s.AbortTransaction("nobody"); err == nil || err.Code != broker.CodeNotFound {
		t.Fatal(err)
	}
	if err := s.AbortHanging(all[0].Producer); err == nil || err.Code != broker.CodeNotFound {
		t.Fatal("a transaction that is coordinated does not hang:", err)
	}
	if err := s.AbortTransaction("me"); err != nil {
		t.Fatal(err)
	}
	if err := s.AbortHanging(4711); err != nil {
		t.Fatal(err)
	}
	if all := s.ListTransactions(); len(all) != 0 {
		t.Fatalf("%+v", all)
	}
	for n := range 2 {
		if b, err := s.Bounds("t", n); err != nil || b.Stable != b.End {
			t.Errorf("partition %d is stable up to %d of %d: %v", n, b.Stable, b.End, err)
		}
	}
	if err := p.EndTransaction(ctx, kgo.TryCommit); !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.InvalidTxnState) {
		t.Errorf("an aborted transaction commits: %v", err)
	}
	if err := s.AbortTransaction("me"); err == nil || err.Code != broker.CodeNotFound {
		t.Fatal(err)
	}
}
