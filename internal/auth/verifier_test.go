package auth

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// counted returns a verifier for which the password is what is stored, and how
// often it had to compute that.
func counted(entriesMax int, parallelMax int) (*Verifier, *atomic.Int64) {
	v := NewVerifier([32]byte{7}, entriesMax, 1000, parallelMax)
	n := new(atomic.Int64)
	v.compute = func(stored string, password []byte) (bool, error) {
		n.Add(1)
		if stored == "broken" {
			return false, ErrMalformedHash
		}
		return stored == string(password), nil
	}
	return v, n
}

func TestVerifierRemembers(t *testing.T) {
	v, n := counted(2, 1)
	for _, c := range []struct {
		stored, password string
		now              int64
		right            bool
		computed         int64
	}{
		{"a", "a", 0, true, 1},
		{"a", "a", 999, true, 1},
		{"a", "b", 999, false, 2},
		{"a", "b", 1000, false, 2},
		{"a", "a", 1000, true, 3},  // forgotten
		{"A", "a", 1000, false, 4}, // another password is stored now
		{"c", "c", 1000, true, 5},
		{"a", "a", 1001, true, 5},
		{"d", "d", 1001, true, 6}, // pushes the oldest out
		{"c", "c", 1001, true, 6},
		{"a", "a", 1001, true, 7},
		{"a", "", 1001, false, 7}, // no password is empty
	} {
		right, err := v.Verify(c.stored, []byte(c.password), c.now)
		if right != c.right || err != nil || n.Load() != c.computed {
			t.Fatalf("%+v: got %v, %v, computed %d", c, right, err, n.Load())
		}
	}
}

func TestVerifierDoesNotRememberErrors(t *testing.T) {
	v, n := counted(2, 1)
	for range 2 {
		if right, err := v.Verify("broken", []byte("x"), 1); right || !errors.Is(err, ErrMalformedHash) {
			t.Fatalf("got %v, %v", right, err)
		}
	}
	if n.Load() != 2 {
		t.Errorf("computed %d", n.Load())
	}
}

func TestGuessingDoesNotPushTheRightOut(t *testing.T) {
	v, n := counted(4, 1)
	v.Verify("a", []byte("a"), 1)
	for i := range 100 {
		v.Verify("a", fmt.Appendf(nil, "guess %d", i), 1)
	}
	before := n.Load()
	if right, _ := v.Verify("a", []byte("a"), 1); !right || n.Load() != before {
		t.Error("the right password was forgotten")
	}
	if len(v.mu.wrong.until) > 4 {
		t.Errorf("%d wrong ones are remembered", len(v.mu.wrong.until))
	}
}

func TestStormComputesOnceAndFewAtATime(t *testing.T) {
	v, n := counted(100, 2)
	var running, most atomic.Int64
	compute := v.compute
	v.compute = func(stored string, password []byte) (bool, error) {
		now := running.Add(1)
		defer running.Add(-1)
		for {
			m := most.Load()
			if now <= m || most.CompareAndSwap(m, now) {
				break
			}
		}
		for range 100 {
			runtime.Gosched()
		}
		return compute(stored, password)
	}
	var group sync.WaitGroup
	for i := range 200 {
		group.Go(func() {
			user := fmt.Sprint(i % 10)
			if right, err := v.Verify(user, []byte(user), 1); !right || err != nil {
				t.Errorf("user %s: %v, %v", user, right, err)
			}
		})
	}
	group.Wait()
	if n.Load() != 10 || most.Load() > 2 {
		t.Errorf("computed %d, %d at a time", n.Load(), most.Load())
	}
}

func TestNobodyCostsAsMuch(t *testing.T) {
	v := NewVerifier([32]byte{7}, 1, 1000, 1)
	var stored string
	v.compute = func(s string, password []byte) (bool, error) {
		stored = s
		return false, nil
	}
	if right, err := v.Verify("", []byte("x"), 1); right || err != nil {
		t.Fatalf("got %v, %v", right, err)
	}
	h, err := parseStored(stored)
	if err != nil || h.(argonHash).cost != DefaultCost {
		t.Errorf("nobody is verified against %s: %v", stored, err)
	}
	if right, _ := Verify(stored, []byte("x")); right {
		t.Error("nobody has a password")
	}
}
