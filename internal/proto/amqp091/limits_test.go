package amqp091_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/broker"
)

func limit(n int64) *int64 { return &n }

// eventually tries again until there is no error: what ends a connection is not
// waited for.
func eventually(t testing.TB, do func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err = do(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

func TestConnectionLimits(t *testing.T) {
	m := manage(t)
	m.user("u", all, all, all)
	space := func(n int64) {
		t.Helper()
		if err := m.broker.PutNamespaceLimits(m.guest, "/", broker.Limits{Sessions: limit(n)}); err != nil {
			t.Fatal(err)
		}
	}
	user := func(l broker.Limits) {
		t.Helper()
		if err := m.broker.PutUserLimits(m.guest, "u", l); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what, reason string) {
		t.Helper()
		_, err := m.dialAs("u")
		wantReason(t, what, err, 530, "NOT_ALLOWED - "+reason)
	}
	space(1)
	first, err := m.dialAs("u")
	check(t, err)
	refused("second in the vhost", "access to vhost '/' refused for user 'u': connection limit (1) is reached")
	check(t, first.Close())
	eventually(t, func() error { first, err = m.dialAs("u"); return err })
	space(0)
	refused("none in the vhost", "access to vhost '/' refused for user 'u': connection limit (0) is reached")
	space(-1)
	user(broker.Limits{Sessions: limit(1)})
	refused("second of the user", "connection refused for user 'u': user connection limit (1) is reached")
	user(broker.Limits{Parts: limit(2)})
	second, err := m.dialAs("u")
	check(t, err)
	a, b := open(t, first), open(t, second)
	_, err = second.Channel()
	wantReason(t, "third channel", err, 530, "NOT_ALLOWED - number of channels opened for user 'u' has reached the maximum allowed user limit of (2)")
	check(t, a.Close()) // and the second connection was closed
	_ = b
	for range 2 {
		eventually(t, func() error { _, err := first.Channel(); return err })
	}
}

func TestQueueLimits(t *testing.T) {
	m := manage(t)
	ch := m.channel()
	if err := m.broker.PutNamespaceLimits(m.guest, "/", broker.Limits{Queues: limit(1)}); err != nil {
		t.Fatal(err)
	}
	queue(t, ch, "one", nil)
	queue(t, ch, "one", nil)
	_, err := m.channel().QueueDeclare("two", false, false, false, false, amqp.Table{})
	wantReason(t, "second queue", err, 406, "PRECONDITION_FAILED - cannot declare queue 'two': queue limit in vhost '/' (1) is reached")
	must(ch.QueueDelete("one", false, false, false))(t)
	queue(t, ch, "two", nil)
}
