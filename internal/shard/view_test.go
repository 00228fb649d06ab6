package shard

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/cursor"
	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/store"
)

const sourceLog record.LogID = 1

// viewModel is a view as plain as can be.
type viewModel struct {
	unsettled map[record.Offset]bool
	dead      map[record.Offset]bool
}

// overlook is a stream and views over it.
type overlook struct {
	*world
	views   map[record.LogID]*viewModel
	next    record.Offset
	first   record.Offset
	bodies  map[record.Offset]string
	lastLog record.LogID
}

func newOverlook(t *rapid.T) *overlook {
	w := &overlook{world: newWorld(t), views: map[record.LogID]*viewModel{}, bodies: map[record.Offset]string{}, lastLog: sourceLog}
	w.apply(func(dst []byte) []byte {
		return AppendOpen(dst, sourceLog, Config{MaxLength: -1, MaxBytes: -1, Stream: true}.Encode())
	})
	return w
}

func (w *overlook) publish(t *rapid.T) {
	w.apply(func(dst []byte) []byte {
		for range rapid.IntRange(1, 12).Draw(t, "blobs") {
			count := rapid.IntRange(1, 6).Draw(t, "count")
			w.sequence++
			for i := range count {
				w.bodies[w.next+record.Offset(i)] = fmt.Sprintf("blob %d/%d/%d", w.sequence, i, count)
			}
			w.next += record.Offset(count)
			e := record.Envelope{Dialect: 2, Timestamp: w.now, Count: uint32(count)}
			dst = record.Append(AppendMessage(dst, []record.LogID{sourceLog}), &e, fmt.Appendf(nil, "blob %d", w.sequence))
		}
		return dst
	})
	for _, v := range w.views {
		for o := range w.next {
			if _, known := v.unsettled[o]; !known {
				v.unsettled[o] = true
			}
		}
	}
}

func (w *overlook) openView(t *rapid.T) {
	if len(w.views) == 3 {
		return
	}
	w.lastLog++
	begin := rapid.Int64Range(-1, int64(w.next)+2).Draw(t, "begin")
	c := Config{MaxLength: -1, MaxBytes: -1, DeadLetter: true, Source: sourceLog, Begin: begin}
	w.apply(func(dst []byte) []byte { return AppendOpen(dst, w.lastLog, c.Encode()) })
	v := &viewModel{unsettled: map[record.Offset]bool{}, dead: map[record.Offset]bool{}}
	for o := range w.next {
		v.unsettled[o] = begin >= 0 && o >= record.Offset(begin) && o >= w.first
	}
	w.views[w.lastLog] = v
}

// view draws a view and a range of its offsets.
func (w *overlook) view(t *rapid.T) (id record.LogID, v *viewModel, lo, hi record.Offset) {
	ids := make([]record.LogID, 0, len(w.views))
	for id := range w.views {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return 0, &viewModel{}, 0, 0
	}
	slices.Sort(ids)
	id = rapid.SampledFrom(ids).Draw(t, "view")
	lo = record.Offset(rapid.Uint64Range(0, uint64(w.next)).Draw(t, "lo"))
	hi = min(lo+record.Offset(rapid.Uint64Range(0, 40).Draw(t, "count")), w.next)
	return id, w.views[id], lo, hi
}

func (w *overlook) dropView(t *rapid.T) {
	id, _, _, _ := w.view(t)
	w.apply(func(dst []byte) []byte { return AppendDrop(dst, id) })
	delete(w.views, id)
}

func (w *overlook) settle(t *rapid.T) {
	id, v, lo, hi := w.view(t)
	w.apply(func(dst []byte) []byte { return appendRange(dst, commandSettle, id, byte(WhyAccepted), lo, hi) })
	v.settle(lo, hi)
}

func (v *viewModel) settle(lo, hi record.Offset) {
	for o := lo; o < hi; o++ {
		v.unsettled[o] = false
		delete(v.dead, o)
	}
}

func (w *overlook) release(t *rapid.T) {
	id, _, lo, hi := w.view(t)
	w.apply(func(dst []byte) []byte { return appendRange(dst, commandRelease, id, 1, lo, hi) })
}

