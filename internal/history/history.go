package history

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Model is what a history is checked against.
type Model = porcupine.Model

// checkTimeout bounds a check. It is far beyond what histories of some hundred
// operations by a handful of clients take.
const checkTimeout = time.Minute

// The errors of Check.
var (
	// ErrViolated says that no order of the operations explains the answers.
	ErrViolated = errors.New("no order of the operations explains the answers")
	// ErrUndecided says that the check took too long.
	ErrUndecided = errors.New("the history is too large to be checked")
	// ErrUnsettled says that operations have no answer: Crash and Settle come first.
	ErrUnsettled = errors.New("some operations have no answer")
)

// History is what clients asked and were told, in the order in which it happened.
// It may be used by several goroutines.
type History struct {
	mu     sync.Mutex
	events []porcupine.Event
	next   int
	life   int
	open   map[int]*Operation // not told yet
	unsure map[int]*Operation // told, and a crash may undo it
	lost   map[int]*Operation // of these a crash came first
}

// Operation is one question of a client.
type Operation struct {
	history *History
	id      int
	client  int
	life    int
	input   any
	late    any // told after the crash
}

// Lost is an operation without an answer, or with one that a crash may have undone.
type Lost struct {
	Input any
	Late  any // what was told after the crash, or nil
	Life  int // from 0
}

// Life is the time between two crashes, numbered from 0.
type Life struct {
	history *History
	number  int
}

// Over says that a crash has come.
func (l Life) Over() bool { return l.history.Life() != l }

// New returns an empty history.
func New() *History {
	return &History{open: map[int]*Operation{}, unsure: map[int]*Operation{}, lost: map[int]*Operation{}}
}

// Life returns the present life.
func (h *History) Life() Life {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Life{h, h.life}
}

// Begin says that a client, numbered from 0, is about to ask. It returns nil when
// the life is over: the client may not ask.
func (l Life) Begin(client int, input any) *Operation {
	h := l.history
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life != l.number {
		return nil
	}
	o := &Operation{history: h, id: h.next, client: client, life: l.number, input: input}
	h.next++
	h.open[o.id] = o
	h.events = append(h.events, porcupine.Event{ClientId: client, Kind: porcupine.CallEvent, Value: input, Id: o.id})
	return o
}

// End says what the client was told. After a crash it was told too late, and only
// Settle learns of it.
func (o *Operation) End(output any) {
	h := o.history
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open[o.id] == nil {
		o.late = output
		return
	}
	delete(h.open, o.id)
	h.events = append(h.events, porcupine.Event{ClientId: o.client, Kind: porcupine.ReturnEvent, Value: output, Id: o.id})
}

// EndUnsure is End of what a crash may undo until Sure is called.
func (o *Operation) EndUnsure(output any) {
	h := o.history
	h.mu.Lock()
	if h.open[o.id] != nil {
		h.unsure[o.id] = o
	}
	h.mu.Unlock()
	o.End(output)
}

// Sure says that no crash will undo the operation any more.
func (o *Operation) Sure() {
	o.history.mu.Lock()
	defer o.history.mu.Unlock()
	delete(o.history.unsure, o.id)
}

// Crash ends the life and what is open in it. Nothing begins or ends while cut
// runs, which takes away what the crash takes away.
func (h *History) Crash(cut func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	cut()
	h.life++
	for id := range h.next {
		if o := h.open[id]; o != nil {
			h.lost[id] = o
			h.events = append(h.events, porcupine.Event{ClientId: o.client, Kind: porcupine.ReturnEvent, Id: id})
		}
	}
	clear(h.open)
	maps.Copy(h.lost, h.unsure)
	clear(h.unsure)
}

// Len returns how many operations were begun.
func (h *History) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.next
}

// Settle decides about the operations a crash left without an answer: what they
// would have been told, or that they did not happen. What happened did so before
// the crash.
func (h *History) Settle(decide func(l Lost) (output any, happened bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	outputs := map[int]any{}
	gone := map[int]bool{}
	for id, o := range h.lost {
		if output, happened := decide(Lost{o.input, o.late, o.life}); happened {
			outputs[id] = output
		} else {
			gone[id] = true
		}
	}
	kept := h.events[:0]
	for _, e := range h.events {
		if gone[e.Id] {
			continue
		}
		if output, ok := outputs[e.Id]; ok && e.Kind == porcupine.ReturnEvent {
			e.Value = output
		}
		kept = append(kept, e)
	}
	h.events = kept
	clear(h.lost)
}

// Check compares the history with a model. On a violation the history is drawn
// into file, an HTML page.
func (h *History) Check(m Model, file string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.open)+len(h.unsure)+len(h.lost) > 0 {
		return ErrUnsettled
	}
	result, info := porcupine.CheckEventsVerbose(m, h.events, checkTimeout)
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return ErrUndecided
	default:
	}
	f, err := os.Create(file)
	if err != nil {
		return errors.Join(ErrViolated, err)
	}
	err = porcupine.Visualize(m, info, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(ErrViolated, err)
	}
	return fmt.Errorf("%w: see %s", ErrViolated, file)
}
