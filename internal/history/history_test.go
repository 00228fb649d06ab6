package history_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"weir/internal/history"
)

// step is an operation that nothing else is concurrent with.
func step(h *history.History, input, output any) { h.Life().Begin(0, input).End(output) }

func require(t *testing.T, h *history.History, m history.Model, right bool) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "history.html")
	err := h.Check(m, file)
	if right && err != nil || !right && !errors.Is(err, history.ErrViolated) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(file); (err == nil) == right {
		t.Errorf("the drawing: %v", err)
	}
}

func put(m uint32) history.QueueInput {
	return history.QueueInput{Queue: "q", Op: history.Put, Message: m}
}

var (
	take  = history.QueueInput{Queue: "q", Op: history.Take}
	empty = history.QueueOutput{Empty: true}
)

func got(m uint32, again bool) history.QueueOutput {
	return history.QueueOutput{Message: m, Redelivered: again}
}

func TestQueue(t *testing.T) {
	done := func(m uint32) history.QueueInput {
		return history.QueueInput{Queue: "q", Op: history.Done, Message: m}
	}
	back := func(m uint32) history.QueueInput {
		return history.QueueInput{Queue: "q", Op: history.Back, Message: m}
	}
	restart := history.QueueInput{Op: history.Restart}
	for name, c := range map[string]struct {
		right bool
		steps [][2]any
	}{
		"in order":            {true, [][2]any{{put(1), nil}, {put(2), nil}, {take, got(1, false)}, {take, got(2, false)}, {take, empty}}},
		"out of order":        {false, [][2]any{{put(1), nil}, {put(2), nil}, {take, got(2, false)}}},
		"lost":                {false, [][2]any{{put(1), nil}, {take, empty}}},
		"invented":            {false, [][2]any{{take, got(1, false)}}},
		"twice":               {false, [][2]any{{put(1), nil}, {take, got(1, false)}, {take, got(1, true)}}},
		"back to its place":   {true, [][2]any{{put(1), nil}, {put(2), nil}, {take, got(1, false)}, {back(1), nil}, {take, got(1, true)}, {take, got(2, false)}}},
		"back, but not said":  {false, [][2]any{{put(1), nil}, {take, got(1, false)}, {back(1), nil}, {take, got(1, false)}}},
		"done and back again": {false, [][2]any{{put(1), nil}, {take, got(1, false)}, {done(1), nil}, {take, got(1, true)}}},
		"leases end":          {true, [][2]any{{put(1), nil}, {take, got(1, false)}, {restart, nil}, {take, got(1, true)}}},
		"lost in a restart":   {false, [][2]any{{put(1), nil}, {take, got(1, false)}, {restart, nil}, {take, empty}}},
		"done, restart":       {false, [][2]any{{put(1), nil}, {take, got(1, false)}, {done(1), nil}, {restart, nil}, {take, got(1, true)}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := history.New()
			for _, s := range c.steps {
				step(h, s[0], s[1])
			}
			require(t, h, history.Queue(), c.right)
		})
	}
}

// TestConcurrentOperationsHaveNoOrder: two puts at the same time may have any
// order, but the same for everybody.
func TestConcurrentOperationsHaveNoOrder(t *testing.T) {
	for _, order := range [][]uint32{{1, 2}, {2, 1}} {
		h := history.New()
		a, b := h.Life().Begin(0, put(1)), h.Life().Begin(1, put(2))
		b.End(nil)
		a.End(nil)
		for _, m := range order {
			step(h, take, got(m, false))
		}
		require(t, h, history.Queue(), true)
	}
}

// TestWhatACrashLeavesOpen: what has no answer happened by then or never.
func TestWhatACrashLeavesOpen(t *testing.T) {
	for name, c := range map[string]struct {
		before, happened, seen, right bool
	}{
		"happened and seen":         {false, true, true, true},
		"neither":                   {false, false, false, true},
		"happened, but not there":   {false, true, false, false},
		"did not happen, but there": {false, false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := history.New()
			step(h, put(1), nil)
			life := h.Life()
			open := life.Begin(1, put(2))
			h.Crash(func() {})
			if life.Begin(1, take) != nil {
				t.Fatal("something begins after the end")
			}
			open.End("too late")
			if err := h.Check(history.Queue(), ""); !errors.Is(err, history.ErrUnsettled) {
				t.Fatal(err)
			}
			h.Settle(func(l history.Lost) (any, bool) {
				if l.Late != "too late" || l.Life != 0 {
					t.Error(l)
				}
				return nil, c.happened
			})
			step(h, history.QueueInput{Op: history.Restart}, nil)
			step(h, take, got(1, false))
			if c.seen {
				step(h, take, got(2, false))
			} else {
				step(h, take, empty)
			}
			require(t, h, history.Queue(), c.right)
		})
	}
}

