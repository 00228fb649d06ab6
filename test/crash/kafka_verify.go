package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// verify reads all topics of a restarted broker.
func (k *kafkaWorld) verify(ctx context.Context, address string) error {
	for _, topic := range []string{topicPlain, topicIn} {
		for p := range int32(topicPartitions) {
			if err := k.verifyPartition(ctx, address, topic, p); err != nil {
				return fmt.Errorf("kafka: verify %s-%d: %w", topic, p, err)
			}
		}
	}
	copies, err := k.positions(ctx, address, groupCopiers)
	if err != nil {
		return fmt.Errorf("kafka: positions of %s: %w", groupCopiers, err)
	}
	for p := range int32(topicPartitions) {
		if err := k.verifyCopy(ctx, address, p, copies[p]); err != nil {
			return fmt.Errorf("kafka: verify %s-%d: %w", topicOut, p, err)
		}
	}
	read, err := k.positions(ctx, address, groupReaders)
	if err != nil {
		return fmt.Errorf("kafka: positions of %s: %w", groupReaders, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for p, at := range k.committed {
		if read[p] < at {
			k.world.violated(fmt.Errorf("kafka: group %s is at %d of partition %d, %d was committed", groupReaders, read[p], p, at))
		}
	}
	return nil
}

// verifyPartition checks that acknowledged records are there, once, and in order.
func (k *kafkaWorld) verifyPartition(ctx context.Context, address, topic string, p int32) error {
	k.mu.Lock()
	before := len(k.places[topic][p])
	k.mu.Unlock()
	count := 0
	err := readAll(ctx, address, topic, p, kgo.ReadUncommitted(), func(r *kgo.Record) {
		if r.Offset != int64(count) {
			k.world.violated(fmt.Errorf("kafka: %s-%d: offset %d where %d is due", topic, p, r.Offset, count))
		}
		count++
		k.world.violated(k.seen(r, false))
	})
	if err != nil {
		return err
	}
	if count < before {
		k.world.violated(fmt.Errorf("kafka: %s-%d ends at %d, records were read up to %d", topic, p, count, before))
	}
	for _, s := range k.streams {
		if s.topic == topic && s.partition == p {
			k.world.violated(k.verifyStream(s))
		}
	}
	return nil
}

func (k *kafkaWorld) verifyStream(s *stream) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	last := -1
	present := make([]bool, len(s.acked))
	for o, at := range k.places[s.topic][s.partition] {
		switch {
		case at.name != s.name:
			continue
		case at.sequence >= len(s.acked):
			return fmt.Errorf("kafka: %s: record %d at %d was never sent", s.name, at.sequence, o)
		case at.sequence <= last:
			return fmt.Errorf("kafka: %s: record %d at %d stands behind %d", s.name, at.sequence, o, last)
		}
		last, present[at.sequence] = at.sequence, true
	}
	for i, acked := range s.acked {
		if acked && !present[i] {
			return fmt.Errorf("kafka: %s: record %d of %d is lost", s.name, i, len(s.acked))
		}
	}
	return nil
}

// verifyCopy checks that what readers of committed records get is the beginning of
// what was to be copied, as far as the copier's position says.
func (k *kafkaWorld) verifyCopy(ctx context.Context, address string, p int32, position int64) error {
	k.mu.Lock()
	from := k.places[topicIn][p]
	k.mu.Unlock()
	count := 0
	err := readAll(ctx, address, topicOut, p, kgo.ReadCommitted(), func(r *kgo.Record) {
		name, sequence, err := parse(r.Value)
		if at := (place{name, sequence}); err != nil || count >= len(from) || from[count] != at {
			k.world.violated(fmt.Errorf("kafka: %s-%d: copy %d at %d is %v: %w", topicOut, p, count, r.Offset, at, errors.Join(errInvented, err)))
		}
		count++
	})
	if err != nil {
		return err
	}
	if int64(count) != position || count < k.copied[p] {
		k.world.violated(fmt.Errorf("kafka: %s-%d: %d copies, the copier is at %d, there were %d", topicOut, p, count, position, k.copied[p]))
	}
	k.copied[p] = count
	return nil
}

// readAll reads a partition up to where it ends now for the reader.
func readAll(ctx context.Context, address, topic string, p int32, level kgo.IsolationLevel, yield func(*kgo.Record)) error {
	c, err := kafkaClient(address, kgo.FetchIsolationLevel(level), kgo.KeepControlRecords(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {p: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return err
	}
	defer c.Close()
	m := kmsg.NewPtrListOffsetsRequest()
	if level == kgo.ReadCommitted() {
		m.IsolationLevel = 1
	}
	t := kmsg.NewListOffsetsRequestTopic()
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Partition, part.Timestamp = p, -1
	t.Topic, t.Partitions = topic, append(t.Partitions, part)
	m.Topics = append(m.Topics, t)
	answer, err := m.RequestWith(ctx, c)
	if err != nil {
		return err
	}
	found := answer.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(found.ErrorCode); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for next := int64(0); next < found.Offset; {
		f := c.PollFetches(wait)
		if err := f.Err(); err != nil {
			return fmt.Errorf("%w: at %d of %d", err, next, found.Offset)
		}
		f.EachRecord(func(r *kgo.Record) {
			if next = r.Offset + 1; !r.Attrs.IsControl() && r.Offset < found.Offset {
				yield(r)
			}
		})
	}
	return nil
}

// positions asks where a group is, by partition; 0 where it is nowhere.
func (k *kafkaWorld) positions(ctx context.Context, address, group string) (at [topicPartitions]int64, err error) {
	c, err := kafkaClient(address)
	if err != nil {
		return at, err
	}
	defer c.Close()
	m := kmsg.NewPtrOffsetFetchRequest()
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	m.Groups = append(m.Groups, g)
	answer, err := m.RequestWith(ctx, c)
	if err != nil {
		return at, err
	}
	if err := kerr.ErrorForCode(answer.Groups[0].ErrorCode); err != nil {
		return at, err
	}
	for _, t := range answer.Groups[0].Topics {
		for _, p := range t.Partitions {
			at[p.Partition] = max(p.Offset, 0)
		}
	}
	return at, nil
}

// finish lets the copier and the share group come to their ends.
func (k *kafkaWorld) finish(ctx context.Context, address string) error {
	want := 0
	for p, places := range k.places[topicIn] {
		want += len(places) - k.copied[p]
	}
	wait, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := k.copy(wait, address, want); err != nil || wait.Err() != nil {
		return errors.Join(err, wait.Err())
	}
	if err := k.shareAll(ctx, address); err != nil {
		return err
	}
	if err := k.verify(ctx, address); err != nil {
		return err
	}
	for p, places := range k.places[topicIn] {
		if k.copied[p] != len(places) {
			k.world.violated(fmt.Errorf("kafka: %d of %d records of %s-%d were copied", k.copied[p], len(places), topicIn, p))
		}
	}
	return nil
}
