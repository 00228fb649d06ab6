package amqp091_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, ch *amqp.Channel, exchange, key string, p amqp.Publishing) {
	t.Helper()
	check(t, ch.PublishWithContext(context.Background(), exchange, key, false, false, p))
}

func text(s string) amqp.Publishing { return amqp.Publishing{Body: []byte(s)} }

// queue declares a transient queue.
func queue(t testing.TB, ch *amqp.Channel, name string, args amqp.Table) string {
	t.Helper()
	return must(ch.QueueDeclare(name, false, false, false, false, args))(t).Name
}

func consume(t testing.TB, ch *amqp.Channel, queue string, autoAck bool) <-chan amqp.Delivery {
	t.Helper()
	return must(ch.Consume(queue, "", autoAck, false, false, false, nil))(t)
}

func next[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-c:
		if !ok {
			t.Fatal("channel closed")
		}
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	panic("unreachable")
}

func bodies(t testing.TB, c <-chan amqp.Delivery, n int) []string {
	t.Helper()
	var all []string
	for range n {
		all = append(all, string(next(t, c).Body))
	}
	return all
}

func wantBodies(t testing.TB, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// empty says that the queue has no message ready. A passive declaration comes
// after everything the channel published.
func wantReady(t testing.TB, ch *amqp.Channel, queue string, n int) {
	t.Helper()
	if q := must(ch.QueueDeclarePassive(queue, false, false, false, false, nil))(t); q.Messages != n {
		t.Fatalf("%s has %d messages, want %d", queue, q.Messages, n)
	}
}

// eventuallyReady asks until the queue has that many: what a client gives back
// is not waited for.
func eventuallyReady(t testing.TB, ch *amqp.Channel, queue string, n int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if q := must(ch.QueueDeclarePassive(queue, false, false, false, false, nil))(t); q.Messages == n {
			return
		}
	}
	wantReady(t, ch, queue, n)
}

func wantError(t testing.TB, err error, code int, words string) {
	t.Helper()
	var e *amqp.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Reason, words) {
		t.Fatalf("%v instead of %d %q", err, code, words)
	}
}

func TestTutorialHelloWorld(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "hello", nil)
	put(t, ch, "", "hello", amqp.Publishing{ContentType: "text/plain", Body: []byte("Hello World!")})
	d := next(t, consume(t, ch, "hello", true))
	if string(d.Body) != "Hello World!" || d.ContentType != "text/plain" || d.RoutingKey != "hello" || d.Redelivered {
		t.Fatalf("%+v", d)
	}
}

func TestTutorialWorkQueues(t *testing.T) {
	s := start(t)
	ch := s.channel()
	must(ch.QueueDeclare("task_queue", true, false, false, false, nil))(t)
	work := make(chan amqp.Delivery)
	for range 2 {
		w := s.channel()
		check(t, w.Qos(1, 0, false))
		deliveries := consume(t, w, "task_queue", false)
		go func() {
			for d := range deliveries {
				work <- d
			}
		}()
	}
	for i := range 4 {
		put(t, ch, "", "task_queue", amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(strconv.Itoa(i))})
	}
	first, second := next(t, work), next(t, work)
	wantReady(t, ch, "task_queue", 2)
	seen := map[string]bool{}
	for _, d := range []amqp.Delivery{first, second} {
		seen[string(d.Body)] = true
		check(t, d.Ack(false))
	}
	for range 2 {
		d := next(t, work)
		seen[string(d.Body)] = true
		check(t, d.Ack(false))
	}
	if len(seen) != 4 {
		t.Fatalf("%v", seen)
	}
}

func TestTutorialPublishSubscribe(t *testing.T) {
	ch := start(t).channel()
	check(t, ch.ExchangeDeclare("logs", "fanout", true, false, false, false, nil))
	var subscribers []<-chan amqp.Delivery
	for range 2 {
		q := must(ch.QueueDeclare("", false, false, true, false, nil))(t)
		if !strings.HasPrefix(q.Name, "amq.gen-") {
			t.Fatalf("server-named %q", q.Name)
		}
		check(t, ch.QueueBind(q.Name, "", "logs", false, nil))
		subscribers = append(subscribers, consume(t, ch, q.Name, true))
	}
	put(t, ch, "logs", "", text("line"))
	for _, ds := range subscribers {
		wantBodies(t, bodies(t, ds, 1), "line")
	}
}

func TestTutorialRouting(t *testing.T) {
	ch := start(t).channel()
	check(t, ch.ExchangeDeclare("logs_direct", "direct", true, false, false, false, nil))
	q := queue(t, ch, "", nil)
	for _, key := range []string{"warning", "error"} {
		check(t, ch.QueueBind(q, key, "logs_direct", false, nil))
	}
	for _, key := range []string{"info", "warning", "debug", "error"} {
		put(t, ch, "logs_direct", key, text(key))
	}
	wantBodies(t, bodies(t, consume(t, ch, q, true), 2), "warning", "error")
}

