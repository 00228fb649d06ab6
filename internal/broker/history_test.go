package broker_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"weir/internal/broker"
	histories "weir/internal/history"
	"weir/internal/record"
)

// requireHistory checks a history; what violates it is drawn into a file that stays.
func requireHistory(t *testing.T, h *histories.History, m histories.Model) {
	t.Helper()
	name := "weir-" + strings.ReplaceAll(t.Name(), "/", "-") + ".html"
	if err := h.Check(m, filepath.Join(os.TempDir(), name)); err != nil {
		t.Fatal(err)
	}
}

// historyLives is how many lives a history has, and steps what each client does in one.
const (
	historyLives   = 3
	historyClients = 4
	historySteps   = 40
)

func historySeeds() uint64 {
	if long() {
		return 200
	}
	return 4
}

// historyQueue is a client of the engine.
type historyQueue struct {
	t      *testing.T
	s      *broker.Session
	p      *publisher
	pull   *broker.Puller
	queue  string
	leases map[uint32]broker.Pulled
}

func newHistoryQueue(t *testing.T, n *node, queue string) *historyQueue {
	s := n.session()
	return &historyQueue{t: t, s: s, p: newPublisher(s), pull: s.Puller(), queue: queue, leases: map[uint32]broker.Pulled{}}
}

func (c *historyQueue) Put(message uint32) error {
	c.p.send(c.t, "", c.queue, fmt.Sprint(message))
	c.p.wait()
	if len(c.p.no) > 0 {
		return fmt.Errorf("refused: %v", c.p.no)
	}
	return nil
}

func (c *historyQueue) Take() (histories.QueueOutput, error) {
	got, ok, err := c.pull.Pull(c.queue, false)
	if err != nil {
		return histories.QueueOutput{}, err
	}
	if !ok {
		return histories.QueueOutput{Empty: true}, nil
	}
	n, wrong := strconv.ParseUint(body(got.Delivery), 10, 32)
	if wrong != nil {
		return histories.QueueOutput{}, wrong
	}
	c.leases[uint32(n)] = got
	return histories.QueueOutput{Message: uint32(n), Redelivered: got.Delivery.Redelivered}, nil
}

func (c *historyQueue) Done(message uint32) error { return c.settle(message, broker.Accept) }

func (c *historyQueue) Back(message uint32) error { return c.settle(message, broker.Release) }

// settle returns when the shard has seen it.
func (c *historyQueue) settle(message uint32, o broker.Outcome) error {
	l := c.leases[message]
	delete(c.leases, message)
	l.Attachment.Settle(l.Delivery.Offset, l.Delivery.Offset+1, o)
	c.s.Flush()
	if _, _, err := c.s.DeclareQueue(broker.QueueSpec{Name: c.queue, Passive: true}); err != nil {
		return err
	}
	return nil
}

// TestQueueIsLinearizable: what clients are told of a queue over power cuts is
// what a plain list would have told them.
func TestQueueIsLinearizable(t *testing.T) {
	for seed := range historySeeds() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := histories.New()
			run := &histories.QueueRun{History: h, Queue: "q", Seed: seed}
			c := histories.NewPower(h, seed)
			n := start(t, c.FS(), tiny)
			declare(t, n.session(), broker.QueueSpec{Name: "q", Durable: true})
			for life := range historyLives {
				var clients []histories.QueueClient
				for range historyClients {
					clients = append(clients, newHistoryQueue(t, n, "q"))
				}
				if life < historyLives-1 {
					c.CutAfter(2 * historySteps)
				}
				if err := run.Live(clients, historySteps); err != nil {
					t.Fatal(err)
				}
				c.Reboot()
				n.stop()
				n = start(t, c.FS(), tiny)
			}
			if err := run.Drain(newHistoryQueue(t, n, "q")); err != nil {
				t.Fatal(err)
			}
			n.stop()
			t.Log(h.Len(), "operations")
			requireHistory(t, h, histories.Queue())
		})
	}
}

// historyLog is a client of a partition.
type historyLog struct{ s *broker.Session }

func (c historyLog) Append(message uint32, count int) (int64, error) {
	type told struct {
		first record.Offset
		err   *broker.Error
	}
	got := make(chan told, 1)
	b := &broker.Blob{Dialect: record.DialectKafka, Count: uint32(count), Timestamp: 1, Native: binary.BigEndian.AppendUint32(nil, message)}
	if err := c.s.Append("t", 0, b, func(first, _ record.Offset, err *broker.Error) { got <- told{first, err} }); err != nil {
		return 0, err
	}
	c.s.Flush()
	r := <-got
	if r.err != nil {
		return 0, r.err
	}
	return int64(r.first), nil
}

