package amqp091_test

import (
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

var streamTable = amqp.Table{"x-queue-type": "stream"}

func stream(t *testing.T, ch *amqp.Channel, name string, more amqp.Table) string {
	t.Helper()
	table := amqp.Table{"x-queue-type": "stream"}
	for k, v := range more {
		table[k] = v
	}
	return must(ch.QueueDeclare(name, true, false, false, false, table))(t).Name
}

func follow(t *testing.T, ch *amqp.Channel, queue string, arguments amqp.Table) <-chan amqp.Delivery {
	t.Helper()
	check(t, ch.Qos(10, 0, false))
	return must(ch.Consume(queue, "", false, false, false, false, arguments))(t)
}

// wantStream takes messages from offset first on and acks them.
func wantStream(t *testing.T, c <-chan amqp.Delivery, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		d := next(t, c)
		if d.Headers["x-stream-offset"] != int64(i) || string(d.Body) != fmt.Sprint(i) {
			t.Fatalf("%q with %v where %d is due", d.Body, d.Headers, i)
		}
		check(t, d.Ack(false))
	}
}

func TestStreamIsReadByOffset(t *testing.T) {
	s := start(t)
	ch := s.channel()
	q := stream(t, ch, "s", nil)
	for i := range 50 {
		put(t, ch, "", q, text(fmt.Sprint(i)))
	}
	wantReady(t, ch, q, 50)
	for name, row := range map[string]struct {
		at    any
		first int
	}{
		"first": {"first", 0}, "offset": {int64(20), 20}, "last": {"last", 49},
		"interval": {"1h", 0}, "time": {time.Now().Add(-time.Hour), 0}, "narrow": {int32(7), 7},
	} {
		t.Run(name, func(t *testing.T) {
			wantStream(t, follow(t, s.channel(), q, amqp.Table{"x-stream-offset": row.at}), row.first, 49)
		})
	}
	fresh := follow(t, s.channel(), q, nil)
	put(t, ch, "", q, text("50"))
	wantStream(t, fresh, 50, 50)
	ahead := follow(t, s.channel(), q, amqp.Table{"x-stream-offset": int64(52)})
	put(t, ch, "", q, text("51"))
	put(t, ch, "", q, text("52"))
	wantStream(t, ahead, 52, 52)
	wantReady(t, ch, q, 53) // nothing was consumed
}

func TestStreamSurvivesRestartAndIsReadFromDisk(t *testing.T) {
	s := start(t)
	ch := s.channel()
	q := stream(t, ch, "s", nil)
	for i := range 500 {
		put(t, ch, "", q, amqp.Publishing{Body: []byte(fmt.Sprint(i)), DeliveryMode: 2})
	}
	wantReady(t, ch, q, 500)
	s.restart()
	ch = s.channel()
	put(t, ch, "", q, text("500"))
	wantStream(t, follow(t, ch, q, amqp.Table{"x-stream-offset": "first"}), 0, 500)
}

func TestStreamRetention(t *testing.T) {
	s := start(t)
	ch := s.channel()
	q := stream(t, ch, "s", amqp.Table{"x-max-age": "1s"})
	put(t, ch, "", q, text("0"))
	wantReady(t, ch, q, 1)
	eventuallyReady(t, ch, q, 0)
	put(t, ch, "", q, text("1"))
	wantStream(t, follow(t, ch, q, amqp.Table{"x-stream-offset": "first"}), 1, 1)
}

func TestStreamFilter(t *testing.T) {
	s := start(t)
	ch := s.channel()
	q := stream(t, ch, "s", nil)
	for i, region := range []any{"eu", "us", nil, "eu", "as"} {
		p := text(fmt.Sprint(i))
		if region != nil {
			p.Headers = amqp.Table{"x-stream-filter-value": region}
		}
		put(t, ch, "", q, p)
	}
	take := func(arguments amqp.Table, want ...string) {
		t.Helper()
		arguments["x-stream-offset"] = "first"
		wantBodies(t, bodies(t, follow(t, s.channel(), q, arguments), len(want)), want...)
	}
	take(amqp.Table{"x-stream-filter": "eu"}, "0", "3")
	take(amqp.Table{"x-stream-filter": []any{"as", "us"}}, "1", "4")
	take(amqp.Table{"x-stream-filter": "eu", "x-stream-match-unfiltered": true}, "0", "2", "3")
}

