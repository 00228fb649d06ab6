package amqp091_test

import (
	"context"
	"errors"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"weir/internal/broker"
)

// user makes a user with these rights in namespace "/".
func (m *managed) user(name, configure, write, read string) {
	m.t.Helper()
	if _, err := m.broker.PutUser(m.guest, broker.UserSpec{Name: name, Password: "p"}); err != nil {
		m.t.Fatal(err)
	}
	m.rights(name, configure, write, read)
}

func (m *managed) rights(name, configure, write, read string) {
	m.t.Helper()
	err := m.broker.PutPermission(m.guest, broker.PermissionInfo{User: name, Namespace: "/", Configure: configure, Write: write, Read: read})
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *managed) dialAs(user string) (*amqp.Connection, error) {
	m.t.Helper()
	c, err := amqp.Dial("amqp://" + user + ":p@" + m.address + "/")
	if err == nil {
		m.t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// wantReason checks an error's code and its whole text; "" is no error.
func wantReason(t testing.TB, what string, err error, code int, reason string) {
	t.Helper()
	var e *amqp.Error
	switch {
	case reason == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case reason == "":
	case !errors.As(err, &e) || e.Code != code || e.Reason != reason:
		t.Errorf("%s:\n%v, want\n%d %s", what, err, code, reason)
	}
}

// publishNow publishes and waits for what comes of it.
func publishNow(ch *amqp.Channel, exchange, key string, p amqp.Publishing) error {
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	if err := ch.Confirm(false); err != nil {
		return err
	}
	c, err := ch.PublishWithDeferredConfirmWithContext(context.Background(), exchange, key, false, false, p)
	if err != nil {
		return err
	}
	select {
	case err := <-closed:
		return err
	case <-c.Done():
		if ch.IsClosed() { // with which the client gives up on confirms
			return <-closed
		}
		return nil
	}
}

type rightsCase struct {
	name                   string
	configure, write, read string // patterns of the rights there are
	refused                string // what is refused, "" nothing
	do                     func(ch *amqp.Channel) error
}

const all = ".*"

func queueRights() []rightsCase {
	declare := func(name string, args amqp.Table) func(ch *amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(name, false, false, false, false, args)
			return err
		}
	}
	dead := amqp.Table{"x-dead-letter-exchange": "dlx"}
	bind := func(ch *amqp.Channel) error { return ch.QueueBind("q", "k", "x", false, nil) }
	unbind := func(ch *amqp.Channel) error { return ch.QueueUnbind("q", "k", "x", nil) }
	return []rightsCase{
		{"declare", "", all, all, "configure access to queue 'new'", declare("new", nil)},
		{"declare again", "", all, all, "configure access to queue 'q'", declare("q", nil)},
		{"declare, dead letters, read", all, all, "", "read access to queue 'new'", declare("new", dead)},
		{"declare, dead letters, write", all, "^new$", all, "write access to exchange 'dlx'", declare("new", dead)},
		{"declare, dead letters to the default", all, "^new$", all, "write access to exchange 'amq.default'", declare("new", amqp.Table{"x-dead-letter-exchange": ""})},
		{"declare again with dead letters", all, "", "", "", declare("dead", dead)},
		{"passive", "", "", "", "", func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive("q", false, false, false, false, nil)
			return err
		}},
		{"delete", "", all, all, "configure access to queue 'q'", func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete("q", false, false, false)
			return err
		}},
		{"delete what is not there", "", all, all, "configure access to queue 'none'", func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete("none", false, false, false)
			return err
		}},
		{"purge", all, all, "", "read access to queue 'q'", func(ch *amqp.Channel) error {
			_, err := ch.QueuePurge("q", false)
			return err
		}},
		{"get", all, all, "", "read access to queue 'q'", func(ch *amqp.Channel) error {
			_, _, err := ch.Get("q", true)
			return err
		}},
		{"get what is not there", all, all, "", "read access to queue 'none'", func(ch *amqp.Channel) error {
			_, _, err := ch.Get("none", true)
			return err
		}},
		{"consume", all, all, "", "read access to queue 'q'", func(ch *amqp.Channel) error {
			_, err := ch.Consume("q", "", true, false, false, false, nil)
			return err
		}},
		{"bind, write", all, "^x$", all, "write access to queue 'q'", bind},
		{"bind, read", all, all, "^q$", "read access to exchange 'x'", bind},
		{"bind what is not there", all, "^x$", all, "write access to queue 'none'", func(ch *amqp.Channel) error {
			return ch.QueueBind("none", "k", "x", false, nil)
		}},
		{"bind with both", "", "^q$", "^x$", "", bind},
		{"unbind, write", all, "^x$", all, "write access to queue 'q'", unbind},
		{"unbind, read", all, all, "^q$", "read access to exchange 'x'", unbind},
	}
}