func (c historyLog) Read(from int64) (histories.LogOutput, error) {
	f := c.s.Fetch([]broker.FetchPart{{Topic: "t", From: record.Offset(from), MaxBytes: 500}}, broker.FetchLimits{MaxBytes: 500})[0]
	if f.Err != nil {
		return histories.LogOutput{}, f.Err
	}
	out := histories.LogOutput{First: int64(f.End)}
	for i, rec := range f.Records {
		var e record.Envelope
		native, err := record.Decode(rec, &e)
		if err != nil {
			return out, err
		}
		for k := range e.Count {
			if int64(f.Offsets[i])+int64(k) >= from {
				out.Messages = append(out.Messages, binary.BigEndian.Uint32(native))
			}
		}
	}
	broker.ReleaseFetched([]broker.Fetched{f})
	return out, nil
}

func (c historyLog) End() (int64, error) {
	b, err := c.s.Bounds("t", 0)
	if err != nil {
		return 0, err
	}
	return int64(b.End), nil
}

// TestLogIsLinearizable is the same of a partition: its offsets are dense, what
// one reader was shown is there for all, before and after a power cut.
func TestLogIsLinearizable(t *testing.T) {
	for seed := range historySeeds() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := histories.New()
			run := &histories.LogRun{History: h, Log: "t", Seed: seed}
			c := histories.NewPower(h, seed)
			n := start(t, c.FS(), tiny)
			if _, err := n.session().CreateTopic(broker.TopicSpec{Name: "t", Partitions: 1}); err != nil {
				t.Fatal(err)
			}
			for life := range historyLives {
				var clients []histories.LogClient
				for range historyClients {
					clients = append(clients, historyLog{n.session()})
				}
				if life < historyLives-1 {
					c.CutAfter(2 * historySteps)
				}
				if err := run.Live(clients, historySteps); err != nil {
					t.Fatal(err)
				}
				c.Reboot()
				n.stop()
				n = start(t, c.FS(), tiny)
			}
			if err := run.Drain(historyLog{n.session()}); err != nil {
				t.Fatal(err)
			}
			n.stop()
			t.Log(h.Len(), "operations")
			requireHistory(t, h, histories.Log())
		})
	}
}

// historyPosition is a client of a group's position in a partition.
type historyPosition struct{ s *broker.Session }

func (c historyPosition) Write(value int64) error {
	done := make(chan *broker.Error, 1)
	refused, err := c.s.CommitPositions("g", []broker.GroupPosition{{Topic: "t", Next: record.Offset(value)}}, func(err *broker.Error) { done <- err })
	if err != nil {
		return err
	}
	if refused[0] != nil {
		return refused[0]
	}
	if err := <-done; err != nil {
		return err
	}
	return nil
}

func (c historyPosition) Load() (int64, error) {
	all, err := c.s.Positions("g")
	if err != nil {
		return 0, err
	}
	if len(all) == 0 {
		return 0, nil
	}
	return int64(all[0].Next), nil
}

// TestPositionsAreLinearizable is the same of what a group commits: nobody reads
// what a power cut takes back, or an older position after a newer one.
func TestPositionsAreLinearizable(t *testing.T) {
	for seed := range historySeeds() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := histories.New()
			run := &histories.RegisterRun{History: h, Register: "g", Seed: seed}
			c := histories.NewPower(h, seed)
			n := start(t, c.FS(), tiny)
			if _, err := n.session().CreateTopic(broker.TopicSpec{Name: "t", Partitions: 1}); err != nil {
				t.Fatal(err)
			}
			for range historyLives {
				var clients []histories.RegisterClient
				for range historyClients {
					clients = append(clients, historyPosition{n.session()})
				}
				c.CutAfter(2 * historySteps)
				if err := run.Live(clients, historySteps); err != nil {
					t.Fatal(err)
				}
				c.Reboot()
				n.stop()
				n = start(t, c.FS(), tiny)
				if err := run.Restarted(historyPosition{n.session()}); err != nil {
					t.Fatal(err)
				}
			}
			n.stop()
			t.Log(h.Len(), "operations")
			requireHistory(t, h, histories.Register(0))
		})
	}
}
