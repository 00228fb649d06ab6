package main

import "strings"

// argumentAttempts are declarations and subscriptions with an argument of a wrong
// type or beyond its range.
func argumentAttempts() []attempt {
	var all []attempt
	all = append(all, queueArguments()...)
	all = append(all, exchangeArguments()...)
	all = append(all, consumeArguments()...)
	return all
}

var numbers = []value{
	textOf("abc"), intOf(-1), intOf(0), longOf(1 << 40), longOf(-1 << 62), boolOf(true), doubleOf(1.5), void, emptyArray, emptyTable, timestamp,
}

var texts = []value{intOf(1), boolOf(true), textOf("abc"), void, emptyArray, binaryText}

// queueArgumentValues are what is tried for every argument of classic queues. The
// value itself is in the list where it is good in RabbitMQ.
var queueArgumentValues = []struct {
	name   string
	values []value
}{
	{"x-expires", numbers},
	{"x-message-ttl", numbers},
	{"x-max-length", numbers},
	{"x-max-length-bytes", numbers},
	{"x-max-priority", append([]value{intOf(255), intOf(256)}, numbers...)},
	{"x-queue-version", append([]value{intOf(1), intOf(2), intOf(3)}, numbers...)},
	{"x-dead-letter-exchange", texts},
	{"x-dead-letter-routing-key", texts},
	{"x-overflow", append([]value{textOf("drop-head"), textOf("")}, texts...)},
	{"x-queue-mode", append([]value{textOf("lazy"), textOf("default")}, texts...)},
	{"x-single-active-consumer", []value{intOf(1), textOf("true"), boolOf(true), boolOf(false), void}},
	{"x-queue-type", texts},
	{"x-queue-leader-locator", append([]value{textOf("balanced")}, texts...)},
}

// wrongKind are arguments that queues of another type have.
var wrongKind = []struct{ kind, name string }{
	{"classic", "x-delivery-limit"},
	{"classic", "x-dead-letter-strategy"},
	{"classic", "x-max-age"},
	{"classic", "x-stream-max-segment-size-bytes"},
	{"classic", "x-initial-cluster-size"},
	{"classic", "x-quorum-initial-group-size"},
	{"classic", "x-max-in-memory-length"},
	{"quorum", "x-max-priority"},
	{"quorum", "x-queue-mode"},
	{"quorum", "x-max-age"},
	{"stream", "x-message-ttl"},
	{"stream", "x-expires"},
	{"stream", "x-max-length"},
	{"stream", "x-dead-letter-exchange"},
	{"stream", "x-single-active-consumer"},
	{"stream", "x-max-priority"},
	{"stream", "x-overflow"},
	{"stream", "x-delivery-limit"},
}

func queueArguments() []attempt {
	const queue = "bad.arguments"
	var all []attempt
	for _, a := range queueArgumentValues {
		for _, v := range a.values {
			arguments := []argument{{a.name, v}}
			if a.name == "x-dead-letter-routing-key" {
				arguments = append(arguments, argument{"x-dead-letter-exchange", textOf("")})
			}
			all = append(all, attempt{
				"queue.declare " + a.name + "=" + v.shown,
				[][]byte{declareQueue(queue, durable, table(arguments...)), deleteQueue(queue)},
			})
		}
	}
	for _, w := range wrongKind {
		kind := argument{"x-queue-type", textOf(w.kind)}
		v := intOf(5)
		if strings.Contains(w.name, "dead-letter") || strings.Contains(w.name, "mode") || strings.Contains(w.name, "age") {
			v = textOf("abc")
		}
		all = append(all, attempt{
			"queue.declare " + w.kind + " " + w.name + "=" + v.shown,
			[][]byte{declareQueue(queue, durable, table(kind, argument{w.name, v})), deleteQueue(queue)},
		})
	}
	for _, kind := range []string{"quorum", "stream"} {
		for _, bits := range []uint8{0, durable | exclusive, durable | 8} {
			name := map[uint8]string{0: "transient", durable | exclusive: "exclusive", durable | 8: "auto-delete"}[bits]
			all = append(all, attempt{
				"queue.declare " + kind + " " + name,
				[][]byte{declareQueue(queue, bits, table(argument{"x-queue-type", textOf(kind)})), deleteQueue(queue)},
			})
		}
	}
	all = append(all, attempt{
		"queue.declare x-dead-letter-routing-key without an exchange",
		[][]byte{declareQueue(queue, durable, table(argument{"x-dead-letter-routing-key", textOf("k")})), deleteQueue(queue)},
	})
	return all
}

func exchangeArguments() []attempt {
	const exchange = "bad.exchange"
	var all []attempt
	for _, v := range texts {
		all = append(all, attempt{
			"exchange.declare alternate-exchange=" + v.shown,
			[][]byte{declareExchange(exchange, "direct", 0, table(argument{"alternate-exchange", v})), deleteExchange(exchange)},
		})
	}
	for _, kind := range []string{"", "odd", "x-unheard-of", strings.Repeat("k", 255)} {
		all = append(all, attempt{
			"exchange.declare type " + kind, [][]byte{declareExchange(exchange, kind, 0, table()), deleteExchange(exchange)},
		})
	}
	bind := func(v value) []byte {
		return method(1, 50, 20, uint16(0), "bad.bound", "amq.headers", "", uint8(0), table(argument{"x-match", v}))
	}
	for _, v := range append([]value{textOf("all"), textOf("any"), textOf("ALL"), textOf("")}, texts...) {
		all = append(all, attempt{
			"queue.bind x-match=" + v.shown, [][]byte{declareQueue("bad.bound", exclusive, table()), bind(v)},
		})
	}
	return all
}

func consumeArguments() []attempt {
	const queue = "bad.consumed"
	var all []attempt
	for _, v := range numbers {
		all = append(all, attempt{
			"basic.consume x-priority=" + v.shown,
			[][]byte{declareQueue(queue, exclusive, table()), consume(queue, "t", 0, table(argument{"x-priority", v}))},
		})
	}
	for _, v := range append([]value{textOf("first"), textOf("1Y"), textOf("2x")}, numbers...) {
		all = append(all, attempt{
			"basic.consume stream x-stream-offset=" + v.shown,
			[][]byte{
				declareQueue("bad.stream", durable, table(argument{"x-queue-type", textOf("stream")})),
				method(1, 60, 10, uint32(0), uint16(1), uint8(0)),
				consume("bad.stream", "t", 0, table(argument{"x-stream-offset", v})), deleteQueue("bad.stream"),
			},
		})
	}
	return all
}
