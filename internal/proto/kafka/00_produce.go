package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/record"
)

// produced is one partition of a produce request and what became of it.
type produced struct {
	partition int32
	code      int16
	base      int64
}

const (
	// produceFlexible is from where on requests have tagged fields.
	produceFlexible = 9
	// produceEnlists is from where on producing to a partition makes it part of the
	// transaction.
	produceEnlists = 12
)

// producing is what the partitions of a produce request have in common.
type producing struct {
	acks        int16
	transaction string
	enlist      bool
	stored      sync.WaitGroup
}

// produce is read by hand: a hostile count costs nothing, and the batches are not
// copied. It is answered when every batch is durable.
func (c *conn) produce(r *request) (kmsg.Response, error) {
	d, compact := decoder{b: r.body}, r.version >= produceFlexible
	in := producing{transaction: string(d.text(compact)), enlist: r.version >= produceEnlists}
	in.acks = d.int16()
	d.int32() // timeout: there is nobody to wait for
	answer := kmsg.NewPtrProduceResponse()
	var all [][]*produced
	for range d.count(compact, 4) {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic = string(d.text(compact))
		var parts []*produced
		for range d.count(compact, 5) {
			p := &produced{partition: d.int32(), base: -1}
			batches := d.bytes(compact)
			if compact {
				d.tags()
			}
			if d.bad {
				break
			}
			c.append(topic.Topic, p, batches, &in)
			parts = append(parts, p)
		}
		if compact {
			d.tags()
		}
		all, answer.Topics = append(all, parts), append(answer.Topics, topic)
	}
	if compact {
		d.tags()
	}
	in.stored.Wait()
	if d.bad || len(d.b) > 0 {
		return nil, errFrame
	}
	if in.acks == 0 {
		return nil, nil
	}
	for i := range answer.Topics {
		for _, p := range all[i] {
			out := kmsg.NewProduceResponseTopicPartition()
			out.Partition, out.ErrorCode, out.BaseOffset, out.LogAppendTime = p.partition, p.code, p.base, -1
			answer.Topics[i].Partitions = append(answer.Topics[i].Partitions, out)
		}
	}
	return answer, nil
}

// append stores the batches of one partition, or notes why not. The last refusal
// of several batches counts; clients send one.
func (c *conn) append(topic string, p *produced, batches []byte, in *producing) {
	if in.acks < -1 || in.acks > 1 {
		p.code = kerr.InvalidRequiredAcks.Code
		return
	}
	if len(batches) == 0 {
		p.code = kerr.InvalidRecord.Code
	}
	for rest := batches; len(rest) > 0; {
		k, behind, bad := readBatch(rest)
		if p.code = bad; bad != errNone {
			return
		}
		if int64(len(k.bytes)) > c.server.options.Broker.MessageBytesMax() {
			p.code = kerr.MessageTooLarge.Code
			return
		}
		done, refused := c.admit(topic, p.partition, &k, in)
		if p.code = refused; refused != errNone {
			return
		}
		in.stored.Add(1)
		first := len(rest) == len(batches)
		blob := &broker.Blob{Dialect: record.DialectKafka, Count: k.count, Timestamp: k.timestamp, Native: k.bytes, Producer: k.producer}
		err := c.session.Append(topic, int(p.partition), blob, func(base record.Offset, err *broker.Error) {
			defer in.stored.Done()
			defer done()
			if err != nil {
				p.code = code(err)
			} else if first {
				p.base = int64(base)
			}
		})
		if err != nil {
			p.code = code(err)
			done()
			in.stored.Done()
			return
		}
		rest = behind
	}
}

// admit asks whether a batch is part of an open transaction if it says so; done is
// to be called when it is stored or refused.
func (c *conn) admit(topic string, number int32, k *batch, in *producing) (done func(), code int16) {
	if k.producer.Part != record.PartTransaction {
		return func() {}, errNone
	}
	info, err := c.session.Topic(topic)
	if err != nil || number < 0 || int(number) >= info.Partitions {
		return nil, kerr.UnknownTopicOrPartition.Code
	}
	p := broker.Partition{Topic: topic, ID: info.ID, Number: int(number)}
	return c.server.transactions.produce(in.transaction, identity{k.producer.ID, int16(k.producer.Epoch)}, p, in.enlist)
}
