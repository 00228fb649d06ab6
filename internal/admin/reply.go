package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/native"
)

// failure is an answer that is no success.
type failure struct {
	status int
	name   string // RabbitMQ's word for the kind of failure
	reason string
	code   string // what the command line makes an exit status of
	login  bool   // ask for a login
}

// The codes that RabbitMQ's words do not tell apart.
const (
	codeConflict = "conflict"
	codeBusy     = "busy"
)

func badRequest(reason string) *failure {
	return &failure{status: http.StatusBadRequest, name: "bad_request", reason: reason}
}

func notFound(reason string) *failure {
	return &failure{status: http.StatusNotFound, name: "Object Not Found", reason: reason}
}

func refused(reason string) *failure {
	return &failure{status: http.StatusUnauthorized, name: "not_authorised", reason: reason}
}

// counted remembers whether an answer has begun.
type counted struct {
	http.ResponseWriter
	begun bool
}

func (w *counted) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *counted) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets a ResponseController reach the connection.
func (w *counted) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (c *call) fail(f *failure) {
	if w, ok := c.w.(*counted); ok && w.begun {
		panic(http.ErrAbortHandler) // a cut answer must not look like a whole one
	}
	if f.login {
		c.w.Header().Set("WWW-Authenticate", `Basic realm="weir"`)
	}
	body := struct {
		Error  string `json:"error"`
		Reason string `json:"reason"`
		Code   string `json:"code,omitempty"`
		Detail string `json:"detail,omitempty"`
	}{Error: f.name, Reason: f.reason, Code: f.code}
	if f.status == http.StatusNotFound { // RabbitMQ's words are the same for everything
		body.Reason, body.Detail = "Not Found", f.reason
	}
	if g := c.send(f.status, body); g != nil {
		c.options.Log.Debug("http: answer not sent", "reason", g.reason)
	}
}

// send answers with a JSON value.
func (c *call) send(status int, v any) *failure {
	b, err := json.Marshal(v)
	if err != nil {
		return &failure{status: http.StatusInternalServerError, name: "internal_error", reason: err.Error()}
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(status)
	if _, err := c.w.Write(append(b, '\n')); err != nil {
		c.options.Log.Debug("http: answer not sent", "err", err)
	}
	return nil
}

func (c *call) ok(v any) *failure { return c.send(http.StatusOK, v) }

// done answers a change: 201 where something was made, else 204.
func (c *call) done(created bool) *failure {
	status := http.StatusNoContent
	if created {
		status = http.StatusCreated
	}
	c.w.WriteHeader(status)
	return nil
}

// each answers with an array, item by item.
func (c *call) each(n int, item func(i int) any) *failure {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Cache-Control", "no-store")
	out := bufio.NewWriterSize(c.w, 32<<10)
	encoder := json.NewEncoder(out)
	write := func(b byte) {
		// A failed write comes back from Flush.
		_ = out.WriteByte(b)
	}
	write('[')
	for i := range n {
		if i > 0 {
			write(',')
		}
		if err := encoder.Encode(item(i)); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	write(']')
	if err := out.Flush(); err != nil {
		c.options.Log.Debug("http: answer not sent", "err", err)
	}
	return nil
}

// read decodes the body into v. Without a body v stays as it is. What v has no
// field for is refused: nothing is accepted and ignored.
func (c *call) read(v any) *failure {
	d := json.NewDecoder(c.r.Body)
	d.DisallowUnknownFields()
	return c.decode(d, v)
}

// readObject reads a body of RabbitMQ's API, whose clients send back what they were
// shown, fields that only say how an object does included.
func (c *call) readObject(v any) *failure { return c.decode(json.NewDecoder(c.r.Body), v) }

func (c *call) decode(d *json.Decoder, v any) *failure {
	d.UseNumber()
	err := d.Decode(v)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = errors.New("more than one value")
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &failure{status: http.StatusRequestEntityTooLarge, name: "bad_request", reason: "body larger than 1 MiB"}
	}
	return &failure{status: http.StatusBadRequest, name: "bad_request", reason: "body: " + strings.TrimPrefix(err.Error(), "json: ")}
}

// failed is how the waist's errors are told here. Like RabbitMQ, a refused
// right is 401 and an unmet condition 400.
func failed(e *broker.Error) *failure {
	if e == nil {
		return nil
	}
	f := badRequest(e.Error())
	what := e.Object.String() + " '" + e.Name + "' in vhost '" + e.Space + "'"
	switch e.Code {
	case broker.CodeNotFound, broker.CodeGone:
		return notFound(e.Error())
	case broker.CodeAccessRefused:
		return refused("ACCESS_REFUSED - " + e.Error())
	case broker.CodeMismatch:
		f.code = codeConflict
		f.reason = native.Inequivalent(e, what)
	case broker.CodeInUse, broker.CodeNotEmpty:
		f.code = codeConflict
		f.reason = what + " " + e.Text
	case broker.CodeLocked:
		f.code = codeConflict
		f.reason = "RESOURCE_LOCKED - " + e.Error()
	case broker.CodeBusy, broker.CodeUnavailable, broker.CodeExpired:
		f.status, f.name, f.code = http.StatusServiceUnavailable, "unavailable", codeBusy
	case broker.CodeInternal, broker.CodeUnknownLease, broker.CodeOutOfSequence, broker.CodeFenced:
		f.status, f.name = http.StatusInternalServerError, "internal_error"
	case broker.CodeNotImplemented:
		f.status, f.name = http.StatusNotImplemented, "not_implemented"
	case broker.CodeTooLarge:
		f.status = http.StatusRequestEntityTooLarge
	case broker.CodeLimit:
		f.reason = native.LimitReached(e, "")
	case broker.CodeInvalid, broker.CodeNotAllowed, broker.CodeFull:
	}
	return f
}

// missing refuses a body without some of its fields: pairs of a name and whether
// it is there.
func missing(pairs ...any) *failure {
	var names []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == false {
			names = append(names, fmt.Sprintf("{key_missing,%s}", pairs[i]))
		}
	}
	if names == nil {
		return nil
	}
	return badRequest("[" + strings.Join(names, ",") + "]")
}

// echoed checks what tools repeat in the body: pairs of that and what the path
// says. Empty is not repeated.
func echoed(pairs ...string) *failure {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] != "" && pairs[i] != pairs[i+1] {
			return badRequest("body says '" + pairs[i] + "' where the path says '" + pairs[i+1] + "'")
		}
	}
	return nil
}

// flag is a boolean that tools also send as a text.
type flag bool

// UnmarshalJSON takes true, false and both as texts.
func (f *flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true", `"true"`:
		*f = true
	case "false", `"false"`:
		*f = false
	case "null", `""`:
	default:
		return errors.New("not a boolean: " + string(b))
	}
	return nil
}

// number is an integer that tools also send as a text.
type number int64

// UnmarshalJSON takes 5 and "5".
func (n *number) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	var v int64
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return errors.New("not an integer: " + string(b))
	}
	*n = number(v)
	return nil
}
