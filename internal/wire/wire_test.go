package wire_test

import (
	"testing"

	"weir/internal/wire"
)

func TestReaderReadsInOrderAndStopsAtTheEnd(t *testing.T) {
	r := wire.NewReader([]byte{1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 'a', 'b', 'c'})
	if r.Uint8() != 1 || r.Uint16() != 2 || r.Uint32() != 3 || r.Uint64() != 4 {
		t.Fatal("numbers differ")
	}
	if got := string(r.Bytes(2)); got != "ab" || r.Len() != 1 || r.Short() {
		t.Fatalf("got %q, %d left, short %v", got, r.Len(), r.Short())
	}
	if r.Uint16() != 0 || !r.Short() || r.Len() != 0 {
		t.Fatal("a read beyond the end is not reported")
	}
	if r.Uint8() != 0 || r.Uint64() != 0 || r.Bytes(1) != nil {
		t.Fatal("a short reader yields more than zeroes")
	}
}

func TestBytesRefusesLengthsBeyondTheInput(t *testing.T) {
	r := wire.NewReader(make([]byte, 8))
	if r.Bytes(1<<32-1) != nil || !r.Short() {
		t.Fatal("an impossible length was accepted")
	}
}

func TestBuffersComeBackAndAllocateNothing(t *testing.T) {
	wire.PutBuffer(make([]byte, 10))
	allocs := testing.AllocsPerRun(100, func() {
		b := wire.LargeBuffer()
		if len(b) != wire.LargeBufferBytes {
			t.Fatal("wrong size")
		}
		wire.PutBuffer(b[:3])
	})
	if allocs > 0.5 {
		t.Fatalf("%.1f allocations for a pooled buffer", allocs)
	}
}
