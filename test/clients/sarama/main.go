package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const wait = 60 * time.Second // for a scenario

var scenarios = []struct {
	name string
	run  func() error
}{
	{"sync-producer", syncProducer},
	{"async-idempotent", asyncIdempotent},
	{"compressions", compressions},
	{"transactions", transactions},
	{"group", group},
	{"offsets", offsets},
	{"admin", admin},
	{"sasl-plain", login},
	{"tls", secured},
}

func main() {
	wanted := regexp.MustCompile(os.Getenv("SCENARIO"))
	status := 0
	for _, s := range scenarios {
		if !wanted.MatchString(s.name) {
			continue
		}
		begin := time.Now()
		done := make(chan error, 1)
		go func() { done <- s.run() }()
		var err error
		select {
		case err = <-done:
		case <-time.After(wait):
			err = errors.New("took too long")
		}
		if err != nil {
			status = 1
			fmt.Printf("FAIL sarama %s: %s\n", s.name, strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Printf("ok   sarama %s (%d ms)\n", s.name, time.Since(begin).Milliseconds())
	}
	os.Exit(status)
}

func seeds() []string { return []string{os.Getenv("CLIENTS_KAFKA")} }

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V4_0_0_0
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	return c
}

func unique(what string) string { return fmt.Sprintf("sarama.%s.%d", what, time.Now().UnixNano()) }

// topic makes one.
func topic(partitions int32) (string, error) {
	a, err := sarama.NewClusterAdmin(seeds(), config())
	if err != nil {
		return "", err
	}
	defer a.Close()
	name := unique("topic")
	return name, a.CreateTopic(name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
}

// read returns the first n values of a partition.
func read(name string, partition int32, n int, level sarama.IsolationLevel) ([]*sarama.ConsumerMessage, error) {
	c := config()
	c.Consumer.IsolationLevel = level
	consumer, err := sarama.NewConsumer(seeds(), c)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	p, err := consumer.ConsumePartition(name, partition, sarama.OffsetOldest)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	var got []*sarama.ConsumerMessage
	for len(got) < n {
		select {
		case m := <-p.Messages():
			got = append(got, m)
		case <-time.After(wait / 2):
			return got, fmt.Errorf("%d messages of %d", len(got), n)
		}
	}
	return got, nil
}

func inOrder(got []*sarama.ConsumerMessage) error {
	for i, m := range got {
		if string(m.Value) != fmt.Sprint(i) || m.Offset != int64(i) {
			return fmt.Errorf("%q at %d where %d is due", m.Value, m.Offset, i)
		}
	}
	return nil
}

func syncProducer() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	p, err := sarama.NewSyncProducer(seeds(), config())
	if err != nil {
		return err
	}
	defer p.Close()
	for i := range 50 {
		m := &sarama.ProducerMessage{
			Topic: name, Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder(fmt.Sprint(i)),
			Headers: []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("v")}},
		}
		if _, offset, err := p.SendMessage(m); err != nil || offset != int64(i) {
			return fmt.Errorf("message %d is at %d: %w", i, offset, err)
		}
	}
	got, err := read(name, 0, 50, sarama.ReadUncommitted)
	if err != nil {
		return err
	}
	if string(got[0].Key) != "k" || len(got[0].Headers) != 1 || string(got[0].Headers[0].Value) != "v" {
		return fmt.Errorf("%+v", got[0])
	}
	return inOrder(got)
}

func asyncIdempotent() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	c := config()
	c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	p, err := sarama.NewAsyncProducer(seeds(), c)
	if err != nil {
		return err
	}
	const n = 5000
	go func() {
		for i := range n {
			p.Input() <- &sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(fmt.Sprint(i))}
		}
	}()
	for range n {
		select {
		case <-p.Successes():
		case err := <-p.Errors():
			return err
		}
	}
	if err := p.Close(); err != nil {
		return err
	}
	got, err := read(name, 0, n, sarama.ReadUncommitted)
	if err != nil {
		return err
	}
	return inOrder(got)
}

func compressions() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	codecs := []sarama.CompressionCodec{sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD}
	for i, codec := range codecs {
		c := config()
		c.Producer.Compression = codec
		p, err := sarama.NewSyncProducer(seeds(), c)
		if err != nil {
			return err
		}
		_, _, err = p.SendMessage(&sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(fmt.Sprint(i))})
		if err := errors.Join(err, p.Close()); err != nil {
			return fmt.Errorf("%v: %w", codec, err)
		}
	}
	got, err := read(name, 0, len(codecs), sarama.ReadUncommitted)
	if err != nil {
		return err
	}
	return inOrder(got)
}

func transactions() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	c := config()
	c.Producer.Idempotent, c.Net.MaxOpenRequests, c.Producer.Transaction.ID = true, 1, unique("tx")
	p, err := sarama.NewSyncProducer(seeds(), c)
	if err != nil {
		return err
	}
	defer p.Close()
	groupID := unique("group")
	for _, row := range []struct {
		value  string
		commit bool
	}{{"yes", true}, {"no", false}, {"again", true}} {
		if err := p.BeginTxn(); err != nil {
			return err
		}
		if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder(row.value)}); err != nil {
			return err
		}
		position := map[string][]*sarama.PartitionOffsetMetadata{name: {{Partition: 0, Offset: int64(len(row.value))}}}
		if err := p.AddOffsetsToTxn(position, groupID); err != nil {
			return err
		}
		end := p.AbortTxn
		if row.commit {
			end = p.CommitTxn
		}
		if err := end(); err != nil {
			return err
		}
	}
	got, err := read(name, 0, 2, sarama.ReadCommitted)
	if err != nil {
		return err
	}
	if string(got[0].Value) != "yes" || string(got[1].Value) != "again" {
		return fmt.Errorf("%q and %q were committed", got[0].Value, got[1].Value)
	}
	return position(groupID, name, 0, int64(len("again")))
}

