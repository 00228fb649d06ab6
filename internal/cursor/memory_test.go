package cursor_test

import (
	"math"
	"runtime"
	"testing"
	"unsafe"

	"weir/internal/cursor"
	"weir/internal/record"
)

// unlimited is a queue without limits.
func unlimited() cursor.Config { return cursor.Config{MaxLength: -1, MaxBytes: -1} }

// heapOf returns the bytes that what build returns keeps alive: the least of a
// few looks, for the runtime itself allocates now and then.
func heapOf(build func() any) int64 {
	least := int64(math.MaxInt64)
	for range 3 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		kept := build()
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(kept)
		least = min(least, int64(after.HeapAlloc)-int64(before.HeapAlloc))
	}
	return least
}

func TestIdleQueueIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(cursor.Settling{}); size >= 400 {
		t.Errorf("an idle queue takes %d bytes", size)
	}
}

func TestTrimmedQueueIsSmall(t *testing.T) {
	const queues = 200
	got := heapOf(func() any {
		list := make([]*cursor.Settling, queues)
		for i := range list {
			s := cursor.New(unlimited())
			s.Attach(1, cursor.AttachOptions{})
			s.SetCredit(1, 10)
			for o := range record.Offset(2000) {
				s.Append(o, cursor.Attributes{Bytes: 10, Expiry: 5000})
			}
			for lo, hi, ok := s.PeekRange(1, 100); ok; lo, hi, ok = s.PeekRange(1, 100) {
				s.LeaseRange(lo, hi, 1, 1)
			}
			s.Detach(1, nil)
			s.Settle(0, 2000)
			s.Trim()
			list[i] = s
		}
		return list
	})
	if each := got / queues; each > 1500 {
		t.Errorf("a queue that was used and trimmed takes %d bytes", each)
	}
}

// TestLongTimersDoNotPileUp settles messages long before their expiry, and
// leases long before their timeout.
func TestLongTimersDoNotPileUp(t *testing.T) {
	config := unlimited()
	config.LeaseTimeout = 1 << 40
	got := heapOf(func() any {
		s := cursor.New(config)
		s.Attach(1, cursor.AttachOptions{})
		s.Attach(2, cursor.AttachOptions{})
		s.SetCredit(1, 1<<40)
		s.SetCredit(2, 1<<40)
		for o := range record.Offset(300_000) {
			s.Append(o, cursor.Attributes{Expiry: 1 << 41})
			id, _ := s.Pick()
			s.Lease(o, id, int64(o))
			switch o % 300 {
			case 298: // one settled without a word of its consumer
				s.Settle(o, o+1)
			case 299:
				for id := range cursor.ConsumerID(3) {
					s.SettleLocal(id, o-299, o+1)
				}
				s.Settle(o-299, o+1)
			}
		}
		return s
	})
	if got > 256<<10 {
		t.Errorf("an empty queue keeps %d bytes", got)
	}
}

// TestBacklogIsBits holds a million messages in every third offset.
func TestBacklogIsBits(t *testing.T) {
	got := heapOf(func() any {
		s := cursor.New(unlimited())
		for o := range record.Offset(3_000_000) {
			s.Append(o, cursor.Attributes{Bytes: 10})
		}
		for o := record.Offset(0); o < 3_000_000; o += 3 {
			s.Settle(o, o+2)
		}
		return s
	})
	if bits := got * 8 / 1_000_000; bits > 24 {
		t.Errorf("a message of a backlog takes %d bits", bits)
	}
	contiguous := heapOf(func() any {
		s := cursor.New(unlimited())
		for o := range record.Offset(3_000_000) {
			s.Append(o, cursor.Attributes{})
		}
		return s
	})
	if contiguous > 4096 {
		t.Errorf("a backlog without gaps takes %d bytes", contiguous)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	config := unlimited()
	config.MaxBytes = 1 << 40
	config.Lanes = 5
	config.RatePerSecond = 1e12
	config.LeaseTimeout = 1000
	s := cursor.New(config)
	s.Attach(1, cursor.AttachOptions{})
	s.SetCredit(1, 1<<40)
	o := record.Offset(0)
	allocs := testing.AllocsPerRun(20, func() {
		for range 10_000 {
			s.Append(o, cursor.Attributes{Priority: uint8(o % 5), Bytes: 10, Expiry: int64(o) + 1000})
			s.Expired(int64(o), nil)
			next, _ := s.Peek(int64(o))
			id, _ := s.Pick()
			s.Lease(next, id, int64(o))
			s.LeaseTimeouts(int64(o), nil)
			s.SettleLocal(id, next, next+1)
			s.Settle(next, next+1)
			o++
		}
	})
	if allocs > 2 {
		t.Errorf("%v allocations in ten thousand messages", allocs)
	}
}
