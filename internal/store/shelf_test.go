package store_test

import (
	"fmt"
	"testing"

	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/store"
	"weir/internal/vfs"
)

const log record.LogID = 7

// shelve writes the offsets [lo, hi) of the log as a new file.
func shelve(t *testing.T, s *store.Shelf, lo, hi record.Offset) {
	t.Helper()
	w, err := s.Write(s.NextName(), func(w *segment.Writer) error {
		if err := w.Begin(log); err != nil {
			return err
		}
		for o := lo; o < hi; o++ {
			rec := record.Append(nil, &record.Envelope{Dialect: 1}, []byte(fmt.Sprint("m", o)))
			if err := w.Add(segment.Entry{Offset: o, Record: rec}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all := func(_ record.LogID, first, last record.Offset) int64 { return int64(last - first + 1) }
	if err := s.Put(w, all); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s *store.Shelf, from record.Offset) []record.Offset {
	t.Helper()
	var got []record.Offset
	err := s.Read(log, from, 1<<30, func(e segment.Entry) bool {
		got = append(got, e.Offset)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestRewriteKeepsRunsDisjoint rewrites the outer two of three files, which are
// mostly dead: joined into one, they would enclose the living one between them.
func TestRewriteKeepsRunsDisjoint(t *testing.T) {
	s, err := store.OpenShelf(vfs.NewMem(), "shelf", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range record.Offset(3) {
		shelve(t, s, i*100, i*100+100)
	}
	one := func(lo, hi record.Offset) int64 { return int64(hi - lo) }
	s.Drop(log, 0, 90, one)
	s.Drop(log, 200, 290, one)
	for {
		j := s.PlanRewrite()
		if j == nil {
			break
		}
		for i := range j.Runs {
			r := &j.Runs[i]
			r.Wanted = [][2]record.Offset{{max(r.First, r.Last-9), r.Last + 1}}
			if r.First == 100 {
				r.Wanted = [][2]record.Offset{{100, 200}}
			}
		}
		w, err := s.Run(j)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(w, func(l record.LogID, first, last record.Offset) int64 { return int64(last - first + 1) }); err != nil {
			t.Fatal(err)
		}
	}
	want := 0
	for _, o := range read(t, s, 0) {
		if o < record.Offset(90) || o >= 200 && o < 290 {
			t.Fatalf("offset %d was not wanted", o)
		}
		want++
	}
	if want != 120 {
		t.Fatalf("%d of 120 messages left", want)
	}
	for _, from := range []record.Offset{90, 99, 100, 150, 199, 290} {
		if got := read(t, s, from); len(got) == 0 || got[0] != from {
			t.Fatalf("read from %d begins at %v", from, got[:min(3, len(got))])
		}
	}
}

// TestReadFollowsARewrite takes a file away, rewritten into another, after a Read
// has looked up where its messages are.
func TestReadFollowsARewrite(t *testing.T) {
	s, err := store.OpenShelf(vfs.NewMem(), "shelf", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range record.Offset(3) {
		shelve(t, s, i*100, i*100+100)
	}
	s.Drop(log, 110, 190, func(lo, hi record.Offset) int64 { return int64(hi - lo) })
	rewrite := func() {
		j := s.PlanRewrite()
		for i := range j.Runs {
			r := &j.Runs[i]
			r.Wanted = [][2]record.Offset{{r.First, r.Last + 1}}
		}
		w, err := s.Run(j)
		if err == nil {
			err = s.Put(w, func(_ record.LogID, first, last record.Offset) int64 { return int64(last - first + 1) })
		}
		if err == nil {
			err = s.Remove(s.TakeChange().Gone[1:]) // the first is being read
		}
		if err != nil {
			t.Error(err)
		}
	}
	var got []record.Offset
	err = s.Read(log, 0, 1<<30, func(e segment.Entry) bool {
		if got = append(got, e.Offset); len(got) == 1 {
			rewrite()
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range got {
		if o != record.Offset(i) {
			t.Fatalf("offset %d follows %d", o, i-1)
		}
	}
	if len(got) != 300 {
		t.Fatalf("%d of 300 messages", len(got))
	}
}
