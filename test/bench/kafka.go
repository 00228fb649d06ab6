package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// partitions of the topics of the base shapes.
const partitions = 16

// kafkaShapes are run next to Apache Kafka with its own tools where it has some.
var kafkaShapes = []shape{
	{"produce1k", "Kafka's producer, 1 KB, 16 partitions, acks=all", "OS cache", produce(1024, 600_000)},
	{"produce1ks", "the same, against a log flushed with every batch", "fsync", produce(1024, 60_000)},
	{"produce100", "Kafka's producer, 100 B", "OS cache", produce(100, 3_000_000)},
	{"produce100s", "the same, against a log flushed with every batch", "fsync", produce(100, 600_000)},
	{"single", "Kafka's producer, 100 B, batch.size=1", "OS cache", produce(100, 100_000, "batch.size=1")},
	{"tail", "Kafka's consumer, what was just produced, 100 MB of 1 KB", "OS cache", consume(100_000, false)},
	{"cold", "Kafka's consumer, 1 GB of 1 KB from segments", "OS cache", consume(1_000_000, true)},
	{"librdkafka", "kcat (librdkafka) as consumer, 1 GB of 1 KB", "OS cache", kcat(1_000_000)},
	{"topics", "1,000 topics of one partition, keyed 100 B (franz-go)", "OS cache", manyTopics(1000)},
	{"pace", "20 MB/s of 1 KB, end to end (franz-go)", "OS cache", paced(20_000)},
	{"copy", "exactly-once copy, 1,000 records per transaction (Kafka's TransactionalMessageCopier)", "OS cache", copyOnce(100_000)},
}

// kafkaPeers start what a shape is compared with.
var kafkaPeers = map[string]func(*settings) (*process, error){
	"produce1k":   theKafka,
	"produce1ks":  theSyncedKafka,
	"produce100":  theKafka,
	"produce100s": theSyncedKafka,
	"single":      theKafka,
	"tail":        theKafka,
	"cold":        theKafka,
	"librdkafka":  theKafka,
	"topics":      theKafka,
	"pace":        theKafka,
	"copy":        theKafka,
}

// theKafka is the one Kafka of the run, as it comes.
func theKafka(s *settings) (*process, error) { return s.kafkaOf("") }

// theSyncedKafka flushes its log with every batch.
func theSyncedKafka(s *settings) (*process, error) {
	return s.kafkaOf("log.flush.interval.messages=1")
}

// kafkaOf starts Kafka with one more setting, unless that is the one that runs.
func (s *settings) kafkaOf(setting string) (*process, error) {
	if s.kafka != nil && s.kafkaSetting == setting {
		return s.kafka, nil
	}
	if s.kafka != nil {
		if err := s.kafka.stop(); err != nil {
			return nil, err
		}
		s.kafka = nil
	}
	script := filepath.Join(s.peers, "kafka")
	args := []string{"start"}
	if setting != "" {
		args = append(args, setting)
	}
	if out, err := exec.Command(script, args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("kafka start: %w: %s", err, out)
	}
	port := os.Getenv("KAFKA_PORT")
	if port == "" {
		port = "29092" // the script's own
	}
	p := &process{name: "Kafka", kafka: "127.0.0.1:" + port, stop: func() error { return exec.Command(script, "stop").Run() }}
	out, err := exec.Command(script, "status").CombinedOutput()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("kafka status: %w: %s", err, out), p.stop())
	}
	p.pid = firstPid(string(out))
	s.kafka, s.kafkaSetting = p, setting
	return p, nil
}

