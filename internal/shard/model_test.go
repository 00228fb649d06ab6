package shard

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/record"
	"weir/internal/replica"
	"weir/internal/segment"
	"weir/internal/store"
	"weir/internal/vfs"
)

const logsMax = 4

// plain is a log as plain as can be: what is unsettled, what is retained.
type plain struct {
	next      record.Offset
	unsettled map[record.Offset]string // bodies
	all       map[record.Offset]string
	retained  record.Offset
	buried    map[record.Offset]bool
	commits   map[string]record.Offset
}

// world is a machine with its disk, and the model beside it.
type world struct {
	t        *rapid.T
	disk     *vfs.Mem
	m        *Machine
	models   map[record.LogID]*plain
	config   map[record.LogID]Config
	entries  [][]byte // since the last checkpoint
	saved    map[string][]byte
	index    record.Index
	ids      [logsMax]record.LogID // of the slots; a dropped log's is never used again
	sequence int
	now      int64
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, disk: vfs.NewMem(), models: map[record.LogID]*plain{}, config: map[record.LogID]Config{},
		saved: map[string][]byte{}, now: 1_000_000,
	}
	for i := range w.ids {
		w.ids[i] = record.LogID(i + 1)
	}
	shelf, err := store.OpenShelf(w.disk, "shelf", nil)
	if err != nil {
		t.Fatal(err)
	}
	w.m = New(nil)
	if err := w.m.Restored(shelf); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) apply(build func(dst []byte) []byte) {
	data := build(BeginEntry(nil, w.now))
	w.index++
	w.entries = append(w.entries, data)
	w.m.Apply(replica.Entry{Index: w.index, Term: 1, Data: slices.Clone(data)})
}

func (w *world) log() (record.LogID, *plain) {
	id := w.ids[rapid.IntRange(0, logsMax-1).Draw(w.t, "log")]
	return id, w.models[id]
}

// span draws a range of offsets of a log.
func (w *world) span(l *plain) (lo, hi record.Offset) {
	lo = record.Offset(rapid.Uint64Range(0, uint64(l.next)).Draw(w.t, "lo"))
	hi = lo + record.Offset(rapid.Uint64Range(0, 12).Draw(w.t, "count"))
	return lo, min(hi, l.next)
}

func (w *world) open(*rapid.T) {
	id, l := w.log()
	c := Config{MaxLength: -1, MaxBytes: -1}
	if rapid.Bool().Draw(w.t, "retain") {
		c.Retain = 1 << 40
	}
	c.DeadLetter = rapid.Bool().Draw(w.t, "dead letter")
	c.Priorities = uint8(rapid.IntRange(0, 2).Draw(w.t, "priorities"))
	w.apply(func(dst []byte) []byte { return AppendOpen(dst, id, c.Encode()) })
	w.config[id] = c
	if l == nil {
		l = &plain{
			unsettled: map[record.Offset]string{}, all: map[record.Offset]string{}, retained: never,
			buried: map[record.Offset]bool{}, commits: map[string]record.Offset{},
		}
		w.models[id] = l
	}
	switch {
	case c.Retain == 0:
		l.retained = never
	case l.retained == never:
		l.retained = l.next
	}
}

func (w *world) drop(*rapid.T) {
	id, _ := w.log()
	w.apply(func(dst []byte) []byte { return AppendDrop(dst, id) })
	delete(w.models, id)
	w.ids[(id-1)%logsMax] += logsMax
}

func (w *world) publish(*rapid.T) {
	n := rapid.IntRange(1, 20).Draw(w.t, "messages")
	w.apply(func(dst []byte) []byte {
		for range n {
			logs := rapid.SliceOfNDistinct(rapid.IntRange(0, logsMax-1), 1, logsMax, rapid.ID[int]).Draw(w.t, "logs")
			var ids []record.LogID
			w.sequence++
			text := fmt.Sprint("message ", w.sequence)
			for _, i := range logs {
				id := w.ids[i]
				ids = append(ids, id)
				if l := w.models[id]; l != nil {
					l.unsettled[l.next], l.all[l.next] = text, text
					l.next++
				}
			}
			e := record.Envelope{Dialect: 1, Timestamp: w.now, Priority: uint8(w.sequence % 3)}
			dst = record.Append(AppendMessage(dst, ids), &e, []byte(text))
		}
		return dst
	})
}

func (w *world) settle(*rapid.T) {
	id, l := w.log()
	if l == nil {
		return
	}
	lo, hi := w.span(l)
	if rapid.IntRange(0, 4).Draw(w.t, "everything") == 0 {
		lo, hi = 0, l.next
	}
	w.apply(func(dst []byte) []byte { return appendRange(dst, commandSettle, id, byte(WhyAccepted), lo, hi) })
	for o := lo; o < hi; o++ {
		delete(l.unsettled, o)
		delete(l.buried, o)
	}
}

