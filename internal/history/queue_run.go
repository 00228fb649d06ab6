package history

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// QueueClient is one client of a queue. Its methods return when what they do is in
// effect, which for Done need not be durable.
type QueueClient interface {
	// Put returns when the message is confirmed.
	Put(message uint32) error
	Take() (QueueOutput, error)
	Done(message uint32) error
	Back(message uint32) error
}

// QueueRun is what clients do with one queue at random.
type QueueRun struct {
	History *History
	Queue   string
	Seed    uint64

	mu      sync.Mutex
	next    uint32
	backlog int            // messages put and not done, as far as is known
	seen    map[uint32]int // message → 1 + the last life in which a client was told of it
}

// Live lets the clients work, each on a goroutine of its own, until each has taken
// its steps or the life is over. Every life but the first begins with a restart.
func (r *QueueRun) Live(clients []QueueClient, steps int) error {
	life := r.begin()
	return live(life, len(clients), func(i int) error {
		w := queueWorker{run: r, life: life, number: i, clients: len(clients), client: clients[i], rng: rand.New(rand.NewPCG(r.Seed, uint64(life.number*1000+i)))}
		return w.work(steps)
	})
}

func (r *QueueRun) begin() Life {
	life := r.History.Life()
	if life.number > 0 {
		life.Begin(0, QueueInput{Op: Restart}).End(nil)
	}
	return life
}

// live runs count workers and returns the first error of a life that is not over.
func live(life Life, count int, work func(i int) error) error {
	errs := make(chan error, count)
	for i := range count {
		go func() { errs <- work(i) }()
	}
	var first error
	for range count {
		if err := <-errs; err != nil && first == nil && !life.Over() {
			first = err
		}
	}
	return first
}

// Drain takes all that is left and settles what has no answer. It comes after a
// crash.
func (r *QueueRun) Drain(c QueueClient) error {
	w := queueWorker{run: r, life: r.begin(), client: c}
	for empty := false; !empty; {
		var err error
		if empty, err = w.take(); err != nil {
			return err
		}
	}
	r.History.Settle(r.decide)
	return nil
}

// decide says whether an operation without an answer happened.
func (r *QueueRun) decide(l Lost) (any, bool) {
	in := l.Input.(QueueInput)
	switch in.Op {
	case Put:
		return nil, r.seen[in.Message] > 0
	case Take:
		// A lease matters to those who took what stands behind it. A message that
		// nobody was told of was never there.
		out, told := l.Late.(QueueOutput)
		out.late = true
		return out, told && (out.Empty || r.seen[out.Message] > 0)
	case Done:
		return nil, r.seen[in.Message] <= l.Life+1
	case Back, Restart:
	}
	return nil, true
}

// queueWorker drives one client in one life.
type queueWorker struct {
	run     *QueueRun
	life    Life
	number  int
	client  QueueClient
	rng     *rand.Rand
	clients int // in this life
	leased  []uint32
	done    []*Operation // in effect, but not known to be durable
}

// Each client holds few messages, and few are ready. Puts at the same time may have
// any order; a check that learns only much later which it was takes for ever.
const (
	leasesMax = 2
	readyMax  = 3
)

func (w *queueWorker) work(steps int) error {
	for range steps {
		if w.life.Over() {
			return nil
		}
		var err error
		switch n := w.rng.IntN(10); {
		case n < 4 && w.mayPut():
			err = w.put()
		case n < 7 && len(w.leased) < leasesMax || len(w.leased) == 0:
			_, err = w.take()
		default:
			err = w.settle()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mayPut counts a message that is about to be put, if there is room for it.
func (w *queueWorker) mayPut() bool {
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	if w.run.backlog >= w.clients*leasesMax+readyMax {
		return false
	}
	w.run.backlog++
	return true
}

// put puts a message. What was done before stands in front of it in the log, and
// is as durable when it is confirmed.
func (w *queueWorker) put() error {
	w.run.mu.Lock()
	w.run.next++
	message := w.run.next
	w.run.mu.Unlock()
	o := w.life.Begin(w.number, QueueInput{w.run.Queue, Put, message})
	if o == nil {
		return nil
	}
	if err := w.client.Put(message); err != nil {
		return err
	}
	o.End(nil)
	for _, d := range w.done {
		d.Sure()
	}
	w.done = w.done[:0]
	return nil
}

func (w *queueWorker) take() (empty bool, err error) {
	o := w.life.Begin(w.number, QueueInput{Queue: w.run.Queue, Op: Take})
	if o == nil {
		return true, nil
	}
	out, err := w.client.Take()
	if err != nil {
		return true, err
	}
	o.End(out)
	if out.Empty {
		return true, nil
	}
	w.leased = append(w.leased, out.Message)
	if w.life.Over() {
		return false, nil
	}
	w.run.mu.Lock()
	defer w.run.mu.Unlock()
	if w.run.seen == nil {
		w.run.seen = map[uint32]int{}
	}
	w.run.seen[out.Message] = w.life.number + 1
	return false, nil
}

func (w *queueWorker) settle() error {
	i := w.rng.IntN(len(w.leased))
	message := w.leased[i]
	in := QueueInput{w.run.Queue, Done, message}
	if w.rng.IntN(3) == 0 {
		in.Op = Back
	}
	o := w.life.Begin(w.number, in)
	if o == nil {
		return nil
	}
	w.leased = slices.Delete(w.leased, i, i+1)
	if in.Op == Back {
		if err := w.client.Back(message); err != nil {
			return err
		}
		o.End(nil)
		return nil
	}
	if err := w.client.Done(message); err != nil {
		return err
	}
	o.EndUnsure(nil)
	w.run.mu.Lock()
	w.run.backlog--
	w.run.mu.Unlock()
	w.done = append(w.done, o)
	return nil
}
