package group

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"
)

// frugal fails where f takes memory or time that the size of its input does not
// explain.
func frugal(t *testing.T, size int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun := time.Now()
	f()
	took := time.Since(begun)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > uint64(64<<10+128*size) {
		t.Fatalf("%d bytes allocated for %d", got, size)
	}
	if took > 2*time.Second {
		t.Fatalf("%v for %d bytes", took, size)
	}
}

// FuzzSubscription reads what members of the classic protocol say of themselves,
// and what their leader assigns.
func FuzzSubscription(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 0})
	f.Add(binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 1<<31-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal(t, len(b), func() {
			subscription(b)
			m := &Member{Assignment: b}
			m.Parts()
		})
	})
}

// FuzzKept reads groups as they were kept.
func FuzzKept(f *testing.F) {
	f.Add(`{"Generation":3,"ProtocolType":"consumer","Members":[{"ID":"a"}]}`, `{"ID":"m","State":1}`)
	f.Add(`{"Members":[null,null]}`, `null`)
	f.Fuzz(func(_ *testing.T, group, member string) {
		if g, err := DecodeClassic(map[string]string{classicKey: group}, Options{}, 5); err == nil {
			g.Subscribed()
			_, _ = g.Encode()
		}
		if g, err := DecodeModern(map[string]string{groupKey: group, memberKeys + "m": member}, ModernOptions{}, 5); err == nil {
			g.Members()
			_, _ = g.Encode()
		}
	})
}
