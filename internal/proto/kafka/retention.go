package kafka

import (
	"slices"
	"time"

	"weir/internal/broker"
	"weir/internal/proto/kafka/group"
)

const (
	// offsetsKept is how long the positions of a group stay that nobody is a
	// member of, or that none of its members reads: Kafka's seven days.
	offsetsKept = 7 * 24 * time.Hour
	// sweepEvery is how often it is looked for them.
	sweepEvery = 10 * time.Minute
)

// sweep forgets old positions, and groups that nothing else is known of.
func (k *coordinator) sweep() {
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		select {
		case <-k.ended:
		default:
			k.mu.sweep = k.clock.AfterFunc(sweepEvery, k.sweep)
		}
	}()
	names := append(k.Kept(k.session), k.session.Groups()...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if err := k.inGroup(k.ended, name, k.expire); err != nil {
			k.log.Warn("kafka: group not looked at", "group", name, "err", err)
			return
		}
	}
}

func (k *coordinator) expire(h *hosted) {
	now, since, read := k.now(), h.since(), h.subscribed()
	if !h.empty() && h.classic != nil && h.classic.ProtocolType() != group.ConsumerProtocol {
		return // nobody knows what its members read
	}
	kept := group.Millis(offsetsKept.Milliseconds())
	left, err := k.session.ExpirePositions(h.name, func(p *broker.GroupPosition) bool {
		switch {
		case p.Expires != 0:
			return int64(now) >= p.Expires && (h.empty() || !slices.Contains(read, p.Topic))
		case h.empty():
			return now >= max(group.Millis(p.Committed), since)+kept
		}
		return !slices.Contains(read, p.Topic) && now >= group.Millis(p.Committed)+kept
	})
	if err != nil {
		k.log.Warn("kafka: offsets not expired", "group", h.name, "err", err)
		return
	}
	if h.modern != nil && h.modern.Shared() {
		return // how far it is is not known here
	}
	if left == 0 && h.exists() && h.empty() && now >= since+group.Millis(sweepEvery.Milliseconds()) {
		if err := h.forget(k, k.ended); err != nil {
			k.log.Warn("kafka: group not forgotten", "group", h.name, "err", err)
		}
	}
}

// since is when the group became empty, if it is.
func (h *hosted) since() group.Millis {
	switch {
	case h.classic != nil:
		return h.classic.Since()
	case h.modern != nil:
		return h.modern.Since()
	}
	return 0
}
