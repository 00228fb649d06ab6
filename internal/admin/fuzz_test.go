package admin_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	"weir/internal/admin"
	"weir/internal/broker"
	"weir/internal/frugal"
	"weir/internal/proto/amqp091"
	"weir/internal/record"
	"weir/internal/vfs"
)

const (
	// answerTime is how long what waits for the disk and for other goroutines may
	// take, and answerBytes what is allocated for an answer about all there is.
	answerTime  = 500 * time.Millisecond
	answerBytes = 8 << 20
	// fuzzedCalls is how many one broker has; what they made goes with it.
	fuzzedCalls = 300
)

// answer is where a handler writes.
type answer struct{ *httptest.ResponseRecorder }

func (answer) SetReadDeadline(time.Time) error  { return nil }
func (answer) SetWriteDeadline(time.Time) error { return nil }

// fuzzed is a door for a while.
type fuzzed struct {
	broker *broker.Broker
	door   *admin.Server
	served int
}

func (z *fuzzed) stop() {
	if z.broker != nil {
		_ = z.broker.Close()
		z.broker = nil
	}
}

// start opens a broker with some queues, unless the last one is good for more.
func (z *fuzzed) start(t testing.TB) {
	if z.served++; z.broker != nil && z.served < fuzzedCalls {
		return
	}
	z.stop()
	z.served = 0
	b, err := broker.Open(broker.Options{
		FS: vfs.NewMem(), Dir: "data", WALFileBytes: 1 << 20, MessageBytesMax: 1 << 20, Fatal: func(err error) { panic(err) },
		DeadLetter: map[record.Dialect]broker.DeadLetterFunc{record.DialectAMQP091: amqp091.DeadLetter},
	})
	if err != nil {
		t.Fatal(err)
	}
	z.broker, z.door = b, admin.New(admin.Options{Broker: b, Log: slog.New(slog.DiscardHandler), Version: "fuzz", Doors: func() []admin.Door { return nil }})
	for i := range 20 {
		if status := z.call("PUT", fmt.Sprint("/api/queues/%2F/queue-", i), "{}"); status != http.StatusCreated {
			t.Fatal(status)
		}
	}
}

// call returns the status; a handler that panics ends the target.
func (z *fuzzed) call(method, target, body string) int {
	r := httptest.NewRequest(method, "/", bytes.NewReader([]byte(body)))
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return http.StatusBadRequest
	}
	r.URL, r.RemoteAddr = u, "127.0.0.1:1"
	r.SetBasicAuth("guest", "guest")
	r.Header.Set("Content-Type", "application/json")
	w := answer{httptest.NewRecorder()}
	z.door.ServeHTTP(w, r)
	return w.Code
}

// FuzzDefinitions imports whatever comes.
func FuzzDefinitions(f *testing.F) {
	for _, name := range []string{"rabbitmq-3.10.json", "rabbitmq-3.10-vhost.json"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add(`{"queues":[{"name":"a","vhost":"/","durable":true,"auto_delete":false,"arguments":{"x-max-length":-1}}]}`)
	f.Add(`{"users":[{"name":"a","password_hash":"$argon2id$v=19$m=65536,t=99,p=9$AAAA$AAAA","tags":"administrator"}]}`)
	f.Add(`{"bindings":[null],"policies":[{}],"parameters":{}}`)
	var z fuzzed
	f.Cleanup(z.stop)
	f.Fuzz(func(t *testing.T, body string) {
		z.start(t)
		frugal.CheckWithin(t, len(body), answerBytes, answerTime, func() {
			if status := z.call("POST", "/api/definitions", body); status == http.StatusInternalServerError {
				t.Errorf("status %d", status)
			}
		})
	})
}

// FuzzPublish publishes by HTTP.
func FuzzPublish(f *testing.F) {
	f.Add(`{"routing_key":"queue-1","payload":"p","payload_encoding":"string","properties":{"headers":{"a":[1]}}}`)
	f.Add(`{"routing_key":"queue-1","payload":"cA==","payload_encoding":"base64","properties":{"expiration":"1","delivery_mode":2}}`)
	var z fuzzed
	f.Cleanup(z.stop)
	f.Fuzz(func(t *testing.T, body string) {
		z.start(t)
		frugal.CheckWithin(t, len(body), answerBytes, answerTime, func() {
			if status := z.call("POST", "/api/exchanges/%2F/amq.default/publish", body); status == http.StatusInternalServerError {
				t.Errorf("status %d", status)
			}
		})
	})
}

// FuzzQuery asks for a list in whatever way.
func FuzzQuery(f *testing.F) {
	f.Add("page=1&page_size=5&name=queue&use_regex=true&pagination=true")
	f.Add("sort=messages_details.rate&sort_reverse=true&columns=name,arguments.x")
	f.Add("page=99999999999&name=(a*)*b&use_regex=true&disable_stats=true")
	var z fuzzed
	f.Cleanup(z.stop)
	f.Fuzz(func(t *testing.T, query string) {
		z.start(t)
		frugal.CheckWithin(t, len(query), answerBytes, answerTime, func() {
			if status := z.call("GET", "/api/queues?"+query, ""); status == http.StatusInternalServerError {
				t.Errorf("status %d", status)
			}
		})
	})
}

// FuzzCall calls any route by any method with any body.
func FuzzCall(f *testing.F) {
	for _, path := range []string{
		"/api/overview", "/api/queues/%2F/queue-1", "/api/queues/%2F/queue-1/get", "/api/bindings/%2F", "/api/users/guest", "/api/permissions",
		"/api/policies/%2F/p", "/api/operator-policies/%2F/p", "/api/vhosts/v", "/api/topics/%2F/t", "/api/vhost-limits/%2F/max-queues",
		"/api/bindings/%2F/e/amq.topic/q/queue-1", "/api/exchanges/%2F/x", "/metrics", "/api/health/checks/alarms",
	} {
		f.Add("GET", path, "")
		f.Add("PUT", path, `{"value":1,"pattern":"^q","definition":{"max-length":1},"type":"topic","routing_key":"k"}`)
		f.Add("POST", path, `{"count":1,"ackmode":"ack_requeue_true","encoding":"auto"}`)
		f.Add("DELETE", path, "")
	}
	var z fuzzed
	f.Cleanup(z.stop)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		switch method {
		case "GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS":
		default:
			return
		}
		z.start(t)
		frugal.CheckWithin(t, len(path)+len(body), answerBytes, answerTime, func() { z.call(method, path, body) })
	})
}
