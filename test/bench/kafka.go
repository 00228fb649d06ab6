package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/test/bench/report"
)

// partitions of the topics of most loads.
const partitions = 16

var (
	cachedKafka = peer{"kafka", "", "defaults", report.Cached}
	syncedKafka = peer{"kafka", "log.flush.interval.messages=1", "`log.flush.interval.messages=1`", report.Synced}
)

var kafkaShapes = []shape{
	kafka("produce1k", "producer, 1 KB, 16 partitions, acks=all", cachedKafka, report.Synced, toolProducer, true, produce(1024, partitions, 60_000)),
	kafka("produce100", "producer, 100 B, 16 partitions, acks=all", cachedKafka, report.Synced, toolProducer, false, produce(100, partitions, 300_000)),
	kafka("single", "producer, 100 B, batch.size=1", cachedKafka, report.Synced, toolProducer, false, produce(100, partitions, 10_000, "batch.size=1")),
	kafka("tail", "20 MB/s of 1 KB produced and consumed at the tail", cachedKafka, report.Synced, toolConsumer, false, fixed(consumeTail)),
	kafka("cold", "consumer from cold segments, 1 KB", cachedKafka, report.Synced, toolConsumer, false, consumeCold),
	kafka("librdkafka", "kcat (librdkafka) from segments, 1 KB", cachedKafka, report.Synced, "kcat", false, kcat),
	kafka("topics", "1,000 topics of one partition, keyed 100 B", cachedKafka, report.Synced, "franz-go", false, manyTopics(1000)),
	kafka("pace", "20 MB/s of 1 KB, end to end", cachedKafka, report.Synced, "franz-go", false, fixed(paced(20_000))),
	kafka("copy", "exactly-once copy, 1,000 records per transaction", cachedKafka, report.Synced, "Kafka's TransactionalMessageCopier", false, copyOnce(4000)),
	kafka("produce1kr", "producer, 1 KB, weir relaxed", cachedKafka, report.Cached, toolProducer, false, produce(1024, partitions, 60_000)),
	kafka("produce1ks", "producer, 1 KB, 16 partitions, acks=all", syncedKafka, report.Synced, toolProducer, true, produce(1024, partitions, 10_000)),
	kafka("produce100s", "producer, 100 B, 16 partitions, acks=all", syncedKafka, report.Synced, toolProducer, false, produce(100, partitions, 80_000)),
	kafka("singles", "producer, 100 B, batch.size=1", syncedKafka, report.Synced, toolProducer, false, produce(100, partitions, 3000, "batch.size=1")),
}

func kafka(name, title string, of peer, weir report.Class, tool string, chief bool, load loader) shape {
	fill := map[string]int{"cold": 7, "librdkafka": 6, "tail": 4, "copy": 3}[name]
	return shape{
		name: name, group: report.GroupKafka, title: title, peer: of, weir: weir, tool: tool, chief: chief,
		jvm: tool != "kcat" && tool != "franz-go", fill: fill, load: load,
	}
}

// tool runs one of Kafka's tools and shows its lines.
func (s *settings) tool(each func(string), class string, args ...string) (string, error) {
	c, err := s.peers.kafkaTool("org.apache.kafka.tools."+class, args...)
	if err != nil {
		return "", err
	}
	out, err := follow(c, each)
	if err != nil {
		return "", fmt.Errorf("%s: %w", class, err)
	}
	return out, nil
}

// newTopic makes a topic nobody else has.
func newTopic(p *process, count int32) (string, error) {
	c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka))
	if err != nil {
		return "", err
	}
	defer c.Close()
	name := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	return name, createTopics(c, count, name)
}

func createTopics(c *kgo.Client, count int32, names ...string) error {
	m := kmsg.NewPtrCreateTopicsRequest()
	m.TimeoutMillis = 60_000
	for _, name := range names {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = name, count, 1
		m.Topics = append(m.Topics, t)
	}
	answer, err := m.RequestWith(context.Background(), c)
	if err != nil {
		return err
	}
	for _, t := range answer.Topics {
		if t.ErrorCode != 0 {
			return fmt.Errorf("create %s: error %d", t.Topic, t.ErrorCode)
		}
	}
	return nil
}

// deleteTopics frees the disk of what a run has left.
func deleteTopics(p *process, names ...string) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka))
	if err != nil {
		return err
	}
	defer c.Close()
	m := kmsg.NewPtrDeleteTopicsRequest()
	m.TimeoutMillis = 60_000
	for _, name := range names {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		m.Topics = append(m.Topics, t)
		m.TopicNames = append(m.TopicNames, name)
	}
	_, err = m.RequestWith(context.Background(), c)
	return err
}

