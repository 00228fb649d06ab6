package shard

import (
	"testing"

	"weir/internal/frugal"
	"weir/internal/record"
)

// An entry is encoded into memory that is there, and its commands are walked
// through in place.
func TestEntryBudget(t *testing.T) {
	logs, body := []record.LogID{1, 2}, make([]byte, 100)
	b := make([]byte, 0, 64<<10)
	e := record.Envelope{Dialect: record.DialectAMQP091, Timestamp: 1, Body: 100}
	frugal.Budget(t, 100, 0, func() {
		b = BeginEntry(b[:0], 5)
		for i := range record.Offset(100) {
			b = record.Append(AppendMessage(b, logs), &e, body)
			b = appendRange(b, commandSettle, 1, 0, i, i+1)
		}
		var c command
		for p := entryHeaderBytes; p < len(b); {
			next, err := c.next(b, p)
			if err != nil {
				t.Fatal(err)
			}
			p = next
		}
	})
}