func TestTutorialTopics(t *testing.T) {
	ch := start(t).channel()
	check(t, ch.ExchangeDeclare("logs_topic", "topic", true, false, false, false, nil))
	q := queue(t, ch, "", nil)
	for _, key := range []string{"kern.*", "*.critical", "a.#"} {
		check(t, ch.QueueBind(q, key, "logs_topic", false, nil))
	}
	for _, key := range []string{"kern.info", "kern.a.b", "cron.critical", "kern.critical", "a", "a.b.c", "b"} {
		put(t, ch, "logs_topic", key, text(key))
	}
	wantBodies(t, bodies(t, consume(t, ch, q, true), 5), "kern.info", "cron.critical", "kern.critical", "a", "a.b.c")
}

func TestTutorialRPC(t *testing.T) {
	s := start(t)
	server, client := s.channel(), s.channel()
	queue(t, server, "rpc_queue", nil)
	check(t, server.Qos(1, 0, false))
	requests := consume(t, server, "rpc_queue", false)
	q := must(client.QueueDeclare("", false, false, true, false, nil))(t)
	replies := consume(t, client, q.Name, true)
	put(t, client, "", "rpc_queue", amqp.Publishing{CorrelationId: "1", ReplyTo: q.Name, Body: []byte("30")})
	r := next(t, requests)
	put(t, server, "", r.ReplyTo, amqp.Publishing{CorrelationId: r.CorrelationId, Body: []byte("832040")})
	check(t, r.Ack(false))
	if d := next(t, replies); d.CorrelationId != "1" || string(d.Body) != "832040" {
		t.Fatalf("%+v", d)
	}
}

func TestTutorialPublisherConfirms(t *testing.T) {
	ch := start(t).channel()
	q := must(ch.QueueDeclare("confirmed", true, false, false, false, nil))(t)
	check(t, ch.Confirm(false))
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, 1000))
	for i := range 1000 {
		put(t, ch, "", q.Name, text(strconv.Itoa(i)))
	}
	for i := range 1000 {
		if c := next(t, confirms); !c.Ack || c.DeliveryTag != uint64(i+1) {
			t.Fatalf("confirm %d: %+v", i, c)
		}
	}
	wantReady(t, ch, q.Name, 1000)
}

func TestUnroutableIsReturnedBeforeItsConfirm(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", nil)
	check(t, ch.Confirm(false))
	order := make(chan string, 20)
	returns, confirms := ch.NotifyReturn(make(chan amqp.Return)), ch.NotifyPublish(make(chan amqp.Confirmation))
	go func() {
		// The client hands both over in the order they came, and waits.
		for range 9 {
			select {
			case r := <-returns:
				order <- fmt.Sprintf("return %s %d %s", r.Body, r.ReplyCode, r.ReplyText)
			case c := <-confirms:
				order <- fmt.Sprintf("confirm %d %v", c.DeliveryTag, c.Ack)
			}
		}
	}()
	for i := range 6 {
		key := "q"
		if i%2 == 1 {
			key = "nowhere"
		}
		check(t, ch.PublishWithContext(context.Background(), "", key, true, false, text(strconv.Itoa(i+1))))
	}
	returned := map[string]bool{}
	for range 9 {
		switch e := next(t, order); {
		case strings.HasPrefix(e, "return"):
			if !strings.HasSuffix(e, " 312 NO_ROUTE") {
				t.Fatal(e)
			}
			returned[strings.Fields(e)[1]] = true
		default:
			tag, _ := strconv.Atoi(strings.Fields(e)[1])
			if tag%2 == 0 && !returned[strconv.Itoa(tag)] {
				t.Fatalf("%s before its return", e)
			}
		}
	}
}

func TestPropertiesAndHeadersSurvive(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", nil)
	p := amqp.Publishing{
		Headers: amqp.Table{
			"s": "text", "i": int32(-3), "l": int64(1) << 40, "b": true, "f": 1.5, "n": nil, "t": time.Unix(77, 0),
			"bytes": []byte{0, 1}, "table": amqp.Table{"x": int16(5)}, "list": []any{"a", int32(1)}, "d": amqp.Decimal{Scale: 2, Value: 314},
		},
		ContentType: "a/b", ContentEncoding: "gzip", DeliveryMode: 2, Priority: 7, CorrelationId: "c", ReplyTo: "r",
		MessageId: "m", Timestamp: time.Unix(1700000000, 0), Type: "t", UserId: "guest", AppId: "app", Body: []byte("body"),
	}
	put(t, ch, "", "q", p)
	d := next(t, consume(t, ch, "q", true))
	got := amqp.Publishing{
		Headers: d.Headers, ContentType: d.ContentType, ContentEncoding: d.ContentEncoding,
		DeliveryMode: d.DeliveryMode, Priority: d.Priority, CorrelationId: d.CorrelationId, ReplyTo: d.ReplyTo,
		MessageId: d.MessageId, Timestamp: d.Timestamp, Type: d.Type, UserId: d.UserId, AppId: d.AppId, Body: d.Body,
	}
	if fmt.Sprint(got) != fmt.Sprint(p) {
		t.Fatalf("got  %v\nwant %v", got, p)
	}
}

