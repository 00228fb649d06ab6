package shard

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/record"
)

// checkpoint shelves what there is, with nothing going on beside it.
func (w *world) checkpoint(t *rapid.T) {
	f := w.m.BeginFlush()
	name := w.m.shelf.NextName()
	if !f.Empty() {
		written, err := w.m.shelf.Write(name, f.Fill)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.m.Shelve(f, written); err != nil {
			t.Fatal(err)
		}
	} else if err := w.m.Shelve(f, nil); err != nil {
		t.Fatal(err)
	}
	f.Changes(func(k, v []byte) { w.saved[string(k)] = bytes.Clone(v) }, func(k []byte) { delete(w.saved, string(k)) })
	w.entries = nil
	if err := w.m.shelf.Remove(f.Gone()); err != nil {
		t.Fatal(err)
	}
}

// pass lets time go by, often to the very end of a window.
func (w *world) pass(t *rapid.T) {
	w.now += rapid.SampledFrom([]int64{1, 250, 500, 999, 1000}).Draw(t, "ms")
}

// TestDedupModel: within the window a message with an id that was taken is not
// taken again, whatever restarts lie between; after it, it is.
func TestDedupModel(t *testing.T) {
	const window = 1000
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.apply(func(dst []byte) []byte {
			return AppendOpen(dst, 1, Config{MaxLength: -1, MaxBytes: -1, Dedup: window}.Encode())
		})
		taken, next := map[byte]int64{}, record.Offset(0)
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if l := w.m.logs[1]; l.next != next {
					t.Fatalf("%d messages were taken, not %d", l.next, next)
				}
			},
			"publish": func(t *rapid.T) {
				ids := rapid.SliceOfN(rapid.ByteRange(1, 9), 1, 6).Draw(t, "ids")
				w.apply(func(dst []byte) []byte {
					for _, id := range ids {
						e := record.Envelope{Dialect: 1, Timestamp: w.now, Dedup: record.DedupID{id}}
						dst = record.Append(AppendMessage(dst, []record.LogID{1}), &e, []byte("m"))
						if at, ok := taken[id]; !ok || at <= w.now-window {
							taken[id] = w.now
							next++
						}
					}
					return dst
				})
			},
			"pass": w.pass, "checkpoint": w.checkpoint, "restart": w.restart,
		})
	})
}

// kept is a message of a stream.
type kept struct {
	at    int64
	bytes int64
	text  string
}

// TestRetentionModel: a stream lets go of its oldest messages when they are too
// old or too many, and of no other; what it keeps is there, before and after
// restarts, in memory and on the shelf.
func TestRetentionModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		c := Config{MaxLength: -1, MaxBytes: -1, Stream: true}
		if rapid.Bool().Draw(t, "age") {
			c.Retain = 2000
		}
		if rapid.Bool().Draw(t, "bytes") {
			c.RetainBytes = 1500
		}
		w.apply(func(dst []byte) []byte { return AppendOpen(dst, 1, c.Encode()) })
		w.m.Lead(w.now)
		var all []kept
		shelved := false
		retain := func(t *rapid.T) {
			w.m.Turn(w.now)
			w.m.Retain()
			if commands := w.m.TakeCommands(nil); len(commands) > 0 {
				w.apply(func(dst []byte) []byte { return append(dst, commands...) })
			}
			checkRetained(t, w, &c, all, shelved)
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				l := w.m.logs[1]
				for o := l.retained; o < l.next; o++ {
					if got := w.read(1, l, o); got != all[o].text {
						t.Fatalf("offset %d: %q, not %q", o, got, all[o].text)
					}
				}
			},
			"publish": func(t *rapid.T) {
				n := rapid.IntRange(1, 8).Draw(t, "messages")
				w.apply(func(dst []byte) []byte {
					for range n {
						text := fmt.Sprintf("message %06d", len(all))
						rec := record.Append(nil, &record.Envelope{Dialect: 1, Timestamp: w.now}, []byte(text))
						dst = append(AppendMessage(dst, []record.LogID{1}), rec...)
						all = append(all, kept{w.now, int64(len(rec)), text})
					}
					return dst
				})
			},
			"pass": w.pass, "retain": retain,
			"checkpoint": func(t *rapid.T) { w.checkpoint(t); shelved = true },
			"restart":    func(t *rapid.T) { w.restart(t); w.m.Lead(w.now) },
		})
	})
}

// checkRetained compares where a stream begins with its limits. Age goes by whole
// runs on the shelf, so that what is too old may stay a while; nothing goes early.
func checkRetained(t *rapid.T, w *world, c *Config, all []kept, shelved bool) {
	l := w.m.logs[1]
	if c.Retain == 0 && c.RetainBytes == 0 && l.retained > 0 {
		t.Fatalf("begins at %d without a limit", l.retained)
	}
	left := all[l.retained:]
	var bytes int64
	for _, m := range left {
		bytes += m.bytes
	}
	tooOld := func(m kept) bool { return c.Retain > 0 && m.at < w.now-c.Retain }
	if l.retained > 0 {
		gone := all[l.retained-1]
		// Of what is shelved the limit holds to about a message.
		if tooMany := c.RetainBytes > 0 && bytes+2*gone.bytes > c.RetainBytes; !tooOld(gone) && !tooMany {
			t.Fatalf("offset %d went: %d ms old, %d bytes are left", l.retained-1, w.now-gone.at, bytes)
		}
	}
	if c.RetainBytes > 0 && len(left) > 0 && bytes > c.RetainBytes+2*left[0].bytes {
		t.Fatalf("%d bytes are kept", bytes)
	}
	if !shelved && slices.ContainsFunc(left, tooOld) {
		t.Fatalf("from offset %d on something is too old", l.retained)
	}
}
