package admin

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"weir/internal/broker"
	"weir/internal/frugal"
	"weir/internal/record"
)

// A message that is published here shows as what it was.
func TestMessageRoundTrip(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"headers":{}}`, `{"delivery_mode":2,"priority":0}`,
		`{"content_type":"a","content_encoding":"b","headers":{"a":1,"b":-1.5,"c":[1,"x",{"d":true}],"e":null},"delivery_mode":1,
		  "priority":255,"correlation_id":"c","reply_to":"r","expiration":"10","message_id":"m","timestamp":9,"type":"t",
		  "user_id":"guest","app_id":"p","cluster_id":"l"}`,
	} {
		var p properties
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		m := message{exchange: "x", key: "k", body: []byte{0, 0xff}}
		if f := p.encode(&m.headers.Properties); f != nil {
			t.Fatal(f.reason)
		}
		o, f := m.outgoing(&broker.Principal{User: "guest"})
		if f != nil {
			t.Fatal(f.reason)
		}
		back := openMessage(record.Append(nil, &record.Envelope{Dialect: o.Dialect}, o.Native[0], o.Native[1], o.Native[2]))
		if back.exchange != "x" || back.key != "k" || string(back.body) != "\x00\xff" {
			t.Errorf("%s: %+v", text, back)
		}
		var shown properties
		shown.decode(&back.headers.Properties)
		want, err := json.Marshal(&p)
		if err != nil {
			t.Fatal(err)
		}
		have, err := json.Marshal(&shown)
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != string(want) {
			t.Errorf("%s shows as %s", want, have)
		}
	}
}

// FuzzShowMessage: whatever was stored can be shown.
func FuzzShowMessage(f *testing.F) {
	m := message{exchange: "x", key: "k", body: []byte("body")}
	o, _ := m.outgoing(&broker.Principal{User: "guest"})
	f.Add(uint8(1), append(append(append([]byte(nil), o.Native[0]...), o.Native[1]...), o.Native[2]...), int64(2))
	f.Add(uint8(2), []byte("\xff"), int64(-1))
	f.Fuzz(func(t *testing.T, dialect uint8, native []byte, truncate int64) {
		frugal.Check(t, len(native), 0, func() {
			item := showMessage(record.Append(nil, &record.Envelope{Dialect: record.Dialect(dialect)}, native), "", truncate)
			if item.PayloadBytes > len(native) {
				t.Errorf("%d bytes of payload in %d", item.PayloadBytes, len(native))
			}
			if _, err := json.Marshal(&item); err != nil {
				t.Error(err)
			}
		})
	})
}

// FuzzPublishBody: what the reader takes can be published and read back, and
// costs no more than its size.
func FuzzPublishBody(f *testing.F) {
	f.Add(`{"routing_key":"k","payload":"p","properties":{"headers":{"a":[1,{"b":2}]},"priority":"3"}}`)
	f.Add(`{"routing_key":"k","payload":"cA==","payload_encoding":"base64","properties":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		frugal.Check(t, len(text), 0, func() { publishAndReadBack(t, text) })
	})
}

func publishAndReadBack(t *testing.T, text string) {
	var body publishBody
	if json.Unmarshal([]byte(text), &body) != nil {
		return
	}
	m, bad := body.message(body.Exchange)
	if bad != nil {
		return
	}
	o, bad := m.outgoing(&broker.Principal{User: "guest"})
	if bad != nil {
		return
	}
	size := len(o.Native[0]) + len(o.Native[1]) + len(o.Native[2])
	if size > 16*len(text)+1024 {
		t.Errorf("%d bytes of %d", size, len(text))
	}
	back := openMessage(record.Append(nil, &record.Envelope{Dialect: o.Dialect}, o.Native[0], o.Native[1], o.Native[2]))
	if back.key != m.key || string(back.body) != string(m.body) || back.headers.Properties.Flags != m.headers.Properties.Flags {
		t.Errorf("%q comes back as %+v", text, back)
	}
}

// FuzzSplit: a path that is taken apart can be put together again.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"/api/queues/%2F/q", "//", "/%00", "/a//b/", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		parts := split(u)
		if parts == nil {
			return
		}
		for i := range parts {
			parts[i] = url.PathEscape(parts[i])
		}
		again, err := url.ParseRequestURI("/" + strings.Join(parts, "/"))
		if err != nil || again.Path != u.Path {
			t.Errorf("%q becomes %q: %v", u.Path, again.Path, err)
		}
	})
}