func TestBodiesOfAllSizes(t *testing.T) {
	s := start(t)
	c := must(amqp.DialConfig("amqp://guest:guest@"+s.address+"/", amqp.Config{FrameSize: 4096}))(t)
	defer c.Close()
	small, large := open(t, c), s.channel()
	queue(t, small, "q", nil)
	for _, size := range []int{0, 1, 4087, 4088, 4089, 8176, 20000, 131064, 131065, 1 << 20, 5 << 20} {
		body := bytes.Repeat([]byte("weir"), size/4+1)[:size]
		for _, pair := range [][2]*amqp.Channel{{small, large}, {large, small}} {
			put(t, pair[0], "", "q", amqp.Publishing{Body: body})
			wantReady(t, pair[0], "q", 1)
			if d, ok, err := pair[1].Get("q", true); err != nil || !ok || !bytes.Equal(d.Body, body) {
				t.Fatalf("%d bytes: %v %v, %d bytes", size, ok, err, len(d.Body))
			}
		}
	}
}

func TestGet(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", nil)
	if _, ok, err := ch.Get("q", false); ok || err != nil {
		t.Fatalf("%v %v", ok, err)
	}
	for _, b := range []string{"a", "b", "c"} {
		put(t, ch, "", "q", text(b))
	}
	d, ok, err := ch.Get("q", false)
	if !ok || err != nil || string(d.Body) != "a" || d.MessageCount != 2 || d.DeliveryTag != 1 {
		t.Fatalf("%v %v %+v", ok, err, d)
	}
	if d, _, _ := ch.Get("q", true); string(d.Body) != "b" || d.MessageCount != 1 {
		t.Fatalf("%+v", d)
	}
	check(t, d.Nack(false, true))
	if d, _, _ := ch.Get("q", false); string(d.Body) != "a" || !d.Redelivered || d.DeliveryTag != 3 {
		t.Fatalf("%+v", d)
	}
}

func TestRequeuedMessagesKeepTheirPlace(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", nil)
	for i := range 6 {
		put(t, ch, "", "q", text(strconv.Itoa(i)))
	}
	check(t, ch.Qos(3, 0, false))
	ds := must(ch.Consume("q", "c", false, false, false, false, nil))(t)
	var held []amqp.Delivery
	for range 3 {
		held = append(held, next(t, ds))
	}
	check(t, ch.Cancel("c", false))
	check(t, held[1].Ack(false))
	check(t, held[2].Nack(true, true))
	again := consume(t, ch, "q", true)
	wantBodies(t, bodies(t, again, 5), "0", "2", "3", "4", "5")
}

func TestRedeliveryIsMarkedAndCounted(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", nil)
	put(t, ch, "", "q", text("x"))
	ds := consume(t, ch, "q", false)
	check(t, next(t, ds).Reject(true))
	d := next(t, ds)
	if !d.Redelivered || d.Headers["x-delivery-count"] != int64(1) {
		t.Fatalf("%+v", d)
	}
	check(t, d.Reject(false))
	wantReady(t, ch, "q", 0)
}

func TestPrefetch(t *testing.T) {
	s := start(t)
	ch := s.channel()
	queue(t, ch, "q", nil)
	for i := range 10 {
		put(t, ch, "", "q", text(strconv.Itoa(i)))
	}
	check(t, ch.Qos(3, 0, false))
	ds := consume(t, ch, "q", false)
	held := []amqp.Delivery{next(t, ds), next(t, ds), next(t, ds)}
	wantReady(t, ch, "q", 7)
	check(t, held[1].Ack(true))
	held = []amqp.Delivery{next(t, ds), next(t, ds)}
	wantReady(t, ch, "q", 5)
	check(t, held[1].Ack(true))
	wantBodies(t, bodies(t, ds, 3), "5", "6", "7")
	wantReady(t, ch, "q", 2)
}

func TestGlobalPrefetchIsSharedByTheChannel(t *testing.T) {
	ch := start(t).channel()
	check(t, ch.Qos(3, 0, true))
	queue(t, ch, "a", nil)
	queue(t, ch, "b", nil)
	for i := range 5 {
		put(t, ch, "", "a", text(strconv.Itoa(i)))
		put(t, ch, "", "b", text(strconv.Itoa(i)))
	}
	wantReady(t, ch, "a", 5)
	wantReady(t, ch, "b", 5)
	da, db := consume(t, ch, "a", false), consume(t, ch, "b", false)
	got := func() amqp.Delivery {
		select {
		case d := <-da:
			return d
		case d := <-db:
			return d
		case <-time.After(patience):
			t.Fatal("nothing came")
		}
		panic("unreachable")
	}
	for range 3 {
		got()
	}
	ready := func() int {
		return must(ch.QueueDeclarePassive("a", false, false, false, false, nil))(t).Messages +
			must(ch.QueueDeclarePassive("b", false, false, false, false, nil))(t).Messages
	}
	if n := ready(); n != 7 {
		t.Fatalf("%d ready", n)
	}
	check(t, ch.Ack(0, true))
	for range 3 {
		got()
	}
	if n := ready(); n != 4 {
		t.Fatalf("%d ready", n)
	}
	check(t, ch.Qos(0, 0, true))
	for range 4 {
		got()
	}
}

