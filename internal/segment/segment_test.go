package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/vfs"
)

const name = "/data/1.seg"

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newMem(t testing.TB) *vfs.Mem {
	m := vfs.NewMem()
	must(t, m.MkdirAll("/data"))
	return m
}

// message is a record with its envelope, as a model keeps it.
type message struct {
	segment.Entry
	env record.Envelope
}

func (m *message) end() record.Offset { return m.Offset + record.Offset(m.env.Count) }

func makeMessage(offset record.Offset, env record.Envelope, size int) message {
	env.Count = max(env.Count, 1)
	native := bytes.Repeat([]byte{byte(offset), byte(size)}, size/2+1)[:size]
	return message{segment.Entry{Offset: offset, Record: record.Append(nil, &env, native)}, env}
}

type run struct {
	log      record.LogID
	messages []message
}

func write(fs vfs.FS, name string, runs []run) (segment.Info, error) {
	w, err := segment.Create(fs, name)
	if err != nil {
		return segment.Info{}, err
	}
	fail := func(err error) (segment.Info, error) {
		w.Abort()
		return segment.Info{}, err
	}
	for _, r := range runs {
		if err := w.Begin(r.log); err != nil {
			return fail(err)
		}
		for _, m := range r.messages {
			if err := w.Add(m.Entry); err != nil {
				return fail(err)
			}
		}
	}
	info, err := w.Finish()
	if err != nil {
		return fail(err)
	}
	return info, nil
}

// randomRuns makes runs of all shapes: tiny, of many blocks, with gaps,
// batches, records larger than a block, with and without attributes.
func randomRuns(rng *rand.Rand, logs, perLog, size int) []run {
	var runs []run
	log := record.LogID(0)
	for range logs {
		log += record.LogID(1 + rng.IntN(5))
		r := run{log: log}
		offset := record.Offset(rng.IntN(1000))
		stamp := int64(1_000_000)
		for range rng.IntN(perLog + 1) {
			env := record.Envelope{Dialect: 1}
			if rng.IntN(10) > 0 {
				stamp += int64(rng.IntN(20) - 3)
				env.Timestamp = stamp
			}
			if rng.IntN(4) == 0 {
				env.Priority = uint8(rng.IntN(3))
				env.Expiry = int64(rng.IntN(2)) * (stamp + int64(rng.IntN(1000)))
				env.Due = int64(rng.IntN(2)) * (stamp + int64(rng.IntN(1000)))
			}
			if rng.IntN(5) == 0 {
				env.Count = uint32(1 + rng.IntN(50))
			}
			n := rng.IntN(size)
			if rng.IntN(200) == 0 {
				n = 70 << 10
			}
			m := makeMessage(offset, env, n)
			r.messages = append(r.messages, m)
			offset = m.end() + record.Offset(rng.IntN(2)*rng.IntN(5))
		}
		runs = append(runs, r)
	}
	return runs
}

// requireRead compares a read with the model.
func requireRead(t testing.TB, r *segment.Reader, log record.LogID, messages []message, from record.Offset, maxBytes int) {
	t.Helper()
	var want []message
	total := 0
	for _, m := range messages {
		if m.end() > from && (total < maxBytes || len(want) == 0) {
			want = append(want, m)
			total += len(m.Record)
		}
	}
	var got []segment.Entry
	var take func(bytes int) []byte // as often one block at a time as several
	if (int(from)+maxBytes)%2 == 0 {
		take = func(bytes int) []byte { return make([]byte, bytes) }
	}
	must(t, r.Read(log, from, maxBytes, take, func(e segment.Entry) bool {
		got = append(got, e)
		return true
	}))
	if len(got) != len(want) {
		t.Fatalf("log %d from %d: read %d records, want %d", log, from, len(got), len(want))
	}
	for i := range got {
		if got[i].Offset != want[i].Offset || !bytes.Equal(got[i].Record, want[i].Record) {
			t.Fatalf("log %d from %d: record %d differs", log, from, i)
		}
	}
}

