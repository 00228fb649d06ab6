package broker

import (
	"math/rand/v2"
	"slices"

	"weir/internal/shard"
)

// decide commits the parts of several durable shards: the first one's entry has
// the others' parts as an intent, which makes all of them certain at once.
func decide(parts []*transactionPart) bool {
	first := parts[0]
	intent := shard.Intent{ID: shard.IntentID(rand.Uint64())}
	for _, p := range parts[1:] {
		var commands []byte
		if !p.host.call(func(m *shard.Machine) {
			commands = m.Gather(func() {
				for i := range p.settles {
					p.host.settle(p.settles[i].attachment, &p.settles[i])
				}
			})
		}) {
			return false
		}
		intent.Parts = append(intent.Parts, shard.IntentPart{Shard: p.host.id, Commands: append(commands, p.data...)})
	}
	return first.commit(shard.AppendIntent(nil, &intent)) && first.host.fulfil(&intent)
}

// fulfil carries out the parts of an intent of this shard and returns when they
// have happened. That it is finished is noted later.
func (h *host) fulfil(intent *shard.Intent) bool {
	e := h.engine
	var applied []func() bool
	for _, p := range intent.Parts {
		applied = append(applied, e.hosts[p.Shard].begin(func(dst []byte) []byte { return shard.AppendEnact(dst, intent.ID, h.id, p.Commands) }))
	}
	for _, wait := range applied {
		if !wait() {
			return false
		}
	}
	e.jobs.Go(func() {
		if !h.apply(func(dst []byte) []byte { return shard.AppendFinish(dst, intent.ID) }) {
			return
		}
		for _, p := range intent.Parts {
			e.hosts[p.Shard].command(func(dst []byte) []byte { return shard.AppendForget(dst, intent.ID, h.id) })
		}
	})
	return true
}

// apply proposes commands and returns when they are applied; false says that the
// broker was closed first.
func (h *host) apply(encode func(dst []byte) []byte) bool { return h.begin(encode)() }

// begin is apply without the waiting, which is what it returns.
func (h *host) begin(encode func(dst []byte) []byte) (wait func() bool) {
	done := make(chan struct{})
	h.submit(nil, []op{{kind: opCall, call: func(m *shard.Machine) {
		m.Command(encode)
		h.afterApplied(func() { close(done) })
	}}})
	return func() bool {
		select {
		case <-done:
			return true
		case <-h.done:
			return false
		}
	}
}

// resumeIntents carries out, at start-up, what was decided before a crash, and
// forgets what was finished.
func (e *engine) resumeIntents() {
	pending := map[shard.Enacted]bool{}
	for _, id := range e.durable {
		h := e.hosts[id]
		var intents []shard.Intent
		h.call(func(m *shard.Machine) { intents = m.Intents() })
		for i := range intents {
			pending[shard.Enacted{Shard: id, ID: intents[i].ID}] = true
			h.fulfil(&intents[i])
		}
	}
	for _, id := range e.durable {
		h := e.hosts[id]
		var enacted []shard.Enacted
		h.call(func(m *shard.Machine) { enacted = m.Enacted() })
		for _, x := range slices.DeleteFunc(enacted, func(x shard.Enacted) bool { return pending[x] }) {
			h.command(func(dst []byte) []byte { return shard.AppendForget(dst, x.ID, x.Shard) })
		}
	}
}
