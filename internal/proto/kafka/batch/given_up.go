package batch

import (
	"bytes"
	"fmt"
	"strconv"

	"weir/internal/broker"
	"weir/internal/record"
)

// The headers of a message in a dead-letter topic, and what the last of them says.
const (
	deadHeader    = "__dlq.errors."
	deadRejected  = "Offset rejected by client."
	deadExhausted = "Offset delivery count exceeded the threshold."
)

// GivenUp is a broker.DeadTopicFunc: a batch of one record that says where the
// message stood, with its key and value where it has them.
func GivenUp(g *broker.GivenUp) (broker.Blob, error) {
	why := deadRejected
	if g.Why == broker.DeadDeliveryLimit {
		why = deadExhausted
	}
	c := record.Common{NoBody: true, Timestamp: g.UnixMillis}
	for _, h := range [][2]string{
		{"topic", g.Topic},
		{"partition", strconv.Itoa(g.Partition)},
		{"offset", strconv.FormatUint(uint64(g.Offset), 10)},
		{"group", g.Group},
		{"delivery.count", strconv.FormatUint(uint64(g.Deliveries), 10)},
		{"message", why},
	} {
		c.Headers = append(c.Headers, record.Field{Name: deadHeader + h[0], Value: []byte(h[1])})
	}
	if g.Native != nil {
		if err := whole(g, &c); err != nil {
			return broker.Blob{}, err
		}
	}
	var e record.Envelope
	native := Converter{}.Pack(&c, &e)
	return broker.Blob{Dialect: record.DialectKafka, Count: 1, Timestamp: e.Timestamp, Native: native}, nil
}

// whole copies key and value of the message.
func whole(g *broker.GivenUp, c *record.Common) error {
	found := false
	err := Opener{}.Open(g.Native, int64(record.MessageBytesMax), func(m *record.Message) bool {
		if m.Delta == g.Index {
			found = true
			c.Key, c.Body, c.NoBody = bytes.Clone(m.Key), bytes.Clone(m.Value), m.Value == nil
		}
		return m.Delta < g.Index
	})
	if err == nil && !found {
		err = fmt.Errorf("kafka: message %d of its batch: %w", g.Index, record.ErrNoMessage)
	}
	return err
}
