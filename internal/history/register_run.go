package history

import (
	"math/rand/v2"
	"sync"
)

// RegisterClient is one client of a register. Its methods return when what they do
// is durable.
type RegisterClient interface {
	Write(value int64) error
	Load() (int64, error)
}

// RegisterRun is what clients do with one register at random. No value is written
// twice; they begin with 1.
type RegisterRun struct {
	History  *History
	Register string
	Seed     uint64

	mu   sync.Mutex
	next int64
	seen map[int64]bool // values a client was told
}

// Live lets the clients work, each on a goroutine of its own, until each has taken
// its steps or the life is over.
func (r *RegisterRun) Live(clients []RegisterClient, steps int) error {
	life := r.History.Life()
	return live(life, len(clients), func(i int) error {
		rng := rand.New(rand.NewPCG(r.Seed, uint64(life.number*1000+i)))
		for range steps {
			var err error
			if rng.IntN(2) == 0 {
				err = r.load(life, i, clients[i])
			} else {
				err = r.write(life, i, clients[i])
			}
			if err != nil || life.Over() {
				return err
			}
		}
		return nil
	})
}

// Restarted looks at the register. It comes after every restart: which of the
// writes that have no answer happened is known only until the next one.
func (r *RegisterRun) Restarted(c RegisterClient) error {
	if err := r.load(r.History.Life(), 0, c); err != nil {
		return err
	}
	r.History.Settle(func(l Lost) (any, bool) {
		in := l.Input.(RegisterInput)
		return nil, in.Op == Write && r.seen[in.Value]
	})
	return nil
}

func (r *RegisterRun) write(life Life, client int, c RegisterClient) error {
	r.mu.Lock()
	r.next++
	value := r.next
	r.mu.Unlock()
	o := life.Begin(client, RegisterInput{Register: r.Register, Op: Write, Value: value})
	if o == nil {
		return nil
	}
	err := c.Write(value)
	if err == nil {
		o.End(nil)
	}
	return err
}

func (r *RegisterRun) load(life Life, client int, c RegisterClient) error {
	o := life.Begin(client, RegisterInput{Register: r.Register, Op: Load})
	if o == nil {
		return nil
	}
	value, err := c.Load()
	if err != nil {
		return err
	}
	o.End(RegisterOutput{Value: value})
	if life.Over() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[int64]bool{}
	}
	r.seen[value] = true
	return nil
}