func TestAckMultipleAndTagZero(t *testing.T) {
	s := start(t)
	ch := s.channel()
	queue(t, ch, "q", nil)
	for i := range 10 {
		put(t, ch, "", "q", text(strconv.Itoa(i)))
	}
	ds := consume(t, ch, "q", false)
	bodies(t, ds, 10)
	check(t, ch.Ack(4, true))
	check(t, ch.Ack(7, false))
	check(t, ch.Close())
	other := s.channel()
	eventuallyReady(t, other, "q", 5)
	bodies(t, consume(t, other, "q", false), 5)
	check(t, other.Ack(0, true))
	check(t, other.Close())
	wantReady(t, s.channel(), "q", 0)
}

func TestDoubleAckClosesTheChannel(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", nil)
	put(t, ch, "", "q", text("x"))
	d := next(t, consume(t, ch, "q", false))
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	check(t, d.Ack(false))
	check(t, d.Ack(false))
	wantError(t, next(t, closed), 406, "PRECONDITION_FAILED - unknown delivery tag 1")
}

func TestRecover(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", nil)
	put(t, ch, "", "q", text("a"))
	put(t, ch, "", "q", text("b"))
	ds := consume(t, ch, "q", false)
	wantBodies(t, bodies(t, ds, 2), "a", "b")
	check(t, ch.Recover(true)) //nolint:staticcheck // old clients still call it, and it is answered
	for _, want := range []string{"a", "b"} {
		if d := next(t, ds); string(d.Body) != want || !d.Redelivered {
			t.Fatalf("%+v", d)
		}
	}
}

func TestCancelKeepsLeasesAndChannelCloseReturnsThem(t *testing.T) {
	s := start(t)
	ch := s.channel()
	queue(t, ch, "q", nil)
	put(t, ch, "", "q", text("a"))
	put(t, ch, "", "q", text("b"))
	ds := must(ch.Consume("q", "tag", false, false, false, false, nil))(t)
	a := next(t, ds)
	next(t, ds)
	check(t, ch.Cancel("tag", false))
	wantReady(t, ch, "q", 0)
	check(t, a.Ack(false))
	wantReady(t, ch, "q", 0)
	check(t, ch.Close())
	eventuallyReady(t, s.channel(), "q", 1)
	// The tag may be used again on another channel, and on this one after cancel.
	again := s.channel()
	d := next(t, must(again.Consume("q", "tag", false, false, false, false, nil))(t))
	if string(d.Body) != "b" || !d.Redelivered {
		t.Fatalf("%+v", d)
	}
}

func TestConnectionLossReturnsLeases(t *testing.T) {
	s := start(t)
	c := s.dial()
	ch := open(t, c)
	queue(t, ch, "q", nil)
	put(t, ch, "", "q", text("a"))
	next(t, consume(t, ch, "q", false))
	check(t, c.Close())
	other := s.channel()
	d := next(t, consume(t, other, "q", false))
	if string(d.Body) != "a" || !d.Redelivered {
		t.Fatalf("%+v", d)
	}
}

func TestConsumerTagReuse(t *testing.T) {
	s := start(t)
	c := s.dial()
	ch := open(t, c)
	queue(t, ch, "q", nil)
	must(ch.Consume("q", "tag", true, false, false, false, nil))(t)
	_, err := ch.Consume("q", "tag", true, false, false, false, nil)
	wantError(t, err, 530, "NOT_ALLOWED - attempt to reuse consumer tag 'tag'")
}

func TestServerCancelsConsumersOfADeletedQueue(t *testing.T) {
	s := start(t)
	ch := s.channel()
	queue(t, ch, "q", nil)
	cancelled := ch.NotifyCancel(make(chan string, 1))
	ds := must(ch.Consume("q", "tag", true, false, false, false, nil))(t)
	must(s.channel().QueueDelete("q", false, false, false))(t)
	if tag := next(t, cancelled); tag != "tag" {
		t.Fatal(tag)
	}
	if _, open := <-ds; open {
		t.Fatal("a delivery")
	}
	queue(t, ch, "q", nil)
	must(ch.Consume("q", "tag", true, false, false, false, nil))(t)
}

