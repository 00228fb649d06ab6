package group

import (
	"encoding/binary"
	"testing"

	"weir/internal/frugal"
)

// FuzzSubscription reads what members of the classic protocol say of themselves,
// and what their leader assigns.
func FuzzSubscription(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 0})
	f.Add(binary.BigEndian.AppendUint32([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, 1<<31-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		frugal.Check(t, len(b), 0, func() {
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
	f.Fuzz(func(t *testing.T, group, member string) {
		frugal.Check(t, len(group)+len(member), 0, func() { readKept(group, member) })
	})
}

func readKept(group, member string) {
	if g, err := DecodeClassic(map[string]string{classicKey: group}, Options{}, 5); err == nil {
		g.Subscribed()
		_, _ = g.Encode()
	}
	if g, err := DecodeModern(map[string]string{groupKey: group, memberKeys + "m": member}, ModernOptions{}, 5); err == nil {
		g.Members()
		_, _ = g.Encode()
	}
}
