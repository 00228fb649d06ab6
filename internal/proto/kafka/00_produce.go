package kafka

import (
	"errors"
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

var errTransaction = errors.New("kafka: transactions are not offered")

// produceFlexible is from where on requests have tagged fields.
const produceFlexible = 9

// produce is read by hand: a hostile count costs nothing, and the batches are not
// copied. It is answered when every batch is durable.
func (c *conn) produce(r *request) (kmsg.Response, error) {
	d, compact := decoder{b: r.body}, r.version >= produceFlexible
	if transaction := d.text(compact); transaction != nil {
		return nil, errTransaction // InitProducerId, which is not offered, comes first
	}
	acks := d.int16()
	d.int32() // timeout: there is nobody to wait for
	answer := kmsg.NewPtrProduceResponse()
	var stored sync.WaitGroup
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
			c.append(topic.Topic, p, batches, acks, &stored)
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
	stored.Wait()
	if d.bad || len(d.b) > 0 {
		return nil, errFrame
	}
	if acks == 0 {
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
func (c *conn) append(topic string, p *produced, batches []byte, acks int16, stored *sync.WaitGroup) {
	if acks < -1 || acks > 1 {
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
		stored.Add(1)
		first := len(rest) == len(batches)
		blob := &broker.Blob{Dialect: record.DialectKafka, Count: k.count, Timestamp: k.timestamp, Native: k.bytes}
		err := c.session.Append(topic, int(p.partition), blob, func(base record.Offset, err *broker.Error) {
			defer stored.Done()
			if err != nil {
				p.code = code(err)
			} else if first {
				p.base = int64(base)
			}
		})
		if err != nil {
			p.code = code(err)
			stored.Done()
			return
		}
		rest = behind
	}
}