func TestStreamRefusals(t *testing.T) {
	s := start(t)
	q := stream(t, s.channel(), "s", nil)
	classic := queue(t, s.channel(), "c", nil)
	for name, row := range map[string]struct {
		do   func(ch *amqp.Channel) error
		code int
		text string
	}{
		"get":   {func(ch *amqp.Channel) error { _, _, err := ch.Get(q, false); return err }, 540, "basic.get not supported by stream queues queue 's' in vhost '/'"},
		"purge": {func(ch *amqp.Channel) error { _, err := ch.QueuePurge(q, false); return err }, 540, "queue.purge not supported by stream queues queue 's' in vhost '/'"},
		"no prefetch": {func(ch *amqp.Channel) error {
			_, err := ch.Consume(q, "", false, false, false, false, nil)
			return err
		}, 406, "consumer prefetch count is not set for stream queue 's' in vhost '/'"},
		"no ack": {func(ch *amqp.Channel) error {
			check(t, ch.Qos(1, 0, false))
			_, err := ch.Consume(q, "", true, false, false, false, nil)
			return err
		}, 540, "automatic acknowledgement not supported by stream queue 's' in vhost '/'"},
		"bad offset": {func(ch *amqp.Channel) error {
			check(t, ch.Qos(1, 0, false))
			_, err := ch.Consume(q, "", false, false, false, false, amqp.Table{"x-stream-offset": "soon"})
			return err
		}, 406, "invalid arg 'x-stream-offset' for queue 's' in vhost '/': {invalid_stream_offset_arg,{longstr,<<\"soon\">>}}"},
		"offset of a classic queue": {func(ch *amqp.Channel) error {
			_, err := ch.Consume(classic, "", false, false, false, false, amqp.Table{"x-stream-offset": "first"})
			return err
		}, 406, "invalid arg 'x-stream-offset' for queue 'c' in vhost '/' of queue type rabbit_classic_queue"},
		"transient": {func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("x", false, false, false, false, streamTable)
			return err
		}, 406, "invalid property 'non-durable' for queue 'x' in vhost '/'"},
		"auto-delete": {func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("x", true, true, false, false, streamTable)
			return err
		}, 406, "invalid property 'auto-delete' for queue 'x' in vhost '/'"},
		"ttl": {func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("x", true, false, false, false, amqp.Table{"x-queue-type": "stream", "x-message-ttl": 5})
			return err
		}, 406, "invalid arg 'x-message-ttl' for queue 'x' in vhost '/' of queue type rabbit_stream_queue"},
		"age": {func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("x", true, false, false, false, amqp.Table{"x-queue-type": "stream", "x-max-age": "5"})
			return err
		}, 406, "invalid arg 'x-max-age' for queue 'x' in vhost '/': invalid_max_age"},
		"segment": {func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare("x", true, false, false, false, amqp.Table{"x-queue-type": "stream", "x-stream-max-segment-size-bytes": int64(3_000_000_001)})
			return err
		}, 406, "Exceeded max value for x-stream-max-segment-size-bytes"},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, row.do(open(t, s.dial())), row.code, row.text) })
	}
}

func TestRetainingQueueCanBeFollowed(t *testing.T) {
	s := start(t)
	ch := s.channel()
	q := queue(t, ch, "q", amqp.Table{"x-retain-ms": 60000})
	put(t, ch, "", q, text("0"))
	put(t, ch, "", q, text("1"))
	if d, ok, err := ch.Get(q, true); err != nil || !ok || string(d.Body) != "0" {
		t.Fatal(d.Body, ok, err)
	}
	wantStream(t, follow(t, ch, q, amqp.Table{"x-stream-offset": "first"}), 0, 1)
	wantReady(t, ch, q, 1)
}
