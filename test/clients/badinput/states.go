package main

import "strings"

// stateAttempts break the rules of what may follow what, or name things badly.
func stateAttempts() []attempt {
	const queue = "bad.state"
	own := declareQueue(queue, exclusive, table())
	get := method(1, 60, 70, uint16(0), queue, uint8(0))
	var all []attempt
	add := func(name string, frames ...[]byte) { all = append(all, attempt{name, frames}) }

	add("ack of an unknown tag", ack(1))
	add("ack of tag 0 with nothing unacked", method(1, 60, 80, uint64(0), uint8(1)))
	add("ack twice", own, publishing("", queue, 0), get, ack(1), ack(1))
	add("nack of an unknown tag", method(1, 60, 120, uint64(7), uint8(0)))
	add("reject of an unknown tag", method(1, 60, 90, uint64(7), uint8(1)))
	add("ack on another channel", own, publishing("", queue, 0), get, method(2, 20, 10, ""), method(2, 60, 80, uint64(1), uint8(0)))
	add("ack of a message without acknowledgement", own, publishing("", queue, 0), method(1, 60, 70, uint16(0), queue, uint8(1)), ack(1))
	add("publish to a missing exchange", publishing("bad.missing", "k", 0))
	add("publish to a missing exchange, and go on", publishing("bad.missing", "k", 0), publishing("bad.missing", "k", 0), ack(9), own)
	add("publish with immediate", publishing("", queue, 2))
	add("publish to an internal exchange", declareExchange("bad.internal", "fanout", 4|8, table()), publishing("bad.internal", "", 0))
	add("a method on a channel that is not open", method(7, 60, 10, uint32(0), uint16(0), uint8(0)))
	add("a channel opened twice", openChannel)
	add("close-ok without a close", method(1, 20, 41))
	add("tx.commit without tx.select", method(1, 90, 20))
	add("tx.rollback without tx.select", method(1, 90, 30))
	add("tx.select after confirm.select", method(1, 85, 10, uint8(0)), method(1, 90, 10))
	add("confirm.select after tx.select", method(1, 90, 10), method(1, 85, 10, uint8(0)))
	add("confirm.select twice", method(1, 85, 10, uint8(0)), method(1, 85, 10, uint8(0)))
	add("tx.select twice", method(1, 90, 10), method(1, 90, 10))
	add("ack in a transaction, unknown tag", method(1, 90, 10), ack(5))
	add("recover without requeue", method(1, 60, 110, uint8(0)))
	add("flow off", method(1, 20, 20, uint8(0)))
	add("qos with a size", method(1, 60, 10, uint32(1), uint16(0), uint8(0)))
	add("the same consumer tag twice", own, consume(queue, "t", 0, table()), consume(queue, "t", 0, table()))
	add("cancel of an unknown consumer", method(1, 60, 30, "nobody", uint8(0)))
	add("a second exclusive consumer", own, consume(queue, "a", 8, table()), consume(queue, "b", 0, table()))
	return append(append(all, missingAttempts()...), frameAttempts()...)
}

