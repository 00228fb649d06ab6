package cursor_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/cursor"
	"weir/internal/record"
)

// world drives a cursor, the model, and a follower that sees only the commands.
type world struct {
	t        *rapid.T
	s        *cursor.Settling
	follower *cursor.Settling
	m        *model
	now      int64
	next     record.Offset
	exact    bool
}

func drawConfig(t *rapid.T, exact bool) cursor.Config {
	sometimes := func(label string, v int64) int64 {
		return rapid.SampledFrom([]int64{0, 0, v}).Draw(t, label)
	}
	c := cursor.Config{
		Lanes:         rapid.SampledFrom([]uint16{0, 1, 2, 3, 10, 256}).Draw(t, "lanes"),
		DeliveryLimit: uint32(sometimes("limit", 2)),
		NoReturns:     sometimes("no returns", 1) > 0,
		MaxLength:     rapid.SampledFrom([]int64{-1, -1, 3}).Draw(t, "maxLength"),
		MaxBytes:      -1,
		Overflow:      cursor.Overflow(rapid.IntRange(0, 1).Draw(t, "overflow")),
		SingleActive:  rapid.Bool().Draw(t, "single"),
		BackoffMin:    sometimes("backoff", 10),
		BackoffMax:    sometimes("backoffMax", 25),
		LeaseTimeout:  sometimes("timeout", 30),
	}
	if exact {
		c.MaxBytes = rapid.SampledFrom([]int64{1 << 40, 30}).Draw(t, "maxBytes")
	}
	return c
}

