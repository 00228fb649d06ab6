package cursor_test

import (
	"bytes"
	"errors"
	"testing"

	"weir/internal/cursor"
	"weir/internal/frugal"
	"weir/internal/record"
)

func usedState() []byte {
	s := cursor.New(unlimited())
	for o := range record.Offset(3000) {
		s.Append(o, cursor.Attributes{})
	}
	s.Settle(5, 2000)
	s.Release(2100, 2110, 1, true, nil)
	s.Release(2105, 2120, 1, true, nil)
	s.Release(1, 3, 1, false, nil)
	s.Bury(3)
	s.Delivered(2500)
	return s.AppendState(nil)
}

func TestStateOfAnEmptyQueueIsTiny(t *testing.T) {
	if b := cursor.New(unlimited()).AppendState(nil); len(b) > 8 {
		t.Errorf("it takes %d bytes", len(b))
	}
}

func TestRestoreStateRejects(t *testing.T) {
	good := usedState()
	s := cursor.New(unlimited())
	s.Append(7, cursor.Attributes{})
	before := s.AppendState(nil)
	check := func(name string, b []byte) {
		if err := s.RestoreState(b); !errors.Is(err, cursor.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(s.AppendState(nil), before) {
			t.Fatalf("%s: the cursor changed", name)
		}
	}
	for i := range good {
		check("cut short", good[:i])
	}
	check("trailing byte", append(bytes.Clone(good), 0))
	check("another version", append([]byte{2}, good[1:]...))
	check("dead but not unsettled", []byte{1, 0, 1, 0, 1, 1, 5, 1, 0, 0, 0})
	check("returned but not unsettled", []byte{1, 0, 1, 0, 1, 0, 1, 5, 1, 0, 0})
	check("counted but not returned", []byte{1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0})
	check("a count of one is not written", []byte{1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 1})
	check("touching ranges", []byte{1, 0, 2, 0, 1, 0, 1, 0, 0, 0, 0})
	check("a number not in its shortest form", []byte{1, 0x80, 0, 0, 0, 0, 0, 0})
}

func FuzzRestoreState(f *testing.F) {
	f.Add(usedState())
	f.Add([]byte{1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 0, 2})
	f.Add(append([]byte{1, 0, 1, 0}, 255, 255, 255, 255, 255, 255, 255, 255, 127, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s *cursor.Settling
		var err error
		frugal.Check(t, len(b), 0, func() {
			s = cursor.New(unlimited())
			err = s.RestoreState(b)
		})
		if err == nil && !bytes.Equal(s.AppendState(nil), b) {
			t.Fatalf("%x is read, but written as %x", b, s.AppendState(nil))
		}
	})
}
