package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"weir/internal/broker"
	"weir/internal/proto/kafka/batch"
)

// Topic is what a topic's settings mean to who writes to it.
type Topic struct {
	BatchBytes int64 // of the largest batch
	AppendTime bool  // messages have this server's time
	BeforeMax  int64 // ms a message's time may be in the past
	AfterMax   int64 // ms it may be in the future
	InSync     int64 // copies a write must have
	Compact    bool
	Recompress bool
	Codec      batch.Codec // with Recompress
	Level      int         // likewise
}

var codecs = map[string]batch.Codec{"uncompressed": batch.None, "gzip": batch.Gzip, "snappy": batch.Snappy, "lz4": batch.LZ4, "zstd": batch.Zstd}

// Values are a topic's own settings. They have to be what Check takes.
type Values map[string]string

// get is the value that holds for a setting.
func (v Values) get(name string) string {
	if s, ok := v[name]; ok {
		return strings.TrimSpace(s)
	}
	return byName[name].Default
}

// long is the number that holds for a setting.
func (v Values) long(name string) int64 {
	n, err := strconv.ParseInt(v.get(name), 10, 64)
	if err != nil {
		n, _ = strconv.ParseInt(byName[name].Default, 10, 64) // which is a number
	}
	return n
}

// Arguments are the values as a topic of the waist keeps them.
func (v Values) Arguments() map[string]any {
	if len(v) == 0 {
		return nil
	}
	a := make(map[string]any, len(v))
	for name, value := range v {
		a[name] = value
	}
	return a
}

// Read is the opposite of Arguments. What is no setting is left out.
func Read(arguments map[string]any) Values {
	v := make(Values, len(arguments))
	for name, value := range arguments {
		if s, ok := value.(string); ok && byName[name] != nil {
			v[name] = s
		}
	}
	return v
}

var errConflict = errors.New("conflict topic config setting")

// Check says what is wrong with a topic's settings, in Kafka's words.
func (v Values) Check() error {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		k := byName[name]
		if k == nil {
			return fmt.Errorf("Unknown topic config name: %s", name) //nolint:staticcheck // Kafka's words
		}
		if err := k.check(v[name]); err != nil {
			return err
		}
	}
	if low, high := v.long(MinCompactionLag), v.long(MaxCompactionLag); low > high {
		return fmt.Errorf("%w %s (%d) > %s (%d)", errConflict, MinCompactionLag, low, MaxCompactionLag, high)
	}
	if strings.EqualFold(v.get(remoteStorage), "true") {
		return errRemote
	}
	if level := v.get(CompressionGzip); level == "0" {
		return byName[CompressionGzip].invalid(level, "Value must be between 1 and 9 or equal to -1")
	}
	return nil
}

var errRemote = errors.New("Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.") //nolint:staticcheck,revive // Kafka's words

// Topic is what the settings mean to who writes.
func (v Values) Topic() *Topic {
	t := &Topic{
		BatchBytes: v.long(MaxMessageBytes), AppendTime: v.get(TimestampType) == "LogAppendTime",
		BeforeMax: v.long(TimestampBeforeMax), AfterMax: v.long(TimestampAfterMax), InSync: v.long(MinInSync),
		Compact: slices.Contains(Split(v.get(CleanupPolicy)), "compact"),
	}
	if t.Codec, t.Recompress = codecs[v.get(CompressionType)]; t.Recompress {
		switch t.Level = batch.LevelDefault; t.Codec {
		case batch.Gzip:
			t.Level = int(v.long(CompressionGzip))
		case batch.LZ4:
			t.Level = int(v.long(CompressionLZ4))
		case batch.Zstd:
			t.Level = int(v.long(CompressionZstd))
		case batch.None, batch.Snappy:
		}
	}
	return t
}

// Settings is what the settings mean to the waist.
func (v Values) Settings() broker.Settings {
	var s broker.Settings
	policy := Split(v.get(CleanupPolicy))
	if slices.Contains(policy, "delete") {
		if ms := v.long(RetentionMillis); ms >= 0 && ms < forever {
			ms = max(ms, 1) // 0 keeps nothing, but it is no bound to the waist
			s.RetainMillis = &ms
		}
		if bytes := v.long(RetentionBytes); bytes >= 0 {
			bytes = max(bytes, 1)
			s.RetainBytes = &bytes
		}
	}
	largest := v.long(MaxMessageBytes)
	s.MessageBytes = &largest
	if strings.EqualFold(v.get(TakesDead), "true") {
		yes := true
		s.TakesDead = &yes
	}
	if slices.Contains(policy, "compact") {
		ratio, err := strconv.ParseFloat(v.get(MinCleanableRatio), 64)
		if err != nil {
			ratio = 0.5 // cannot be: it was checked
		}
		s.Compact = &broker.Compaction{
			LagMin: v.long(MinCompactionLag), TombstoneMillis: v.long(DeleteRetention), DirtyRatio: ratio,
			TailBytes: v.long(SegmentBytes), TailMillis: v.long(SegmentMillis),
		}
		if lag := v.long(MaxCompactionLag); lag < forever {
			s.Compact.LagMax = lag
		}
	}
	return s
}
