package replica

import (
	"log/slog"
	"testing"

	"weir/internal/frugal"
	"weir/internal/record"
	"weir/internal/wal"
)

// FuzzOpen opens a group from a checkpoint's state and two records of the log.
func FuzzOpen(f *testing.F) {
	f.Add(uint64(5), uint64(1), State{HardTerm: 1, ConfState: []byte{8, 1}}.Encode(), uint8(KindEntry), uint64(6), []byte("entry"), uint8(KindHardState), uint64(0), make([]byte, 16))
	f.Add(uint64(0), uint64(0), make([]byte, 16), uint8(KindEntry), uint64(2), []byte{}, uint8(KindConfChange), uint64(3), []byte{8, 1})
	f.Fuzz(func(t *testing.T, index, term uint64, state []byte, kind1 uint8, index1 uint64, payload1 []byte, kind2 uint8, index2 uint64, payload2 []byte) {
		frugal.Check(t, len(state)+len(payload1)+len(payload2), 0, func() {
			s, err := DecodeState(record.Index(index), record.Term(term), state)
			if err != nil {
				return
			}
			_, _ = Open(Config{NodeID: 1, Log: slog.New(slog.DiscardHandler), State: s, Entries: []wal.Record{
				{Kind: kind1, Index: record.Index(index1), Term: record.Term(term), Payload: payload1},
				{Kind: kind2, Index: record.Index(index2), Term: record.Term(term), Payload: payload2},
			}})
		})
	})
}
