package wal_test

import (
	"testing"

	"weir/internal/frugal"
	"weir/internal/record"
	"weir/internal/vfs"
	"weir/internal/wal"
)

// What an append allocates belongs to its group: twenty records share it.
func TestAppendBudget(t *testing.T) {
	w, err := wal.Open(wal.Options{FS: vfs.NewMem(), Dir: "wal", FileBytes: 16 << 20, Manual: true}, nil)
	must(t, err)
	index := record.Index(0)
	one := []wal.Record{{Kind: 1, Shard: 1, Incarnation: 1, Term: 1, Payload: make([]byte, 100)}}
	done := func(err error) { must(t, err) }
	frugal.Budget(t, 200, 0.5, func() {
		for range 10 {
			for range 20 {
				index++
				one[0].Index = index
				w.Append(one, done)
			}
			for w.Step() {
			}
		}
	})
	must(t, w.Close())
}
