package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// manner is how a queue is consumed during load.
type manner uint8

const (
	steady  manner = iota // one consumer, acknowledging in groups
	shared                // two consumers
	holding               // one consumer that never acknowledges every 97th
	rarely                // one consumer, once there is a backlog
)

// spec is one queue of the topology.
type spec struct {
	name      string
	transient bool
	manner    manner
	producers int
	sizeMax   int
	exchange  string // fanout, shared with other queues; else the default one
}

var topology = []spec{
	{name: "small", producers: 2, sizeMax: 200},
	{name: "large", producers: 1, sizeMax: 300_000},
	{name: "shared", producers: 1, sizeMax: 2000, manner: shared},
	{name: "holes", producers: 1, sizeMax: 500, manner: holding},
	{name: "backlog", producers: 1, sizeMax: 1000, manner: rarely},
	{name: "transient", producers: 1, sizeMax: 200, transient: true},
	{name: "fan-a", producers: 1, sizeMax: 500, exchange: "fan"},
	{name: "fan-b", sizeMax: 500, exchange: "fan", manner: rarely},
}

// world is the clients' side of all lives of a broker.
type world struct {
	o     *options
	label string
	dir   string
	rng   *rand.Rand
	tally tally

	life   int
	quiet  time.Time // when the last life stopped working
	dying  atomic.Bool
	tracks map[string]map[string]*track // queue, producer
	made   map[string]*producer
	kafka  *kafkaWorld
	others []party

	published, acked, confirmed atomic.Int64
	records                     atomic.Int64 // acknowledged to others of Kafka's clients

	mu   sync.Mutex
	errs []error
}

// party is one more kind of client. Its load ends with the context or the broker;
// verify looks at a restarted broker.
type party interface {
	declare(ctx context.Context, p *process) error
	load(ctx context.Context, p *process, running *sync.WaitGroup)
	verify(ctx context.Context, p *process) error
}

func newWorld(o *options, mode string, number int) *world {
	label := fmt.Sprintf("%s-%d", mode, number)
	w := &world{o: o, label: label, dir: filepath.Join(o.dir, label), rng: rand.New(rand.NewPCG(o.seed, uint64(number)+1)), tracks: map[string]map[string]*track{}, made: map[string]*producer{}}
	for _, s := range topology {
		w.tracks[s.name] = map[string]*track{}
	}
	for _, s := range topology {
		for i := range s.producers {
			p := &producer{world: w, name: fmt.Sprintf("%s-%d", s.name, i), spec: s}
			for _, q := range topology {
				if q.name == s.name || s.exchange != "" && q.exchange == s.exchange {
					t := &track{queue: q.name, producer: p.name}
					p.tracks = append(p.tracks, t)
					w.tracks[q.name][p.name] = t
				}
			}
			w.made[p.name] = p
		}
	}
	w.kafka = newKafkaWorld(w)
	w.others = []party{&ledger{world: w}, newLetters(w), newChurn(w), newTopicChurn(w), newCompacted(w), newRolling(w)}
	return w
}

func (w *world) log() string { return w.dir + ".log" }

// print writes one line about the life of the world.
func (w *world) print(format string, args ...any) {
	fmt.Printf("%-8s life %3d: %s\n", w.label, w.life, fmt.Sprintf(format, args...))
}

// violated notes a broken promise.
func (w *world) violated(err error) {
	if err == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.errs = append(w.errs, fmt.Errorf("life %d: %w", w.life, err))
}

// trouble notes an error of the client, unless the broker is being ended.
func (w *world) trouble(err error) {
	if err != nil && !w.dying.Load() {
		w.violated(err)
	}
}

func (w *world) violations() []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.errs
}

// declare makes the topology.
func (w *world) declare(p *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyMax)
	defer cancel()
	if err := w.kafka.declare(ctx, p.kafka); err != nil {
		return fmt.Errorf("kafka: declare: %w", err)
	}
	for _, o := range w.others {
		if err := o.declare(ctx, p); err != nil {
			return err
		}
	}
	return declare(p.url)
}

func declare(url string) error {
	c, ch, err := connect(url)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, s := range topology {
		if _, err := ch.QueueDeclare(s.name, !s.transient, false, false, false, nil); err != nil {
			return err
		}
		if s.exchange == "" {
			continue
		}
		if err := ch.ExchangeDeclare(s.exchange, "fanout", true, false, false, false, nil); err != nil {
			return err
		}
		if err := ch.QueueBind(s.name, "", s.exchange, false, nil); err != nil {
			return err
		}
	}
	return nil
}

// load runs all clients until stop is closed or the broker is gone.
func (w *world) load(broker *process, stop chan struct{}) *sync.WaitGroup {
	var running sync.WaitGroup
	url := broker.url
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() {
		<-stop
		cancel()
	})
	w.kafka.load(ctx, broker.kafka, &running)
	for _, o := range w.others {
		o.load(ctx, broker, &running)
	}
	for _, s := range topology {
		consumers := 1
		switch {
		case s.manner == shared:
			consumers = 2
		case s.manner == rarely && w.rng.IntN(3) > 0:
			consumers = 0
		}
		for range consumers {
			running.Go(func() { w.trouble(w.consume(url, s, stop)) })
		}
		for i := range s.producers {
			p := w.made[fmt.Sprintf("%s-%d", s.name, i)]
			running.Go(func() { w.trouble(p.run(url, stop)) })
		}
	}
	return &running
}
