package admin_test

import (
	"encoding/json"
	"net/netip"
	"testing"

	"weir/internal/broker"
	"weir/internal/record"
)

func TestGroupsAreShownResetAndForgotten(t *testing.T) {
	n := start(t)
	p, err := n.broker.Identify("guest", netip.MustParseAddrPort("127.0.0.1:1"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.broker.Open(p, broker.SessionOptions{Namespace: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.CreateTopic(broker.TopicSpec{Name: "t", Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	await := func(start func(done func(*broker.Error)) *broker.Error) {
		t.Helper()
		done := make(chan *broker.Error, 1)
		if err := start(func(err *broker.Error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		await(func(done func(*broker.Error)) *broker.Error {
			b := &broker.Blob{Dialect: record.DialectKafka, Count: 10, Timestamp: 1000, Native: []byte("x")}
			return s.Append("t", 0, b, func(_, _ record.Offset, err *broker.Error) { done(err) })
		})
	}
	await(func(done func(*broker.Error)) *broker.Error {
		_, err := s.CommitPositions("g", []broker.GroupPosition{{Topic: "t", Next: 12, Epoch: -1, Committed: 5}, {Topic: "t", Partition: 1}}, done)
		return err
	})
	get := func(path string, v any) {
		t.Helper()
		if err := json.Unmarshal([]byte(n.call(200, "GET", path, "").body), v); err != nil {
			t.Fatal(err)
		}
	}
	var all []struct {
		Name, State string
		Lag         int
		LagSeconds  int `json:"lag_seconds"`
	}
	if get("/api/weir/groups/%2F", &all); len(all) != 1 || all[0].Name != "g" || all[0].State != "Empty" || all[0].Lag != 18 || all[0].LagSeconds < 1e9 {
		t.Fatalf("%+v", all)
	}
	reset := func(body string, want ...int) {
		t.Helper()
		var items []struct{ Partition, To int }
		r := n.call(200, "POST", "/api/weir/groups/%2F/g/reset", body)
		if err := json.Unmarshal([]byte(r.body), &items); err != nil || len(items) != len(want) {
			t.Fatal(body, r.body, err)
		}
		for i := range want {
			if items[i].To != want[i] {
				t.Errorf("%s: %s", body, r.body)
			}
		}
	}
	reset(`{"to":"earliest"}`, 0, 0)
	reset(`{"to":"latest"}`, 30, 0)
	reset(`{"to":"7"}`, 7, 0)
	reset(`{"to":"2026-01-01T00:00:00Z"}`, 30, 0)
	reset(`{"shift":-100,"topics":["t:0"]}`, 0)
	reset(`{"shift":3,"topics":["t:0"],"execute":true}`, 15)
	reset(`{"shift":0,"topics":["t:0"]}`, 15)
	for _, bad := range []string{`{}`, `{"to":"earliest","shift":1}`, `{"to":"soon"}`, `{"to":"latest","topics":["t:2"]}`} {
		n.call(400, "POST", "/api/weir/groups/%2F/g/reset", bad)
	}
	n.call(404, "POST", "/api/weir/groups/%2F/none/reset", `{"to":"latest"}`)
	n.call(404, "DELETE", "/api/weir/groups/%2F/g/positions/other", "")
	n.call(204, "DELETE", "/api/weir/groups/%2F/g", "")
	n.call(404, "GET", "/api/weir/groups/%2F/g", "")
	n.call(404, "GET", "/api/weir/groups/none", "")
}
