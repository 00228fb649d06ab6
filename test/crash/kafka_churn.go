package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicChurn makes, fills and deletes topics.
type topicChurn struct {
	world   *world
	rng     *rand.Rand
	objects []object
}

func newTopicChurn(w *world) *topicChurn {
	c := &topicChurn{world: w, rng: rand.New(rand.NewPCG(w.rng.Uint64(), 0))}
	for i := range churnObjects {
		c.objects = append(c.objects, object{name: fmt.Sprint("churn-topic-", i), sure: true})
	}
	return c
}

func (c *topicChurn) declare(context.Context, *process) error { return nil }

func (c *topicChurn) load(ctx context.Context, p *process, running *sync.WaitGroup) {
	running.Go(func() {
		for ctx.Err() == nil {
			if err := c.turn(ctx, p.kafka); err != nil {
				if ctx.Err() == nil {
					c.world.trouble(fmt.Errorf("churn of topics: %w", err))
				}
				return
			}
		}
	})
}

// turn makes or deletes one topic, or fills it, with a client of its own: one that
// remembers topics would send to the one before.
func (c *topicChurn) turn(ctx context.Context, address string) error {
	o := &c.objects[c.rng.IntN(len(c.objects))]
	client, err := kafkaClient(address, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	if err != nil {
		return err
	}
	defer client.Close()
	defer context.AfterFunc(ctx, client.Close)() // it would look for the topic for ever
	switch {
	case !o.there:
		o.begin()
		if err := createTopic(ctx, client, o.name, 2, nil); err != nil {
			return err
		}
		o.sure, o.there = true, true
	case c.rng.IntN(2) == 0:
		o.sure = false
		m := kmsg.NewPtrDeleteTopicsRequest()
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = kmsg.StringPtr(o.name)
		m.Topics, m.TopicNames = append(m.Topics, t), []string{o.name}
		answer, err := m.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(answer.Topics[0].ErrorCode); err != nil {
			return err
		}
		o.sure, o.there = true, false
		return nil
	}
	for range churnRecords {
		sequence := len(o.acked)
		o.acked = append(o.acked, false)
		r := &kgo.Record{Topic: o.name, Partition: 1, Value: body(o.sender(), sequence, 60)}
		if err := client.ProduceSync(ctx, r).FirstErr(); err != nil {
			return err
		}
		o.acked[sequence] = true
		c.world.records.Add(1)
	}
	return nil
}

func (c *topicChurn) verify(ctx context.Context, p *process) error {
	client, err := kafkaClient(p.kafka)
	if err != nil {
		return err
	}
	defer client.Close()
	m := kmsg.NewPtrMetadataRequest()
	for i := range c.objects {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(c.objects[i].name)
		m.Topics = append(m.Topics, t)
	}
	answer, err := m.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for i := range answer.Topics {
		err := kerr.ErrorForCode(answer.Topics[i].ErrorCode)
		absent := errors.Is(err, kerr.UnknownTopicOrPartition)
		if err != nil && !absent {
			return err
		}
		o := &c.objects[i]
		var contents []place
		if !absent {
			err = readAll(ctx, p.kafka, o.name, 1, kgo.ReadUncommitted(), func(r *kgo.Record) {
				name, sequence, err := parse(r.Value)
				c.world.violated(err)
				contents = append(contents, place{name, sequence})
			})
			if err != nil {
				return fmt.Errorf("verify %s: %w", o.name, err)
			}
		}
		if err := o.verify(!absent, contents); err != nil {
			c.world.violated(fmt.Errorf("churn of topics: %w", err))
		}
	}
	return nil
}

// createTopic makes a topic; one that is there is no error.
func createTopic(ctx context.Context, client *kgo.Client, name string, partitions int32, settings map[string]string) error {
	m := kmsg.NewPtrCreateTopicsRequest()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	for key, value := range settings {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: key, Value: kmsg.StringPtr(value)})
	}
	m.Topics = append(m.Topics, t)
	answer, err := m.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(answer.Topics[0].ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return err
	}
	return nil
}