// tool runs one of Kafka's tools and returns what it printed.
func (s *settings) tool(class string, args ...string) (string, error) {
	out, err := exec.Command(filepath.Join(s.peers, "kafka"), append([]string{"tool", "org.apache.kafka.tools." + class}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", class, err, out)
	}
	return string(out), nil
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

var produced = regexp.MustCompile(`(\d+) records sent, ([\d.]+) records/sec.* ([\d.]+) ms 99th`)

// produce is Kafka's own producer test: so many records, as fast as it can.
func produce(size, records int, more ...string) func(*settings, string, *process) (figures, error) {
	return func(s *settings, _ string, p *process) (figures, error) {
		topic, err := newTopic(p, partitions)
		if err != nil {
			return figures{}, err
		}
		return s.producerTest(p, topic, size, records, more...)
	}
}

func (s *settings) producerTest(p *process, topic string, size, records int, more ...string) (figures, error) {
	records = max(records*s.seconds/10, 1000)
	before := p.cpu()
	args := []string{
		"--topic", topic, "--num-records", strconv.Itoa(records), "--record-size", strconv.Itoa(size), "--throughput", "-1",
		"--command-property", "bootstrap.servers=" + p.kafka, "acks=all",
	}
	if len(more) == 0 {
		more = []string{"linger.ms=5"}
	}
	out, err := s.tool("ProducerPerformance", append(args, more...)...)
	if err != nil {
		return figures{}, err
	}
	used := p.cpu() - before
	all := produced.FindAllStringSubmatch(out, -1)
	if len(all) == 0 {
		return figures{}, fmt.Errorf("no result: %s", out)
	}
	last := all[len(all)-1]
	f := figures{micros: used * 1e6 / float64(records), rss: p.rss()}
	f.rate, _ = strconv.ParseFloat(last[2], 64)
	p99, _ := strconv.ParseFloat(last[3], 64)
	f.confirm = p99 * 1000
	return f, nil
}

// filled are topics with messages in them, by broker.
func (s *settings) filledTopic(p *process, records int, fresh bool) (string, error) {
	key := fmt.Sprint(p.name, p.pid, records)
	if topic := s.filled[key]; topic != "" && !fresh {
		return topic, nil
	}
	topic, err := newTopic(p, partitions)
	if err != nil {
		return "", err
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(100_000),
		kgo.ProducerBatchMaxBytes(16<<10), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return "", err
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
		return "", err
	}
	if s.filled == nil {
		s.filled = map[string]string{}
	}
	s.filled[key] = topic
	return topic, nil
}

// consume is Kafka's own consumer test over a topic that was filled before.
func consume(records int, cold bool) func(*settings, string, *process) (figures, error) {
	return func(s *settings, _ string, p *process) (figures, error) {
		topic, err := s.filledTopic(p, records, !cold)
		if err != nil {
			return figures{}, err
		}
		before := p.cpu()
		out, err := s.tool("ConsumerPerformance", "--bootstrap-server", p.kafka, "--topic", topic, "--num-records", strconv.Itoa(records), "--timeout", "60000")
		if err != nil {
			return figures{}, err
		}
		used := p.cpu() - before
		all := regexp.MustCompile(`, ([\d.]+), ([\d.]+)\s*$`).FindStringSubmatch(out)
		if len(all) < 3 {
			return figures{}, fmt.Errorf("no result: %s", out)
		}
		f := figures{perGB: used / (float64(records) * 1024 / 1e9), rss: p.rss()}
		f.rate, _ = strconv.ParseFloat(all[2], 64) // while fetching
		return f, nil
	}
}

// kcat reads a filled topic with librdkafka.
func kcat(records int) func(*settings, string, *process) (figures, error) {
	return func(s *settings, _ string, p *process) (figures, error) {
		topic, err := s.filledTopic(p, records, false)
		if err != nil {
			return figures{}, err
		}
		before, begin := p.cpu(), time.Now()
		c := exec.Command("kcat", "-C", "-b", p.kafka, "-t", topic, "-o", "beginning", "-e", "-q", "-f", "")
		if out, err := c.CombinedOutput(); err != nil {
			return figures{}, fmt.Errorf("kcat: %w: %s", err, out)
		}
		took, used := time.Since(begin).Seconds(), p.cpu()-before
		return figures{rate: float64(records) / took, perGB: used / (float64(records) * 1024 / 1e9), rss: p.rss()}, nil
	}
}

// manyTopics produces to so many topics of one partition.
func manyTopics(count int) func(*settings, string, *process) (figures, error) {
	return func(s *settings, _ string, p *process) (figures, error) {
		c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka), kgo.MaxBufferedRecords(200_000), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(5*time.Millisecond))
		if err != nil {
			return figures{}, err
		}
		defer c.Close()
		names := make([]string, count)
		for i := range names {
			names[i] = fmt.Sprintf("many-%d-%d", time.Now().UnixNano(), i)
		}
		if err := createTopics(c, 1, names...); err != nil {
			return figures{}, err
		}
		if _, err := produceFor(c, names, time.Second); err != nil { // learns where they are
			return figures{}, err
		}
		before := p.cpu()
		n, err := produceFor(c, names, time.Duration(s.seconds)*time.Second)
		if err != nil {
			return figures{}, err
		}
		return figures{rate: n / float64(s.seconds), micros: (p.cpu() - before) * 1e6 / n, rss: p.rss()}, nil
	}
}

