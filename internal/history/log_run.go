package history

import (
	"math/rand/v2"
	"sync"
)

// LogClient is one client of a log.
type LogClient interface {
	// Append returns the place of the first of count messages when they are durable.
	Append(message uint32, count int) (first int64, err error)
	// Read returns the numbers of some messages from a place on, none beyond the
	// end, and the end.
	Read(from int64) (LogOutput, error)
	End() (int64, error)
}

// LogRun is what clients do with one log at random.
type LogRun struct {
	History *History
	Log     string
	Seed    uint64

	mu    sync.Mutex
	next  uint32
	place map[uint32]int64 // where messages were found at the end
}

// Live lets the clients work, each on a goroutine of its own, until each has taken
// its steps or the life is over.
func (r *LogRun) Live(clients []LogClient, steps int) error {
	life := r.History.Life()
	return live(life, len(clients), func(i int) error {
		w := logWorker{run: r, life: life, number: i, client: clients[i], rng: rand.New(rand.NewPCG(r.Seed, uint64(life.number*1000+i)))}
		for range steps {
			if err := w.step(); err != nil || life.Over() {
				return err
			}
		}
		return nil
	})
}

// Drain reads all there is and settles what has no answer. It comes after a crash.
func (r *LogRun) Drain(c LogClient) error {
	w := logWorker{run: r, life: r.History.Life(), client: c}
	r.place = map[uint32]int64{}
	for at := int64(0); ; {
		out, err := w.read(at)
		if err != nil {
			return err
		}
		if len(out.Messages) == 0 {
			break
		}
		for i, m := range out.Messages {
			if _, ok := r.place[m]; !ok {
				r.place[m] = at + int64(i)
			}
		}
		at += int64(len(out.Messages))
	}
	r.History.Settle(r.decide)
	return nil
}

// decide says whether an operation without an answer happened. What only looks
// needs no explanation where nobody was told.
func (r *LogRun) decide(l Lost) (any, bool) {
	in := l.Input.(LogInput)
	first, found := r.place[in.Message]
	return LogOutput{First: first}, in.Op == Append && found
}

// logWorker drives one client in one life.
type logWorker struct {
	run    *LogRun
	life   Life
	number int
	client LogClient
	rng    *rand.Rand
	end    int64 // as far as this client was told
}

// blobMax is the most messages an append has.
const blobMax = 3

func (w *logWorker) step() error {
	switch w.rng.IntN(5) {
	case 0, 1:
		return w.add()
	case 2:
		o := w.life.Begin(w.number, LogInput{Log: w.run.Log, Op: End})
		if o == nil {
			return nil
		}
		end, err := w.client.End()
		if err != nil {
			return err
		}
		w.end = max(w.end, end)
		o.End(LogOutput{First: end})
		return nil
	}
	_, err := w.read(w.rng.Int64N(w.end + 1))
	return err
}

func (w *logWorker) add() error {
	w.run.mu.Lock()
	w.run.next++
	message := w.run.next
	w.run.mu.Unlock()
	count := 1 + w.rng.IntN(blobMax)
	o := w.life.Begin(w.number, LogInput{Log: w.run.Log, Op: Append, Message: message, Count: count})
	if o == nil {
		return nil
	}
	first, err := w.client.Append(message, count)
	if err != nil {
		return err
	}
	w.end = max(w.end, first+int64(count))
	o.End(LogOutput{First: first})
	return nil
}

func (w *logWorker) read(from int64) (LogOutput, error) {
	o := w.life.Begin(w.number, LogInput{Log: w.run.Log, Op: Read, From: from})
	if o == nil {
		return LogOutput{}, nil
	}
	out, err := w.client.Read(from)
	if err != nil {
		return out, err
	}
	w.end = max(w.end, out.First)
	o.End(out)
	return out, nil
}