func TestExclusiveConsumer(t *testing.T) {
	s := start(t)
	ch := s.channel()
	queue(t, ch, "q", nil)
	must(ch.Consume("q", "", true, true, false, false, nil))(t)
	_, err := s.channel().Consume("q", "", true, false, false, false, nil)
	wantError(t, err, 403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use")
}

func TestExclusiveQueue(t *testing.T) {
	s := start(t)
	c := s.dial()
	ch := open(t, c)
	must(ch.QueueDeclare("mine", false, false, true, false, nil))(t)
	for _, f := range []func(*amqp.Channel) error{
		func(o *amqp.Channel) error {
			_, err := o.QueueDeclare("mine", false, false, false, false, nil)
			return err
		},
		func(o *amqp.Channel) error {
			_, err := o.QueueDeclarePassive("mine", false, false, false, false, nil)
			return err
		},
		func(o *amqp.Channel) error {
			_, err := o.Consume("mine", "", true, false, false, false, nil)
			return err
		},
		func(o *amqp.Channel) error { _, _, err := o.Get("mine", true); return err },
		func(o *amqp.Channel) error { _, err := o.QueuePurge("mine", false); return err },
		func(o *amqp.Channel) error { _, err := o.QueueDelete("mine", false, false, false); return err },
	} {
		wantError(t, f(s.channel()), 405,
			"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '/'")
	}
	check(t, c.Close())
	_, err := s.channel().QueueDeclarePassive("mine", false, false, false, false, nil)
	wantError(t, err, 404, "NOT_FOUND - no queue 'mine' in vhost '/'")
}

func TestAutoDelete(t *testing.T) {
	s := start(t)
	ch := s.channel()
	must(ch.QueueDeclare("q", false, true, false, false, nil))(t)
	check(t, ch.ExchangeDeclare("e", "fanout", false, true, false, false, nil))
	check(t, ch.QueueBind("q", "", "e", false, nil))
	must(ch.Consume("q", "c", true, false, false, false, nil))(t)
	check(t, ch.Cancel("c", false))
	_, err := s.channel().QueueDeclarePassive("q", false, true, false, false, nil)
	wantError(t, err, 404, "no queue 'q'")
	err = s.channel().ExchangeDeclarePassive("e", "fanout", false, true, false, false, nil)
	wantError(t, err, 404, "no exchange 'e'")
}

func TestDeclareAgain(t *testing.T) {
	s := start(t)
	ch := s.channel()
	args := amqp.Table{"x-message-ttl": int32(60000), "x-mine": "anything"}
	must(ch.QueueDeclare("q", true, false, false, false, args))(t)
	put(t, ch, "", "q", text("x"))
	same := amqp.Table{"x-message-ttl": int64(60000), "x-queue-type": "classic"}
	if q := must(ch.QueueDeclare("q", true, false, false, false, same))(t); q.Messages != 1 {
		t.Fatalf("%+v", q)
	}
	for _, row := range []struct {
		durable, autoDelete bool
		args                amqp.Table
		words               string
	}{
		{false, false, args, "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'"},
		{true, true, args, "inequivalent arg 'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false'"},
		{true, false, nil, "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received none but current is " +
			"the value '60000' of type 'signedint'"},
		{true, false, amqp.Table{"x-message-ttl": int64(5)}, "inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': " +
			"received '5' but current is '60000'"},
		{true, false, amqp.Table{"x-message-ttl": 60000.0}, "inequivalent arg 'x-message-ttl'"},
		{true, false, amqp.Table{"x-message-ttl": "60000"}, "inequivalent arg 'x-message-ttl'"},
		{true, false, amqp.Table{"x-message-ttl": int32(60000), "x-queue-type": "quorum"}, "inequivalent arg 'x-queue-type'"},
	} {
		_, err := s.channel().QueueDeclare("q", row.durable, row.autoDelete, false, false, row.args)
		wantError(t, err, 406, "PRECONDITION_FAILED - "+row.words)
	}
}

func TestQueueArgumentsAreChecked(t *testing.T) {
	s := start(t)
	bad := func(arg string) string {
		return "PRECONDITION_FAILED - invalid arg '" + arg + "' for queue 'q' in vhost '/'"
	}
	for _, row := range []struct {
		args amqp.Table
		code int
		text string
	}{
		{amqp.Table{"x-message-ttl": "soon"}, 406, bad("x-message-ttl") + ": \"expected integer, got longstr\""},
		{amqp.Table{"x-message-ttl": int32(-1)}, 406, bad("x-message-ttl") + ": {value_negative,-1}"},
		{amqp.Table{"x-expires": int32(0)}, 406, bad("x-expires") + ": {value_zero,0}"},
		{amqp.Table{"x-max-length": int32(-1)}, 406, bad("x-max-length") + ": {value_negative,-1}"},
		{amqp.Table{"x-max-priority": int32(256)}, 406, bad("x-max-priority") + ": {max_value_exceeded,256}"},
		{amqp.Table{"x-overflow": "burst"}, 406, bad("x-overflow") + ": invalid_overflow"},
		{amqp.Table{"x-dead-letter-exchange": int32(1)}, 406, "PRECONDITION_FAILED - invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"},
		{amqp.Table{"x-dead-letter-routing-key": "k"}, 406, bad("x-dead-letter-routing-key") + ": routing_key_but_no_dlx_defined"},
		{amqp.Table{"x-queue-type": "odd"}, 406, bad("x-queue-type") + ": \"unsupported queue type 'odd'\""},
		{amqp.Table{"x-queue-type": "quorum"}, 406, "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'q' in vhost '/'"},
		{amqp.Table{"x-queue-type": "stream"}, 406, "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'q' in vhost '/'"},
		{amqp.Table{"x-delivery-limit": int32(3)}, 406, bad("x-delivery-limit") + " of queue type rabbit_classic_queue"},
		{amqp.Table{"x-max-age": "1h"}, 406, bad("x-max-age") + " of queue type rabbit_classic_queue"},
		{amqp.Table{"x-delayed-retry-min": int32(5)}, 406, bad("x-delayed-retry-min") + " of queue type rabbit_classic_queue"},
		{amqp.Table{"x-single-active-consumer": "yes"}, 406, bad("x-single-active-consumer") + ": {unacceptable_type,longstr}"},
	} {
		_, err := s.channel().QueueDeclare("q", false, false, false, false, row.args)
		wantError(t, err, row.code, row.text)
	}
}

func TestDeleteGuards(t *testing.T) {
	s := start(t)
	ch := s.channel()
	queue(t, ch, "q", nil)
	put(t, ch, "", "q", text("x"))
	_, err := ch.QueueDelete("q", false, true, false)
	wantError(t, err, 406, "PRECONDITION_FAILED - queue 'q' in vhost '/' not empty")
	consumer := s.channel()
	check(t, consumer.Qos(1, 0, false))
	next(t, consume(t, consumer, "q", false))
	_, err = s.channel().QueueDelete("q", true, false, false)
	wantError(t, err, 406, "PRECONDITION_FAILED - queue 'q' in vhost '/' in use")
	ch = s.channel()
	if n := must(ch.QueueDelete("gone", false, false, false))(t); n != 0 {
		t.Fatal(n)
	}
	check(t, ch.ExchangeDeclare("e", "fanout", false, false, false, false, nil))
	check(t, ch.QueueBind("q", "", "e", false, nil))
	check(t, ch.ExchangeDelete("gone", false, false))
	wantError(t, ch.ExchangeDelete("e", true, false), 406, "PRECONDITION_FAILED - exchange 'e' in vhost '/' in use")
}

func TestPurge(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", nil)
	for range 5 {
		put(t, ch, "", "q", text("x"))
	}
	if n := must(ch.QueuePurge("q", false))(t); n != 5 {
		t.Fatal(n)
	}
	wantReady(t, ch, "q", 0)
}

func TestBindingsBetweenExchanges(t *testing.T) {
	s := start(t)
	ch := s.channel()
	check(t, ch.ExchangeDeclare("from", "topic", false, false, false, false, nil))
	check(t, ch.ExchangeDeclare("to", "fanout", false, false, true, false, nil))
	queue(t, ch, "q", nil)
	check(t, ch.QueueBind("q", "", "to", false, nil))
	check(t, ch.ExchangeBind("to", "a.*", "from", false, nil))
	put(t, ch, "from", "a.b", text("1"))
	put(t, ch, "from", "b.b", text("2"))
	wantReady(t, ch, "q", 1)
	check(t, ch.ExchangeUnbind("to", "a.*", "from", false, nil))
	check(t, ch.ExchangeUnbind("to", "never", "from", false, nil))
	put(t, ch, "from", "a.b", text("3"))
	wantReady(t, ch, "q", 1)
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	put(t, ch, "to", "", text("4"))
	wantError(t, next(t, closed), 403, "ACCESS_REFUSED - cannot publish to internal exchange 'to' in vhost '/'")
}

func TestHeadersExchange(t *testing.T) {
	ch := start(t).channel()
	for mode, want := range map[string][]string{"all": {"both"}, "any": {"a", "both"}} {
		q := queue(t, ch, "", nil)
		check(t, ch.QueueBind(q, "", "amq.headers", false, amqp.Table{"x-match": mode, "a": int32(1), "b": "two"}))
		put(t, ch, "amq.headers", "", amqp.Publishing{Headers: amqp.Table{"a": int64(1)}, Body: []byte("a")})
		put(t, ch, "amq.headers", "", amqp.Publishing{Headers: amqp.Table{"a": int32(1), "b": "two"}, Body: []byte("both")})
		put(t, ch, "amq.headers", "", amqp.Publishing{Headers: amqp.Table{"a": "1"}, Body: []byte("neither")})
		wantReady(t, ch, q, len(want))
		wantBodies(t, bodies(t, consume(t, ch, q, true), len(want)), want...)
		must(ch.QueueDelete(q, false, false, false))(t)
	}
	q := queue(t, ch, "", nil)
	wantError(t, ch.QueueBind(q, "", "amq.headers", false, amqp.Table{"x-match": "some"}), 406,
		"PRECONDITION_FAILED - Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x")
}

func TestAlternateExchange(t *testing.T) {
	ch := start(t).channel()
	check(t, ch.ExchangeDeclare("e", "direct", false, false, false, false, amqp.Table{"alternate-exchange": "amq.fanout"}))
	queue(t, ch, "q", nil)
	check(t, ch.QueueBind("q", "", "amq.fanout", false, nil))
	put(t, ch, "e", "unknown", text("x"))
	wantBodies(t, bodies(t, consume(t, ch, "q", true), 1), "x")
}

func TestCarbonCopies(t *testing.T) {
	ch := start(t).channel()
	for _, q := range []string{"to", "cc", "bcc"} {
		queue(t, ch, q, nil)
	}
	put(t, ch, "", "to", amqp.Publishing{Headers: amqp.Table{"CC": []any{"cc"}, "BCC": []any{"bcc"}, "x": "y"}, Body: []byte("m")})
	for _, q := range []string{"to", "cc", "bcc"} {
		d := next(t, consume(t, ch, q, true))
		if d.RoutingKey != "to" || fmt.Sprint(d.Headers) != "map[CC:[cc] x:y]" {
			t.Fatalf("%s: %v %v", q, d.RoutingKey, d.Headers)
		}
	}
}

func TestMessageTTLAndDeadLetters(t *testing.T) {
	ch := start(t).channel()
	dead := queue(t, ch, "dead", nil)
	queue(t, ch, "work", amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
	put(t, ch, "", "work", amqp.Publishing{Expiration: "20", Body: []byte("m")})
	d := next(t, consume(t, ch, dead, true))
	death := d.Headers["x-death"].([]any)[0].(amqp.Table)
	if d.Expiration != "" || death["reason"] != "expired" || death["queue"] != "work" || death["count"] != int64(1) ||
		death["original-expiration"] != "20" || d.Headers["x-first-death-reason"] != "expired" ||
		d.Headers["x-last-death-queue"] != "work" || d.RoutingKey != "dead" || d.Exchange != "" {
		t.Fatalf("%+v", d)
	}
}

func TestRejectedMessagesAreDeadLettered(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "dead", nil)
	check(t, ch.QueueBind("dead", "orders", "amq.direct", false, nil))
	queue(t, ch, "orders", amqp.Table{"x-dead-letter-exchange": "amq.direct"})
	put(t, ch, "", "orders", text("m"))
	check(t, next(t, consume(t, ch, "orders", false)).Nack(false, false))
	d := next(t, consume(t, ch, "dead", true))
	if string(d.Body) != "m" || d.Exchange != "amq.direct" || d.RoutingKey != "orders" ||
		d.Headers["x-first-death-reason"] != "rejected" {
		t.Fatalf("%+v", d)
	}
}

func TestRetryLoopCountsDeaths(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "work", amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "wait"})
	queue(t, ch, "wait", amqp.Table{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "work", "x-message-ttl": int32(5)})
	put(t, ch, "", "work", text("m"))
	ds := consume(t, ch, "work", false)
	check(t, next(t, ds).Nack(false, false))
	check(t, next(t, ds).Nack(false, false))
	d := next(t, ds)
	deaths := d.Headers["x-death"].([]any)
	if len(deaths) != 2 || deaths[0].(amqp.Table)["queue"] != "wait" || deaths[0].(amqp.Table)["count"] != int64(2) ||
		deaths[1].(amqp.Table)["reason"] != "rejected" || deaths[1].(amqp.Table)["count"] != int64(2) {
		t.Fatalf("%v", deaths)
	}
}

