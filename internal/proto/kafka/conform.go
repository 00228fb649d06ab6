package kafka

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	records "weir/internal/proto/kafka/batch"
	"weir/internal/record"
)

const (
	// unpackBytesMax bounds what the records of one batch may unpack to. It is the
	// window of zstd's highest level, without which its frames cannot be read.
	unpackBytesMax = 128 << 20
	// unpackAtOnce bounds how many batches are unpacked at the same time, and so
	// the memory that takes.
	unpackAtOnce = 4
	// badRecordsMax bounds the records of a batch that an answer names.
	badRecordsMax = 10_000
)

// conform checks the records of a batch against the settings of its topic and
// gives it the time or the compression that they ask for.
func (c *conn) conform(t *known, p *produced, k batch, in *producing) (batch, refusal) {
	b := records.Batch(k.bytes)
	largest := min(t.config.BatchBytes, c.server.options.Broker.MessageBytesMax())
	switch {
	case int64(len(b)) > largest:
		return k, tooLarge(len(b), largest)
	case b.Codec() == records.Zstd && in.version < produceZstd:
		return k, refusal{kerr.UnsupportedCompressionType.Code, "Produce requests with version 6 or below are not allowed to use ZStandard compression"}
	}
	if b.Codec() != records.None {
		c.server.unpacking <- struct{}{}
		defer func() { <-c.server.unpacking }()
	}
	f, err := b.Check(unpackBytesMax)
	switch {
	case errors.Is(err, record.ErrBudget):
		return k, refusal{kerr.MessageTooLarge.Code, "The records unpack to more than is allowed."}
	case err != nil || !f.Dense:
		return k, refusal{kerr.InvalidRecord.Code, "The records are not what their batch says."}
	case t.config.Compact && f.Keyless >= 0:
		if p.bad, err = b.WithoutKey(unpackBytesMax, badRecordsMax); err != nil {
			return k, refusal{code: kerr.UnknownServerError.Code}
		}
		text := fmt.Sprintf("Compacted topic cannot accept message without key in topic partition %s-%d.", t.Name, p.partition)
		return k, refusal{kerr.InvalidRecord.Code, text}
	}
	if no := p.inTime(t, &f, in.now); no.code != errNone {
		return k, no
	}
	if t.config.Recompress && t.config.Codec != b.Codec() {
		if b, err = b.Recompress(t.config.Codec, t.config.Level, unpackBytesMax); err != nil {
			return k, refusal{code: kerr.UnknownServerError.Code}
		}
		if int64(len(b)) > largest {
			return k, tooLarge(len(b), largest)
		}
	}
	switch {
	case t.config.AppendTime:
		b.SetTime(in.now)
		p.appended, k.timestamp = in.now, in.now
	case f.MaxTime != b.MaxTime() || b.AppendTime():
		b.SetCreateTime(f.MaxTime)
		k.timestamp = max(f.MaxTime, 1)
	}
	k.bytes = b
	return k, refusal{}
}

func tooLarge(bytes int, largest int64) refusal {
	return refusal{kerr.MessageTooLarge.Code, fmt.Sprintf("The record batch size is %d bytes which exceeds the maximum configured value of %d.", bytes, largest)}
}

// inTime says whether the times of the records are near enough.
func (p *produced) inTime(t *known, f *records.Facts, now int64) refusal {
	if t.config.AppendTime {
		return refusal{}
	}
	for _, at := range []struct {
		time  int64
		delta uint32
	}{{f.MinTime, f.MinDelta}, {f.MaxTime, f.MaxDelta}} {
		if at.time < 0 {
			continue // unknown
		}
		if now-at.time > t.config.BeforeMax || at.time-now > t.config.AfterMax {
			p.bad = []uint32{at.delta}
			text := fmt.Sprintf("Timestamp %d of message with offset %d is out of range. The timestamp should be within [%d, %d]",
				at.time, at.delta, now-min(t.config.BeforeMax, now), now+min(t.config.AfterMax, 1<<62))
			return refusal{kerr.InvalidTimestamp.Code, text}
		}
	}
	return refusal{}
}