// produce is Kafka's own producer test, as fast as it can. The guess is how many
// records a second the slower broker takes; what it really is, is found out.
func produce(size int, count int32, guess float64, more ...string) loader {
	return func(s *settings, p *process) (report.Figures, error) {
		topic, err := newTopic(p, count)
		if err != nil {
			return nil, err
		}
		f, err := s.producerTest(p, topic, size, guess, more...)
		return f, errors.Join(err, deleteTopics(p, topic))
	}
}

const (
	// longEnough is which part of the seconds that were asked for a run has to have.
	longEnough = 0.8
	triesMax   = 5
)

// lasting repeats a run whose length is given as a number of messages, until it
// was as long as asked for. run gets how many a second are expected.
func (s *settings) lasting(p *process, load string, guess float64, run func(rate float64) (report.Figures, time.Duration, error)) (report.Figures, error) {
	key := load + " " + p.name + " " + strconv.Itoa(p.pid)
	if s.pace[key] == 0 {
		s.pace[key] = guess
	}
	for try := 1; ; try++ {
		f, took, err := run(s.pace[key])
		if err != nil {
			return nil, err
		}
		s.pace[key] = f["rate"]
		if took.Seconds() >= longEnough*float64(s.seconds) || try == triesMax {
			return f, nil
		}
	}
}

func (s *settings) producerTest(p *process, topic string, size int, guess float64, more ...string) (report.Figures, error) {
	if len(more) == 0 {
		more = []string{"linger.ms=5"}
	}
	return s.lasting(p, fmt.Sprint("produce", size, more), guess, func(rate float64) (report.Figures, time.Duration, error) {
		warm := int(rate * float64(s.warmup))
		records := warm + int(rate*(float64(s.seconds)+0.5))
		r := newProducerRun(p)
		args := []string{
			"--topic", topic, "--num-records", strconv.Itoa(records), "--record-size", strconv.Itoa(size), "--throughput", "-1",
			"--warmup-records", strconv.Itoa(max(warm, 1)), "--reporting-interval", "250",
			"--command-property", "bootstrap.servers=" + p.kafka, "acks=all",
		}
		out, err := s.tool(r.line, "ProducerPerformance", append(args, more...)...)
		if err != nil {
			return nil, 0, err
		}
		f, took, err := r.figures(s.warm())
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %s", err, tail(out))
		}
		return f, took, nil
	})
}

var (
	producedLine = regexp.MustCompile(`^(\d+) records sent, [\d.]+ records/sec .* max latency\.$`)
	steadyLine   = regexp.MustCompile(`^\d+ steady state records sent.* ([\d.]+) ms 99th`)
)

// producerRun reads the lines of ProducerPerformance.
type producerRun struct {
	meter *meter
	p99   float64 // ms, after the warm-up
}

func newProducerRun(p *process) *producerRun { return &producerRun{meter: newMeter(p)} }

func (r *producerRun) line(line string) {
	if m := producedLine.FindStringSubmatch(line); m != nil {
		n, _ := strconv.ParseFloat(m[1], 64)
		r.meter.note(r.meter.count() + n)
	}
	if m := steadyLine.FindStringSubmatch(line); m != nil {
		r.p99, _ = strconv.ParseFloat(m[1], 64)
	}
}

func (r *producerRun) figures(warm time.Duration) (report.Figures, time.Duration, error) {
	f, took, err := r.meter.figures(warm)
	if err == nil && r.p99 > 0 {
		f["confirm_p99"] = r.p99 * 1000
	}
	return f, took, err
}

// readRate is how many records a second consumers are given to read, about what
// the fastest takes; a reader that is faster has a shorter run.
const readRate = 500_000

// filledTopic is a topic with enough to read.
func (s *settings) filledTopic(p *process) (topic string, records int, err error) {
	records = readRate * (s.seconds + min(s.warmup, 1))
	key := fmt.Sprint(p.name, p.pid, records)
	if topic := s.filled[key]; topic != "" {
		return topic, records, nil
	}
	if topic, err = newTopic(p, partitions); err != nil {
		return "", 0, err
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(100_000),
		kgo.ProducerBatchMaxBytes(16<<10), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return "", 0, err
	}
	defer c.Close()
	body := make([]byte, 1024)
	var failed error
	var once sync.Once
	for range records {
		c.Produce(context.Background(), &kgo.Record{Value: body}, func(_ *kgo.Record, err error) {
			if err != nil {
				once.Do(func() { failed = err })
			}
		})
	}
	if err := errors.Join(c.Flush(context.Background()), failed); err != nil {
		return "", 0, err
	}
	s.filled[key] = topic
	return topic, records, nil
}

