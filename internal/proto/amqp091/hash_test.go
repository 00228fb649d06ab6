package amqp091_test

import (
	"errors"
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestConsistentHash spreads messages by a header or a property: what has the same
// one goes to the same queue, and both queues get some.
func TestConsistentHash(t *testing.T) {
	for _, args := range []amqp.Table{{"hash-header": "customer"}, {"hash-property": "message_id"}, nil} {
		t.Run(fmt.Sprint(args), func(t *testing.T) {
			ch := start(t).channel()
			check(t, ch.ExchangeDeclare("hash", "x-consistent-hash", true, false, false, false, args))
			for _, q := range []string{"a", "b"} {
				queue(t, ch, q, nil)
				check(t, ch.QueueBind(q, "1", "hash", false, nil))
			}
			for i := range 200 {
				who := fmt.Sprint("customer ", i%20)
				p := amqp.Publishing{Body: []byte(who), MessageId: who, Headers: amqp.Table{"customer": who}}
				key := "same"
				if args == nil {
					key = who
				}
				put(t, ch, "hash", key, p)
			}
			seen := map[string]string{}
			total := 0
			for _, q := range []string{"a", "b"} {
				n := 0
				for {
					d, ok, err := ch.Get(q, true)
					check(t, err)
					if !ok {
						break
					}
					n++
					if other, ok := seen[string(d.Body)]; ok && other != q {
						t.Fatalf("%s went to both queues", d.Body)
					}
					seen[string(d.Body)] = q
				}
				if n == 0 {
					t.Errorf("queue %s got nothing", q)
				}
				total += n
			}
			if total != 200 {
				t.Errorf("%d of 200 messages arrived", total)
			}
		})
	}
}

func TestConsistentHashRefusesWrongArguments(t *testing.T) {
	for _, args := range []amqp.Table{
		{"hash-header": int32(1)}, {"hash-property": "priority"}, {"hash-header": "h", "hash-property": "message_id"},
	} {
		err := start(t).channel().ExchangeDeclare("hash", "x-consistent-hash", true, false, false, false, args)
		wantCode(t, err, amqp.PreconditionFailed)
	}
}

func TestConsistentHashRefusesKeysThatAreNoWeights(t *testing.T) {
	ch := start(t).channel()
	check(t, ch.ExchangeDeclare("hash", "x-consistent-hash", true, false, false, false, nil))
	queue(t, ch, "a", nil)
	wantCode(t, ch.QueueBind("a", "heavy", "hash", false, nil), amqp.PreconditionFailed)
}

func wantCode(t *testing.T, err error, code int) {
	t.Helper()
	var e *amqp.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v, want code %d", err, code)
	}
}
