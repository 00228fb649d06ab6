package kafka

// topicKey is what a request calls a topic by.
type topicKey struct {
	name string
	id   [16]byte
}

func topicKeyOf(name *string, id [16]byte) topicKey { return topicKey{text(name), id} }

// distinct leaves out elements whose key has come before. It keeps null lists null.
func distinct[T any, K comparable](all []T, key func(*T) K) []T {
	if len(all) < 2 {
		return all
	}
	seen := make(map[K]struct{}, len(all))
	kept := all[:0]
	for i := range all {
		k := key(&all[i])
		if _, again := seen[k]; !again {
			seen[k] = struct{}{}
			kept = append(kept, all[i])
		}
	}
	return kept
}

// repeated are the keys that more than one element has.
func repeated[T any, K comparable](all []T, key func(*T) K) map[K]bool {
	seen := make(map[K]bool, len(all))
	for i := range all {
		k := key(&all[i])
		_, again := seen[k]
		seen[k] = again
	}
	return seen
}