// position wants a group to be somewhere.
func position(groupID, name string, partition int32, want int64) error {
	a, err := sarama.NewClusterAdmin(seeds(), config())
	if err != nil {
		return err
	}
	defer a.Close()
	r, err := a.ListConsumerGroupOffsets(groupID, map[string][]int32{name: {partition}})
	if err != nil {
		return err
	}
	if got := r.GetBlock(name, partition).Offset; got != want {
		return fmt.Errorf("the group is at %d, not %d", got, want)
	}
	return nil
}

// member counts what it is handed.
type member struct {
	mu   *sync.Mutex
	seen map[string]int
	all  chan struct{}
	want int
}

func (*member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			m.mu.Lock()
			m.seen[string(message.Value)]++
			if len(m.seen) == m.want {
				select {
				case m.all <- struct{}{}:
				default:
				}
			}
			m.mu.Unlock()
			s.MarkMessage(message, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

func group() error {
	name, err := topic(4)
	if err != nil {
		return err
	}
	const n = 400
	p, err := sarama.NewSyncProducer(seeds(), config())
	if err != nil {
		return err
	}
	defer p.Close()
	c := config()
	c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky(), sarama.NewBalanceStrategyRange()}
	m := &member{mu: &sync.Mutex{}, seen: map[string]int{}, all: make(chan struct{}, 1), want: n}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	groupID := unique("group")
	var ended sync.WaitGroup
	for range 2 {
		g, err := sarama.NewConsumerGroup(seeds(), groupID, c)
		if err != nil {
			return err
		}
		ended.Go(func() {
			for ctx.Err() == nil {
				if err := g.Consume(ctx, []string{name}, m); err != nil {
					break
				}
			}
			_ = g.Close()
		})
	}
	for i := range n {
		if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: name, Key: sarama.StringEncoder(fmt.Sprint(i)), Value: sarama.StringEncoder(fmt.Sprint(i))}); err != nil {
			return err
		}
	}
	select {
	case <-m.all:
	case <-time.After(wait / 2):
		return fmt.Errorf("%d of %d messages", len(m.seen), n)
	}
	cancel()
	ended.Wait()
	return nil
}

func offsets() error {
	name, err := topic(1)
	if err != nil {
		return err
	}
	client, err := sarama.NewClient(seeds(), config())
	if err != nil {
		return err
	}
	defer client.Close()
	p, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return err
	}
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range 10 {
		if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: name, Value: sarama.StringEncoder("x"), Timestamp: at.Add(time.Duration(i) * time.Minute)}); err != nil {
			return err
		}
	}
	for ask, want := range map[int64]int64{sarama.OffsetOldest: 0, sarama.OffsetNewest: 10, at.Add(5 * time.Minute).UnixMilli(): 5} {
		if got, err := client.GetOffset(name, 0, ask); err != nil || got != want {
			return fmt.Errorf("%d is at %d, not %d: %w", ask, got, want, err)
		}
	}
	return nil
}

func admin() error {
	a, err := sarama.NewClusterAdmin(seeds(), config())
	if err != nil {
		return err
	}
	defer a.Close()
	name, retention := unique("topic"), "86400000"
	if err := a.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention}}, false); err != nil {
		return err
	}
	if err := a.CreatePartitions(name, 3, nil, false); err != nil {
		return err
	}
	described, err := a.DescribeTopics([]string{name})
	if err != nil || len(described[0].Partitions) != 3 {
		return fmt.Errorf("%+v: %w", described, err)
	}
	entries, err := a.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: name, ConfigNames: []string{"retention.ms"}})
	if err != nil || entries[0].Value != retention {
		return fmt.Errorf("%+v: %w", entries, err)
	}
	acl := sarama.Acl{Principal: "User:nobody", Host: "*", Operation: sarama.AclOperationRead, PermissionType: sarama.AclPermissionAllow}
	resource := sarama.Resource{ResourceType: sarama.AclResourceTopic, ResourceName: name, ResourcePatternType: sarama.AclPatternLiteral}
	if err := a.CreateACL(resource, acl); err != nil {
		return err
	}
	filter := sarama.AclFilter{
		ResourceType: sarama.AclResourceTopic, ResourceName: &name, ResourcePatternTypeFilter: sarama.AclPatternLiteral,
		Operation: sarama.AclOperationAny, PermissionType: sarama.AclPermissionAny,
	}
	if matching, err := a.DeleteACL(filter, false); err != nil || len(matching) != 1 {
		return fmt.Errorf("%+v: %w", matching, err)
	}
	if _, _, err := a.DescribeCluster(); err != nil {
		return err
	}
	return a.DeleteTopic(name)
}

func login() error {
	for password, ok := range map[string]bool{"guest": true, "wrong": false} {
		c := config()
		c.Net.SASL.Enable, c.Net.SASL.Mechanism, c.Net.SASL.User, c.Net.SASL.Password = true, sarama.SASLTypePlaintext, "guest", password
		c.Metadata.Retry.Max = 0
		client, err := sarama.NewClient(seeds(), c)
		if ok != (err == nil) {
			return fmt.Errorf("password %q: %w", password, err)
		}
		if err == nil {
			_ = client.Close()
		}
	}
	return nil
}

func secured() error {
	pem, err := os.ReadFile(os.Getenv("CLIENTS_CA"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	c := config()
	c.Net.TLS.Enable, c.Net.TLS.Config = true, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	client, err := sarama.NewClient([]string{os.Getenv("CLIENTS_KAFKAS")}, c)
	if err != nil {
		return err
	}
	return client.Close()
}
