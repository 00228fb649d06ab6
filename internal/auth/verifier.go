package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// Verifier verifies passwords and remembers for a short time how that went, so
// that clients that reconnect all at once do not cost a hash each. What it
// remembers is no password, but a MAC under a key that the process makes up.
type Verifier struct {
	key     [32]byte
	ttl     int64
	slots   chan struct{} // one for each hash computed at the same time
	nobody  string
	compute func(stored string, password []byte) (bool, error)

	mu struct {
		sync.Mutex
		right, wrong memory // apart, or guessing would push the right ones out
		running      map[[sha256.Size]byte]*verification
	}
}

// verification is one being computed, for others to wait for.
type verification struct {
	done  chan struct{}
	right bool
	err   error
}

// memory remembers MACs until a time, the newest entriesMax of them.
type memory struct {
	until map[[sha256.Size]byte]int64
	ring  [][sha256.Size]byte
	next  int
}

// NewVerifier returns a verifier. It remembers entriesMax
// right and entriesMax wrong passwords for ttl milliseconds, and computes
// parallelMax hashes at a time; less than 1 is 1. The key must be random.
func NewVerifier(key [32]byte, entriesMax int, ttl int64, parallelMax int) *Verifier {
	v := &Verifier{key: key, ttl: ttl, slots: make(chan struct{}, max(parallelMax, 1)), compute: Verify}
	// The hash for nobody costs what others cost and has no known password.
	v.nobody = argonHash{cost: DefaultCost, salt: key[:SaltBytes], sum: make([]byte, hashBytes)}.String()
	v.mu.running = map[[sha256.Size]byte]*verification{}
	for _, m := range []*memory{&v.mu.right, &v.mu.wrong} {
		m.until = map[[sha256.Size]byte]int64{}
		m.ring = make([][sha256.Size]byte, 0, max(entriesMax, 1))
	}
	return v
}

// Verify tells whether the password is the stored one; now is unix milliseconds.
// It waits for a hash to be computed if the answer is not remembered. For a user
// who is not there or has no password pass the empty string: that takes as long,
// and the answer is no.
func (v *Verifier) Verify(stored string, password []byte, now int64) (bool, error) {
	if len(password) == 0 {
		return false, nil
	}
	if stored == "" {
		stored = v.nobody
	}
	mac := v.mac(stored, password)
	v.mu.Lock()
	if v.mu.right.has(mac, now) {
		v.mu.Unlock()
		return true, nil
	}
	if v.mu.wrong.has(mac, now) {
		v.mu.Unlock()
		return false, nil
	}
	if run := v.mu.running[mac]; run != nil {
		v.mu.Unlock()
		<-run.done
		return run.right, run.err
	}
	run := &verification{done: make(chan struct{})}
	v.mu.running[mac] = run
	v.mu.Unlock()
	v.run(run, stored, password, mac, now)
	return run.right, run.err
}

func (v *Verifier) run(run *verification, stored string, password []byte, mac [sha256.Size]byte, now int64) {
	v.slots <- struct{}{}
	run.right, run.err = v.compute(stored, password)
	<-v.slots
	v.mu.Lock()
	switch {
	case run.err != nil:
	case run.right:
		v.mu.right.add(mac, now+v.ttl)
	default:
		v.mu.wrong.add(mac, now+v.ttl)
	}
	delete(v.mu.running, mac)
	v.mu.Unlock()
	close(run.done)
}

// mac covers what is stored too, so a changed password is not remembered.
func (v *Verifier) mac(stored string, password []byte) (mac [sha256.Size]byte) {
	h := hmac.New(sha256.New, v.key[:])
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(stored)))
	h.Write(length[:])
	h.Write([]byte(stored))
	h.Write(password)
	h.Sum(mac[:0])
	return mac
}

func (m *memory) has(mac [sha256.Size]byte, now int64) bool {
	until, ok := m.until[mac]
	return ok && now < until
}

func (m *memory) add(mac [sha256.Size]byte, until int64) {
	if _, ok := m.until[mac]; !ok {
		if len(m.ring) < cap(m.ring) {
			m.ring = append(m.ring, mac)
		} else {
			delete(m.until, m.ring[m.next])
			m.ring[m.next] = mac
			m.next = (m.next + 1) % len(m.ring)
		}
	}
	m.until[mac] = until
}