func (w *world) release(*rapid.T) {
	if id, l := w.log(); l != nil {
		lo, hi := w.span(l)
		w.apply(func(dst []byte) []byte { return appendRange(dst, commandRelease, id, 1, lo, hi) })
	}
}

func (w *world) bury(*rapid.T) {
	id, l := w.log()
	if l == nil {
		return
	}
	lo, hi := w.span(l)
	w.apply(func(dst []byte) []byte { return appendRange(dst, commandBury, id, byte(WhyRejected), lo, hi) })
	for o := lo; o < hi; o++ {
		if _, ok := l.unsettled[o]; ok {
			l.buried[o] = true
		}
	}
}

func (w *world) rewind(*rapid.T) {
	id, l := w.log()
	if l == nil {
		return
	}
	lo, _ := w.span(l)
	w.apply(func(dst []byte) []byte { return AppendRewind(dst, id, lo) })
	if l.retained == never {
		return
	}
	for o := max(lo, l.retained); o < l.next; o++ {
		l.unsettled[o] = l.all[o]
	}
}

func (w *world) trim(*rapid.T) {
	id, l := w.log()
	if l == nil {
		return
	}
	first, _ := w.span(l)
	w.apply(func(dst []byte) []byte { return appendOffset(dst, commandTrim, id, first) })
	if l.retained != never && first > l.retained {
		l.retained = first
	}
}

func (w *world) commit(*rapid.T) {
	if id, l := w.log(); l != nil {
		next, _ := w.span(l)
		w.apply(func(dst []byte) []byte { return AppendCommit(dst, id, "reader", next) })
		l.commits["reader"] = next
	}
}