func requireRun(t testing.TB, r *segment.Reader, want run) {
	t.Helper()
	requireRead(t, r, want.log, want.messages, 0, 1<<30)
	type attribute struct {
		offset      record.Offset
		priority    uint8
		expiry, due int64
	}
	var got, marked []attribute
	must(t, r.Attributes(want.log, func(o record.Offset, p uint8, e, d int64) {
		got = append(got, attribute{o, p, e, d})
	}))
	for _, m := range want.messages {
		if m.env.Priority != 0 || m.env.Expiry != 0 || m.env.Due != 0 {
			marked = append(marked, attribute{m.Offset, m.env.Priority, m.env.Expiry, m.env.Due})
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(marked) {
		t.Fatalf("log %d: attributes %v, want %v", want.log, got, marked)
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		runs := randomRuns(rng, rapid.IntRange(0, 6).Draw(rt, "logs"), rapid.IntRange(0, 400).Draw(rt, "records"), rapid.IntRange(1, 2000).Draw(rt, "size"))
		m := newMem(t)
		info, err := write(m, name, runs)
		must(t, err)
		must(t, segment.Verify(m, name))
		must(t, segment.Dump(m, name, io.Discard))
		r, err := segment.Open(m, name)
		must(t, err)
		defer r.Close()
		if fmt.Sprint(r.Info()) != fmt.Sprint(info) {
			t.Fatalf("opened %+v, written %+v", r.Info(), info)
		}
		byLog := make(map[record.LogID]run)
		for _, run := range runs {
			byLog[run.log] = run
		}
		for log := range record.LogID(32) {
			run := byLog[log]
			run.log = log
			requireRun(t, r, run)
			for range 5 {
				requireRead(t, r, log, run.messages, record.Offset(rng.IntN(3000)), 1+rng.IntN(100_000))
				requireTime(t, r, run, 1_000_000+int64(rng.IntN(3000))-100)
			}
		}
	})
}

func requireTime(t testing.TB, r *segment.Reader, run run, at int64) {
	t.Helper()
	offset, ok, err := r.OffsetByTime(run.log, at)
	must(t, err)
	for _, m := range run.messages {
		if m.env.Timestamp >= at {
			if !ok || offset != m.Offset {
				t.Fatalf("log %d at %d: offset %d %v, want %d", run.log, at, offset, ok, m.Offset)
			}
			return
		}
	}
	if ok {
		t.Fatalf("log %d at %d: offset %d, want none", run.log, at, offset)
	}
}

func TestRunInfo(t *testing.T) {
	m := newMem(t)
	info, err := write(m, name, []run{{log: 7, messages: []message{
		makeMessage(3, record.Envelope{Timestamp: 50, Expiry: 900}, 10),
		makeMessage(5, record.Envelope{Count: 4, Timestamp: 40, Expiry: 800}, 10),
		makeMessage(20, record.Envelope{}, 10),
	}}, {log: 8}})
	must(t, err)
	if len(info.Runs) != 1 {
		t.Fatalf("%d runs", len(info.Runs))
	}
	r := info.Runs[0]
	if r.Log != 7 || r.First != 3 || r.Last != 20 || r.Count != 6 || r.Entries != 3 ||
		r.MinTimestamp != 40 || r.MaxTimestamp != 50 || r.MinExpiry != 800 {
		t.Fatalf("%+v", r)
	}
}

func TestManySmallLogs(t *testing.T) {
	fs, path := vfs.OS(), filepath.Join(t.TempDir(), "many.seg")
	const logs = 20_000
	var runs []run
	for i := range logs {
		runs = append(runs, run{log: record.LogID(i + 1), messages: []message{makeMessage(record.Offset(i), record.Envelope{}, 20)}})
	}
	info, err := write(fs, path, runs)
	must(t, err)
	r, err := segment.Open(fs, path)
	must(t, err)
	defer r.Close()
	if len(r.Runs()) != logs {
		t.Fatalf("%d runs", len(r.Runs()))
	}
	for i := 0; i < logs; i += 997 {
		requireRun(t, r, runs[i])
	}
	t.Logf("%d bytes a log", info.Bytes/logs)
}

func TestAddRefusesMalformedRecord(t *testing.T) {
	w, err := segment.Create(newMem(t), name)
	must(t, err)
	defer w.Abort()
	must(t, w.Begin(1))
	good := makeMessage(1, record.Envelope{}, 10).Record
	for _, bad := range [][]byte{nil, good[:5], append(good[:len(good):len(good)], 0)} {
		if err := w.Add(segment.Entry{Offset: 1, Record: bad}); !errors.Is(err, record.ErrMalformed) {
			t.Fatalf("added %v: %v", bad, err)
		}
	}
}

func smallSegment(t testing.TB) (*vfs.Mem, []run) {
	m := newMem(t)
	big := run{log: 9}
	for i := range record.Offset(3) {
		big.messages = append(big.messages, makeMessage(i, record.Envelope{Timestamp: int64(100 + i)}, 30))
	}
	runs := []run{
		{log: 2, messages: []message{
			makeMessage(4, record.Envelope{Timestamp: 5, Priority: 3}, 11),
			makeMessage(5, record.Envelope{Timestamp: 9, Expiry: 44}, 0),
		}},
		{log: 4, messages: []message{makeMessage(0, record.Envelope{Count: 9}, 40)}},
		big,
	}
	_, err := write(m, name, runs)
	must(t, err)
	return m, runs
}

// TestCrash loses power before every change, and fails every operation: the
// file is complete under its name or not there, and there once Finish returned.
func TestCrash(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for seed := range uint64(20) {
		runs := randomRuns(rand.New(rand.NewPCG(seed, 2)), 4, 40, 3000)
		m := newMem(t)
		check := func(c *vfs.Mem, needed bool) {
			err := segment.Verify(c, name)
			if _, e := c.Open(name); e != nil && !needed {
				return
			}
			must(t, err)
			r, err := segment.Open(c, name)
			must(t, err)
			for _, run := range runs {
				requireRun(t, r, run)
			}
		}
		_, err := write(vfs.Inject(m, func(op vfs.Op) error {
			for range 4 {
				p := rng.Float64()
				check(m.CrashClone(func() bool { return rng.Float64() < p }), false)
			}
			return nil
		}), name, runs)
		must(t, err)
		check(m.CrashClone(func() bool { return false }), true)
	}
}

func TestErrorsReachTheCaller(t *testing.T) {
	boom := errors.New("boom")
	runs := randomRuns(rand.New(rand.NewPCG(1, 2)), 4, 400, 9000)
	for n := 1; ; n++ {
		m, ops := newMem(t), 0
		_, err := write(vfs.Inject(m, func(vfs.Op) error {
			if ops++; ops == n {
				return boom
			}
			return nil
		}), name, runs)
		if ops < n {
			must(t, err)
			return
		}
		if !errors.Is(err, boom) {
			t.Fatalf("operation %d failed: %v", n, err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	m := newMem(t)
	m.SetFreeLimit(1000)
	runs := []run{{log: 1, messages: []message{makeMessage(1, record.Envelope{}, 5000)}}}
	if _, err := write(m, name, runs); !errors.Is(err, vfs.ErrFull) {
		t.Fatal(err)
	}
	if names, _ := m.List("/data"); len(names) != 0 {
		t.Fatalf("left behind: %v", names)
	}
}
