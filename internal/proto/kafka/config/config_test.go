package config_test

import (
	"reflect"
	"testing"

	"weir/internal/proto/kafka/batch"
	"weir/internal/proto/kafka/config"
)

func TestDefaultsAreValid(t *testing.T) {
	all := config.Values{}
	for _, k := range config.Keys() {
		all[k.Name] = k.Default
	}
	if err := all.Check(); err != nil {
		t.Fatal(err)
	}
	if a, b := all.Settings(), (config.Values{}).Settings(); !reflect.DeepEqual(a, b) || *a.RetainMillis != 604800000 || a.RetainBytes != nil || a.Compact != nil {
		t.Fatalf("%+v %+v", a, b)
	}
}

func TestCheck(t *testing.T) {
	for _, row := range []struct{ name, value, want string }{
		{"no.such", "1", "Unknown topic config name: no.such"},
		{"retention.ms", "x", "Invalid value x for configuration retention.ms: Not a number of type LONG"},
		{"retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
		{"segment.bytes", "3000000000", "Invalid value 3000000000 for configuration segment.bytes: Not a number of type INT"},
		{"min.cleanable.dirty.ratio", "1.5", "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
		{"preallocate", "maybe", "Invalid value maybe for configuration preallocate: Expected value to be either true or false"},
		{"compression.type", "rar", "Invalid value rar for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		{"cleanup.policy", "shred", "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"},
		{"min.compaction.lag.ms", "9223372036854775807", ""},
		{"cleanup.policy", "compact,delete", ""},
		{"cleanup.policy", "delete,delete", ""},
		{"leader.replication.throttled.replicas", "x", "Invalid value [x] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
		{"leader.replication.throttled.replicas", "*", ""},
		{"leader.replication.throttled.replicas", "0:1,1:1", ""},
		{"retention.bytes", "-7", ""},
	} {
		err := config.Values{row.name: row.value}.Check()
		if row.want == "" && err != nil || row.want != "" && (err == nil || err.Error() != row.want) {
			t.Errorf("%s=%s: %v", row.name, row.value, err)
		}
	}
	both := config.Values{config.MinCompactionLag: "5", config.MaxCompactionLag: "4"}
	if err := both.Check(); err == nil {
		t.Error("a lag of at least 5 and at most 4")
	}
}

func TestMeaning(t *testing.T) {
	v := config.Values{
		config.CleanupPolicy: "compact", config.MaxCompactionLag: "7", config.CompressionType: "zstd", config.CompressionZstd: "5",
		config.TimestampType: "LogAppendTime", config.MinInSync: "2", config.MaxMessageBytes: "99", config.RetentionMillis: "1",
	}
	if err := v.Check(); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(config.Read(v.Arguments()), v) {
		t.Fatal(v.Arguments())
	}
	s := v.Settings()
	if s.RetainMillis != nil || s.Compact == nil || s.Compact.LagMax != 7 || s.Compact.DirtyRatio != 0.5 {
		t.Fatalf("%+v", s.Compact)
	}
	want := config.Topic{
		BatchBytes: 99, AppendTime: true, BeforeMax: 1<<63 - 1, AfterMax: 3600000, InSync: 2, Compact: true,
		Recompress: true, Codec: batch.Zstd, Level: 5,
	}
	if got := v.Topic(); *got != want {
		t.Fatalf("%+v", got)
	}
}
