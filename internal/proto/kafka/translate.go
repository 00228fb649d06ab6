package kafka

import (
	"errors"
	"slices"

	"weir/internal/broker"
	records "weir/internal/proto/kafka/batch"
	"weir/internal/record"
)

// headerUnreadable says why a message of another dialect could not be converted.
const headerUnreadable = "x-unreadable"

// translate makes batches of the messages of other dialects in a topic. One that
// cannot be converted keeps its place: it has no value, and a header says why.
func (c *conn) translate(f *broker.Fetched, topic string) {
	for i, rec := range f.Records {
		if len(rec) > 4 && record.Dialect(rec[4]) == record.DialectKafka {
			continue
		}
		one := broker.Delivery{Record: rec}
		translated, err := c.server.options.Broker.Translate(&one, record.DialectKafka)
		switch {
		case errors.Is(err, record.ErrNoMessage): // it was taken out of the topic
			translated = record.Append(nil, &record.Envelope{Dialect: record.DialectKafka, Timestamp: 1}, records.Empty())
		case err != nil:
			e := record.Envelope{Dialect: record.DialectKafka, Timestamp: 1}
			common := record.Common{NoBody: true, Headers: []record.Field{{Name: headerUnreadable, Value: []byte(err.Error())}}}
			native := records.Converter{}.Pack(&common, &e)
			translated = record.Append(nil, &e, native)
		}
		if t, refused := c.knownTopic([]byte(topic)); refused == errNone && t.config.AppendTime {
			translated = appended(rec, translated)
		}
		f.Records[i] = translated
	}
}

// appended gives a translated record the time at which it was stored, where the
// topic wants that one.
func appended(stored, translated []byte) []byte {
	var at, e record.Envelope
	if _, err := record.Decode(stored, &at); err != nil {
		return translated
	}
	native, err := record.Decode(translated, &e)
	if err != nil {
		return translated
	}
	b := slices.Clone(records.Batch(native))
	b.SetTime(at.Timestamp)
	e.Timestamp = at.Timestamp
	return record.Append(nil, &e, b)
}
