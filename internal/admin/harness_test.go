package admin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"weir/internal/admin"
	"weir/internal/broker"
	"weir/internal/clock"
	"weir/internal/listen"
	"weir/internal/proto/amqp091"
	"weir/internal/record"
	"weir/internal/vfs"
)

// node is a broker with an HTTP and an AMQP door on free ports.
type node struct {
	t          *testing.T
	broker     *broker.Broker
	http, amqp *listen.Door
}

func start(t *testing.T) *node { return startOn(t, vfs.NewMem()) }

func startOn(t *testing.T, disk *vfs.Mem) *node {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	b, err := broker.Open(broker.Options{
		DeadLetter: map[record.Dialect]broker.DeadLetterFunc{record.DialectAMQP091: amqp091.DeadLetter},
		FS:         disk, Dir: "data", WALFileBytes: 1 << 20, MessageBytesMax: 1 << 20,
		Fatal: func(err error) { t.Errorf("fatal: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, broker: b}
	speaker := amqp091.New(amqp091.Options{Broker: b, Log: log, Clock: clock.System(), Identity: "weir test"})
	n.amqp = open(t, "amqp", speaker.Serve)
	door := admin.New(admin.Options{Broker: b, Log: log, Version: "test", Doors: func() []admin.Door {
		return []admin.Door{{Name: "amqp", Addr: n.amqp.Addr()}}
	}})
	n.http = open(t, "http", door.ServeConn)
	t.Cleanup(func() {
		speaker.Drain()
		for _, d := range []*listen.Door{n.http, n.amqp} {
			if err := d.StopAccepting(); err != nil {
				t.Error(err)
			}
			d.Close()
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func open(t *testing.T, name string, h listen.Handler) *listen.Door {
	t.Helper()
	d, err := listen.Open(listen.Options{
		Name: name, Address: "127.0.0.1:0", Handler: h, Log: slog.New(slog.DiscardHandler), Clock: clock.System(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// reply is an answer with its body read.
type reply struct {
	status int
	header http.Header
	body   string
}

// as calls as a user; the path is sent as it stands. The login is "user:password",
// or empty for none.
func (n *node) as(login, method, path, body string) reply {
	n.t.Helper()
	return n.send(login, method, path, "application/json", body)
}

func (n *node) send(login, method, path, kind, body string) reply {
	n.t.Helper()
	r, err := http.NewRequest(method, "http://"+n.http.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	if user, password, ok := strings.Cut(login, ":"); ok {
		r.SetBasicAuth(user, password)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		n.t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, string(b)}
}

// post calls as guest with a body of this type.
func (n *node) post(path, kind, body string) reply {
	n.t.Helper()
	return n.send("guest:guest", "POST", path, kind, body)
}

// call calls as guest and wants this status.
func (n *node) call(status int, method, path, body string) reply {
	n.t.Helper()
	r := n.as("guest:guest", method, path, body)
	if r.status != status {
		n.t.Fatalf("%s %s: %d, want %d: %s", method, path, r.status, status, r.body)
	}
	return r
}

// items reads an array of objects.
func (r reply) items(t *testing.T) []map[string]any {
	t.Helper()
	var out []map[string]any
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return out
}

// object reads an object.
func (r reply) object(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(r.body), &out); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return out
}

// want compares some fields of an object with how they print.
func want(t *testing.T, have map[string]any, fields ...string) {
	t.Helper()
	for i := 0; i+1 < len(fields); i += 2 {
		if got := fmt.Sprint(have[fields[i]]); got != fields[i+1] {
			t.Errorf("%s is %s, want %s", fields[i], got, fields[i+1])
		}
	}
}

// raw sends bytes and reads all that comes back until the door closes.
func (n *node) raw(text string) string {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.http.Addr().String())
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		n.t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil && len(b) == 0 {
		n.t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		n.t.Fatal(err)
	}
	return string(b)
}
