package amqp091_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/proto/amqp091/codec"
)

func TestTransactionPublishesAndAcksTogether(t *testing.T) {
	s := start(t)
	ch, other := s.channel(), s.channel()
	from, a, b := queue(t, ch, "from", nil), queue(t, ch, "a", nil), queue(t, ch, "b", nil)
	put(t, ch, "", from, text("in"))
	check(t, ch.Tx())
	d := next(t, consume(t, ch, from, false))
	put(t, ch, "", a, text("1"))
	put(t, ch, "", b, text("2"))
	check(t, d.Ack(false))
	wantReady(t, other, a, 0)
	wantReady(t, other, b, 0)
	check(t, ch.TxCommit())
	wantReady(t, other, a, 1)
	wantReady(t, other, b, 1)
	check(t, ch.Close())
	wantReady(t, other, from, 0)
}

func TestRollbackForgetsPublishesAndGivesAcksBack(t *testing.T) {
	s := start(t)
	ch, other := s.channel(), s.channel()
	from, a := queue(t, ch, "from", nil), queue(t, ch, "a", nil)
	put(t, ch, "", from, text("in"))
	check(t, ch.Tx())
	d := next(t, consume(t, ch, from, false))
	put(t, ch, "", a, text("1"))
	check(t, d.Ack(false))
	check(t, ch.TxRollback())
	wantReady(t, other, a, 0)
	check(t, d.Ack(false)) // known again
	check(t, ch.TxCommit())
	check(t, ch.Close())
	wantReady(t, other, a, 0)
	wantReady(t, other, from, 0)
}

func TestAcksOfAnUncommittedTransactionComeBack(t *testing.T) {
	s := start(t)
	ch, other := s.channel(), s.channel()
	from := queue(t, ch, "from", nil)
	put(t, ch, "", from, text("in"))
	check(t, ch.Tx())
	d := next(t, consume(t, ch, from, false))
	check(t, d.Ack(false))
	put(t, ch, "", from, text("never"))
	check(t, ch.Close())
	wantReady(t, other, from, 1)
	got, _, err := other.Get(from, true)
	if check(t, err); string(got.Body) != "in" || !got.Redelivered {
		t.Fatalf("got %q, redelivered %v", got.Body, got.Redelivered)
	}
}

func TestTransactionIsRefusedWhole(t *testing.T) {
	s := start(t)
	ch, other := s.channel(), s.channel()
	full := queue(t, ch, "full", amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
	a := queue(t, ch, "a", nil)
	check(t, ch.Tx())
	put(t, ch, "", a, text("1"))
	put(t, ch, "", full, text("2"))
	put(t, ch, "", full, text("3"))
	wantError(t, ch.TxCommit(), amqp.PreconditionFailed, "transaction rolled back: queue 'full' in vhost '/' is full")
	wantReady(t, other, a, 0)
	wantReady(t, other, full, 0)
	ch = s.channel() // the room it had taken is free again
	check(t, ch.Tx())
	put(t, ch, "", full, text("4"))
	check(t, ch.TxCommit())
	wantReady(t, other, full, 1)
}

func TestTransactionSpansDurableAndTransientQueues(t *testing.T) {
	s := start(t)
	ch, other := s.channel(), s.channel()
	d := must(ch.QueueDeclare("d", true, false, false, false, nil))(t).Name
	v := must(ch.QueueDeclare("v", false, false, false, false, nil))(t).Name
	full := must(ch.QueueDeclare("f", false, false, false, false, amqp.Table{"x-max-length": 0, "x-overflow": "reject-publish"}))(t).Name
	check(t, ch.Tx())
	put(t, ch, "", d, text("1"))
	put(t, ch, "", v, text("2"))
	check(t, ch.TxCommit())
	wantReady(t, other, d, 1)
	wantReady(t, other, v, 1)
	put(t, ch, "", d, text("3"))
	put(t, ch, "", full, text("4"))
	wantError(t, ch.TxCommit(), amqp.PreconditionFailed, "full")
	wantReady(t, other, d, 1)
}

func TestTransactionReturnsBeforeCommitOk(t *testing.T) {
	s := start(t)
	r := s.raw().login().channel()
	r.send(1, &codec.TxSelect{})
	expect(r, &codec.TxSelectOk{})
	r.write(publish(1, &codec.BasicPublish{RoutingKey: []byte("nowhere"), Mandatory: true}, &codec.Properties{}, "x"))
	r.send(1, &codec.TxCommit{})
	expect(r, &codec.BasicReturn{})
	r.frame() // header
	r.frame() // body
	expect(r, &codec.TxCommitOk{})
}

func TestTransactionModeExcludesConfirmMode(t *testing.T) {
	s := start(t)
	ch := s.channel()
	check(t, ch.Tx())
	wantError(t, ch.Confirm(false), amqp.PreconditionFailed, "cannot switch from tx to confirm mode")
	ch = s.channel()
	check(t, ch.Confirm(false))
	wantError(t, ch.Tx(), amqp.PreconditionFailed, "cannot switch from confirm to tx mode")
	wantError(t, s.channel().TxCommit(), amqp.PreconditionFailed, "channel is not transactional")
	wantError(t, s.channel().TxRollback(), amqp.PreconditionFailed, "channel is not transactional")
}

func TestDoubleAckInATransactionClosesTheChannel(t *testing.T) {
	s := start(t)
	ch := s.channel()
	q := queue(t, ch, "q", nil)
	put(t, ch, "", q, text("1"))
	check(t, ch.Tx())
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	d := next(t, consume(t, ch, q, false))
	check(t, d.Ack(false))
	check(t, d.Ack(false))
	wantError(t, next(t, closed), amqp.PreconditionFailed, "unknown delivery tag 1")
	wantReady(t, s.channel(), q, 1)
}
