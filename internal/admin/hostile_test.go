package admin_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestPathTricks(t *testing.T) {
	n := start(t)
	long := strings.Repeat("a", 256)
	for path, status := range map[string]int{
		"/":                               404,
		"/api":                            404,
		"/api/":                           404,
		"/api/overview/":                  200,
		"//api/overview":                  404,
		"/api/queues/%2F/../../vhosts":    404,
		"/api/queues/%2F/..":              404,
		"/api/queues/%2F/%2E%2E":          404,
		"/api/queues/%2F/..%2F..%2Fetc":   404,
		"/api/queues/%2F/%00":             400,
		"/api/queues/%2F/%ff":             400,
		"/api/queues/%2F/" + long:         400,
		"/api/queues/%252F":               404,
		"/api/queues///":                  404,
		"/api/permissions":                200,
		"/api/definitions/none":           404,
		"/api/policies/%2F/p/x":           404,
		"/api/parameters/none":            200,
		"/api/channels":                   200,
		"/metrics/detailed":               200,
		"/debug/pprof/":                   404,
		"/api/bindings/%2F/e/%2F/q/%2F/~": 404,
	} {
		r := n.as("guest:guest", "GET", path, "")
		if r.status != status {
			t.Errorf("%s: %d, want %d: %s", path, r.status, status, r.body)
		}
		if r.status >= 400 {
			if o := r.object(t); o["error"] == "" || o["reason"] == "" {
				t.Errorf("%s: %s", path, r.body)
			}
		}
	}
	for _, name := range []string{"%2F", "..", "%2E%2E%2Fx", "a%20b", "%C3%A9", "%25"} {
		n.call(201, "PUT", "/api/queues/%2F/"+name, "")
		n.call(200, "GET", "/api/queues/%2F/"+name, "")
		n.call(200, "GET", "/api/queues/%2F/"+name+"/bindings", "")
		n.call(204, "DELETE", "/api/queues/%2F/"+name, "")
	}
	for path, status := range map[string]int{
		"/api/queues/%2F/%00": 400, "/api/queues//": 405, "/api/queues/%2F/": 405, "/api/vhosts/": 405, "/api/users/": 405, "/api/vhosts/" + long: 400,
	} {
		n.call(status, "PUT", path, "")
	}
}

func TestMethods(t *testing.T) {
	n := start(t)
	r := n.call(405, "POST", "/api/vhosts/v", "{}")
	if allow := r.header.Get("Allow"); allow != "DELETE, GET, PUT" {
		t.Errorf("Allow: %s", allow)
	}
	n.call(405, "GET", "/api/weir/publish/%2F/x", "")
	n.call(405, "TRACE", "/api/overview", "")
	if r := n.call(200, "HEAD", "/api/overview", ""); r.body != "" {
		t.Errorf("HEAD has a body")
	}
	if r := n.as("", "GET", "/api/overview", ""); r.status != 401 || !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("no login: %d %v", r.status, r.header)
	}
	r = n.call(200, "GET", "/api/overview", "")
	if r.header.Get("Access-Control-Allow-Origin") != "" || r.header.Get("Set-Cookie") != "" {
		t.Errorf("headers %v", r.header)
	}
}

func TestCrossOriginIsRefused(t *testing.T) {
	n := start(t)
	q, err := http.NewRequest("PUT", "http://"+n.http.Addr().String()+"/api/queues/%2F/q", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.SetBasicAuth("guest", "guest")
	q.Header.Set("Origin", "http://elsewhere.example")
	q.Header.Set("Sec-Fetch-Site", "cross-site")
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil || r.StatusCode != 403 {
		t.Errorf("%d %v", r.StatusCode, err)
	}
}

func TestHugeAndBrokenBodies(t *testing.T) {
	n := start(t)
	n.call(413, "PUT", "/api/queues/%2F/q", `{"arguments":{"a":"`+strings.Repeat("x", 2<<20)+`"}}`)
	n.call(400, "PUT", "/api/queues/%2F/q", strings.Repeat("[", 1<<19))
	n.call(400, "PUT", "/api/queues/%2F/q", `{"arguments":`+strings.Repeat(`{"a":`, 100_000))
	n.call(400, "PUT", "/api/queues/%2F/q", `{} {}`)
	n.call(400, "PUT", "/api/queues/%2F/q", `null x`)
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	deep := strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000)
	for _, bad := range []string{
		`{"routing_key":"q"}`, `{"payload":"p"}`, `{"routing_key":"q","payload":"%","payload_encoding":"base64"}`,
		`{"routing_key":"q","payload":"p","payload_encoding":"hex"}`, `{"routing_key":"q","payload":"p","properties":{"x":1}}`,
		`{"routing_key":"q","payload":"p","properties":{"delivery_mode":3}}`, `{"routing_key":"q","payload":"p","properties":{"priority":256}}`,
		`{"routing_key":"q","payload":"p","properties":{"expiration":"soon"}}`, `{"routing_key":"q","payload":"p","properties":{"user_id":"root"}}`,
		`{"routing_key":"q","payload":"p","properties":{"headers":{"CC":"a"}}}`,
		`{"routing_key":"q","payload":"p","properties":{"headers":` + deep + `}}`,
		`{"routing_key":"q","payload":"p","properties":{"headers":{"` + strings.Repeat("h", 256) + `":1}}}`,
		`{"routing_key":"q","payload":"p","properties":{"message_id":"` + strings.Repeat("h", 256) + `"}}`,
		`{"routing_key":"` + strings.Repeat("k", 256) + `","payload":"p"}`,
	} {
		r := n.as("guest:guest", "POST", "/api/exchanges/%2F//publish", bad)
		if r.status != 400 {
			t.Errorf("%.80s: %d %s", bad, r.status, r.body)
		}
	}
	want(t, n.call(200, "GET", "/api/queues/%2F/q", "").object(t), "messages", "0")
}