func TestMaxLengthDropsTheHeadOrRejects(t *testing.T) {
	s := start(t)
	ch := s.channel()
	queue(t, ch, "head", amqp.Table{"x-max-length": int32(2)})
	queue(t, ch, "full", amqp.Table{"x-max-length": int32(2), "x-overflow": "reject-publish"})
	for i := range 4 {
		put(t, ch, "", "head", text(strconv.Itoa(i)))
	}
	wantReady(t, ch, "head", 2)
	wantBodies(t, bodies(t, consume(t, ch, "head", true), 2), "2", "3")
	check(t, ch.Confirm(false))
	confirms := ch.NotifyPublish(make(chan amqp.Confirmation, 4))
	for i := range 4 {
		put(t, ch, "", "full", text(strconv.Itoa(i)))
	}
	for i := range 4 {
		if c := next(t, confirms); c.Ack != (i < 2) || c.DeliveryTag != uint64(i+1) {
			t.Fatalf("%+v", c)
		}
	}
}

func TestPriorities(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", amqp.Table{"x-max-priority": int32(5)})
	for _, p := range []uint8{0, 3, 9, 3, 1} {
		put(t, ch, "", "q", amqp.Publishing{Priority: p, Body: []byte{'0' + p}})
	}
	wantReady(t, ch, "q", 5)
	wantBodies(t, bodies(t, consume(t, ch, "q", true), 5), "9", "3", "3", "1", "0")
}

