package server_test

import (
	"bytes"
	"testing"

	"weir/internal/frugal"
	"weir/internal/proto/amqp091/codec"
	"weir/internal/proto/amqp091/native"
	"weir/internal/record"
)

// A message read in the dialect it came in is handed on as it is.
func TestSameDialectBudget(t *testing.T) {
	parts := native.Parts("amq.topic", "k", 0, &codec.Properties{}, []byte("body"))
	stored := record.Append(nil, &record.Envelope{Dialect: record.DialectAMQP091, Timestamp: 1, Body: 4}, bytes.Join(parts[:], nil))
	for dialect, rec := range map[record.Dialect][]byte{record.DialectAMQP091: stored, record.DialectKafka: batchOf(3)} {
		r := converters.NewReader(dialect)
		defer r.Close()
		frugal.Budget(t, 100, 0, func() {
			for range 100 {
				if out, err := r.Message(rec, 0); err != nil || &out[0] != &rec[0] {
					t.Fatal("not as it is", err)
				}
			}
		})
	}
}
