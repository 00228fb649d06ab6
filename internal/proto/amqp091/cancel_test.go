package amqp091_test

import (
	"testing"

	"weir/internal/proto/amqp091/codec"
)

// Clients such as Kombu raise an error when their consumer is cancelled while
// they wait for the answer to their own queue.delete.
func TestDeleteIsAnsweredBeforeItsConsumersAreCancelled(t *testing.T) {
	r := start(t).raw().login().channel()
	for range 300 {
		r.send(1, &codec.QueueDeclare{Queue: "q", Durable: true})
		expect(r, &codec.QueueDeclareOk{})
		r.send(1, &codec.BasicConsume{Queue: "q", ConsumerTag: "t"})
		expect(r, &codec.BasicConsumeOk{})
		r.send(1, &codec.QueueDelete{Queue: "q"})
		expect(r, &codec.QueueDeleteOk{})
		if m := expect(r, &codec.BasicCancel{}); m.ConsumerTag != "t" {
			t.Fatalf("%+v", m)
		}
	}
}
