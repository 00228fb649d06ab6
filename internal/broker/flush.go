package broker

import (
	"errors"
	"fmt"
	"time"

	"weir/internal/checkpoint"
	"weir/internal/record"
	"weir/internal/replica"
	"weir/internal/shard"
	"weir/internal/store"
	"weir/internal/vfs"
)

const (
	// flushBytes of applied entries make a flush due. It bounds what a restart
	// replays per shard.
	flushBytes = 128 << 20
	// flushRetry is the wait after a flush that found the disk full.
	flushRetry = time.Second
	// relievePeriod is the least time between checkpoints made only because the
	// disk is nearly full, in milliseconds.
	relievePeriod = 100
)

// maybeFlush begins a flush when enough was applied since the last one, the tail
// is over its budget, or the write-ahead log waits for this shard.
func (h *host) maybeFlush() {
	if h.flushing || h.group == nil || !h.leading {
		return
	}
	budget := h.engine.tailBudget()
	switch {
	case h.sinceFlush >= flushBytes:
	case h.machine.TailBytes() >= budget && h.sinceFlush >= budget/8:
	case h.log.Applied() > h.flushed && (h.engine.walCrowded() || h.shelf.DoomedBytes() >= flushBytes):
	case h.log.Applied() > h.flushed && !h.engine.wal.Roomy() && h.machine.Now() >= h.relieveAt:
		// What was consumed since the last checkpoint may free log files.
	default:
		return
	}
	h.relieveAt = h.machine.Now() + relievePeriod
	h.flush(nil)
}

// flush begins moving wanted messages to the shelf and writing a checkpoint. then
// runs on the shard's goroutine at its end.
func (h *host) flush(then func(err error)) {
	state, err := h.group.State()
	if err != nil {
		h.engine.fail(err)
		return
	}
	h.flushing, h.flushed, h.sinceFlush = true, state.Index, 0
	f := h.machine.BeginFlush()
	name := h.shelf.NextName()
	h.engine.jobs.Go(func() {
		err := h.runFlush(f, state, name)
		h.submit(nil, []op{{kind: opCall, call: func(*shard.Machine) { h.endFlush(f, err, then) }}})
	})
}

// runFlush is the part off the shard's goroutine.
func (h *host) runFlush(f *shard.Flush, state replica.State, name string) error {
	var written *store.Written
	var err error
	if !f.Empty() {
		if written, err = h.shelf.Write(name, f.Fill); err != nil {
			return err
		}
	}
	var shelved error
	if !h.call(func(m *shard.Machine) { shelved = m.Shelve(f, written) }) {
		return errClosed
	}
	if shelved != nil {
		return shelved
	}
	if err := h.engine.writeCheckpoint(h.id, state, f.Changes); err != nil {
		return err
	}
	return h.shelf.Remove(f.Gone())
}

var errClosed = errors.New("broker: closed")

// endFlush runs on the shard's goroutine.
func (h *host) endFlush(f *shard.Flush, err error, then func(err error)) {
	switch {
	case err == nil:
		h.flushing = false
		h.machine.Evict(h.engine.tailBudget() / 2)
		h.rewrite()
	case errors.Is(err, vfs.ErrFull):
		// The disk is full: publishers are pushed back by the write-ahead log's
		// own lack of room; what is consumed meanwhile makes the next try smaller.
		h.machine.Abandon(f)
		h.sinceFlush = flushBytes
		h.clock.AfterFunc(flushRetry, func() {
			h.submit(nil, []op{{kind: opCall, call: func(*shard.Machine) { h.flushing = false }}})
		})
	case errors.Is(err, errClosed):
	default:
		h.engine.fail(fmt.Errorf("shard %d: flush: %w", h.id, err))
	}
	if then != nil {
		then(err)
	}
}

// rewrite begins copying the wanted messages out of files that are mostly dead.
func (h *host) rewrite() {
	if h.rewriting {
		return
	}
	j := h.shelf.PlanRewrite()
	if j == nil {
		return
	}
	h.rewriting = true
	h.machine.Wanted(j)
	h.engine.jobs.Go(func() {
		written, err := h.shelf.Run(j)
		h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
			h.rewriting = false
			if err == nil {
				err = h.shelf.Put(written, m.WantedCount)
			}
			if err != nil {
				h.shelf.Abandon(j)
				if !errors.Is(err, vfs.ErrFull) {
					h.engine.unread(fmt.Errorf("shard %d: rewrite: %w", h.id, err))
				}
			}
		}}})
	})
}

// writeCheckpoint makes a shard's checkpoint durable and lets the write-ahead log
// go of what it covers.
func (e *engine) writeCheckpoint(id record.ShardID, state replica.State, changes func(put func(k, v []byte), del func(k []byte))) error {
	c := e.checkpoints[id]
	meta := checkpoint.Meta{
		Shard: id, Incarnation: incarnation, Index: state.Index, Term: state.Term, Vote: state.HardVote,
		ConfState: state.Encode(),
	}
	err := c.Write(meta, changes)
	if errors.Is(err, vfs.ErrFull) {
		if err = e.ballast.drop(); err == nil {
			err = c.Write(meta, changes)
		}
	}
	if err != nil {
		return err
	}
	e.wal.Release(id, state.Index)
	_, err = c.Compact()
	if errors.Is(err, vfs.ErrFull) {
		return nil // the deltas stand; a later call compacts them
	}
	return err
}
