package shard

import (
	"testing"

	"pgregory.net/rapid"

	"weir/internal/record"
)

// TestMessagesThatComeTooOldStayAWhile: what is copied with the time it had
// elsewhere can be read before it goes; what gets too old here goes at once.
func TestMessagesThatComeTooOldStayAWhile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.now = 1 << 40
		retain := rapid.SampledFrom([]int64{1000, 100 * lateStay / 2, 1000 * lateStay}).Draw(t, "retain")
		stay := min(retain/100, lateStay)
		w.apply(func(dst []byte) []byte {
			return AppendOpen(dst, 1, Config{MaxLength: -1, MaxBytes: -1, Stream: true, Retain: retain}.Encode())
		})
		w.m.Lead(w.now)
		publish := func(at int64) {
			w.apply(func(dst []byte) []byte {
				return record.Append(AppendMessage(dst, []record.LogID{1}), &record.Envelope{Dialect: 1, Timestamp: at}, []byte("m"))
			})
		}
		begins := func(want record.Offset) {
			t.Helper()
			w.m.Turn(w.now)
			w.m.Retain()
			if commands := w.m.TakeCommands(nil); len(commands) > 0 {
				w.apply(func(dst []byte) []byte { return append(dst, commands...) })
			}
			if got := w.m.logs[1].firstWanted(); got != want {
				t.Fatalf("begins at %d, not %d", got, want)
			}
		}
		publish(w.now)
		w.now += retain + 1000
		late := rapid.Int64Range(0, w.now-retain-lateBy-1).Draw(t, "late")
		publish(late)
		begins(1)
		w.now += stay / 2
		publish(late) // shares the while of the first
		begins(1)
		w.now += stay/2 - 1
		begins(1)
		w.now++
		begins(3)
		publish(late)
		begins(3)
		w.now += stay
		begins(4)
		publish(w.now - retain - 1) // is only slow
		begins(5)
	})
}
