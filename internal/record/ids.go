package record

// Offset addresses one message of a log: dense, from 0, never reused.
type Offset uint64

// LogID names a log for the life of the cluster. It is given out by the control
// shard and never reused, so a queue deleted and declared again is another log.
type LogID uint64

// ShardID names a shard: one replication group and one state machine.
type ShardID uint32

// Index is the position of an entry in a shard's replicated log, from 1.
type Index uint64

// Term is the replication term that wrote an entry.
type Term uint64

// Dialect tells whose native bytes a record holds.
type Dialect uint8

// The dialects. Their numbers are on disk and never change.
const (
	DialectNone    Dialect = 0
	DialectAMQP091 Dialect = 1
	DialectKafka   Dialect = 2
)
