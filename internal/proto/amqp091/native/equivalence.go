package native

import (
	"maps"
	"slices"

	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
)

// equivalenceOrder is in which order RabbitMQ compares the arguments of a
// declaration with those of a queue of this type that is there.
var equivalenceOrder = map[string][]string{
	classic: {
		"x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-max-length", "x-max-length-bytes",
		"x-max-priority", "x-overflow", "x-queue-mode", "x-queue-version", "x-single-active-consumer", queueTypeArgument,
		"x-queue-master-locator", "x-queue-leader-locator",
	},
	quorum: {
		"x-dead-letter-exchange", "x-dead-letter-routing-key", "x-dead-letter-strategy", "x-expires", "x-max-length", "x-max-length-bytes",
		"x-max-in-memory-length", "x-max-in-memory-bytes", "x-overflow", "x-single-active-consumer", queueTypeArgument,
		"x-quorum-initial-group-size", "x-delivery-limit", "x-message-ttl", "x-queue-leader-locator",
	},
	stream: {
		"x-max-length-bytes", queueTypeArgument, "x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size",
		"x-queue-leader-locator",
	},
}

const queueTypeArgument = "x-queue-type"

// otherArguments are those that RabbitMQ does not compare, or does not have.
var otherArguments = func() []string {
	names := append(slices.Collect(maps.Keys(queueArgumentTable)), slices.Collect(maps.Keys(ownArguments))...)
	slices.Sort(names)
	return names
}()

// checkQueue compares the arguments of a declaration with those of the queue
// that is there.
func checkQueue(kind queueType, t codec.Table) func(map[string]any) *broker.Error {
	return func(existing map[string]any) *broker.Error {
		current := QueueType(existing)
		for _, name := range equivalenceOrder[current] {
			if name != queueTypeArgument {
				if err := compare(name, t, existing); err != nil {
					return err
				}
			} else if wanted := kind.short(); wanted != current {
				return mismatch(name, inQuotes(wanted), inQuotes(current))
			}
		}
		for _, name := range otherArguments {
			if a, known := queueArgumentTable[name]; known && a.types&kind == 0 {
				continue
			}
			if err := compare(name, t, existing); err != nil {
				return err
			}
		}
		return nil
	}
}
