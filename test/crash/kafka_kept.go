package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kept is a topic of which the broker drops a part by itself. What is there stays
// what and where it was.
type kept struct {
	world    *world
	topic    string
	settings map[string]string
	keys     int // 0: no keys, and all there is is wanted from the start on
	size     int
	lifeMax  int

	mu       sync.Mutex
	acked    []bool // by sequence
	places   map[int64]int
	start    int64
	ackedEnd int64 // behind the last acknowledged record
}

const rollingBytes = 300_000

// newCompacted is a topic of which the last record of each key stays.
func newCompacted(w *world) *kept {
	return &kept{world: w, topic: "compacted", keys: 50, size: 200, lifeMax: 1500, places: map[int64]int{}, settings: map[string]string{
		"cleanup.policy": "compact", "segment.bytes": "1048576", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01",
	}}
}

// newRolling is a topic of which the last bytes stay.
func newRolling(w *world) *kept {
	return &kept{world: w, topic: "rolling", size: 500, lifeMax: 1500, places: map[int64]int{}, settings: map[string]string{
		"retention.bytes": fmt.Sprint(rollingBytes),
	}}
}

func (k *kept) declare(ctx context.Context, p *process) error {
	c, err := kafkaClient(p.kafka)
	if err != nil {
		return err
	}
	defer c.Close()
	return createTopic(ctx, c, k.topic, 1, k.settings)
}

func (k *kept) load(ctx context.Context, p *process, running *sync.WaitGroup) {
	running.Go(func() {
		if err := k.produce(ctx, p.kafka); err != nil && ctx.Err() == nil {
			k.world.trouble(fmt.Errorf("%s: %w", k.topic, err))
		}
	})
}

func (k *kept) produce(ctx context.Context, address string) error {
	c, err := kafkaClient(address, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(50), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, c.Close)()
	failed := make(chan error, 1)
	for i := 0; i < k.lifeMax && ctx.Err() == nil; i++ {
		k.mu.Lock()
		sequence := len(k.acked)
		k.acked = append(k.acked, false)
		k.mu.Unlock()
		r := &kgo.Record{Topic: k.topic, Value: body(k.topic, sequence, k.size)}
		if k.keys > 0 {
			r.Key = fmt.Append(nil, "key-", k.key(sequence))
		}
		c.Produce(ctx, r, func(r *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
				return
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			k.acked[sequence], k.ackedEnd = true, max(k.ackedEnd, r.Offset+1)
			k.world.records.Add(1)
		})
	}
	if err := c.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// key is the key of a record, some far more frequent than others.
func (k *kept) key(sequence int) int { return (sequence * sequence) % k.keys }

func (k *kept) verify(ctx context.Context, p *process) error {
	start, err := k.firstOffset(ctx, p.kafka)
	if err != nil {
		return fmt.Errorf("verify %s: %w", k.topic, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	present := map[int]bool{}               // by sequence
	last, next, skipped := -1, start, start // to skipped: records gone while they were read
	err = readAll(ctx, p.kafka, k.topic, 0, kgo.ReadUncommitted(), func(r *kgo.Record) {
		name, sequence, err := parse(r.Value)
		before, known := k.places[r.Offset]
		switch {
		case err != nil || name != k.topic || sequence >= len(k.acked) || k.keys > 0 && string(r.Key) != fmt.Sprint("key-", k.key(sequence)):
			k.world.violated(fmt.Errorf("%s at %d: %w: %s %d %q", k.topic, r.Offset, errInvented, name, sequence, r.Key))
			return
		case known && before != sequence:
			k.world.violated(fmt.Errorf("%s at %d: %d became %d", k.topic, r.Offset, before, sequence))
		case sequence <= last:
			k.world.violated(fmt.Errorf("%s at %d: %d stands behind %d", k.topic, r.Offset, sequence, last))
		case k.keys == 0 && r.Offset != next:
			skipped = r.Offset
		}
		k.places[r.Offset], last, next, present[sequence] = sequence, sequence, r.Offset+1, true
	})
	if err != nil {
		return fmt.Errorf("verify %s: %w", k.topic, err)
	}
	now, err := k.firstOffset(ctx, p.kafka)
	if err != nil {
		return fmt.Errorf("verify %s: %w", k.topic, err)
	}
	if now < skipped {
		k.world.violated(fmt.Errorf("%s begins at %d, what is before %d is not there", k.topic, now, skipped))
	}
	if start < k.start || next < k.ackedEnd {
		k.world.violated(fmt.Errorf("%s goes from %d to %d, it went from %d to %d", k.topic, start, next, k.start, k.ackedEnd))
	}
	k.start = start
	k.complete(present)
	return nil
}

// complete checks that what has to be kept is there: the last record of each key,
// or the last bytes.
func (k *kept) complete(present map[int]bool) {
	later, room := map[int]bool{}, rollingBytes/2 // what records take besides is not counted
	for i := len(k.acked) - 1; i >= 0; i-- {
		wanted := room > 0
		if k.keys > 0 {
			wanted = !later[k.key(i)]
		}
		if wanted && k.acked[i] && !present[i] {
			k.world.violated(fmt.Errorf("%s: record %d of %d is lost", k.topic, i, len(k.acked)))
			return
		}
		if present[i] {
			room -= k.size
			if k.keys > 0 {
				later[k.key(i)] = true
			}
		}
	}
}

// firstOffset is where the topic begins.
func (k *kept) firstOffset(ctx context.Context, address string) (int64, error) {
	c, err := kafkaClient(address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	m := kmsg.NewPtrListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Timestamp = -2
	t.Topic, t.Partitions = k.topic, append(t.Partitions, part)
	m.Topics = append(m.Topics, t)
	answer, err := m.RequestWith(ctx, c)
	if err != nil {
		return 0, err
	}
	return answer.Topics[0].Partitions[0].Offset, nil
}
