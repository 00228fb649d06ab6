package broker

import (
	"context"
	"time"

	"weir/internal/record"
	"weir/internal/shard"
)

// Redrive moves messages of a queue to other places. Each is stored at its new
// home and settled here in one transaction, so that none is lost and none is
// there twice. What is not moved stays in place and order, and was never
// delivered.
type Redrive struct {
	Queue  string
	Limit  uint64  // of messages to move; 0 is no limit
	Rate   float64 // messages per second at most; 0 is no limit
	DryRun bool    // only tell what would be moved
	// Plan says where a ready message goes, or nil where it stays. Of the
	// Outgoing all slices may alias the record.
	Plan func(d *Delivery) *Outgoing
	// Report is told what became of every message that was to be moved.
	Report func(d *Delivery, o *Outgoing, what Moved)
}

// Moved is what became of a message that was to be moved.
type Moved uint8

// The fates.
const (
	MovedHome  Moved = iota // or would be, in a dry run
	MovedTaken              // a consumer was faster
	MovedLost               // no queue would get it: it stays
)

// Redriven counts messages.
type Redriven struct {
	Looked, Moved, Unroutable, Taken uint64
}

const (
	// redriveMessagesMax are moved in one transaction, and about so many bytes.
	redriveMessagesMax = 64
	redriveBytesMax    = 4 << 20
	// redriveLookMax are looked at together: a look has a price that grows with
	// the queue.
	redriveLookMax = 1024
)

// redriving is one run.
type redriving struct {
	*Redrive
	session *Session
	from    *Attachment
	done    Redriven
	step    int // messages to read at once
}

// Redrive moves what is in the queue now; what comes in meanwhile is left alone.
// It ends early, without an error, when ctx does. A target without room is
// CodeFull: what was moved before stays so.
func (s *Session) Redrive(ctx context.Context, r *Redrive) (Redriven, *Error) {
	a, err := s.pulls.attachment(r.Queue)
	if err != nil {
		return Redriven{}, err
	}
	if q, err := s.Look(r.Queue); err != nil || q.Views != "" {
		if err == nil {
			err = &Error{Code: CodeNotImplemented, Object: ObjectQueue, Name: r.Queue, Space: s.namespace, Text: "a cursor over a topic has nothing to move"}
		}
		return Redriven{}, err
	}
	end, err := s.End(r.Queue)
	if err != nil {
		return Redriven{}, err
	}
	w := &redriving{Redrive: r, session: s, from: a, step: 4}
	for at := record.Offset(0); at < end && ctx.Err() == nil; {
		found, next, err := s.Peek(r.Queue, Position{Offset: at}, w.step)
		if err != nil {
			return w.done, err
		}
		if next == at {
			break
		}
		at = next
		w.pace(found)
		for len(found) > 0 && ctx.Err() == nil {
			before := w.done.Moved
			n, err := w.some(found, end)
			if err != nil || n == 0 {
				return w.done, err
			}
			found = found[n:]
			w.rest(ctx, w.done.Moved-before)
		}
	}
	return w.done, nil
}

// pace reads fewer messages at once while they are large.
func (w *redriving) pace(found []Peeked) {
	bytes := 0
	for i := range found {
		bytes += len(found[i].Record)
	}
	switch {
	case bytes > redriveBytesMax:
		w.step = max(w.step/4, 1)
	case bytes < redriveBytesMax/4:
		most := redriveLookMax
		if w.Rate > 0 { // what is looked at early is no news when its turn comes
			most = min(most, max(int(w.Rate), redriveMessagesMax))
		}
		w.step = min(2*w.step, most)
	}
}

// batch is how many messages may be moved before the next rest: with a rate, what
// a tenth of a second allows.
func (w *redriving) batch() int {
	n := redriveMessagesMax
	if w.Rate > 0 {
		n = max(min(n, int(w.Rate/10)), 1)
	}
	if w.Limit > 0 {
		n = int(min(uint64(n), w.Limit-w.done.Moved))
	}
	return n
}

