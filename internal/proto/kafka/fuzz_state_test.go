package kafka

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/frugal"
	"weir/internal/record"
)

// fetchBytes is how long a fetch of eight partitions is on the wire.
const fetchBytes = 300

// FuzzFetchSession sends fetches of a connection one after another. Each is three
// bytes: what it does with the session, and the partitions it asks for and forgets.
// The limits are those of the request it stands for, not of three bytes.
func FuzzFetchSession(f *testing.F) {
	f.Add([]byte{0, 3, 0, 1, 1, 4, 1, 0, 3, 2, 7, 0})
	f.Add([]byte{0, 255, 0, 1, 0, 255, 1, 9, 9})
	f.Add(bytes.Repeat([]byte{1, 255, 255, 0, 255, 0}, 100)) // as much as a script can ask for
	f.Fuzz(func(t *testing.T, script []byte) {
		frugal.Check(t, len(script)/3*fetchBytes, 0, func() { fetchByScript(t, script) })
	})
}

func fetchByScript(t *testing.T, script []byte) {
	c := &conn{}
	for len(script) >= 3 {
		step := script[:3]
		script = script[3:]
		m := kmsg.NewPtrFetchRequest()
		m.Version = 12 + int16(step[0]>>7)
		if s := c.fetches; s != nil && step[0]&3 > 0 {
			m.SessionID, m.SessionEpoch = s.id, s.epoch
		}
		switch step[0] & 15 {
		case 13:
			m.SessionEpoch = epochWithout
		case 14:
			m.SessionID++
		case 15:
			m.SessionEpoch++
		}
		topic, forgotten := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestForgottenTopic()
		topic.Topic, forgotten.Topic = "t", "t"
		for i := range int32(8) {
			if step[1]>>i&1 != 0 {
				p := kmsg.NewFetchRequestTopicPartition()
				p.Partition, p.FetchOffset = i, int64(len(script))
				topic.Partitions = append(topic.Partitions, p)
			}
			if step[2]>>i&1 != 0 {
				forgotten.Partitions = append(forgotten.Partitions, i)
			}
		}
		m.Topics, m.ForgottenTopics = append(m.Topics, topic), append(m.ForgottenTopics, forgotten)
		scope, refused := c.fetchScope(m)
		if refused == errNone {
			fetchOnce(t, &scope, step)
		}
		checkSession(t, c.fetches)
	}
}

// fetchOnce answers a fetch with messages in some partitions.
func fetchOnce(t *testing.T, scope *fetchScope, step []byte) {
	t.Helper()
	var all []fetchedPart
	for i, p := range scope.parts {
		f := fetchedPart{part: p}
		if f.End = record.Offset(step[0] >> 2); (step[1]^step[2])>>(i%8)&1 != 0 {
			f.Records = [][]byte{nil}
		}
		all = append(all, f)
	}
	if scope.session == nil {
		return
	}
	if told := scope.session.news(all, scope.full); scope.full && len(told) != len(all) || len(told) > len(all) {
		t.Fatalf("%d of %d partitions are told", len(told), len(all))
	}
}

// checkSession checks that a session has each of its partitions once.
func checkSession(t *testing.T, s *fetchSession) {
	t.Helper()
	if s == nil {
		return
	}
	seen := map[partKey]bool{}
	for _, p := range s.order {
		if seen[p.key()] || s.parts[p.key()] != p {
			t.Fatalf("partition %+v stands twice, or is another", p.key())
		}
		seen[p.key()] = true
	}
	if len(seen) != len(s.parts) || s.epoch < 1 {
		t.Fatalf("%d partitions in order, %d in all, epoch %d", len(seen), len(s.parts), s.epoch)
	}
}

// FuzzTransactionNote reads what is kept of transactional ids: what can be read
// says the same when it is written again.
func FuzzTransactionNote(f *testing.F) {
	n := transactionNote{identity: identity{ID: 7, Epoch: 2}, Timeout: 5, Updated: 9, Begun: 3, Partitions: []broker.Partition{{Topic: "t", Number: 1}}}
	n.set("g", []broker.GroupPosition{{Topic: "t", Next: 4}})
	f.Add(n.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() { rewriteNote(t, b) })
	})
}

func rewriteNote(t *testing.T, b []byte) {
	var n, again transactionNote
	if json.Unmarshal(b, &n) != nil {
		return
	}
	kept := n.encode()
	if err := json.Unmarshal(kept, &again); err != nil {
		t.Fatal(err)
	}
	if string(again.encode()) != string(kept) {
		t.Fatalf("%s became %s", kept, again.encode())
	}
}
