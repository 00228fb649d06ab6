package kafka

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weir/internal/broker"
	"weir/internal/record"
)

// produced is one partition of a produce request and what became of it.
type produced struct {
	partition int32
	refusal
	bad      []uint32 // records that are the reason, from 0
	base     int64
	begin    int64 // first offset of the partition
	appended int64 // when it was stored if messages have that time, unix ms; else -1
}

const (
	// produceOldest is from where on batches are as they are stored. Earlier
	// versions are named to clients that look for them, but not answered.
	produceOldest = 3
	// produceZstd is from where on batches may be compressed with zstd.
	produceZstd = 7
	// produceFlexible is from where on requests have tagged fields.
	produceFlexible = 9
	// produceAborts is from where on clients know that a transaction may have to be
	// aborted without an end to its producer.
	produceAborts = 11
	// produceEnlists is from where on producing to a partition makes it part of the
	// transaction.
	produceEnlists = 12
	// produceIDs is from where on topics are named by their ids.
	produceIDs = 13
)

// producing is what the partitions of a produce request have in common.
type producing struct {
	version     int16
	acks        int16
	transaction string
	now         int64 // unix ms
	stored      *countdown
}

var errProduceVersion = errors.New("kafka: batches of a format that is not taken any more")

// produce is read by hand: a hostile count costs nothing, and the batches are not
// copied. It is answered when every batch is durable; what comes behind it is read
// before that.
func (c *conn) produce(r *request) (kmsg.Response, error) {
	if r.version < produceOldest {
		return nil, errProduceVersion
	}
	d, compact := decoder{b: r.body}, r.version >= produceFlexible
	in := &producing{stored: newCountdown(), version: r.version, transaction: string(d.text(compact)), now: c.server.options.Clock.Now().UnixMilli()}
	in.acks = d.int16()
	d.int32() // timeout: there is nobody to wait for
	answer := kmsg.NewPtrProduceResponse()
	var all [][]*produced
	for range d.count(compact, 4) {
		topic := kmsg.NewProduceResponseTopic()
		var t *known
		var missing int16
		if r.version >= produceIDs {
			copy(topic.TopicID[:], d.take(len(topic.TopicID)))
			t, missing = c.knownTopicID(topic.TopicID)
		} else {
			name := d.text(compact)
			topic.Topic = string(name)
			t, missing = c.knownTopic(name)
		}
		if missing == errNone && isInternal(t.Name) {
			missing = kerr.InvalidTopicException.Code
		}
		var parts []*produced
		for range d.count(compact, 5) {
			p := &produced{partition: d.int32(), base: -1, appended: -1, refusal: refusal{code: missing}}
			batches := d.bytes(compact)
			if compact {
				d.tags()
			}
			if d.bad {
				break
			}
			if missing == errNone {
				c.append(t, p, batches, in)
			}
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
	if d.bad || len(d.b) > 0 {
		in.stored.finish()
		<-in.stored.over
		return nil, errFrame
	}
	in.stored.finish()
	answer.ThrottleMillis = c.throttle(quotaProduce, len(r.body))
	return nil, c.later(r, in.stored.over, func() (kmsg.Response, error) { return produceAnswer(answer, all, in.acks) })
}

var errUnheard = errors.New("kafka: a producer that takes no answers sent what was refused")

// produceAnswer puts the answer together. A producer that takes none learns of a refusal
// by losing its connection.
func produceAnswer(answer *kmsg.ProduceResponse, all [][]*produced, acks int16) (kmsg.Response, error) {
	for i := range answer.Topics {
		for _, p := range all[i] {
			if acks == 0 && p.code != errNone {
				return nil, errUnheard
			}
			out := kmsg.NewProduceResponseTopicPartition()
			out.Partition, out.ErrorCode, out.ErrorMessage, out.BaseOffset, out.LogAppendTime = p.partition, p.code, p.message(), p.base, p.appended
			if out.LogStartOffset = p.begin; p.code != errNone {
				out.BaseOffset, out.LogAppendTime, out.LogStartOffset = -1, -1, -1
			}
			for _, n := range p.bad {
				e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
				e.RelativeOffset, e.ErrorMessage = int32(n), p.message()
				out.ErrorRecords = append(out.ErrorRecords, e)
			}
			answer.Topics[i].Partitions = append(answer.Topics[i].Partitions, out)
		}
	}
	if acks == 0 {
		return nil, nil
	}
	return answer, nil
}

// append stores the batch of one partition, or notes why not.
func (c *conn) append(t *known, p *produced, batches []byte, in *producing) {
	k, no := c.oneBatch(t, p, batches, in)
	if p.refusal = no; no.code != errNone {
		return
	}
	done, refused := c.admit(t, p.partition, &k, in)
	if p.code = refused; refused != errNone {
		return
	}
	in.stored.add()
	blob := &broker.Blob{Dialect: record.DialectKafka, Count: k.count, Timestamp: k.timestamp, Native: k.bytes, Producer: k.producer}
	err := c.session.Append(t.Name, int(p.partition), blob, func(base, begin record.Offset, err *broker.Error) {
		defer in.stored.finish()
		defer done()
		if err != nil {
			p.code = code(err)
		} else {
			p.base, p.begin = int64(base), int64(begin)
		}
	})
	if err != nil {
		p.code = code(err)
		done()
		in.stored.finish()
	}
}

// oneBatch reads what a client sent for a partition, which is one batch, and makes
// it what the topic's settings say.
func (c *conn) oneBatch(t *known, p *produced, batches []byte, in *producing) (batch, refusal) {
	switch {
	case in.acks < -1 || in.acks > 1:
		return batch{}, refusal{code: kerr.InvalidRequiredAcks.Code}
	case p.partition < 0 || int(p.partition) >= t.Partitions:
		return batch{}, refusal{code: kerr.UnknownTopicOrPartition.Code}
	case in.acks == -1 && t.config.InSync > 1:
		return batch{}, refusal{code: kerr.NotEnoughReplicas.Code}
	case len(batches) == 0:
		return batch{}, refusal{kerr.InvalidRecord.Code, "Produce requests must have at least one record batch"}
	}
	k, behind, bad := readBatch(batches)
	switch {
	case bad != errNone:
		return k, refusal{code: bad}
	case len(behind) > 0:
		return k, refusal{kerr.InvalidRecord.Code, "Produce requests are only allowed to contain exactly one record batch"}
	}
	return c.conform(t, p, k, in)
}

// admit asks whether a batch is part of an open transaction if it says so; done is
// to be called when it is stored or refused.
func (c *conn) admit(t *known, number int32, k *batch, in *producing) (done func(), code int16) {
	if k.producer.Part != record.PartTransaction {
		return func() {}, errNone
	}
	if refused := c.mayTransact(in.transaction); refused != errNone {
		return nil, refused
	}
	p := broker.Partition{Topic: t.Name, ID: t.ID, Number: int(number)}
	done, code = c.server.transactions.produce(in.transaction, identity{k.producer.ID, int16(k.producer.Epoch)}, p, in.version >= produceEnlists)
	if code == kerr.InvalidTxnState.Code && in.version >= produceAborts {
		code = kerr.TransactionAbortable.Code
	}
	return done, code
}