func (w *overlook) bury(t *rapid.T) {
	id, v, lo, hi := w.view(t)
	w.apply(func(dst []byte) []byte { return appendRange(dst, commandBury, id, byte(WhyRejected), lo, hi) })
	for o := lo; o < hi; o++ {
		if v.unsettled[o] {
			v.dead[o] = true
		}
	}
}

func (w *overlook) rewind(t *rapid.T) {
	id, v, lo, _ := w.view(t)
	if id == 0 {
		return
	}
	w.apply(func(dst []byte) []byte { return AppendRewind(dst, id, lo) })
	for o := max(lo, w.first); o < w.next; o++ {
		v.unsettled[o] = true
	}
}

func (w *overlook) trim(t *rapid.T) {
	first := record.Offset(rapid.Uint64Range(0, uint64(w.next)).Draw(t, "first"))
	w.apply(func(dst []byte) []byte { return appendOffset(dst, commandTrim, sourceLog, first) })
	w.first = w.m.logs[sourceLog].retained
	for _, v := range w.views {
		v.settle(0, w.first)
	}
}

func (w *overlook) flush(t *rapid.T) {
	f := w.m.BeginFlush()
	name := w.m.shelf.NextName()
	at := len(w.entries)
	if rapid.Bool().Draw(t, "busy") {
		w.publish(t)
		w.settle(t)
	}
	var written *store.Written
	if !f.Empty() {
		var err error
		if written, err = w.m.shelf.Write(name, f.Fill); err != nil {
			t.Fatal(err)
		}
	}
	if rapid.Bool().Draw(t, "busy") {
		w.trim(t)
		w.dropView(t)
	}
	if err := w.m.Shelve(f, written); err != nil {
		t.Fatal(err)
	}
	f.Changes(func(k, v []byte) { w.saved[string(k)] = bytes.Clone(v) }, func(k []byte) { delete(w.saved, string(k)) })
	w.entries = slices.Clone(w.entries[at:])
	if err := w.m.shelf.Remove(f.Gone()); err != nil {
		t.Fatal(err)
	}
	if rapid.Bool().Draw(t, "evict") {
		w.m.Evict(int64(rapid.IntRange(0, 2000).Draw(t, "target")))
	}
}

func (w *overlook) check(t *rapid.T) {
	for id, model := range w.views {
		v := w.m.logs[id]
		if v == nil || v.next != w.next || len(v.why) != len(model.dead) {
			t.Fatalf("view %d: %+v, end %d, dead %v", id, v, w.next, model.dead)
		}
		for o := range w.next {
			if v.cursor.Unsettled().Contains(o) != model.unsettled[o] {
				t.Fatalf("view %d offset %d: unsettled is not %v", id, o, model.unsettled[o])
			}
			if !model.unsettled[o] {
				continue
			}
			if got := w.through(v, o); got != w.bodies[o] {
				t.Fatalf("view %d offset %d: %q, not %q", id, o, got, w.bodies[o])
			}
		}
	}
}

// through reads one message as a consumer of the view gets it.
func (w *overlook) through(v *Log, o record.Offset) string {
	p, ok := w.m.load(v, o)
	for _, r := range w.m.TakeReads() {
		var offsets []record.Offset
		var records [][]byte
		err := w.m.shelf.Read(r.Log, r.From, r.MaxBytes, func(e segment.Entry) bool {
			offsets, records = append(offsets, e.Offset), append(records, e.Record)
			return true
		})
		if err != nil {
			w.t.Fatal(err)
		}
		w.m.Loaded(r, offsets, records)
		p, ok = w.m.load(v, o)
	}
	if !ok || p.record == nil {
		return "nothing"
	}
	var e record.Envelope
	native, _ := record.Decode(p.record, &e)
	if v.blob = (blob{}); len(v.cold.records) > 0 && o%3 == 0 {
		v.cold = cold{}
	}
	return fmt.Sprintf("%s/%d/%d", native, p.index, p.of)
}

func TestViewModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newOverlook(t)
		w.publish(t)
		w.openView(t)
		t.Repeat(map[string]func(*rapid.T){
			"": w.check, "publish": w.publish, "open": w.openView, "drop": w.dropView, "settle": w.settle, "release": w.release,
			"bury": w.bury, "rewind": w.rewind, "trim": w.trim, "flush": w.flush, "flush again": w.flush, "rewrite": w.rewriteStream, "restart": w.restart,
		})
		if err := w.m.shelf.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func (w *overlook) rewriteStream(t *rapid.T) {
	j := w.m.shelf.PlanRewrite()
	if j == nil {
		return
	}
	w.m.Wanted(j)
	if rapid.Bool().Draw(t, "busy") {
		w.trim(t)
	}
	written, err := w.m.shelf.Run(j)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.m.shelf.Put(written, w.m.WantedCount); err != nil {
		t.Fatal(err)
	}
}

// TestViewHandsOut settles, returns and rejects what a consumer of a view gets.
func TestViewHandsOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newOverlook(t)
		w.m.Lead(w.now)
		c := Config{MaxLength: -1, MaxBytes: -1, Source: sourceLog, DeliveryLimit: 3}
		w.apply(func(dst []byte) []byte { return AppendOpen(dst, 9, c.Encode()) })
		r := &taker{}
		if err := w.m.Attach(9, 1, r, AttachOptions{}); err != nil {
			t.Fatal(err)
		}
		w.m.Credit(9, 1, 1<<40)
		gone := map[record.Offset]bool{}
		done := 0
		for turn := range 20 {
			w.now++
			w.m.Turn(w.now)
			if turn < 8 {
				w.publish(t)
			}
			w.apply(w.m.TakeCommands)
			w.m.Dispatch()
			for ; done < len(r.got); done++ {
				d := &r.got[done]
				if got := fmt.Sprintf("%s/%d/%d", bodyOf(d.Record), d.Index, d.Of); got != w.bodies[d.Offset] || gone[d.Offset] {
					t.Fatalf("offset %d: %q, not %q", d.Offset, got, w.bodies[d.Offset])
				}
				if d.Count < 3 && rapid.IntRange(0, 3).Draw(t, "return") == 0 {
					w.m.Released(9, 1, d.Offset, d.Offset+1, true)
				} else {
					gone[d.Offset] = true
					w.m.Settled(9, 1, d.Offset, d.Offset+1, WhyAccepted)
				}
			}
		}
		w.apply(w.m.TakeCommands)
		if len(gone) != int(w.next) || w.m.logs[9].cursor.Counts() != (cursor.Counts{Consumers: 1}) {
			t.Fatalf("%d of %d, %+v", len(gone), w.next, w.m.logs[9].cursor.Counts())
		}
	})
}

func bodyOf(rec []byte) []byte {
	var e record.Envelope
	native, _ := record.Decode(rec, &e)
	return native
}

