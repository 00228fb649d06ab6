package native

import (
	"weir/internal/broker"
	"weir/internal/proto/amqp091/codec"
)

// ReadConsumer reads the arguments of a consumer of a queue in namespace space.
func ReadConsumer(o *broker.AttachOptions, space string, t codec.Table) *Error {
	what := Resource("queue", o.Queue, space)
	if v, ok := t.Lookup("x-priority"); ok {
		n, bad := integer(v)
		if bad != "" {
			return refuse("invalid arg 'x-priority' for %s: %s", what, bad)
		}
		o.Priority = int32(min(max(n, -1<<31), 1<<31-1))
	}
	for _, name := range []string{"x-consumer-timeout", "x-stream-offset", "x-stream-filter"} {
		if _, ok := t.Lookup(name); ok {
			return notImplemented("argument '%s' is not implemented", name)
		}
	}
	return nil
}
