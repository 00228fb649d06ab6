package broker

import (
	"fmt"

	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/shard"
)

// read serves a machine's request for records from the shelf, off the shard's
// goroutine. Unreadable bytes stop the process: on one node there is no copy to
// repair them from, and they must never be served.
func (e *engine) read(h *host, r shard.Read) {
	e.jobs.Go(func() {
		e.reads <- struct{}{}
		defer func() { <-e.reads }()
		var offsets []record.Offset
		var records [][]byte
		err := h.shelf.Read(r.Log, r.From, r.MaxBytes, func(entry segment.Entry) bool {
			offsets = append(offsets, entry.Offset)
			records = append(records, entry.Record)
			return true
		})
		if err != nil {
			e.fail(fmt.Errorf("shard %d: read log %d at %d: %w", h.id, r.Log, r.From, err))
			return
		}
		h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) { m.Loaded(r, offsets, records) }}})
	})
}