func exchangeRights() []rightsCase {
	declare := func(name string, args amqp.Table) func(ch *amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(name, "direct", false, false, false, false, args)
		}
	}
	publish := func(exchange string) func(ch *amqp.Channel) error {
		return func(ch *amqp.Channel) error { return publishNow(ch, exchange, "q", text("m")) }
	}
	other := amqp.Table{"alternate-exchange": "ae"}
	return []rightsCase{
		{"declare", "", all, all, "configure access to exchange 'new'", declare("new", nil)},
		{"declare again", "", all, all, "configure access to exchange 'x'", declare("x", nil)},
		{"declare, alternate, read", all, all, "", "read access to exchange 'new'", declare("new", other)},
		{"declare, alternate, write", all, "^new$", all, "write access to exchange 'ae'", declare("new", other)},
		{"declare again with an alternate", all, "", "", "", declare("alternate", other)},
		{"passive", "", "", "", "", func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive("x", "direct", false, false, false, false, nil)
		}},
		{"delete", "", all, all, "configure access to exchange 'x'", func(ch *amqp.Channel) error { return ch.ExchangeDelete("x", false, false) }},
		{"bind, write", all, "^y$", all, "write access to exchange 'x'", func(ch *amqp.Channel) error { return ch.ExchangeBind("x", "k", "y", false, nil) }},
		{"bind, read", all, all, "^x$", "read access to exchange 'y'", func(ch *amqp.Channel) error { return ch.ExchangeBind("x", "k", "y", false, nil) }},
		{"unbind, write", all, "^y$", all, "write access to exchange 'x'", func(ch *amqp.Channel) error { return ch.ExchangeUnbind("x", "k", "y", false, nil) }},
		{"unbind, read", all, all, "^x$", "read access to exchange 'y'", func(ch *amqp.Channel) error { return ch.ExchangeUnbind("x", "k", "y", false, nil) }},
		{"publish", all, "^y$", all, "write access to exchange 'x'", publish("x")},
		{"publish to what is not there", all, "^y$", all, "write access to exchange 'none'", publish("none")},
		{"publish to the default", all, "^q$", all, "write access to exchange 'amq.default'", publish("")},
		{"publish to the default with the right", "", "^amq.default$", "", "", publish("")},
	}
}

// TestRights tries every operation without one of the rights it needs.
func TestRights(t *testing.T) {
	m := manage(t)
	m.user("u", "", "", "")
	guest := m.channel()
	queue(t, guest, "q", nil)
	queue(t, guest, "dead", amqp.Table{"x-dead-letter-exchange": "dlx"})
	for _, name := range []string{"x", "y"} {
		check(t, guest.ExchangeDeclare(name, "direct", false, false, false, false, nil))
	}
	check(t, guest.ExchangeDeclare("alternate", "direct", false, false, false, false, amqp.Table{"alternate-exchange": "ae"}))
	c, err := m.dialAs("u")
	check(t, err)
	for kind, cases := range map[string][]rightsCase{"queue": queueRights(), "exchange": exchangeRights()} {
		for _, k := range cases {
			m.rights("u", k.configure, k.write, k.read)
			want := ""
			if k.refused != "" {
				want = "ACCESS_REFUSED - " + k.refused + " in vhost '/' refused for user 'u'"
			}
			wantReason(t, kind+": "+k.name, k.do(open(t, c)), 403, want)
		}
	}
}

func TestInternalExchange(t *testing.T) {
	ch := start(t).channel()
	check(t, ch.ExchangeDeclare("i", "fanout", false, false, true, false, nil))
	wantReason(t, "publish", publishNow(ch, "i", "", text("m")), 403, "ACCESS_REFUSED - cannot publish to internal exchange 'i' in vhost '/'")
}

// TestTopicRights checks routing keys on publishing and binding, as they change.
func TestTopicRights(t *testing.T) {
	m := manage(t)
	m.user("u", all, all, all)
	topics := func(exchange, write, read string) {
		t.Helper()
		err := m.broker.PutTopicPermission(m.guest, broker.TopicPermissionInfo{User: "u", Namespace: "/", Exchange: exchange, Write: write, Read: read})
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := m.dialAs("u")
	check(t, err)
	ch := open(t, c)
	q := queue(t, ch, "", nil)
	refused := func(verb, key string) string {
		return "ACCESS_REFUSED - " + verb + " access to topic '" + key + "' in exchange 'amq.topic' in vhost '/' refused for user 'u'"
	}
	publish := func(what, exchange, key string, p amqp.Publishing, reason string) {
		t.Helper()
		wantReason(t, what, publishNow(open(t, c), exchange, key, p), 403, reason)
	}
	publish("no rule", "amq.topic", "other.k", text("m"), "")
	topics("amq.topic", "^{username}\\.", "^open\\.")
	publish("its own", "amq.topic", "u.k", text("m"), "")
	publish("another's", "amq.topic", "other.k", text("m"), refused("write", "other.k"))
	publish("another exchange", "amq.direct", "other.k", text("m"), "")
	publish("another's as a copy", "amq.topic", "u.k", amqp.Publishing{Headers: amqp.Table{"CC": []any{"u.j", "other.c"}}}, refused("write", "other.c"))
	check(t, open(t, c).QueueBind(q, "open.#", "amq.topic", false, nil))
	wantReason(t, "bind", open(t, c).QueueBind(q, "#", "amq.topic", false, nil), 403, refused("read", "#"))
	wantReason(t, "unbind", open(t, c).QueueUnbind(q, "u.k", "amq.topic", nil), 403, refused("read", "u.k"))
	wantReason(t, "bind an exchange", open(t, c).ExchangeBind("amq.fanout", "#", "amq.topic", false, nil), 403, refused("read", "#"))

	// One publisher, whose routes are remembered, hears of the change.
	same := open(t, c)
	check(t, publishNow(same, "amq.topic", "u.k", text("m")))
	topics("amq.topic", "^{vhost}", "")
	wantReason(t, "changed", publishNow(same, "amq.topic", "u.k", text("m")), 403, refused("write", "u.k"))
	publish("of the namespace", "amq.topic", "/k", text("m"), "")
	if err := m.broker.DeleteTopicPermissions(m.guest, "u", "/", nil); err != nil {
		t.Fatal(err)
	}
	publish("no rule any more", "amq.topic", "other.k", text("m"), "")
}