func TestAllPrioritiesAreTold(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", amqp.Table{"x-max-priority": int32(255)})
	var want []string
	for p := range 256 {
		put(t, ch, "", "q", amqp.Publishing{Priority: uint8(p), Body: []byte(strconv.Itoa(p))})
		want = append(want, strconv.Itoa(255-p))
	}
	wantReady(t, ch, "q", 256)
	wantBodies(t, bodies(t, consume(t, ch, "q", true), 256), want...)
}

func TestConsumerPriority(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", nil)
	low := must(ch.Consume("q", "low", true, false, false, false, nil))(t)
	high := must(ch.Consume("q", "high", true, false, false, false, amqp.Table{"x-priority": int32(10)}))(t)
	for range 3 {
		put(t, ch, "", "q", text("x"))
	}
	bodies(t, high, 3)
	if len(low) != 0 {
		t.Fatal("the lower consumer got something")
	}
}

func TestDelayedMessages(t *testing.T) {
	ch := start(t).channel()
	check(t, ch.ExchangeDeclare("later", "x-delayed-message", true, false, false, false, amqp.Table{"x-delayed-type": "direct"}))
	check(t, ch.ExchangeDeclare("later", "x-delayed-message", true, false, false, false, amqp.Table{"x-delayed-type": "direct"}))
	queue(t, ch, "q", nil)
	check(t, ch.QueueBind("q", "k", "later", false, nil))
	put(t, ch, "later", "k", amqp.Publishing{Headers: amqp.Table{"x-delay": int32(60)}, Body: []byte("second")})
	put(t, ch, "later", "k", text("first"))
	wantBodies(t, bodies(t, consume(t, ch, "q", true), 2), "first", "second")
}

