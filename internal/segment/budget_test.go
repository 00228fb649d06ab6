package segment_test

import (
	"testing"

	"weir/internal/frugal"
	"weir/internal/record"
	"weir/internal/segment"
)

// What a read of a segment allocates belongs to its blocks, not to its records.
func TestReadBudget(t *testing.T) {
	m := newMem(t)
	r := run{log: 1}
	for i := range record.Offset(1000) {
		r.messages = append(r.messages, makeMessage(i, record.Envelope{Timestamp: 1}, 100))
	}
	_, err := write(m, name, []run{r})
	must(t, err)
	file, err := segment.Open(m, name)
	must(t, err)
	defer file.Close()
	seen := 0
	frugal.Budget(t, 1000, 0.05, func() {
		must(t, file.Read(1, 0, 1<<40, nil, func(segment.Entry) bool { seen++; return true }))
	})
	if seen%1000 != 0 || seen == 0 {
		t.Fatal(seen)
	}
}
