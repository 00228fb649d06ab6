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

// brokerNode is the number of the one broker.
const brokerNode = 1

// sharer is a member of the share group. It takes part without being assigned
// anything: who a killed broker had assigned would be waited for.
type sharer struct {
	kafka  *kafkaWorld
	client *kgo.Client
	member string
	topic  [16]byte
	epoch  int32
	held   [topicPartitions][][2]int64 // acquired and to be accepted
}

// share accepts messages until the context ends.
func (k *kafkaWorld) share(ctx context.Context, address string, number int) error {
	c, err := kafkaClient(address)
	if err != nil {
		return err
	}
	defer c.Close()
	s := &sharer{kafka: k, client: c, member: fmt.Sprint("sharer-", number)}
	if err := s.find(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := s.turn(ctx); err != nil {
			return err
		}
	}
	return nil
}

// find looks the topic up.
func (s *sharer) find(ctx context.Context) error {
	m := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topicPlain)
	m.Topics = append(m.Topics, t)
	answer, err := m.RequestWith(ctx, s.client)
	if err != nil {
		return err
	}
	s.topic = answer.Topics[0].TopicID
	return kerr.ErrorForCode(answer.Topics[0].ErrorCode)
}

// turn accepts what it has and takes more.
func (s *sharer) turn(ctx context.Context) error {
	group, member := groupSharers, s.member
	m := kmsg.NewPtrShareFetchRequest()
	m.GroupID, m.MemberID, m.ShareSessionEpoch = &group, &member, s.epoch
	m.MaxWaitMillis, m.MinBytes, m.MaxBytes, m.MaxRecords = 100, 1, 1<<20, 300
	topic := kmsg.NewShareFetchRequestTopic()
	topic.TopicID = s.topic
	for p := range int32(topicPartitions) {
		part := kmsg.NewShareFetchRequestTopicPartition()
		part.Partition = p
		for _, r := range s.held[p] {
			b := kmsg.NewShareFetchRequestTopicPartitionAcknowledgementBatch()
			b.FirstOffset, b.LastOffset, b.AcknowledgeTypes = r[0], r[1], []int8{1}
			part.AcknowledgementBatches = append(part.AcknowledgementBatches, b)
		}
		topic.Partitions = append(topic.Partitions, part)
	}
	m.Topics = append(m.Topics, topic)
	for p := range s.held {
		s.kafka.accepts(p, s.held[p], asked)
	}
	answer, err := m.RequestWith(ctx, s.client.Broker(brokerNode)) // always the same connection
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		if errors.Is(err, kerr.ShareSessionNotFound) { // another connection: it has been given back
			s.epoch, s.held = 0, [topicPartitions][][2]int64{}
			return nil
		}
		return err
	}
	s.epoch++
	for i := range answer.Topics {
		for n := range answer.Topics[i].Partitions {
			p := &answer.Topics[i].Partitions[n]
			if err := kerr.ErrorForCode(p.AcknowledgeErrorCode); err != nil {
				return fmt.Errorf("share: partition %d: accept: %w", p.Partition, err)
			}
		}
	}
	for p := range s.held {
		s.kafka.accepts(p, s.held[p], acknowledged)
		s.held[p] = nil
	}
	for i := range answer.Topics {
		for n := range answer.Topics[i].Partitions {
			p := &answer.Topics[i].Partitions[n]
			for _, a := range p.AcquiredRecords {
				s.held[p.Partition] = append(s.held[p.Partition], [2]int64{a.FirstOffset, a.LastOffset})
				s.kafka.world.violated(s.kafka.acquired(int(p.Partition), a.FirstOffset, a.LastOffset))
			}
		}
	}
	return nil
}

// acceptance is how far the acceptance of a record has got. One that was asked for
// and not acknowledged may have happened.
type acceptance uint8

const (
	notYet acceptance = iota
	asked
	acknowledged
)

// accepts notes how far acceptances have got.
func (k *kafkaWorld) accepts(p int, runs [][2]int64, far acceptance) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range runs {
		for int64(len(k.accepted[p])) <= r[1] {
			k.accepted[p] = append(k.accepted[p], notYet)
		}
		for o := r[0]; o <= r[1]; o++ {
			k.accepted[p][o] = far
		}
	}
}

// acquired checks that nothing comes again whose acceptance was acknowledged.
func (k *kafkaWorld) acquired(p int, first, last int64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for o := first; o <= last && o < int64(len(k.accepted[p])); o++ {
		if k.accepted[p][o] == acknowledged {
			return fmt.Errorf("kafka: %s-%d at %d: shared again after it was accepted", topicPlain, p, o)
		}
	}
	return nil
}

// shareAll takes all there is that nobody has asked to accept.
func (k *kafkaWorld) shareAll(ctx context.Context, address string) error {
	c, err := kafkaClient(address)
	if err != nil {
		return err
	}
	defer c.Close()
	s := &sharer{kafka: k, client: c, member: "last"}
	if err := s.find(ctx); err != nil {
		return err
	}
	var missing []string
	for until := time.Now().Add(20 * time.Second); time.Now().Before(until); {
		if err := s.turn(ctx); err != nil {
			return err
		}
		k.mu.Lock()
		missing = missing[:0]
		for p, places := range k.places[topicPlain] {
			for o := range places {
				if o >= len(k.accepted[p]) || k.accepted[p][o] == notYet {
					missing = append(missing, fmt.Sprint(p, ":", o))
				}
			}
		}
		k.mu.Unlock()
		if len(missing) == 0 {
			return nil
		}
	}
	return fmt.Errorf("kafka: the share group does not get %d records: %v", len(missing), missing[:min(len(missing), 10)])
}
