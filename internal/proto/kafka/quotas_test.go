package kafka_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/vfs"
)

func TestQuotas(t *testing.T) {
	disk := vfs.NewMem()
	address, stop := start(t, disk)
	c, ctx := client(t, address, kgo.ClientID("slow"), kgo.DefaultProduceTopic("t"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	createTopic(t, c, ctx, "t", 1)
	alter := func(kind string, name *string, key string, value float64) int16 {
		t.Helper()
		m := kmsg.NewPtrAlterClientQuotasRequest()
		x := kmsg.NewAlterClientQuotasRequestEntry()
		x.Entity = append(x.Entity, kmsg.AlterClientQuotasRequestEntryEntity{Type: kind, Name: name})
		x.Ops = append(x.Ops, kmsg.AlterClientQuotasRequestEntryOp{Key: key, Value: value})
		m.Entries = append(m.Entries, x)
		answer, err := m.RequestWith(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Entries[0].ErrorCode
	}
	if code := alter("client-id", nil, "producer_byte_rate", 1<<30); code != 0 {
		t.Error(code)
	}
	if code := alter("client-id", kmsg.StringPtr("slow"), "producer_byte_rate", 20_000); code != 0 {
		t.Error(code)
	}
	for kind, key := range map[string]string{"ip": "producer_byte_rate", "user": "request_percentage"} {
		if alter(kind, kmsg.StringPtr("x"), key, 1) == 0 {
			t.Errorf("%s of %s is taken", key, kind)
		}
	}
	from := time.Now()
	for range 3 { // the first 20,000 bytes are within the quota
		if err := c.ProduceSync(ctx, &kgo.Record{Value: make([]byte, 12_000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.ProduceSync(ctx, &kgo.Record{Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(from); took < 500*time.Millisecond {
		t.Errorf("36 kB at 20 kB/s took %v", took)
	}
	c.Close()
	stop()
	address, stop = start(t, disk)
	defer stop()
	c, ctx = client(t, address)
	defer c.Close()
	m := kmsg.NewPtrDescribeClientQuotasRequest()
	x := kmsg.NewDescribeClientQuotasRequestComponent()
	x.EntityType, x.MatchType = "client-id", kmsg.QuotasMatchTypeAny
	m.Components = append(m.Components, x)
	answer, err := m.RequestWith(ctx, c)
	if err != nil || len(answer.Entries) != 2 || *answer.Entries[0].Entity[0].Name != "slow" || answer.Entries[0].Values[0].Value != 20_000 {
		t.Fatalf("%+v %v", answer, err)
	}
	m.Components[0].MatchType, m.Components[0].Match = kmsg.QuotasMatchTypeExact, kmsg.StringPtr("nobody")
	if answer, err = m.RequestWith(ctx, c); err != nil || answer.Entries == nil || len(answer.Entries) != 0 {
		t.Fatalf("%+v %v", answer, err) // null is for errors
	}
}
