package config

import (
	"math"
)

// The settings that have an effect by themselves.
const (
	CleanupPolicy      = "cleanup.policy"
	CompressionType    = "compression.type"
	CompressionGzip    = "compression.gzip.level"
	CompressionLZ4     = "compression.lz4.level"
	CompressionZstd    = "compression.zstd.level"
	DeleteRetention    = "delete.retention.ms"
	MaxCompactionLag   = "max.compaction.lag.ms"
	MaxMessageBytes    = "max.message.bytes"
	TimestampAfterMax  = "message.timestamp.after.max.ms"
	TimestampBeforeMax = "message.timestamp.before.max.ms"
	TimestampType      = "message.timestamp.type"
	MinCleanableRatio  = "min.cleanable.dirty.ratio"
	MinCompactionLag   = "min.compaction.lag.ms"
	MinInSync          = "min.insync.replicas"
	RetentionBytes     = "retention.bytes"
	RetentionMillis    = "retention.ms"
	SegmentBytes       = "segment.bytes"
	SegmentMillis      = "segment.ms"
	TakesDead          = "errors.deadletterqueue.group.enable"
	remoteStorage      = "remote.storage.enable"
)

const longMax = "9223372036854775807"

// noEffect ends the documentation of settings about what this kind of node does
// not have or always does.
const noEffect = " It makes no difference on this server."