// TestViewShowsWhatIsCommitted hands out neither what may be undone nor what was.
func TestViewShowsWhatIsCommitted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newOverlook(t)
		w.m.Lead(w.now)
		for id := record.LogID(8); id < 10; id++ { // from the first message and from the end
			c := Config{MaxLength: -1, MaxBytes: -1, Source: sourceLog, Begin: int64(id) - 9}
			w.apply(func(dst []byte) []byte { return AppendOpen(dst, id, c.Encode()) })
		}
		r := &taker{}
		if err := w.m.Attach(9, 1, r, AttachOptions{Auto: true}); err != nil {
			t.Fatal(err)
		}
		w.m.Credit(9, 1, 1<<40)
		var want []record.Offset
		type transaction struct{ offsets []record.Offset }
		open := map[uint64]*transaction{}
		sequence := map[uint64]uint32{}
		next := record.Offset(0)
		add := func(id uint64, part record.Part, count uint32) {
			e := record.Envelope{Dialect: 2, Timestamp: w.now, Count: count}
			if id != 0 {
				e.Producer = record.Producer{ID: record.ProducerID(id), Part: part, Sequence: sequence[id]}
			}
			if !part.Marker() {
				sequence[id] += count
			}
			w.apply(func(dst []byte) []byte {
				return record.Append(AppendMessage(dst, []record.LogID{sourceLog}), &e, []byte("m"))
			})
			next += record.Offset(count)
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			id := rapid.Uint64Range(0, 3).Draw(t, "producer")
			at := next
			switch tx := open[id]; {
			case id != 0 && tx != nil && rapid.IntRange(0, 2).Draw(t, "end") == 0:
				part := record.PartAbort
				if rapid.Bool().Draw(t, "commit") {
					part = record.PartCommit
					want = append(want, tx.offsets...)
				}
				add(id, part, 1)
				delete(open, id)
			default:
				count := uint32(rapid.IntRange(1, 3).Draw(t, "count"))
				part := record.PartNone
				if id != 0 {
					part = record.PartTransaction
				}
				add(id, part, count)
				for o := at; o < next; o++ {
					if id == 0 {
						want = append(want, o)
						continue
					}
					if open[id] == nil {
						open[id] = &transaction{}
					}
					open[id].offsets = append(open[id].offsets, o)
				}
			}
			w.turns()
			stable := w.m.logs[sourceLog].stable()
			for _, d := range r.got {
				if d.Offset >= stable {
					t.Fatalf("%d was handed out, stable is %d", d.Offset, stable)
				}
			}
		}
		for id := range open {
			add(id, record.PartAbort, 1)
		}
		w.turns()
		var got []record.Offset
		for _, d := range r.got {
			got = append(got, d.Offset)
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("handed out %v, not %v", got, want)
		}
		if n := w.m.logs[9].cursor.Unsettled().Len(); n != 0 || w.m.logs[8].next != next {
			t.Fatalf("%d are left", n)
		}
	})
}

// turns lets the leader do what there is to do.
func (w *overlook) turns() {
	for range 4 {
		w.now++
		w.m.Turn(w.now)
		w.apply(w.m.TakeCommands)
		w.m.Dispatch()
	}
}

// TestViewPassesGapsOver settles what was taken out of the records on the shelf.
func TestViewPassesGapsOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newOverlook(t)
		w.publish(t)
		w.flush(t)
		w.m.Evict(0)
		w.m.Lead(w.now)
		c := Config{MaxLength: -1, MaxBytes: -1, Source: sourceLog}
		w.apply(func(dst []byte) []byte { return AppendOpen(dst, 9, c.Encode()) })
		var gaps []cursor.Range
		var want, got []record.Offset
		gone := func(o record.Offset) bool { return o < w.first || o%5 < 2 }
		base := w.m.logs[sourceLog].tail.Base()
		for o := range w.next {
			switch n := len(gaps); {
			case o >= base || !gone(o):
				if o >= w.first {
					want = append(want, o)
				}
			case n > 0 && gaps[n-1].Hi == o:
				gaps[n-1].Hi++
			default:
				gaps = append(gaps, cursor.Range{Lo: o, Hi: o + 1})
			}
		}
		r := &taker{}
		if err := w.m.Attach(9, 1, r, AttachOptions{Auto: true}); err != nil {
			t.Fatal(err)
		}
		w.m.Credit(9, 1, 1<<40)
		for range 10 {
			w.turns()
			for _, read := range w.m.TakeReads() {
				read.Gaps = gaps
				records, offsets := [][]byte(nil), []record.Offset(nil)
				err := w.m.shelf.Read(read.Log, read.From, read.MaxBytes, func(e segment.Entry) bool {
					offsets, records = append(offsets, e.Offset), append(records, e.Record)
					return true
				})
				if err != nil || !read.Messages {
					t.Fatal(err)
				}
				w.m.Loaded(read, offsets, records)
			}
		}
		for _, d := range r.got {
			got = append(got, d.Offset)
		}
		if !slices.Equal(got, want) || w.m.logs[9].cursor.Unsettled().Len() != 0 {
			t.Fatalf("handed out %v, not %v", got, want)
		}
	})
}