func (w *world) same(what string, got, want any) {
	if got != want {
		w.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func (w *world) sameList(what string, got, want []record.Offset) {
	if !slices.Equal(got, want) {
		w.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func flat(list []cursor.Range) (out []record.Offset) {
	for _, r := range list {
		for o := r.Lo; o < r.Hi; o++ {
			out = append(out, o)
		}
	}
	slices.Sort(out)
	return out
}

func members(s *cursor.Set) []record.Offset {
	if s == nil {
		return nil
	}
	return flat(ranges(s))
}

func (w *world) attributes() cursor.Attributes {
	soon := func(label string) int64 {
		if n := rapid.Int64Range(-60, 40).Draw(w.t, label); n > 0 {
			return w.now + n
		}
		return 0
	}
	return cursor.Attributes{
		Priority: rapid.SampledFrom([]uint8{0, 0, 1, 2, 9, 255}).Draw(w.t, "priority"),
		Expiry:   soon("expiry"),
		Due:      soon("due"),
		Bytes:    rapid.Uint32Range(0, 20).Draw(w.t, "bytes"),
	}
}

func (w *world) offset(label string) record.Offset {
	return record.Offset(rapid.Uint64Range(0, uint64(w.next)).Draw(w.t, label))
}

func (w *world) bounds() (lo, hi record.Offset) {
	lo, hi = w.offset("lo"), w.offset("hi")
	if rapid.Bool().Draw(w.t, "one") {
		return lo, lo + 1
	}
	return min(lo, hi), max(lo, hi)
}

func (w *world) id() cursor.ConsumerID {
	return cursor.ConsumerID(rapid.Uint32Range(1, 4).Draw(w.t, "id"))
}

func TestSettlingAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		exact := rapid.Bool().Draw(t, "exact")
		c := drawConfig(t, exact)
		w := &world{
			t: t, s: cursor.New(c), follower: cursor.New(c), now: 1000, exact: exact,
			m: &model{config: c, messages: map[record.Offset]*message{}},
			// Chunks and pages begin somewhere in the middle of a run.
			next: record.Offset(rapid.SampledFrom([]uint64{0, 1000, 1020}).Draw(t, "start")),
		}
		actions := map[string]func(*rapid.T){}
		for name, do := range replicatedActions(w) {
			actions[name] = func(*rapid.T) { do() }
		}
		for name, do := range localActions(w) {
			actions[name] = func(*rapid.T) { do() }
		}
		actions[""] = func(*rapid.T) { w.check() }
		t.Repeat(actions)
	})
}

func replicatedActions(w *world) map[string]func() {
	appendSome := func() {
		for range rapid.IntRange(1, 8).Draw(w.t, "n") {
			a := w.attributes()
			w.s.Append(w.next, a)
			w.follower.Append(w.next, a)
			w.m.append(w.next, a)
			w.next++
		}
	}
	actions := map[string]func(){
		"append":  appendSome,
		"append2": appendSome,
		"settle": func() {
			lo, hi := w.bounds()
			want := w.m.settle(lo, hi)
			w.same("Settle", w.s.Settle(lo, hi), want)
			w.same("Settle", w.follower.Settle(lo, hi), want)
		},
		"releaseOne": func() {
			o, counted := w.offset("o"), rapid.Bool().Draw(w.t, "counted")
			delay := rapid.SampledFrom([]int64{0, 0, 15}).Draw(w.t, "delay")
			want := w.m.release(o, delay, w.now, counted)
			w.same("ReleaseOne", w.s.ReleaseOne(o, delay, w.now, counted), want)
			w.follower.ReleaseOne(o, delay, w.now, counted)
		},
		"release": func() {
			lo, hi := w.bounds()
			counted := rapid.Bool().Draw(w.t, "counted")
			var want []record.Offset
			w.m.promote(w.now)
			for o := lo; o < hi; o++ {
				if w.m.release(o, 0, w.now, counted) == cursor.OverLimit {
					want = append(want, o)
				}
			}
			w.sameList("Release", w.s.Release(lo, hi, w.now, counted, nil), want)
			w.sameList("Release", w.follower.Release(lo, hi, w.now, counted, nil), want)
		},
		"bury": func() {
			o := w.offset("o")
			msg := w.m.messages[o]
			want := msg != nil && msg.state != dead
			if want {
				msg.state = dead
			}
			w.same("Bury", w.s.Bury(o), want)
			w.same("Bury", w.follower.Bury(o), want)
		},
	}
	for name, do := range rareActions(w) {
		actions[name] = do
	}
	return actions
}

func rareActions(w *world) map[string]func() {
	return map[string]func(){
		"reopen": func() {
			lo, hi := w.bounds()
			hi = min(hi, w.next)
			var want uint64
			for o := lo; o < hi; o++ {
				if w.m.messages[o] == nil {
					w.m.messages[o] = &message{o: o, bare: true}
					want++
				}
			}
			w.same("Reopen", w.s.Reopen(lo, hi), want)
			w.follower.Reopen(lo, hi)
		},
		"delivered": func() {
			o := w.offset("o")
			w.m.highWater = max(w.m.highWater, o)
			w.s.Delivered(o)
			w.follower.Delivered(o)
		},
		"config": func() {
			c := drawConfig(w.t, w.exact)
			if (c.LeaseTimeout > 0) != (w.m.config.LeaseTimeout > 0) {
				for _, msg := range w.m.messages {
					msg.at = 0
				}
			}
			w.m.config = c
			w.s.SetConfig(c)
			w.follower.SetConfig(c)
		},
		"describe": func() {
			for _, o := range w.m.sorted(func(m *message) bool { return m.bare }) {
				a := w.attributes()
				w.s.AppendRestored(o, a, 0)
				w.follower.AppendRestored(o, a, 0)
				w.m.append(o, a)
			}
		},
		"restore": func() {
			if err := w.s.RestoreState(w.s.AppendState(nil)); err != nil {
				w.t.Fatal(err)
			}
			w.m.restore()
			// The follower keeps its history, but must not know more than this.
			if err := w.follower.RestoreState(w.follower.AppendState(nil)); err != nil {
				w.t.Fatal(err)
			}
		},
		"trim": func() {
			w.s.Trim()
		},
	}
}

func localActions(w *world) map[string]func() {
	turn := func() {
		w.now += rapid.SampledFrom([]int64{0, 1, 5, 35}).Draw(w.t, "later")
		w.turn()
	}
	actions := map[string]func(){
		"turn":  turn,
		"turn2": turn,
		"turn3": turn,
		"turn4": turn,
		"resetLocal": func() {
			w.s.ResetLocal()
			w.m.resetLocal()
		},
		"holdReady": func() {
			want := w.m.sorted(func(msg *message) bool { return msg.state == ready || msg.state == delayed })
			for _, o := range want {
				w.m.messages[o].state = held
			}
			w.sameList("HoldReady", flat(w.s.HoldReady(nil)), want)
		},
		"unhold": func() {
			o := w.offset("o")
			msg := w.m.messages[o]
			w.same("Unhold", w.s.Unhold(o), msg != nil && msg.state == held)
			if msg != nil && msg.state == held {
				w.m.putBack(msg)
			}
		},
		"lease": func() {
			o, id := w.offset("o"), w.id()
			w.same("Lease", w.s.Lease(o, id, w.now), w.m.lease(o, id, w.now))
		},
		"settleLocal": func() {
			id := w.id()
			lo, hi := w.bounds()
			var want uint64
			for _, o := range w.m.leases(id) {
				if o >= lo && o < hi {
					w.m.messages[o].state = held
					want++
				}
			}
			w.same("SettleLocal", w.s.SettleLocal(id, lo, hi), want)
		},
		"renew": func() {
			id := w.id()
			lo, hi := w.bounds()
			for _, o := range w.m.leases(id) {
				if o >= lo && o < hi && w.m.config.LeaseTimeout > 0 {
					w.m.messages[o].at = w.now
				}
			}
			w.s.Renew(id, lo, hi, w.now)
		},
	}
	for name, do := range consumerActions(w) {
		actions[name] = do
	}
	return actions
}

func consumerActions(w *world) map[string]func() {
	attach := func() {
		id := w.id()
		pull := rapid.SampledFrom([]bool{false, false, true}).Draw(w.t, "pull")
		priority := rapid.Int32Range(-1, 1).Draw(w.t, "priority")
		err := w.s.Attach(id, cursor.AttachOptions{Priority: priority, Pull: pull})
		if w.m.customer(id) != nil {
			w.same("Attach", err, cursor.ErrAttached)
			return
		}
		w.same("Attach", err, nil)
		c := &customer{id: id, priority: priority, pull: pull, credit: rapid.Int64Range(0, 5).Draw(w.t, "credit")}
		w.m.customers = append(w.m.customers, c)
		w.s.SetCredit(id, c.credit)
	}
	return map[string]func(){
		"attach":  attach,
		"attach2": attach,
		"attach3": attach,
		"detach": func() {
			id := w.id()
			want := w.m.leases(id)
			for _, o := range want {
				w.m.messages[o].state = held
			}
			c := w.m.customer(id)
			if w.m.active == c {
				w.m.active = nil
			}
			w.m.customers = slices.DeleteFunc(w.m.customers, func(x *customer) bool { return x == c })
			w.sameList("Detach", flat(w.s.Detach(id, nil)), want)
		},
		"cancel": func() {
			id := w.id()
			if c := w.m.customer(id); c != nil {
				c.pull = true
				if w.m.active == c {
					w.m.active = nil
				}
			}
			w.s.Cancel(id)
		},
		"credit": func() {
			id, delta := w.id(), rapid.Int64Range(-3, 5).Draw(w.t, "delta")
			if c := w.m.customer(id); c != nil {
				c.credit += delta
			}
			w.s.Credit(id, delta)
		},
		"pause": func() {
			id, paused := w.id(), rapid.Bool().Draw(w.t, "paused")
			if c := w.m.customer(id); c != nil {
				c.paused = paused
			}
			w.s.Pause(id, paused)
		},
	}
}

// turn is what a leader does when it is woken, and leaves nothing due.
func (w *world) turn() {
	w.m.refresh()
	expired := w.s.Expired(w.now, nil)
	slices.Sort(expired)
	w.sameList("Expired", expired, w.m.expired(w.now))
	w.sameList("LeaseTimeouts", flat(w.s.LeaseTimeouts(w.now, nil)), w.m.timeouts(w.now))
	for {
		o, ok := w.s.Peek(w.now)
		wantOffset, want := w.m.peek(w.now)
		w.same("Peek", ok, want)
		w.same("Peek", o, wantOffset)
		id, some := w.s.Pick()
		wantID, want := w.m.pick()
		w.same("Pick", some, want)
		w.same("Pick", id, wantID)
		if !ok || !some {
			break
		}
		if lo, hi, ok := w.s.PeekRange(w.now, 2); rapid.Bool().Draw(w.t, "range") && ok {
			w.same("PeekRange", lo, o)
			// One credit a time keeps the turns of the model simple.
			hi = min(hi, lo+1)
			w.same("LeaseRange", w.s.LeaseRange(lo, hi, id, w.now), uint64(hi-lo))
			w.m.lease(lo, id, w.now)
		} else {
			w.same("Lease", w.s.Lease(o, id, w.now), w.m.lease(o, id, w.now))
		}
		w.m.refresh()
	}
	w.sameList("Overflowing", w.s.Overflowing(nil), w.m.overflowing())
	if at, ok := w.s.Deadline(); ok && at <= w.now {
		w.t.Fatalf("Deadline is %d at %d, with all done", at, w.now)
	}
}

func (w *world) check() {
	w.m.refresh()
	m := w.m
	counts := w.s.Counts()
	for _, c := range []struct {
		name string
		got  uint64
		st   state
	}{
		{"ready", counts.Ready, ready},
		{"delayed", counts.Delayed, delayed},
		{"leased", counts.Leased, leased},
		{"held", counts.Held, held},
		{"dead", counts.Dead, dead},
	} {
		w.same(c.name, c.got, uint64(len(m.in(c.st))))
	}
	w.sameList("Unsettled", members(w.s.Unsettled()), m.sorted(func(*message) bool { return true }))
	w.sameList("Dead", members(w.s.Dead()), m.in(dead))
	w.sameList("Held", members(w.s.Held()), m.in(held))
	for _, c := range m.customers {
		w.sameList("Leased", members(w.s.Leased(c.id)), m.leases(c.id))
		w.same("CreditOf", w.s.CreditOf(c.id), c.credit)
	}
	var all int64
	for o, msg := range m.messages {
		all += int64(msg.bytes)
		w.same("Count", w.s.Count(o), msg.count)
		w.same("Redelivered", w.s.Redelivered(o), msg.returned || o < m.restored)
	}
	if w.exact {
		_, readyBytes := m.load()
		w.same("Bytes", counts.Bytes, all)
		w.same("ReadyBytes", counts.ReadyBytes, readyBytes)
	} else if counts.Bytes < 0 || counts.ReadyBytes < 0 || len(m.messages) == 0 && counts.Bytes != 0 {
		w.t.Fatalf("bytes are %d, ready %d", counts.Bytes, counts.ReadyBytes)
	}
	more := rapid.Int64Range(0, 3).Draw(w.t, "more")
	w.same("Room", w.s.Room(more, more*5), m.room(more, more*5))
	if want, ok := m.due(); ok {
		if at, ok := w.s.Deadline(); !ok || at > want {
			w.t.Fatalf("Deadline is %d %v, want %d at the latest", at, ok, want)
		}
	}
	if !bytes.Equal(w.s.AppendState(nil), w.follower.AppendState(nil)) {
		w.t.Fatal("the follower has another state")
	}
}
