package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/test/clients/harness"
)

// What a case may make the broker grow by; Go frees late.
const growthBytesMax = 96 << 20

const (
	victim        = "victim" // gets what is bad, and must stay empty
	roundTripTime = 10 * time.Second
)

var (
	broker *harness.Broker
	client *kgo.Client // keeps the rules
)

func main() {
	var err error
	if broker, err = harness.StartBroker(); err == nil {
		err = prepare()
	}
	if err != nil {
		fmt.Printf("FAIL kafkabadinput start: %v\n", err)
		os.Exit(1)
	}
	var all []harness.Scenario
	for _, c := range cases {
		all = append(all, harness.Scenario{Name: c.name, Run: func() error { return guarded(c.run) }})
	}
	all = append(all, harness.Scenario{Name: "nothing-stored", Run: empty})
	harness.Main("kafkabadinput", all)
}

func prepare() (err error) {
	if client, err = kgo.NewClient(kgo.SeedBrokers(broker.Kafka), kgo.ConsumeTopics("canary"), kgo.DefaultProduceTopic("canary"), kgo.FetchMaxWait(time.Second)); err != nil {
		return err
	}
	m := kmsg.NewPtrCreateTopicsRequest()
	for _, name := range []string{victim, "canary"} {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, 1, 1
		m.Topics = append(m.Topics, t)
	}
	_, err = m.RequestWith(context.Background(), client)
	return err
}

// guarded runs a case and then sees that the broker is well.
func guarded(run func() error) error {
	before := residentBytes()
	if err := run(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), roundTripTime)
	defer cancel()
	if err := roundTrip(ctx); err != nil {
		return fmt.Errorf("another client afterwards: %w", err)
	}
	if after := residentBytes(); after > before+growthBytesMax {
		return fmt.Errorf("resident memory went from %d to %d MiB", before>>20, after>>20)
	}
	return nil
}

var trips int

// roundTrip produces and consumes through the client that was there before.
func roundTrip(ctx context.Context) error {
	trips++
	want := strconv.Itoa(trips)
	if err := client.ProduceSync(ctx, kgo.StringRecord(want)).FirstErr(); err != nil {
		return err
	}
	for {
		f := client.PollFetches(ctx)
		if err := f.Err(); err != nil {
			return err
		}
		for _, r := range f.Records() {
			if string(r.Value) == want {
				return nil
			}
		}
	}
}

// empty wants nothing in the topic that everything bad was sent to.
func empty() error {
	m := kmsg.NewPtrListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp = -1
	t.Topic, t.Partitions = victim, append(t.Partitions, p)
	m.Topics = append(m.Topics, t)
	answer, err := m.RequestWith(context.Background(), client)
	if err != nil {
		return err
	}
	if end := answer.Topics[0].Partitions[0].Offset; end != 0 {
		return fmt.Errorf("%d messages were stored", end)
	}
	return nil
}

func residentBytes() int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", broker.PID()))
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}

var errStays = errors.New("the connection stays open and says nothing")
