package amqp091_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// TestDeclarationsAreComparedFirst declares again with arguments that nothing new
// could have.
func TestDeclarationsAreComparedFirst(t *testing.T) {
	s := start(t)
	ch := s.channel()
	queue(t, ch, "q", amqp.Table{"x-max-length": int32(5), "x-message-ttl": int32(7)})
	check(t, ch.ExchangeDeclare("x", "direct", false, false, false, false, amqp.Table{"alternate-exchange": "a"}))
	const queueText, exchangeText = "PRECONDITION_FAILED - inequivalent arg '", "' for exchange 'x' in vhost '/': "
	for _, c := range []struct {
		args   amqp.Table
		reason string
	}{
		{amqp.Table{"x-max-length": "x", "x-message-ttl": int64(7)}, "x-max-length' for queue 'q' in vhost '/': received 'x' but current is '5'"},
		{amqp.Table{"x-max-length": int32(-1), "x-message-ttl": int64(7)}, "x-max-length' for queue 'q' in vhost '/': received '-1' but current is '5'"},
		{nil, "x-message-ttl' for queue 'q' in vhost '/': received none but current is the value '7' of type 'signedint'"},
		{
			amqp.Table{"x-max-length": int32(5), "x-message-ttl": int32(7), "x-overflow": "odd"},
			"x-overflow' for queue 'q' in vhost '/': received the value 'odd' of type 'longstr' but current is none",
		},
	} {
		_, err := s.channel().QueueDeclare("q", false, false, false, false, c.args)
		wantReason(t, c.reason, err, 406, queueText+c.reason)
	}
	err := s.channel().ExchangeDeclare("x", "direct", false, false, false, false, amqp.Table{"alternate-exchange": int32(1)})
	wantReason(t, "exchange", err, 406, queueText+"alternate-exchange"+exchangeText+"received '1' but current is 'a'")
	err = s.channel().ExchangeDeclare("new", "direct", false, false, false, false, amqp.Table{"alternate-exchange": int32(1)})
	wantReason(t, "new exchange", err, 406, "PRECONDITION_FAILED - invalid type 'signedint' for arg 'alternate-exchange' in exchange 'new' in vhost '/'")
}
