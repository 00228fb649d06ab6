package meta

import (
	"encoding/json"
	"hash/fnv"

	"weir/internal/invariant"
)

// Fingerprint is a hash of the whole state: equal after equal commands. It costs as
// much as a checkpoint of everything.
func (s *State) Fingerprint() uint64 {
	h := fnv.New64a()
	s.eachKey(func(key string) {
		b, err := json.Marshal(s.value(key))
		invariant.Check(err == nil, "state of %q: %v", key, err)
		h.Write([]byte(key))
		h.Write(b)
	})
	return h.Sum64()
}

// eachKey yields the checkpoint key of everything there is, in one order.
func (s *State) eachKey(yield func(key string)) {
	yield(joinKey("c", "", ""))
	for _, space := range s.Namespaces() {
		n := s.namespaces[space]
		yield(joinKey("n", space, ""))
		for _, name := range sortedKeys(n.Queues) {
			yield(joinKey("q", space, name))
		}
		for _, name := range sortedKeys(n.Topics) {
			yield(joinKey("t", space, name))
		}
		for _, name := range sortedKeys(n.Exchanges) {
			yield(joinKey("e", space, name))
			for _, id := range sortedKeys(n.Exchanges[name].bindings) {
				yield(joinKey("b", space, id))
			}
		}
		for _, operator := range []bool{false, true} {
			for _, p := range s.Policies(space, operator) {
				yield(joinKey("p", space, policyKey(p.Name, operator)))
			}
		}
	}
	for _, name := range s.Users() {
		yield(joinKey("u", name, ""))
	}
	for _, name := range sortedKeys(s.parameters) {
		yield(joinKey("g", name, ""))
	}
}