// flush moves messages to the shelf and makes a checkpoint, while entries go on
// being applied in the middle of it.
func (w *world) flush(t *rapid.T) {
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
		w.settle(t)
		w.rewind(t)
		w.drop(t)
	}
	if rapid.IntRange(0, 5).Draw(t, "full") == 0 {
		w.m.Abandon(f)
		return
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

// rewrite copies what is wanted out of the files that are mostly dead.
func (w *world) rewrite(t *rapid.T) {
	j := w.m.shelf.PlanRewrite()
	if j == nil {
		return
	}
	w.m.Wanted(j)
	if rapid.Bool().Draw(t, "busy") {
		w.settle(t)
		w.rewind(t)
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

// restart builds the machine again from the last checkpoint and the entries
// behind it; it must not differ in what it replicates.
func (w *world) restart(t *rapid.T) {
	before := w.m.encodeAll()
	m := New(nil)
	var names []string
	for _, k := range slices.Sorted(maps.Keys(w.saved)) {
		name, err := m.Restore([]byte(k), w.saved[k])
		if err != nil {
			t.Fatal(err)
		}
		if name != "" {
			names = append(names, name)
		}
	}
	if err := w.m.shelf.Close(); err != nil {
		t.Fatal(err)
	}
	shelf, err := store.OpenShelf(w.disk, "shelf", names)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Restored(shelf); err != nil {
		t.Fatal(err)
	}
	for i, data := range w.entries {
		m.Apply(replica.Entry{Index: w.index - record.Index(len(w.entries)-1-i), Term: 1, Data: slices.Clone(data)})
	}
	if after := m.encodeAll(); after != before {
		t.Fatalf("state after the restart\n%q\nbefore\n%q", after, before)
	}
	if m.Fingerprint() != w.m.Fingerprint() {
		t.Fatal("another fingerprint after the restart")
	}
	w.m = m
}

// encodeAll is the replicated state of all logs.
func (m *Machine) encodeAll() string {
	var b []byte
	for _, id := range slices.Sorted(maps.Keys(m.logs)) {
		b = m.logs[id].encode(fmt.Appendf(b, "\nlog %d: ", id))
	}
	return string(b)
}

// check compares everything with the model, down to the bytes.
func (w *world) check(t *rapid.T) {
	if len(w.m.logs) != len(w.models) {
		t.Fatalf("%d logs, not %d", len(w.m.logs), len(w.models))
	}
	unwanted := true
	for id, model := range w.models {
		l := w.m.logs[id]
		if l.next != model.next || l.retained != model.retained || len(l.why) != len(model.buried) {
			t.Fatalf("log %d: next %d retained %d dead %d, model %+v", id, l.next, l.retained, len(l.why), model)
		}
		if o, ok := w.m.Committed(id, "reader"); ok && o != model.commits["reader"] {
			t.Fatalf("log %d: committed %d", id, o)
		}
		for o := range model.next {
			_, unsettled := model.unsettled[o]
			wanted := unsettled || o >= model.retained
			if l.cursor.Unsettled().Contains(o) != unsettled || l.wanted(o) != wanted {
				t.Fatalf("log %d offset %d: unsettled %v, wanted %v", id, o, unsettled, wanted)
			}
			if wanted {
				unwanted = false
				if got := w.read(id, l, o); got != model.all[o] {
					t.Fatalf("log %d offset %d: %q, not %q", id, o, got, model.all[o])
				}
			}
		}
	}
	if unwanted && w.m.TailBytes() != 0 {
		t.Fatalf("%d bytes leak in the tail", w.m.TailBytes())
	}
	if unwanted && len(w.m.shelf.Names()) != 0 {
		t.Fatalf("files without a wanted message: %v", w.m.shelf.Names())
	}
}

func (w *world) read(id record.LogID, l *Log, o record.Offset) string {
	var native []byte
	var e record.Envelope
	if o >= l.tail.Base() && o < l.tail.End() {
		native, _ = record.Decode(w.m.tail.Record(l.tail.At(o)), &e)
		return string(native)
	}
	records, offsets := w.cold(id, o)
	if len(offsets) == 0 || offsets[0] != o {
		return fmt.Sprint("nothing, the shelf goes on with ", offsets)
	}
	native, _ = record.Decode(records[0], &e)
	return string(native)
}

func TestMachineModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range 2 {
			w.open(t)
		}
		t.Repeat(map[string]func(*rapid.T){
			"": w.check, "open": w.open, "drop": w.drop, "publish": w.publish, "publish more": w.publish, "settle": w.settle,
			"settle more": w.settle, "release": w.release, "bury": w.bury, "rewind": w.rewind, "trim": w.trim, "commit": w.commit,
			"flush": w.flush, "flush again": w.flush, "rewrite": w.rewrite, "restart": w.restart,
		})
		if err := w.m.shelf.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestDeterminism feeds two machines the same entries; one of them leads, flushes
// and hands out, which must not show.
func TestDeterminism(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		follower := New(nil)
		w.m.Lead(w.now)
		id := record.LogID(1)
		config := Config{MaxLength: -1, MaxBytes: -1, Dedup: 1000, DeliveryLimit: 3, DeadLetter: true, HasTTL: true, TTL: 500, BackoffMin: 5, BackoffMax: 50}
		w.apply(func(dst []byte) []byte { return AppendOpen(dst, id, config.Encode()) })
		r := &taker{}
		if err := w.m.Attach(id, 1, r, AttachOptions{}); err != nil {
			t.Fatal(err)
		}
		w.m.Credit(id, 1, 1<<40)
		done := 0
		for range rapid.IntRange(1, 40).Draw(t, "turns") {
			w.now += int64(rapid.IntRange(0, 100).Draw(t, "ms"))
			w.m.Turn(w.now + 3)
			w.apply(func(dst []byte) []byte {
				dst = w.m.TakeCommands(dst)
				for range rapid.IntRange(0, 5).Draw(t, "messages") {
					dst = AppendMessage(dst, []record.LogID{id})
					d := record.DedupID{byte(rapid.IntRange(0, 9).Draw(t, "id"))}
					dst = record.Append(dst, &record.Envelope{Timestamp: w.now, Dedup: d}, []byte("m"))
				}
				return dst
			})
			w.m.Dispatch()
			w.m.Timers()
			for ; done < len(r.got); done++ {
				o := r.got[done].Offset
				switch rapid.IntRange(0, 3).Draw(t, "outcome") {
				case 0:
					w.m.Settled(id, 1, o, o+1, WhyAccepted)
				case 1:
					w.m.Settled(id, 1, o, o+1, WhyRejected)
				case 2:
					w.m.Released(id, 1, o, o+1, true)
				}
			}
		}
		for i, data := range w.entries {
			follower.Apply(replica.Entry{Index: record.Index(i + 1), Term: 1, Data: data})
		}
		if a, b := w.m.encodeAll(), follower.encodeAll(); a != b {
			t.Fatalf("leader\n%q\nfollower\n%q", a, b)
		}
	})
}

type taker struct{ got []Delivery }

func (r *taker) Reserve(int) bool      { return true }
func (r *taker) Deliver(ds []Delivery) { r.got = append(r.got, ds...) }

func (w *world) cold(id record.LogID, o record.Offset) (records [][]byte, offsets []record.Offset) {
	err := w.m.shelf.Read(id, o, 1, func(e segment.Entry) bool {
		records, offsets = append(records, e.Record), append(offsets, e.Offset)
		return false
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return records, offsets
}
