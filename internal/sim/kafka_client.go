package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// patience bounds single calls of clients, in the world's time.
const patience = time.Minute

// kafka makes a client that keeps trying.
func (p *program) kafka(more ...kgo.Opt) *kgo.Client {
	var seeds []string
	for _, n := range p.world.nodes {
		seeds = append(seeds, n.address(kafkaPort))
	}
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(seeds...), kgo.AllowAutoTopicCreation(), kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.RetryTimeout(2 * patience), kgo.DialTimeout(dialTimeout), kgo.RequestTimeoutOverhead(5 * time.Second),
		kgo.Dialer(func(ctx context.Context, _, address string) (net.Conn, error) {
			return p.net.dial(ctx, p.ip, address)
		}),
	}, more...)...)
	if err != nil {
		panic(err)
	}
	return c
}

// kafkaProducer appends to a topic, idempotently.
type kafkaProducer struct {
	program
	topic string
}

func (p *kafkaProducer) run() {
	c := p.kafka(kgo.DefaultProduceTopic(p.topic), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer c.Close()
	for !p.over() {
		var waiting sync.WaitGroup
		var first, last messageID
		for range 1 + p.world.dice.n(20) {
			e := p.world.book.begin(p.title, p.topic)
			if last = e.id; first == 0 {
				first = e.id
			}
			waiting.Add(1)
			c.Produce(context.Background(), &kgo.Record{Key: fmt.Appendf(nil, "%s-%d", p.title, e.id%7), Value: body(e.id)}, func(r *kgo.Record, err error) {
				defer waiting.Done()
				if err != nil {
					p.world.note(p.title, "message %d: %v", e.id, err)
					return
				}
				p.world.book.confirm(e)
				p.world.book.locate(p.title, e.id, p.topic, r.Partition, r.Offset)
			})
		}
		waiting.Wait()
		p.world.note(p.title, "messages %d to %d are answered", first, last)
		p.wait(p.world.dice.between(0, 500*time.Millisecond))
	}
}

// group is what the members of a consumer group know together.
type group struct {
	mu        sync.Mutex
	read      map[int32]int64 // next offset nobody has had
	committed map[int32]int64 // acknowledged
}

// kafkaMember reads a topic in a group and commits what it has read.
type kafkaMember struct {
	program
	topic, group string
	shared       *group
	fresh        map[int32]bool // assigned, and nothing read since
}

func (m *kafkaMember) run() {
	for !m.over() {
		m.session()
	}
}

func (m *kafkaMember) session() {
	m.fresh = map[int32]bool{}
	assigned := func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
		for _, part := range parts[m.topic] {
			m.fresh[part] = true
		}
		m.world.note(m.title, "is assigned %v", parts[m.topic])
	}
	c := m.kafka(kgo.ConsumerGroup(m.group), kgo.ConsumeTopics(m.topic), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(time.Second), kgo.OnPartitionsAssigned(assigned))
	defer c.CloseAllowingRebalance()
	for !m.over() && !m.world.dice.is(0.005) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		fetches := c.PollFetches(ctx)
		cancel()
		fetches.EachRecord(m.take)
		if fetches.NumRecords() > 0 {
			m.commit(c)
		}
		c.AllowRebalance()
	}
	m.world.note(m.title, "leaves")
}

func (m *kafkaMember) take(r *kgo.Record) {
	id, err := identify(r.Value)
	if err != nil {
		m.world.violated(m.title, "%s/%d offset %d: %v", m.topic, r.Partition, r.Offset, err)
		return
	}
	m.world.book.locate(m.title, id, m.topic, r.Partition, r.Offset)
	g := m.shared
	g.mu.Lock()
	defer g.mu.Unlock()
	next := g.read[r.Partition]
	if r.Offset > next {
		m.world.violated(m.title, "%s/%d: offset %d is passed over for %d", m.topic, r.Partition, next, r.Offset)
	}
	if m.fresh[r.Partition] && r.Offset < g.committed[r.Partition] {
		m.world.violated(m.title, "%s/%d: begins at %d, committed was %d", m.topic, r.Partition, r.Offset, g.committed[r.Partition])
	}
	delete(m.fresh, r.Partition)
	g.read[r.Partition] = max(next, r.Offset+1)
}

func (m *kafkaMember) commit(c *kgo.Client) {
	offsets := c.UncommittedOffsets()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := c.CommitUncommittedOffsets(ctx); err != nil {
		m.world.note(m.title, "commits: %v", err)
		return
	}
	now := c.CommittedOffsets()
	m.shared.mu.Lock()
	defer m.shared.mu.Unlock()
	for part, o := range offsets[m.topic] {
		if now[m.topic][part].Offset >= o.Offset {
			m.shared.committed[part] = max(m.shared.committed[part], o.Offset)
		}
	}
}

// readAll reads a topic from its beginning to its end.
func (p *program) readAll(topic string, each func(r *kgo.Record), more ...kgo.Opt) error {
	c := p.kafka(append(more, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))...)
	defer c.Close()
	for began, idle := time.Now(), 0; idle < 10; {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		fetches := c.PollFetches(ctx)
		cancel()
		if time.Since(began) > patience {
			return fmt.Errorf("%s is not read to its end in %v", topic, patience)
		}
		var failed error
		fetches.EachError(func(_ string, part int32, err error) {
			if !errors.Is(err, context.DeadlineExceeded) {
				failed = fmt.Errorf("%s/%d: %w", topic, part, err)
			}
		})
		if failed != nil {
			return failed
		}
		fetches.EachRecord(each)
		if idle++; fetches.NumRecords() > 0 {
			idle = 0
		}
	}
	return nil
}