// keys are all settings of a topic, by name.
var keys = []Key{
	{Name: CleanupPolicy, Kind: List, Default: "delete", Server: "log.cleanup.policy", oneOf: []string{"compact", "delete"},
		Doc: "Whether old messages go by age and size, or all but the last of every key, or both."},
	{Name: CompressionGzip, Kind: Int, Default: "-1", Server: "compression.gzip.level", min: -1, max: 9, bounded: true,
		Doc: "The level where compression.type is gzip; -1 is the library's own."},
	{Name: CompressionLZ4, Kind: Int, Default: "9", Server: "compression.lz4.level", min: 1, max: 17, bounded: true,
		Doc: "The level where compression.type is lz4."},
	{Name: CompressionType, Kind: String, Default: "producer", Server: "compression.type",
		oneOf: []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"},
		Doc:   "How batches are compressed where they are stored; producer leaves them as they come."},
	{Name: CompressionZstd, Kind: Int, Default: "3", Server: "compression.zstd.level", min: -131072, max: 22, bounded: true,
		Doc: "The level where compression.type is zstd."},
	{Name: DeleteRetention, Kind: Long, Default: "86400000", Server: "log.cleaner.delete.retention.ms", bounded: true,
		Doc: "How long a message without a value stays in a compacted topic."},
	{Name: TakesDead, Kind: Boolean, Default: "false", Doc: "Whether share groups may send here what they reject or give up."},
	{Name: "file.delete.delay.ms", Kind: Long, Default: "60000", Server: "log.segment.delete.delay.ms", bounded: true,
		Doc: "How long a file stays that nobody needs." + noEffect},
	{Name: "flush.messages", Kind: Long, Default: longMax, Server: "log.flush.interval.messages", min: 1, bounded: true,
		Doc: "After how many messages the disk is synced." + noEffect + " Everything is synced before it is acknowledged."},
	{Name: "flush.ms", Kind: Long, Default: longMax, Server: "log.flush.interval.ms", bounded: true,
		Doc: "After how long the disk is synced." + noEffect + " Everything is synced before it is acknowledged."},
	{Name: "follower.replication.throttled.replicas", Kind: List, replicas: true, Doc: "Which copies are made slowly." + noEffect},
	{Name: "index.interval.bytes", Kind: Int, Default: "4096", Server: "log.index.interval.bytes", bounded: true,
		Doc: "How fine the index of a file is." + noEffect},
	{Name: "leader.replication.throttled.replicas", Kind: List, replicas: true, Doc: "Which copies are made slowly." + noEffect},
	{Name: "local.retention.bytes", Kind: Long, Default: "-2", Server: "log.local.retention.bytes", min: -2, bounded: true,
		Doc: "How much is kept here of what is also kept elsewhere." + noEffect},
	{Name: "local.retention.ms", Kind: Long, Default: "-2", Server: "log.local.retention.ms", min: -2, bounded: true,
		Doc: "How long is kept here what is also kept elsewhere." + noEffect},
	{Name: MaxCompactionLag, Kind: Long, Default: longMax, Server: "log.cleaner.max.compaction.lag.ms", min: 1, bounded: true,
		Doc: "After how long a message is looked at by compaction in any case."},
	{Name: MaxMessageBytes, Kind: Int, Default: "1048588", Server: "message.max.bytes", bounded: true,
		Doc: "The largest batch that is taken."},
	{Name: TimestampAfterMax, Kind: Long, Default: "3600000", Server: "log.message.timestamp.after.max.ms", bounded: true,
		Doc: "How far a message's time may be in the future."},
	{Name: TimestampBeforeMax, Kind: Long, Default: longMax, Server: "log.message.timestamp.before.max.ms", bounded: true,
		Doc: "How far a message's time may be in the past."},
	{Name: TimestampType, Kind: String, Default: "CreateTime", Server: "log.message.timestamp.type", oneOf: []string{"CreateTime", "LogAppendTime"},
		Doc: "Whether messages have the time of their producer or of this server."},
	{Name: MinCleanableRatio, Kind: Double, Default: "0.5", Server: "log.cleaner.min.cleanable.ratio", max: 1, bounded: true,
		Doc: "Which part of a compacted topic has to be new before it is compacted again."},
	{Name: MinCompactionLag, Kind: Long, Default: "0", Server: "log.cleaner.min.compaction.lag.ms", bounded: true,
		Doc: "How long compaction leaves a message alone."},
	{Name: MinInSync, Kind: Int, Default: "1", Server: "min.insync.replicas", min: 1, bounded: true,
		Doc: "How many copies a message must have before it is acknowledged to who asks for all of them."},
	{Name: "preallocate", Kind: Boolean, Default: "false", Server: "log.preallocate", Doc: "Whether files begin at their full size." + noEffect},
	{Name: "remote.log.copy.disable", Kind: Boolean, Default: "false", Doc: "Whether copies elsewhere end." + noEffect},
	{Name: "remote.log.delete.on.disable", Kind: Boolean, Default: "false", Doc: "Whether copies elsewhere go when they end." + noEffect},
	{Name: remoteStorage, Kind: Boolean, Default: "false", Doc: "Whether messages are also kept elsewhere, which this server does not do."},
	{Name: RetentionBytes, Kind: Long, Default: "-1", Server: "log.retention.bytes", Doc: "How much of a partition is kept; -1 is all."},
	{Name: RetentionMillis, Kind: Long, Default: "604800000", Server: "log.retention.ms", min: -1, bounded: true, Doc: "How long messages are kept; -1 is for ever."},
	{Name: SegmentBytes, Kind: Int, Default: "1073741824", Server: "log.segment.bytes", min: 1 << 20, bounded: true,
		Doc: "How much of a compacted partition may wait in memory, where nothing is compacted."},
	{Name: "segment.index.bytes", Kind: Int, Default: "10485760", Server: "log.index.size.max.bytes", min: 4, bounded: true, Doc: "The size of an index." + noEffect},
	{Name: "segment.jitter.ms", Kind: Long, Default: "0", Server: "log.roll.jitter.ms", bounded: true, Doc: "How much segment.ms varies." + noEffect},
	{Name: SegmentMillis, Kind: Long, Default: "604800000", Server: "log.roll.ms", min: 1, bounded: true,
		Doc: "How long messages of a compacted partition may wait in memory, where nothing is compacted."},
	{Name: "unclean.leader.election.enable", Kind: Boolean, Default: "false", Server: "unclean.leader.election.enable",
		Doc: "Whether a copy that lacks messages may lead." + noEffect},
}

var byName = func() map[string]*Key {
	m := map[string]*Key{}
	for i := range keys {
		m[keys[i].Name] = &keys[i]
	}
	return m
}()

// Keys lists all settings of a topic by name.
func Keys() []Key { return keys }

// Find returns a setting, or nil.
func Find(name string) *Key { return byName[name] }

// forever is a limit that is none.
const forever = math.MaxInt64
