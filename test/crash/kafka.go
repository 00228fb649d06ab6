package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The topics of the Kafka load and who reads them.
const (
	topicPlain = "plain" // idempotent producers; a consumer group and a share group
	topicIn    = "in"    // is copied to topicOut, each record once
	topicOut   = "out"

	topicPartitions = 3
	groupReaders    = "readers"
	groupCopiers    = "copiers"
	groupSharers    = "sharers"

	// lifeRecordsMax is how many records a producer sends to a partition in one
	// life: verification reads everything.
	lifeRecordsMax = 400
)

// stream is one producer's records in one partition, over all lives.
type stream struct {
	topic     string
	partition int32
	name      string

	mu    sync.Mutex
	acked []bool // by sequence
}

func (s *stream) sent() (sequence int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = append(s.acked, false)
	return len(s.acked) - 1
}

func (s *stream) confirmed(sequence int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[sequence] = true
}

// place is a record where it stands: what is in it never changes.
type place struct {
	name     string
	sequence int
}

// kafkaWorld is the clients' side of the Kafka load.
type kafkaWorld struct {
	world   *world
	streams []*stream

	mu        sync.Mutex
	places    map[string][][]place // what was seen, by topic and partition, from offset 0
	next      [topicPartitions]int64
	committed [topicPartitions]int64        // positions of groupReaders that were acknowledged
	accepted  [topicPartitions][]acceptance // by groupSharers, by offset
	copied    [topicPartitions]int          // records in topicOut at the last look
}

func newKafkaWorld(w *world) *kafkaWorld {
	k := &kafkaWorld{world: w, places: map[string][][]place{}}
	for _, topic := range []string{topicPlain, topicIn} {
		k.places[topic] = make([][]place, topicPartitions)
		for i := range 2 {
			for p := range int32(topicPartitions) {
				k.streams = append(k.streams, &stream{topic: topic, partition: p, name: fmt.Sprintf("%s-%d-%d", topic, i, p)})
			}
		}
	}
	return k
}

// String says how far everybody is.
func (k *kafkaWorld) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	sent, acked, read, copied, accepted := 0, 0, int64(0), 0, 0
	for _, s := range k.streams {
		s.mu.Lock()
		sent += len(s.acked)
		for _, yes := range s.acked {
			if yes {
				acked++
			}
		}
		s.mu.Unlock()
	}
	for p := range topicPartitions {
		read, copied = read+k.next[p], copied+k.copied[p]
		for _, far := range k.accepted[p] {
			if far == acknowledged {
				accepted++
			}
		}
	}
	return fmt.Sprintf("kafka since life 1: %d sent, %d acknowledged, %d read, %d shared, %d copied before", sent, acked, read, accepted, copied)
}

// acknowledged counts the records that were.
func (k *kafkaWorld) acknowledged() (n int64) {
	for _, s := range k.streams {
		s.mu.Lock()
		for _, yes := range s.acked {
			if yes {
				n++
			}
		}
		s.mu.Unlock()
	}
	return n
}

func kafkaClient(address string, o ...kgo.Opt) (*kgo.Client, error) {
	o = append(o, kgo.SeedBrokers(address), kgo.RetryTimeout(5*time.Second), kgo.DialTimeout(2*time.Second), kgo.FetchMaxWait(100*time.Millisecond))
	return kgo.NewClient(o...)
}

// declare makes the topics, and has the share group begin at their start.
func (k *kafkaWorld) declare(ctx context.Context, address string) error {
	c, err := kafkaClient(address)
	if err != nil {
		return err
	}
	defer c.Close()
	m := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range []string{topicPlain, topicIn, topicOut} {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, topicPartitions, 1
		m.Topics = append(m.Topics, t)
	}
	answer, err := m.RequestWith(ctx, c)
	if err != nil {
		return err
	}
	for i := range answer.Topics {
		if err := kerr.ErrorForCode(answer.Topics[i].ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return err
		}
	}
	set := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, groupSharers
	r.Configs = append(r.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: "share.auto.offset.reset", Value: kmsg.StringPtr("earliest")})
	set.Resources = append(set.Resources, r)
	altered, err := set.RequestWith(ctx, c)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(altered.Resources[0].ErrorCode)
}

// load runs the clients until the context ends.
func (k *kafkaWorld) load(ctx context.Context, address string, running *sync.WaitGroup) {
	trouble := func(err error) {
		if err != nil && ctx.Err() == nil {
			k.world.trouble(fmt.Errorf("kafka: %w", err))
		}
	}
	for i := 0; i < len(k.streams); i += topicPartitions {
		running.Go(func() { trouble(k.produce(ctx, address, k.streams[i:i+topicPartitions])) })
	}
	for i := range 2 {
		running.Go(func() { trouble(k.read(ctx, address, i)) })
		running.Go(func() { trouble(k.share(ctx, address, i)) })
	}
	running.Go(func() { trouble(k.copy(ctx, address, -1)) })
}

