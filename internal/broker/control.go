package broker

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"weir/internal/meta"
	"weir/internal/record"
	"weir/internal/replica"
	"weir/internal/vfs"
)

// controlShard is the shard of the control state.
const controlShard record.ShardID = 0

// control is the control shard on this node.
type control struct {
	engine *engine
	group  *replica.Group

	// mu guards state for readers; only Apply writes.
	mu    sync.RWMutex
	state *meta.State

	inbox struct {
		sync.Mutex
		requests []*request
		calls    []func()
		closed   bool
	}
	wake      chan struct{}
	done      chan struct{}
	proposals []controlProposal
	sinceSave int64
	saving    bool
	saved     record.Index // of the last checkpoint begun
}

// request is one proposal to the control state and what came of it.
type request struct {
	commands []meta.Command
	results  []meta.Result
	err      *Error
	done     chan struct{}
}

type controlProposal struct {
	key      *byte
	requests []*request
}

func newControl(e *engine) *control {
	return &control{engine: e, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

func (c *control) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// propose applies commands together and waits until they are durable and applied.
func (c *control) propose(commands ...meta.Command) ([]meta.Result, *Error) {
	r := &request{commands: commands, done: make(chan struct{})}
	unavailable := &Error{Code: CodeUnavailable, Text: "shutting down"}
	c.inbox.Lock()
	if c.inbox.closed {
		c.inbox.Unlock()
		return nil, unavailable
	}
	c.inbox.requests = append(c.inbox.requests, r)
	c.inbox.Unlock()
	c.poke()
	select {
	case <-r.done:
		return r.results, r.err
	case <-c.done:
		return nil, unavailable
	}
}

// call runs f on the control goroutine.
func (c *control) call(f func()) {
	c.inbox.Lock()
	c.inbox.calls = append(c.inbox.calls, f)
	c.inbox.Unlock()
	c.poke()
}

func (c *control) loop() {
	defer close(c.done)
	for range c.wake {
		if !c.turn() {
			return
		}
	}
}

// commandsPerEntryMax bounds one entry of the control log.
const commandsPerEntryMax = 1024

func (c *control) turn() bool {
	for {
		c.inbox.Lock()
		if c.inbox.closed {
			c.inbox.Unlock()
			return false
		}
		calls := c.inbox.calls
		c.inbox.calls = nil
		c.inbox.Unlock()
		c.group.Step()
		for _, f := range calls {
			f()
		}
		c.proposeWaiting()
		c.group.Process()
		c.inbox.Lock()
		again := len(c.inbox.calls) > 0 || len(c.inbox.requests) > 0 && !c.group.Busy()
		c.inbox.Unlock()
		if !again {
			c.maybeSave()
			return true
		}
	}
}

func (c *control) proposeWaiting() {
	if c.group.Busy() || !c.group.Leading() {
		return
	}
	c.inbox.Lock()
	n := min(len(c.inbox.requests), commandsPerEntryMax)
	taken := c.inbox.requests[:n:n]
	c.inbox.requests = c.inbox.requests[n:]
	c.inbox.Unlock()
	if n == 0 {
		return
	}
	var all []meta.Command
	for _, r := range taken {
		all = append(all, r.commands...)
	}
	data, err := meta.Encode(all)
	if err == nil {
		err = c.group.Propose(data)
	}
	if err != nil {
		for _, r := range taken {
			r.err = &Error{Code: CodeInternal, Text: err.Error()}
			close(r.done)
		}
		return
	}
	c.proposals = append(c.proposals, controlProposal{&data[0], taken})
}

// Apply implements replica.Machine.
func (c *control) Apply(e replica.Entry) {
	commands, err := meta.Decode(e.Data)
	if err != nil {
		panic("control entry: " + err.Error()) // every node would fail on it alike
	}
	results := make([]meta.Result, len(commands))
	c.mu.Lock()
	for i := range commands {
		results[i] = c.state.Apply(&commands[i])
	}
	c.engine.version.Add(1)
	c.mu.Unlock()
	c.sinceSave += int64(len(e.Data))
	for i := range results {
		c.engine.effects(&results[i].Effects)
	}
	if len(c.proposals) == 0 || c.proposals[0].key != &e.Data[0] {
		return
	}
	p := c.proposals[0]
	c.proposals = c.proposals[1:]
	for _, r := range p.requests {
		r.results, results = results[:len(r.commands)], results[len(r.commands):]
		close(r.done)
	}
}

// lead drives the group until this node leads, at start-up.
func (c *control) lead() {
	for !c.group.Leading() {
		c.group.Step()
		c.group.Process()
		if !c.group.Leading() {
			<-c.wake
		}
	}
	c.poke()
}

// saveBytes is how much control log makes a checkpoint worth it.
const saveBytes = 4 << 20

func (c *control) maybeSave() {
	crowded := c.group.Applied() > c.saved && (c.engine.walCrowded() || !c.engine.wal.Roomy())
	if !c.saving && (c.sinceSave >= saveBytes || crowded) {
		c.save(func() {})
	}
}

// save makes a checkpoint of the control state; then runs on the control
// goroutine when it is durable or has failed for want of room.
func (c *control) save(then func()) {
	type change struct{ key, value []byte }
	var puts []change
	var deletes [][]byte
	c.mu.Lock()
	err := c.state.Changes(func(k, v []byte) { puts = append(puts, change{k, v}) },
		func(k []byte) { deletes = append(deletes, k) })
	c.mu.Unlock()
	if err != nil {
		c.engine.fail(err)
		return
	}
	state, err := c.group.State()
	if err != nil {
		c.engine.fail(err)
		return
	}
	c.saving, c.saved, c.sinceSave = true, state.Index, 0
	go func() {
		err := c.engine.writeCheckpoint(controlShard, state, func(put func(k, v []byte), del func(k []byte)) {
			for _, p := range puts {
				put(p.key, p.value)
			}
			for _, k := range deletes {
				del(k)
			}
		})
		c.call(func() {
			c.saving = false
			if err != nil {
				if !errors.Is(err, vfs.ErrFull) {
					c.engine.fail(fmt.Errorf("control state: checkpoint: %w", err))
				}
				c.saved = 0 // due again when there is room
				c.mu.Lock()
				for _, p := range puts {
					c.state.Redo(p.key)
				}
				for _, k := range deletes {
					c.state.Redo(k)
				}
				c.mu.Unlock()
			}
			then()
		})
	}()
}

func (c *control) close() {
	c.inbox.Lock()
	c.inbox.closed = true
	c.inbox.Unlock()
	c.poke()
	<-c.done
}

// saveNow makes a checkpoint and waits for it, at shutdown.
func (c *control) saveNow(timeout time.Duration) {
	late := make(chan struct{})
	t := c.engine.options.Clock.AfterFunc(timeout, func() { close(late) })
	defer t.Stop()
	done := make(chan struct{})
	c.call(func() {
		if c.saving {
			close(done)
			return
		}
		c.save(func() { close(done) })
	})
	select {
	case <-done:
	case <-c.done:
	case <-late:
		c.engine.options.Log.Warn("no final checkpoint of the control state in time")
	}
}
