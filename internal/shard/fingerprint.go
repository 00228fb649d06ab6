package shard

import (
	"bytes"
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
)

// Fingerprint is a hash of the replicated state: equal at equal entries, wherever
// and however often they were applied. It costs as much as a checkpoint of
// everything.
func (m *Machine) Fingerprint() uint64 {
	h := fnv.New64a()
	var b []byte
	for _, id := range slices.Sorted(maps.Keys(m.logs)) {
		b = append(b[:0], logKey(id)...)
		h.Write(m.logs[id].encode(b))
	}
	var keys [][]byte
	for name, ledger := range m.ledgers {
		for key := range ledger {
			keys = append(keys, noteKey([]byte(name), []byte(key)))
		}
	}
	for id := range m.intents {
		keys = append(keys, intentKey(id))
	}
	for e := range m.enacted {
		keys = append(keys, enactedKey(e))
	}
	slices.SortFunc(keys, func(a, b []byte) int { return cmp.Or(cmp.Compare(len(a), len(b)), bytes.Compare(a, b)) })
	for _, key := range keys {
		h.Write(key)
		h.Write(m.keyState(string(key)))
	}
	return h.Sum64()
}