// produce sends to all partitions with one idempotent producer.
func (k *kafkaWorld) produce(ctx context.Context, address string, streams []*stream) error {
	c, err := kafkaClient(address, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(300), kgo.ProducerLinger(time.Millisecond))
	if err != nil {
		return err
	}
	defer c.Close()
	var mu sync.Mutex
	var failed error
	for range lifeRecordsMax {
		for _, s := range streams {
			sequence := s.sent()
			r := &kgo.Record{Topic: s.topic, Partition: s.partition, Value: body(s.name, sequence, 40+sequence%200)}
			c.Produce(ctx, r, func(_ *kgo.Record, err error) {
				if err == nil {
					s.confirmed(sequence)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			})
			if ctx.Err() != nil {
				return nil
			}
		}
	}
	err = c.Flush(ctx)
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(failed, err)
}

// read is a member of the consumer group: no record is passed over, and what is at
// an offset stays what it is.
func (k *kafkaWorld) read(ctx context.Context, address string, number int) error {
	c, err := kafkaClient(address, kgo.ConsumerGroup(groupReaders), kgo.InstanceID(fmt.Sprint("reader-", number)), kgo.ConsumeTopics(topicPlain),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitInterval(100*time.Millisecond),
		kgo.AutoCommitCallback(func(_ *kgo.Client, asked *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			if err == nil {
				k.commits(asked, answer)
			}
		}))
	if err != nil {
		return err
	}
	defer c.CloseAllowingRebalance()
	for ctx.Err() == nil {
		f := c.PollRecords(ctx, 500)
		if err := f.Err0(); err != nil {
			return err
		}
		f.EachRecord(func(r *kgo.Record) { k.world.violated(k.seen(r, true)) })
	}
	return nil
}

func (k *kafkaWorld) commits(asked *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range answer.Topics {
		for n := range answer.Topics[i].Partitions {
			p := &answer.Topics[i].Partitions[n]
			if p.ErrorCode == 0 {
				j := slices.IndexFunc(asked.Topics[i].Partitions, func(a kmsg.OffsetCommitRequestTopicPartition) bool { return a.Partition == p.Partition })
				k.committed[p.Partition] = asked.Topics[i].Partitions[j].Offset
			}
		}
	}
}

// seen checks a record that was read against what was read before. In order, it
// must not be behind one that nobody has read.
func (k *kafkaWorld) seen(r *kgo.Record, inOrder bool) error {
	name, sequence, err := parse(r.Value)
	if err != nil {
		return fmt.Errorf("kafka: %s-%d at %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	known := k.places[r.Topic][r.Partition]
	at := place{name, sequence}
	switch {
	case r.Offset < int64(len(known)) && known[r.Offset] != at:
		return fmt.Errorf("kafka: %s-%d at %d: %v became %v", r.Topic, r.Partition, r.Offset, known[r.Offset], at)
	case r.Offset == int64(len(known)):
		k.places[r.Topic][r.Partition] = append(known, at)
	}
	if inOrder {
		if next := k.next[r.Partition]; r.Offset > next {
			return fmt.Errorf("kafka: %s-%d: the group goes on at %d, it was at %d", r.Topic, r.Partition, r.Offset, next)
		}
		k.next[r.Partition] = max(k.next[r.Partition], r.Offset+1)
	}
	return nil
}

// copy moves records from topicIn to topicOut in transactions, some of which it
// aborts, until the context ends or all of want are there; -1 is no end.
func (k *kafkaWorld) copy(ctx context.Context, address string, want int) error {
	s, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(address), kgo.TransactionalID("copier"), kgo.ConsumerGroup(groupCopiers), kgo.InstanceID("copier"), kgo.ConsumeTopics(topicIn),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
	)
	if err != nil {
		return err
	}
	defer s.Close()
	// Ends what the copier of the last life has left open: until then its positions
	// are not stable.
	if _, _, err := s.Client().ProducerID(ctx); err != nil {
		return err
	}
	for round := 0; ctx.Err() == nil && want != 0; round++ {
		poll, cancel := context.WithTimeout(ctx, 2*time.Second)
		f := s.PollRecords(poll, 200)
		cancel()
		if err := f.Err0(); err != nil && ctx.Err() == nil && poll.Err() == nil {
			return err
		}
		records := f.Records()
		if len(records) == 0 {
			continue
		}
		if err := s.Begin(); err != nil {
			return err
		}
		for _, r := range records {
			s.Produce(ctx, &kgo.Record{Topic: topicOut, Partition: r.Partition, Value: r.Value}, nil)
		}
		committed, err := s.End(ctx, kgo.TransactionEndTry(round%5 != 4))
		if err != nil {
			return err
		}
		if committed && want > 0 {
			want = max(want-len(records), 0)
		}
	}
	return nil
}