// missingAttempts name what is not there, or is there and different.
func missingAttempts() []attempt {
	const queue = "bad.state"
	own := declareQueue(queue, exclusive, table())
	var all []attempt
	add := func(name string, frames ...[]byte) { all = append(all, attempt{name, frames}) }
	add("consume from a missing queue", consume("bad.missing", "t", 0, table()))
	add("consume from the last queue of a new channel", consume("", "t", 0, table()))
	add("get from a missing queue", method(1, 60, 70, uint16(0), "bad.missing", uint8(0)))
	add("purge of a missing queue", method(1, 50, 30, uint16(0), "bad.missing", uint8(0)))
	add("delete of a missing queue", deleteQueue("bad.missing"))
	add("delete of a missing exchange", deleteExchange("bad.missing"))
	add("delete of the default exchange", deleteExchange(""))
	add("delete of amq.topic", deleteExchange("amq.topic"))
	add("delete if unused, in use", own, consume(queue, "t", 0, table()), method(1, 50, 40, uint16(0), queue, uint8(1)))
	add("delete if empty, not empty", own, publishing("", queue, 0), method(1, 50, 40, uint16(0), queue, uint8(2)))
	add("bind to the default exchange", own, method(1, 50, 20, uint16(0), queue, "", "k", uint8(0), table()))
	add("unbind from the default exchange", own, method(1, 50, 50, uint16(0), queue, "", "k", table()))
	add("bind to a missing exchange", own, method(1, 50, 20, uint16(0), queue, "bad.missing", "k", uint8(0), table()))
	add("bind of a missing queue", method(1, 50, 20, uint16(0), "bad.missing", "amq.direct", "k", uint8(0), table()))
	add("unbind of a missing binding", own, method(1, 50, 50, uint16(0), queue, "amq.direct", "k", table()))
	add("exchange bound to a missing one", method(1, 40, 30, uint16(0), "bad.missing", "amq.direct", "k", uint8(0), table()))
	add("exchange bound to the default one", method(1, 40, 30, uint16(0), "amq.fanout", "", "k", uint8(0), table()))
	add("declared with another durability", own, declareQueue(queue, exclusive|durable, table()))
	add("declared with another auto-delete", own, declareQueue(queue, exclusive|8, table()))
	add("declared without exclusive", own, declareQueue(queue, 0, table()))
	add("declared with another argument", own, declareQueue(queue, exclusive, table(argument{"x-max-length", intOf(5)})))
	add("passive declare of a missing queue", declareQueue("bad.missing", passive, table()))
	add("passive declare of a missing exchange", declareExchange("bad.missing", "direct", passive, table()))
	add("exchange declared as another type", declareExchange("amq.direct", "fanout", durable, table()))
	add("exchange declared with another durability", declareExchange("amq.direct", "direct", 0, table()))
	return all
}

// frameAttempts are frames that should not come here, or at all.
func frameAttempts() []attempt {
	const queue = "bad.state"
	var all []attempt
	add := func(name string, frames ...[]byte) { all = append(all, attempt{name, frames}) }
	add("method 60.99", method(1, 60, 99))
	add("class 61", method(1, 61, 10))
	add("a method without its arguments", method(1, 50, 10))
	add("an answer that is the broker's to give", method(1, 50, 11, "q", uint32(0), uint32(0)))
	add("connection.start-ok again", method(0, 10, 11, long(nil), "PLAIN", long([]byte("\x00guest\x00guest")), "en_US"))
	add("connection.open again", method(0, 10, 40, "/", "", uint8(0)))
	add("connection.open on channel 1", method(1, 10, 40, "/", "", uint8(0)))
	add("a channel method on channel 0", method(0, 60, 10, uint32(0), uint16(0), uint8(0)))
	add("a header without a method", frame(frameHeader, 1, appendAll(nil, uint16(60), uint16(0), uint64(1), uint16(0))))
	add("a body without a method", frame(frameBody, 1, []byte("x")))
	add("a method in the place of a header", method(1, 60, 40, uint16(0), "", queue, uint8(0)), probe)
	add("a header of another class", method(1, 60, 40, uint16(0), "", queue, uint8(0)),
		frame(frameHeader, 1, appendAll(nil, uint16(50), uint16(0), uint64(1), uint16(0))))
	add("a heartbeat on channel 1", frame(frameBeat, 1, nil))
	add("a frame of type 9", frame(9, 1, nil))
	return append(all, nameAttempts()...)
}

func nameAttempts() []attempt {
	longest := strings.Repeat("n", 255)
	var all []attempt
	for _, n := range []struct{ shown, name string }{
		{"amq.bad", "amq.bad"},
		{"255 bytes", longest},
		{"a line break", "bad\nname"},
		{"a space", "bad name"},
		{"a slash", "../bad/name"},
		{"emoji", "\U0001F4A9"},
	} {
		all = append(
			all,
			attempt{"queue named " + n.shown, [][]byte{declareQueue(n.name, exclusive, table())}},
			attempt{"exchange named " + n.shown, [][]byte{declareExchange(n.name, "direct", 0, table()), deleteExchange(n.name)}},
			attempt{"consumer tag of " + n.shown, [][]byte{declareQueue("bad.tag", exclusive, table()), consume("bad.tag", n.name, 0, table())}},
		)
	}
	return append(all, attempt{"routing key of 255 bytes", [][]byte{
		declareQueue("bad.key", exclusive, table()), method(1, 50, 20, uint16(0), "bad.key", "amq.direct", longest, uint8(0), table()),
		publishing("amq.direct", longest, 1),
	}})
}
