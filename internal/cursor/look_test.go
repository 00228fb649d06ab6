package cursor_test

import (
	"testing"

	"weir/internal/cursor"
	"weir/internal/record"
)

func TestStandings(t *testing.T) {
	c := cursor.New(cursor.Config{MaxLength: -1, MaxBytes: -1, Lanes: 3, LeaseTimeout: 1000})
	for o, a := range []cursor.Attributes{{}, {Priority: 2}, {Due: 50}, {}, {}, {Priority: 1}} {
		c.Append(record.Offset(o), a)
	}
	if err := c.Attach(1, cursor.AttachOptions{Pull: true}); err != nil {
		t.Fatal(err)
	}
	c.Settle(0, 1)
	c.Bury(3)
	want := func(all ...cursor.Standing) {
		t.Helper()
		for o, w := range all {
			if got := c.Standing(record.Offset(o)); got != w {
				t.Errorf("%d is %v, want %v", o, got, w)
			}
		}
	}
	want(cursor.Settled, cursor.Ready, cursor.Delayed, cursor.Dead, cursor.Ready, cursor.Ready, cursor.Settled)
	for _, o := range []record.Offset{1, 4, 5} {
		if !c.Lease(o, 1, 0) {
			t.Fatalf("%d not leased", o)
		}
	}
	c.SettleLocal(1, 4, 5)
	want(cursor.Settled, cursor.Leased, cursor.Delayed, cursor.Dead, cursor.Held, cursor.Leased)
	if !c.Unlease(1, 5) || c.Unlease(1, 5) || c.Unlease(2, 1) || !c.Unlease(1, 1) {
		t.Error("unlease")
	}
	want(cursor.Settled, cursor.Ready, cursor.Delayed, cursor.Dead, cursor.Held, cursor.Ready)
	if c.Redelivered(5) || c.Count(5) != 0 || c.Counts().Leased != 0 {
		t.Error("a lease that was taken back left a trace")
	}
	if o, ok := c.Peek(0); !ok || o != 1 {
		t.Errorf("next is %d, %v: not where it was", o, ok)
	}
	if again := c.LeaseTimeouts(2000, nil); len(again) != 0 {
		t.Errorf("timed out: %v", again)
	}
}