func TestDeduplication(t *testing.T) {
	ch := start(t).channel()
	queue(t, ch, "q", amqp.Table{"x-message-deduplication": true})
	for _, id := range []string{"a", "a", "b", "a"} {
		put(t, ch, "", "q", amqp.Publishing{MessageId: id, Body: []byte(id)})
	}
	for range 2 {
		put(t, ch, "", "q", amqp.Publishing{Headers: amqp.Table{"x-deduplication-header": "c"}, MessageId: "a", Body: []byte("c")})
	}
	wantReady(t, ch, "q", 3)
	wantBodies(t, bodies(t, consume(t, ch, "q", true), 3), "a", "b", "c")
}

func TestDirectReplyTo(t *testing.T) {
	s := start(t)
	client, server := s.channel(), s.channel()
	queue(t, server, "rpc", nil)
	requests := consume(t, server, "rpc", true)
	replies := must(client.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil))(t)
	check(t, server.Confirm(false))
	confirms := server.NotifyPublish(make(chan amqp.Confirmation, 1))
	for i := range 3 {
		put(t, client, "", "rpc", amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to", Body: []byte(strconv.Itoa(i))})
		r := next(t, requests)
		if !strings.HasPrefix(r.ReplyTo, "amq.rabbitmq.reply-to.") {
			t.Fatal(r.ReplyTo)
		}
		must(server.QueueDeclarePassive(r.ReplyTo, false, false, false, false, nil))(t)
		check(t, server.PublishWithContext(context.Background(), "", r.ReplyTo, true, false, text("re "+string(r.Body))))
		if c := next(t, confirms); !c.Ack || c.DeliveryTag != uint64(i+1) {
			t.Fatalf("%+v", c)
		}
		if d := next(t, replies); string(d.Body) != "re "+string(r.Body) || d.Exchange != "" {
			t.Fatalf("%+v", d)
		}
	}
	_, err := server.QueueDeclarePassive("amq.rabbitmq.reply-to.gone", false, false, false, false, nil)
	wantError(t, err, 404, "NOT_FOUND")
}

func TestQuorumQueueRoundTrip(t *testing.T) {
	s := start(t)
	ch := s.channel()
	queueArgs := amqp.Table{
		"x-queue-type": "quorum", "x-delivery-limit": int32(2), "x-dead-letter-exchange": "",
		"x-dead-letter-routing-key": "dead",
	}
	queue(t, ch, "dead", nil)
	must(ch.QueueDeclare("qq", true, false, false, false, queueArgs))(t)
	put(t, ch, "", "qq", text("poison"))
	ds := consume(t, ch, "qq", false)
	for range 3 {
		check(t, next(t, ds).Nack(false, true))
	}
	d := next(t, consume(t, ch, "dead", true))
	if d.Headers["x-first-death-reason"] != "delivery_limit" {
		t.Fatalf("%v", d.Headers)
	}
}

func TestNoWait(t *testing.T) {
	ch := start(t).channel()
	must(ch.QueueDeclare("q", false, false, false, true, nil))(t)
	check(t, ch.ExchangeDeclare("e", "fanout", false, false, false, true, nil))
	check(t, ch.QueueBind("q", "", "e", true, nil))
	check(t, ch.Confirm(false))
	ds := must(ch.Consume("q", "c", true, false, false, true, nil))(t)
	put(t, ch, "e", "", text("x"))
	wantBodies(t, bodies(t, ds, 1), "x")
}

func TestManyChannelsAndThroughput(t *testing.T) {
	s := start(t)
	c := s.dial()
	pub, sub := open(t, c), s.channel()
	queue(t, pub, "q", nil)
	check(t, sub.Qos(200, 0, false))
	ds := consume(t, sub, "q", false)
	const n = 20000
	go func() {
		for i := range n {
			_ = pub.PublishWithContext(context.Background(), "", "q", false, false, text(strconv.Itoa(i)))
		}
	}()
	for i := range n {
		d := next(t, ds)
		if string(d.Body) != strconv.Itoa(i) {
			t.Fatalf("%s instead of %d", d.Body, i)
		}
		if i%50 == 49 {
			check(t, d.Ack(true))
		}
	}
	wantReady(t, pub, "q", 0)
}