// moving is a message on its way.
type moving struct {
	d   *Delivery
	out *Outgoing
}

// some moves a batch out of found and returns how many of them it is done with;
// 0 ends the run.
func (w *redriving) some(found []Peeked, end record.Offset) (int, *Error) {
	var plan []moving
	n, batch := 0, w.batch()
	for ; n < len(found) && len(plan) < batch; n++ {
		p := &found[n]
		if p.Offset >= end {
			break
		}
		if p.Standing != Ready {
			continue
		}
		w.done.Looked++
		if out := w.Plan(&p.Delivery); out != nil {
			plan = append(plan, moving{&p.Delivery, out})
		}
	}
	if len(plan) == 0 {
		return n, nil
	}
	return n, w.move(plan)
}

// move moves a batch, or what of it is possible. Where there is no room for all,
// the messages go one by one as far as there is.
func (w *redriving) move(plan []moving) *Error {
	t := w.session.Begin()
	defer t.Abort()
	going := make([]moving, 0, len(plan))
	for _, m := range plan {
		n, err := t.Publish(m.out)
		switch {
		case err != nil && err.Code == CodeTooLarge && len(plan) > 1:
			return w.each(plan)
		case err != nil && err.Code != CodeNotFound:
			return err
		case n == 0:
			w.done.Unroutable++
			w.Report(m.d, m.out, MovedLost)
		default:
			going = append(going, m)
		}
	}
	if w.DryRun {
		for _, m := range going {
			w.moved(m)
		}
		return nil
	}
	if len(going) == 0 {
		return nil
	}
	if taken := w.claim(going); len(taken) > 0 { // what they are in cannot be taken apart
		return w.without(going, taken)
	}
	for _, m := range going {
		t.Settle(w.from, m.d.Offset, m.d.Offset+1, Accept)
	}
	err := t.Commit()
	if err == nil {
		for _, m := range going {
			w.moved(m)
		}
		return nil
	}
	w.unclaim(going)
	if err.Code != CodeFull && err.Code != CodeTooLarge || len(going) == 1 {
		return err
	}
	return w.each(going)
}

// each moves one message at a time.
func (w *redriving) each(all []moving) *Error {
	for _, m := range all {
		if err := w.move([]moving{m}); err != nil {
			return err
		}
	}
	return nil
}

func (w *redriving) moved(m moving) {
	w.done.Moved++
	w.Report(m.d, m.out, MovedHome)
}

// without moves a batch again less the messages that consumers have got.
func (w *redriving) without(going []moving, taken map[record.Offset]bool) *Error {
	w.unclaim(going)
	var left []moving
	for _, m := range going {
		if taken[m.d.Offset] {
			w.done.Taken++
			w.Report(m.d, m.out, MovedTaken)
			continue
		}
		left = append(left, m)
	}
	if len(left) == 0 {
		return nil
	}
	return w.move(left)
}

// claim keeps the messages from consumers. It returns those that are not there
// any more.
func (w *redriving) claim(going []moving) map[record.Offset]bool {
	var taken map[record.Offset]bool
	a := w.from
	a.host.call(func(m *shard.Machine) {
		for _, g := range going {
			if m.Claim(a.log, a.id, g.d.Offset) {
				continue
			}
			if taken == nil {
				taken = map[record.Offset]bool{}
			}
			taken[g.d.Offset] = true
		}
	})
	return taken
}

func (w *redriving) unclaim(going []moving) {
	a := w.from
	a.host.call(func(m *shard.Machine) {
		for _, g := range going {
			m.Unclaim(a.log, a.id, g.d.Offset)
		}
	})
}

// rest keeps to the rate.
func (w *redriving) rest(ctx context.Context, moved uint64) {
	if w.Rate <= 0 || w.DryRun || moved == 0 {
		return
	}
	due := make(chan struct{})
	d := time.Duration(float64(moved) / w.Rate * float64(time.Second))
	timer := w.session.engine.options.Clock.AfterFunc(d, func() { close(due) })
	defer timer.Stop()
	select {
	case <-due:
	case <-ctx.Done():
	}
}
