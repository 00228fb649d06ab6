package shard

import (
	"runtime"
	"testing"

	"weir/internal/record"
)

// frugal fails if f allocates more than a small multiple of the input.
func frugal(t *testing.T, input []byte, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(64<<10+64*len(input)); got > limit {
		t.Fatalf("%d bytes allocated for %d bytes of input", got, len(input))
	}
}

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
		frugal(t, b, func() {
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
	f.Fuzz(func(_ *testing.T, b []byte) {
		m := New(nil)
		m.AdmitBlock(nil, b, func(int, record.LogID) {})
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
		frugal(t, b, func() {
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
		frugal(t, b, func() {
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
		m := New(nil)
		if m.restoreNote(key, value) == nil && string(m.noteState(string(key))) != string(value) {
			t.Fatalf("%x became %x", value, m.noteState(string(key)))
		}
	})
}
