package cursor_test

import (
	"testing"

	"weir/internal/cursor"
	"weir/internal/record"
)

func BenchmarkSetSlide(b *testing.B) {
	var s cursor.Set
	b.ReportAllocs()
	for o := record.Offset(0); b.Loop(); o++ {
		s.Add(o + 3000)
		s.Remove(o)
	}
}

func BenchmarkSetStuck(b *testing.B) {
	var s cursor.Set
	s.Add(0)
	b.ReportAllocs()
	for o := record.Offset(1); b.Loop(); o++ {
		s.Add(o + 3000)
		s.Remove(o)
	}
}

// message is the whole life of a message, one by one, behind a backlog.
func benchmarkMessage(b *testing.B, c cursor.Config, a cursor.Attributes, backlog record.Offset) {
	s := cursor.New(c)
	if err := s.Attach(1, cursor.AttachOptions{}); err != nil {
		b.Fatal(err)
	}
	s.SetCredit(1, 1<<62)
	for o := range backlog {
		s.Append(o, a)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for o := backlog; b.Loop(); o++ {
		s.Append(o, a)
		next, _ := s.Peek(1)
		id, _ := s.Pick()
		s.Lease(next, id, 1)
		s.SettleLocal(id, next, next+1)
		s.Settle(next, next+1)
	}
}

func BenchmarkMessage(b *testing.B) {
	none := unlimited()
	sized := cursor.Attributes{Bytes: 100}
	b.Run("plain", func(b *testing.B) { benchmarkMessage(b, none, cursor.Attributes{}, 0) })
	b.Run("bytes", func(b *testing.B) { benchmarkMessage(b, none, sized, 0) })
	b.Run("backlog", func(b *testing.B) { benchmarkMessage(b, none, sized, 1e6) })
	exact := none
	exact.MaxBytes = 1 << 40
	b.Run("exact", func(b *testing.B) { benchmarkMessage(b, exact, sized, 5000) })
	ttl := cursor.Attributes{Bytes: 100, Expiry: 1000}
	b.Run("ttl", func(b *testing.B) { benchmarkMessage(b, none, ttl, 5000) })
	lanes := none
	lanes.Lanes = 10
	urgent := cursor.Attributes{Bytes: 100, Priority: 5}
	b.Run("lanes", func(b *testing.B) { benchmarkMessage(b, lanes, urgent, 5000) })
	aged := none
	aged.LeaseTimeout = 1000
	b.Run("timeout", func(b *testing.B) { benchmarkMessage(b, aged, sized, 5000) })
}

func BenchmarkMessageInFlight(b *testing.B) {
	s := cursor.New(unlimited())
	for id := range cursor.ConsumerID(10) {
		s.Attach(id, cursor.AttachOptions{})
		s.SetCredit(id, 100)
	}
	ids := make([]cursor.ConsumerID, 1<<10)
	b.ReportAllocs()
	for o := record.Offset(0); b.Loop(); o++ {
		s.Append(o, cursor.Attributes{Bytes: 100})
		next, _ := s.Peek(1)
		id, _ := s.Pick()
		s.Lease(next, id, 1)
		ids[next&1023] = id
		if old := o - 900; o >= 900 {
			id := ids[old&1023]
			s.SettleLocal(id, old, old+1)
			s.Credit(id, 1)
			s.Settle(old, old+1)
		}
	}
}

func BenchmarkRangeOf100(b *testing.B) {
	s := cursor.New(unlimited())
	s.Attach(1, cursor.AttachOptions{})
	s.SetCredit(1, 1<<62)
	b.ReportAllocs()
	for o := record.Offset(0); b.Loop(); o += 100 {
		for i := range record.Offset(100) {
			s.Append(o+i, cursor.Attributes{Bytes: 100})
		}
		for lo, hi, ok := s.PeekRange(1, 100); ok; lo, hi, ok = s.PeekRange(1, 100) {
			s.LeaseRange(lo, hi, 1, 1)
			s.SettleLocal(1, lo, hi)
			s.Settle(lo, hi)
		}
	}
}