func TestLog(t *testing.T) {
	add := func(m uint32, n int) history.LogInput {
		return history.LogInput{Log: "l", Op: history.Append, Message: m, Count: n}
	}
	read := func(from int64) history.LogInput {
		return history.LogInput{Log: "l", Op: history.Read, From: from}
	}
	end := history.LogInput{Log: "l", Op: history.End}
	at := func(first int64, m ...uint32) history.LogOutput {
		return history.LogOutput{First: first, Messages: m}
	}
	for name, c := range map[string]struct {
		right bool
		steps [][2]any
	}{
		"dense":          {true, [][2]any{{add(1, 2), at(0)}, {add(2, 1), at(2)}, {read(1), at(3, 1, 2)}, {end, at(3)}}},
		"a gap":          {false, [][2]any{{add(1, 2), at(0)}, {add(2, 1), at(3)}}},
		"the same place": {false, [][2]any{{add(1, 2), at(0)}, {add(2, 1), at(0)}}},
		"the end falls":  {false, [][2]any{{add(1, 2), at(0)}, {end, at(1)}}},
		"another record": {false, [][2]any{{add(1, 1), at(0)}, {read(0), at(1, 2)}}},
		"not yet there":  {false, [][2]any{{add(1, 1), at(0)}, {read(0), at(0)}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := history.New()
			for _, s := range c.steps {
				step(h, s[0], s[1])
			}
			require(t, h, history.Log(), c.right)
		})
	}
}

func TestRegister(t *testing.T) {
	in := func(op history.RegisterOp, value, expected int64) history.RegisterInput {
		return history.RegisterInput{Register: "r", Op: op, Value: value, Expected: expected}
	}
	out := func(v int64, swapped bool) history.RegisterOutput {
		return history.RegisterOutput{Value: v, Swapped: swapped}
	}
	for name, c := range map[string]struct {
		right bool
		steps [][2]any
	}{
		"last value":  {true, [][2]any{{in(history.Write, 3, 0), nil}, {in(history.Load, 0, 0), out(3, false)}, {in(history.Next, 0, 0), out(4, false)}}},
		"first value": {true, [][2]any{{in(history.Load, 0, 0), out(-1, false)}, {in(history.Swap, 5, -1), out(0, true)}, {in(history.Load, 0, 0), out(5, false)}}},
		"stale":       {false, [][2]any{{in(history.Write, 3, 0), nil}, {in(history.Write, 4, 0), nil}, {in(history.Load, 0, 0), out(3, false)}}},
		"both swap":   {false, [][2]any{{in(history.Swap, 5, -1), out(0, true)}, {in(history.Swap, 6, -1), out(0, true)}}},
		"same next":   {false, [][2]any{{in(history.Next, 0, 0), out(0, false)}, {in(history.Next, 0, 0), out(0, false)}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := history.New()
			for _, s := range c.steps {
				step(h, s[0], s[1])
			}
			require(t, h, history.Register(-1), c.right)
		})
	}
}

func TestLock(t *testing.T) {
	try := func(user int) history.LockInput { return history.LockInput{Lock: "l", User: user} }
	release := func(user int) history.LockInput {
		return history.LockInput{Lock: "l", User: user, Release: true}
	}
	held, not := history.LockOutput{Held: true}, history.LockOutput{}
	h := history.New()
	for _, s := range [][2]any{{try(0), held}, {try(1), not}, {release(0), nil}, {try(1), held}} {
		step(h, s[0], s[1])
	}
	require(t, h, history.Lock(), true)
	h = history.New()
	step(h, try(0), held)
	step(h, try(1), held)
	require(t, h, history.Lock(), false)
}
