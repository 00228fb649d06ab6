package shard

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/record"
	"weir/internal/replica"
)

// sent is an append that the model has seen stored.
type sent struct {
	record.Producer
	count uint32
	at    record.Offset
}

// expected says what should become of an append, told only what was stored before.
func expected(stored []sent, p record.Producer, count uint32) (Verdict, record.Offset) {
	var mine []sent
	epoch := uint16(0)
	for _, s := range stored {
		if s.ID == p.ID {
			epoch = max(epoch, s.Epoch)
			mine = append(mine, s)
		}
	}
	if len(mine) == 0 {
		return Stored, 0
	}
	if p.Epoch < epoch {
		return Fenced, 0
	}
	if p.Part.Marker() {
		return Stored, 0
	}
	mine = slices.DeleteFunc(mine, func(s sent) bool { return s.Epoch != p.Epoch || s.Part.Marker() })
	for _, s := range mine[max(len(mine)-recentMax, 0):] {
		if s.Sequence == p.Sequence && s.count == count {
			return Duplicate, s.at
		}
	}
	next := uint32(0)
	if n := len(mine); n > 0 {
		next = (mine[n-1].Sequence + mine[n-1].count) & sequenceMax
	}
	if p.Sequence != next {
		return OutOfSequence, 0
	}
	return Stored, 0
}

// boundary is the stable offset and the aborted transactions of what was stored.
func boundary(stored []sent, end record.Offset) (record.Offset, []Aborted) {
	open := map[record.ProducerID]record.Offset{}
	var aborted []Aborted
	for _, s := range stored {
		first, is := open[s.ID]
		switch {
		case s.Part == record.PartTransaction && !is:
			open[s.ID] = s.at
		case s.Part.Marker() && is:
			delete(open, s.ID)
			if s.Part == record.PartAbort {
				aborted = append(aborted, Aborted{s.ID, first, s.at})
			}
		}
	}
	for _, first := range open {
		end = min(end, first)
	}
	return end, aborted
}

func TestProducersAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const log = 1
		m := New(nil)
		index := record.Index(0)
		apply := func(data []byte) {
			index++
			m.Apply(replica.Entry{Index: index, Term: 1, Data: data})
		}
		apply(AppendOpen(BeginEntry(nil, 1), log, Config{Stream: true, MaxLength: -1, MaxBytes: -1}.Encode()))
		var stored []sent
		end := record.Offset(0)
		for range rapid.IntRange(1, 60).Draw(t, "appends") {
			count := rapid.Uint32Range(1, 3).Draw(t, "count")
			p := record.Producer{
				ID: record.ProducerID(rapid.IntRange(1, 2).Draw(t, "producer")), Epoch: uint16(rapid.IntRange(0, 2).Draw(t, "epoch")),
				Sequence: uint32(rapid.IntRange(0, 12).Draw(t, "sequence")), Part: record.Part(rapid.IntRange(1, 4).Draw(t, "part")),
			}
			if n := len(stored); n > 0 && rapid.Bool().Draw(t, "next") { // most of them in order
				last := stored[rapid.IntRange(max(n-6, 0), n-1).Draw(t, "after")]
				p = last.Producer
				p.Sequence = (p.Sequence + last.count) & sequenceMax
			}
			if p.Part.Marker() {
				count, p.Sequence = 1, 0
			}
			want, at := expected(stored, p, count)
			got, first := Verdict(255), record.Offset(0)
			m.OnAppend = func(_ int, v Verdict, o, _ record.Offset) { got, first = v, o }
			e := record.Envelope{Dialect: 2, Count: count, Timestamp: 1, Producer: p}
			apply(record.Append(AppendMessage(BeginEntry(nil, 2), []record.LogID{log}), &e, []byte("x")))
			if want == Stored {
				at = end
				end += record.Offset(count)
				stored = append(stored, sent{p, count, at})
			}
			if got != want || (want == Stored || want == Duplicate) && first != at {
				t.Fatalf("%+v, %d messages: %d at %d, not %d at %d", p, count, got, first, want, at)
			}
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
				copied, err := m.decodeLog(log, m.logs[log].encode(nil))
				if err != nil {
					t.Fatal(err)
				}
				m.logs[log] = copied
			}
			stable, aborted := boundary(stored, end)
			l := m.logs[log]
			if l.next != end || l.stable() != stable || !slices.Equal(l.abortedIn(0, end), aborted) {
				t.Fatalf("ends at %d, stable to %d, aborted %v; not %d, %d, %v", l.next, l.stable(), l.abortedIn(0, end), end, stable, aborted)
			}
		}
	})
}

func TestSilentProducersAreForgotten(t *testing.T) {
	l := &Log{}
	e := record.Envelope{Producer: record.Producer{ID: 1, Part: record.PartPlain}}
	open := record.Envelope{Producer: record.Producer{ID: 2, Part: record.PartTransaction}}
	l.remember(&e, 0, 1)
	l.remember(&open, 1, 1)
	e.Producer.ID = 3
	l.remember(&e, 2, 1+producerKept+1)
	if l.producers[1] != nil || l.producers[2] == nil || l.producers[3] == nil {
		t.Errorf("%v remain", l.producers)
	}
	if l.stable() != 1 {
		t.Errorf("stable to %d", l.stable())
	}
}
