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