func TestRawRequests(t *testing.T) {
	n := start(t)
	for text, status := range map[string]string{
		"AMQP\x00\x00\x09\x01\r\n\r\n":     "HTTP/1.1 400",
		"\x16\x03\x01\x02\x00\r\n\r\n":     "HTTP/1.1 400",
		"GET health/live HTTP/1.1\r\n\r\n": "HTTP/1.1 400",
		"GET /health/live HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 80<<10) + "\r\n\r\n": "HTTP/1.1 431",
		"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n":                                                   "HTTP/1.1 400",
	} {
		if got := n.raw(text); !strings.HasPrefix(got, status) {
			t.Errorf("%.30q: %.60q, want %s", text, got, status)
		}
	}
}

// A client that sends its header byte by byte and never ends does not keep
// others waiting, and ten thousand of them are the door's limit's matter.
func TestSlowHeaderHoldsNobody(t *testing.T) {
	n := start(t)
	for range 50 {
		conn, err := net.Dial("tcp", n.http.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, "GET /health/live HT"); err != nil {
			t.Fatal(err)
		}
	}
	n.call(200, "GET", "/health/live", "")
}

// lines talks to a subscription.
type lines struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (n *node) subscribe(queue string) *lines {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.http.Addr().String())
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		n.t.Fatal(err)
	}
	l := &lines{n.t, conn, bufio.NewReader(conn)}
	l.write("POST /api/weir/subscribe/%2F/" + queue + " HTTP/1.1\r\nHost: x\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\nTransfer-Encoding: chunked\r\n\r\n")
	return l
}

func (l *lines) write(text string) {
	l.t.Helper()
	if _, err := io.WriteString(l.conn, text); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lines) command(text string) { l.write(fmt.Sprintf("%x\r\n%s\n\r\n", len(text)+1, text)) }

// until reads lines up to one that contains the text.
func (l *lines) until(text string) string {
	l.t.Helper()
	for {
		line, err := l.in.ReadString('\n')
		if err != nil {
			l.t.Fatalf("no %q: %v", text, err)
		}
		if strings.Contains(line, text) {
			return line
		}
	}
}

func TestSubscriptionStream(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "{\"routing_key\":\"q\",\"payload\":\"m%02d\"}\n", i)
	}
	b.WriteString(`{"routing_key":"nobody","payload":"x"}`)
	want(t, n.call(200, "POST", "/api/weir/publish/%2F/", b.String()).object(t), "published", "101", "unroutable", "1", "refused", "0")
	l := n.subscribe("q")
	l.command(`{"credit":10}`)
	l.until(`"payload":"m09"`)
	want(t, n.call(200, "GET", "/api/queues/%2F/q", "").object(t), "messages_unacknowledged", "10", "messages_ready", "90", "consumers", "1")
	l.command(`{"settle":[0,4]}`)
	l.command(`{"settle":[5,5],"outcome":"return","credit":1}`)
	l.until(`"payload":"m`)
	l.write("0\r\n\r\n") // the end of the commands
	if _, err := io.ReadAll(l.in); err != nil {
		t.Fatal(err)
	}
	want(t, n.call(200, "GET", "/api/queues/%2F/q", "").object(t), "messages_unacknowledged", "0", "messages_ready", "95", "consumers", "0")
}

func TestSubscriptionEnds(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	l := n.subscribe("q")
	l.until("HTTP/1.1 200")
	n.call(204, "DELETE", "/api/queues/%2F/q", "")
	l.until(`"end":"queue deleted`)
	for _, bad := range []string{`{"credit":-1}`, `{"credit":99999999}`, `{"outcome":"burn"}`} {
		n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
		l := n.subscribe("q")
		l.command(bad)
		l.until(`"end":"malformed`)
		n.call(204, "DELETE", "/api/queues/%2F/q", "")
	}
	r := n.call(400, "POST", "/api/weir/publish/%2F/", "{\"routing_key\":\"q\",\"payload\":\"a\"}\nnonsense\n")
	if !strings.Contains(r.body, "line 2") {
		t.Errorf("reason %s", r.body)
	}
	n.call(404, "POST", "/api/weir/publish/%2F/nope", `{"routing_key":"q","payload":"a"}`)
}

// An answer that has begun and cannot be finished is cut, and gives back what it
// took.
func TestCutAnswerLeaksNothing(t *testing.T) {
	n := start(t)
	n.call(201, "PUT", "/api/queues/%2F/q", `{}`)
	body := strings.Repeat("x", 512<<10)
	for range 64 {
		n.call(200, "POST", "/api/exchanges/%2F//publish", `{"routing_key":"q","payload":"`+body+`"}`)
	}
	conn, err := net.Dial("tcp", n.http.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	request := `{"count":64,"ackmode":"ack_requeue_false"}`
	if _, err := fmt.Fprintf(conn, "POST /api/queues/%%2F/q/get HTTP/1.1\r\nHost: x\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\nContent-Length: %d\r\n\r\n%s", len(request), request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil { // with most of the answer unread
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		q := n.call(200, "GET", "/api/queues/%2F/q", "").object(t)
		if fmt.Sprint(q["messages_ready"]) == "64" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not given back: %v", q)
		}
	}
}
