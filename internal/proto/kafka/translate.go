package kafka

import (
	"errors"

	"weir/internal/broker"
	records "weir/internal/proto/kafka/batch"
	"weir/internal/record"
)

// headerUnreadable says why a message of another dialect could not be converted.
const headerUnreadable = "x-unreadable"

// translate makes batches of the messages of other dialects. One that cannot be
// converted keeps its place: it has no value, and a header says why.
func (c *conn) translate(f *broker.Fetched) {
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
		f.Records[i] = translated
	}
}
