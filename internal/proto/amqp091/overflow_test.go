package amqp091_test

import (
	"context"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestRejectPublishDeadLetters fills a queue whose overflow is reject-publish-dlx:
// what it turns away is nacked and dead-lettered.
func TestRejectPublishDeadLetters(t *testing.T) {
	ch := start(t).channel()
	dead := queue(t, ch, "dead", nil)
	queue(t, ch, "q", amqp.Table{
		"x-max-length": 1, "x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead",
	})
	check(t, ch.Confirm(false))
	for i, want := range []bool{true, false} {
		c, err := ch.PublishWithDeferredConfirmWithContext(context.Background(), "", "q", false, false, text([]string{"kept", "refused"}[i]))
		check(t, err)
		if c.Wait() != want {
			t.Fatalf("message %d: confirmed %v", i, !want)
		}
	}
	d := next(t, consume(t, ch, dead, true))
	death := d.Headers["x-death"].([]any)[0].(amqp.Table)
	if string(d.Body) != "refused" || death["reason"] != "maxlen" || death["queue"] != "q" {
		t.Fatalf("%s %v", d.Body, death)
	}
	wantReady(t, ch, "q", 1)
}

func TestAcceptLimitCountsAllMessagesEver(t *testing.T) {
	for _, overflow := range []string{"drop-head", "reject-publish", "block"} {
		t.Run(overflow, func(t *testing.T) {
			s := start(t)
			ch := s.channel()
			q := must(ch.QueueDeclare("sale", true, false, false, false, amqp.Table{"x-accept-limit": 3, "x-max-length": 2, "x-overflow": overflow}))(t).Name
			check(t, ch.Confirm(false))
			publish := func(want bool) {
				t.Helper()
				c := must(ch.PublishWithDeferredConfirm("", q, false, false, amqp.Publishing{Body: []byte("x"), DeliveryMode: 2}))(t)
				if c.Wait() != want {
					t.Fatalf("ack is not %v", want)
				}
			}
			publish(true)
			publish(true)
			must(ch.QueuePurge(q, false))(t)
			publish(true)
			publish(false)
			s.restart()
			ch = s.channel()
			check(t, ch.Confirm(false))
			publish(false)
			wantReady(t, ch, q, 1)
		})
	}
}

func TestBlindCopiesAreDeadLetteredToo(t *testing.T) {
	s := start(t)
	ch := s.channel()
	check(t, ch.ExchangeDeclare("dlx", "direct", false, false, false, false, nil))
	q := queue(t, ch, "q", amqp.Table{"x-dead-letter-exchange": "dlx"})
	for _, name := range []string{"q", "cc", "bcc"} {
		check(t, ch.QueueBind(queue(t, ch, "dead-"+name, nil), name, "dlx", false, nil))
	}
	put(t, ch, "", q, amqp.Publishing{Headers: amqp.Table{"CC": []any{"cc"}, "BCC": []any{"bcc"}}, Body: []byte("m")})
	d, ok, err := ch.Get(q, false)
	if check(t, err); !ok || d.Headers["BCC"] != nil {
		t.Fatalf("%v %v", ok, d.Headers)
	}
	check(t, d.Reject(false))
	for _, name := range []string{"q", "cc", "bcc"} {
		d, ok, err := ch.Get("dead-"+name, true)
		if check(t, err); !ok || d.Headers["BCC"] != nil {
			t.Fatalf("%s: %v %v", name, ok, d.Headers)
		}
		death := d.Headers["x-death"].([]any)[0].(amqp.Table)
		if keys := death["routing-keys"].([]any); len(keys) != 2 || keys[0] != "q" || keys[1] != "cc" {
			t.Fatalf("%v", death)
		}
	}
	returns := ch.NotifyReturn(make(chan amqp.Return, 1))
	check(t, ch.Publish("", "nowhere", true, false, amqp.Publishing{Headers: amqp.Table{"BCC": []any{"neither"}, "a": "b"}, Body: []byte("m")}))
	if r := next(t, returns); r.Headers["BCC"] != nil || r.Headers["a"] != "b" || string(r.Body) != "m" {
		t.Fatalf("%+v", r)
	}
}