// perGB makes the CPU of a message of 1 KB that of a GB.
func perGB(f report.Figures) report.Figures {
	f["cpu_gb"] = f["cpu"] / 1e6 / 1024 * 1e9
	delete(f, "cpu")
	return f
}

var consumedLine = regexp.MustCompile(`^\d{4}-[^,]*, \d+, [\d.]+, [\d.]+, (\d+), `)

// consumerTest reads the lines of ConsumerPerformance.
func (s *settings) consumerTest(p *process, topic string, records int, more ...string) (report.Figures, error) {
	m := newMeter(p)
	args := []string{
		"--bootstrap-server", p.kafka, "--topic", topic, "--num-records", strconv.Itoa(records), "--timeout", "30000",
		"--show-detailed-stats", "--hide-header", "--reporting-interval", "200",
	}
	out, err := s.tool(func(line string) {
		if f := consumedLine.FindStringSubmatch(line); f != nil {
			n, _ := strconv.ParseFloat(f[1], 64)
			m.note(n)
		}
	}, "ConsumerPerformance", append(args, more...)...)
	if err != nil {
		return nil, err
	}
	f, _, err := m.figures(min(s.warm(), time.Second))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, tail(out))
	}
	return perGB(f), nil
}

// consumeCold is Kafka's own consumer test over a filled topic, which is dropped
// from the page cache before, where that is allowed.
func consumeCold(s *settings, p *process) (report.Figures, error) {
	topic, records, err := s.filledTopic(p)
	if err != nil {
		return nil, err
	}
	if !dropCaches() {
		fmt.Println("  the page cache cannot be dropped here (it takes root): what is read may be in it")
	}
	return s.consumerTest(p, topic, records)
}

// tailRate is how many records of 1 KB a second are written while they are read:
// less than either broker can take, so that the reader is at the end of the log.
const tailRate = 20_000

// consumeTail reads what a producer writes meanwhile: the CPU is that of both. The
// reader is there before the producer, and what it misses at first it has soon
// caught up with.
func consumeTail(s *settings, p *process) (report.Figures, error) {
	topic, err := newTopic(p, partitions)
	if err != nil {
		return nil, err
	}
	records := tailRate * (s.seconds + 2*s.warmup)
	produced := make(chan error, 1)
	go func() {
		_, err := s.tool(func(string) {}, "ProducerPerformance", "--topic", topic, "--num-records", strconv.Itoa(records), "--record-size", "1024",
			"--throughput", strconv.Itoa(tailRate), "--command-property", "bootstrap.servers="+p.kafka, "acks=all", "linger.ms=5")
		produced <- err
	}()
	f, err := s.consumerTest(p, topic, records)
	return f, errors.Join(err, <-produced, deleteTopics(p, topic))
}

// copyOnce copies a partition in transactions.
func copyOnce(guess float64) loader {
	return func(s *settings, p *process) (report.Figures, error) {
		const transaction = 1000
		return s.lasting(p, "copy", guess, func(rate float64) (report.Figures, time.Duration, error) {
			records := int(rate) * (s.seconds + s.warmup)
			in, err := newTopic(p, 1)
			if err != nil {
				return nil, 0, err
			}
			out, err := newTopic(p, partitions)
			if err != nil {
				return nil, 0, err
			}
			if err := fillWith(p, in, records); err != nil {
				return nil, 0, err
			}
			m := newMeter(p)
			_, err = s.tool(func(line string) {
				if strings.Contains(line, `"ProcessLoop"`) {
					m.note(m.count() + transaction)
				}
			}, "TransactionalMessageCopier", "--broker-list", p.kafka, "--input-topic", in, "--input-partition", "0", "--output-topic", out,
				"--transactional-id", out, "--consumer-group", out, "--transaction-size", strconv.Itoa(transaction), "--max-messages", strconv.Itoa(records))
			if err != nil {
				return nil, 0, err
			}
			f, took, err := m.figures(s.warm())
			return f, took, errors.Join(err, deleteTopics(p, in, out))
		})
	}
}

// fillWith produces so many records of 1 KB.
func fillWith(p *process, topic string, records int) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer c.Close()
	all := make([]*kgo.Record, records)
	body := make([]byte, 1024)
	for i := range all {
		all[i] = &kgo.Record{Value: body}
	}
	return c.ProduceSync(context.Background(), all...).FirstErr()
}
