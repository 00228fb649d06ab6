package shard

import (
	"testing"

	"weir/internal/frugal"
	"weir/internal/record"
)

func seedEntry() []byte {
	logs := []record.LogID{1, 2}
	b := AppendOpen(BeginEntry(nil, 5), 1, Config{MaxLength: -1, MaxBytes: -1}.Encode())
	b = record.Append(AppendMessage(b, logs), &record.Envelope{Expiry: 9, Dedup: record.DedupID{1}}, []byte("x"))
	b = appendRange(b, commandSettle, 1, 0, 0, 1)
	part := appendRange(nil, commandSettle, 1, 0, 1, 2)
	b = AppendIntent(b, &Intent{ID: 4, Parts: []IntentPart{{Shard: 2, Commands: part}}})
	b = AppendForget(AppendFinish(AppendEnact(b, 5, 2, part), 4), 5, 2)
	b = AppendNote(AppendNote(b, "ledger", &Note{"key", []byte("value")}), "ledger", &Note{Key: "gone"})
	return AppendCommit(AppendRewind(AppendDrop(b, 2), 1, 0), 1, "me", 7)
}

func FuzzEntry(f *testing.F) {
	f.Add(seedEntry())
	f.Add([]byte{commandAppend, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
			var c command
			for p := 0; p < len(b); {
				next, err := c.next(b, p)
				if err != nil {
					return
				}
				if next <= p || next > len(b) {
					t.Fatalf("from %d to %d of %d", p, next, len(b))
				}
				p = next
			}
		})
	})
}

func FuzzAdmit(f *testing.F) {
	f.Add(seedEntry()[entryHeaderBytes:])
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() { New(nil).AdmitBlock(nil, b, func(int, record.LogID) {}) })
	})
}

func FuzzLogState(f *testing.F) {
	m := New(nil)
	entry := seedEntry()
	m.apply(&command{kind: commandOpen, log: 1, body: Config{MaxLength: -1, MaxBytes: -1, Dedup: 9}.Encode()}, entry, 0, 1)
	l := m.logs[1]
	l.commits = map[string]record.Offset{"a": 1}
	l.dedup = &dedup{}
	l.dedup.check(record.DedupID{1}, 1, 10)
	l.why = map[record.Offset]Why{3: WhyExpired}
	f.Add(l.encode(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
			m := New(nil)
			if _, err := m.Restore(logKey(1), b); err != nil {
				return
			}
			m.logs[1].encode(nil)
		})
	})
}

func FuzzDedup(f *testing.F) {
	d := &dedup{}
	d.check(record.DedupID{1}, 1, 10)
	f.Add(d.encode(nil))
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
			d, rest, err := decodeDedup(b)
			if err != nil {
				return
			}
			if again := d.encode(nil); len(again)+len(rest) != len(b) {
				t.Fatalf("%d bytes again, %d left of %d", len(again), len(rest), len(b))
			}
		})
	})
}

// FuzzNote restores notes from a checkpoint: what is restored is checkpointed the
// same.
func FuzzNote(f *testing.F) {
	f.Add(noteKey([]byte("ledger"), []byte("key")), []byte("value"))
	f.Add([]byte{'n', 255, 255}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(key) == 0 || key[0] != 'n' {
			return
		}
		frugal.Check(t, len(key)+len(value), 0, func() {
			m := New(nil)
			if m.restoreNote(key, value) == nil && string(m.noteState(string(key))) != string(value) {
				t.Fatalf("%x became %x", value, m.noteState(string(key)))
			}
		})
	})
}

// FuzzRestore restores whatever a checkpoint may hold of a key: logs, segments,
// intents, what was enacted, notes. What is restored can be checkpointed again.
func FuzzRestore(f *testing.F) {
	f.Add(intentKey(4), AppendIntent(nil, &Intent{ID: 4, Parts: []IntentPart{{Shard: 2, Commands: []byte("x")}}})[1+8+4:])
	f.Add(enactedKey(Enacted{2, 5}), []byte{1})
	f.Add([]byte("s0000000000000001-0000000000000001.seg"), []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		frugal.Check(t, len(key)+len(value), 0, func() {
			m := New(nil)
			name, err := m.Restore(key, value)
			if err != nil || len(key) == 0 || key[0] == 's' {
				if len(name) >= max(len(key), 1) {
					t.Fatalf("%q of %q", name, key)
				}
				return
			}
			if key[0] == 'l' {
				for _, l := range m.logs {
					l.encode(nil)
				}
			} else if again := m.keyState(string(key)); key[0] == 'i' && string(again) != string(value) {
				t.Fatalf("%x became %x", value, again)
			}
		})
	})
}

// FuzzProducers restores what a log remembers of its producers.
func FuzzProducers(f *testing.F) {
	l := &Log{producers: map[record.ProducerID]*producer{7: {epoch: 1, open: true, recent: []recentAppend{{1, 2, 3}}}}, opens: []record.ProducerID{7}, aborted: []Aborted{{7, 1, 2}}}
	f.Add(l.encodeProducers(nil))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
			l := &Log{}
			rest, err := l.decodeProducers(b)
			if err == nil && len(l.encodeProducers(nil))+len(rest) > len(b) {
				t.Fatalf("%d bytes became %d", len(b)-len(rest), len(l.encodeProducers(nil)))
			}
		})
	})
}

// FuzzConfig reads what a log was opened with.
func FuzzConfig(f *testing.F) {
	f.Add(Config{MaxLength: 3, MaxBytes: -1, Stream: true}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
			c, err := decodeConfig(b)
			if err != nil {
				return
			}
			if again, err := decodeConfig(c.Encode()); err != nil || string(again.Encode()) != string(c.Encode()) {
				t.Fatalf("%s became %s: %v", c.Encode(), again.Encode(), err)
			}
		})
	})
}