func produceFor(c *kgo.Client, names []string, d time.Duration) (float64, error) {
	var failed error
	var once sync.Once
	n := 0
	for end := time.Now().Add(d); time.Now().Before(end); {
		for range 1000 {
			r := &kgo.Record{Topic: names[n%len(names)], Key: binary.BigEndian.AppendUint64(nil, uint64(n)), Value: make([]byte, 92)}
			c.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
				if err != nil {
					once.Do(func() { failed = err })
				}
			})
			n++
		}
	}
	err := c.Flush(context.Background())
	return float64(n), errors.Join(err, failed)
}

// paced produces so many records of 1 KB a second and measures how old they are
// when they are consumed.
func paced(rate int) func(*settings, string, *process) (figures, error) {
	return func(s *settings, _ string, p *process) (figures, error) {
		topic, err := newTopic(p, partitions)
		if err != nil {
			return figures{}, err
		}
		c, err := kgo.NewClient(kgo.SeedBrokers(p.kafka), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(time.Millisecond),
			kgo.DefaultProduceTopic(topic), kgo.ConsumeTopics(topic), kgo.FetchMaxWait(100*time.Millisecond))
		if err != nil {
			return figures{}, err
		}
		defer c.Close()
		before := p.cpu()
		total := rate * s.seconds
		go func() {
			begin := time.Now()
			for i := 0; i < total; {
				for due := int(time.Since(begin).Seconds() * float64(rate)); i < min(due, total); i++ {
					body := make([]byte, 1024)
					binary.BigEndian.PutUint64(body, uint64(time.Now().UnixNano()))
					c.Produce(context.Background(), &kgo.Record{Value: body}, nil)
				}
				time.Sleep(time.Millisecond)
			}
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.seconds+30)*time.Second)
		defer cancel()
		var ages []float64
		for n := 0; n < total; {
			f := c.PollFetches(ctx)
			if err := f.Err(); err != nil {
				return figures{}, err
			}
			now := time.Now().UnixNano()
			f.EachRecord(func(r *kgo.Record) {
				if n++; n > total/5 { // the first part warms up
					ages = append(ages, float64(now-int64(binary.BigEndian.Uint64(r.Value)))/1000)
				}
			})
		}
		return figures{rate: float64(rate), micros: (p.cpu() - before) * 1e6 / float64(total), rss: p.rss(), end: quantile(ages, 0.99)}, nil
	}
}

// copyOnce copies a partition in transactions.
func copyOnce(records int) func(*settings, string, *process) (figures, error) {
	return func(s *settings, _ string, p *process) (figures, error) {
		records := max(records*s.seconds/10, 10_000)
		in, err := newTopic(p, 1)
		if err != nil {
			return figures{}, err
		}
		out, err := newTopic(p, partitions)
		if err != nil {
			return figures{}, err
		}
		if _, err := s.producerTest(p, in, 1024, records*10/s.seconds); err != nil {
			return figures{}, err
		}
		before, begin := p.cpu(), time.Now()
		_, err = s.tool("TransactionalMessageCopier", "--broker-list", p.kafka, "--input-topic", in, "--input-partition", "0", "--output-topic", out,
			"--transactional-id", out, "--consumer-group", out, "--transaction-size", "1000", "--max-messages", strconv.Itoa(records))
		if err != nil {
			return figures{}, err
		}
		took := time.Since(begin).Seconds()
		return figures{rate: float64(records) / took, micros: (p.cpu() - before) * 1e6 / float64(records), rss: p.rss()}, nil
	}
}
