package wire

import "sync"

// LargeBufferBytes is the size of a pooled buffer. It holds the largest frame that
// any dialect accepts before it assembles a message (128 KiB and its overhead) and
// is a whole number of the allocator's pages.
const LargeBufferBytes = 136 << 10

var large = sync.Pool{New: func() any { return new([LargeBufferBytes]byte) }}

// LargeBuffer takes a buffer of LargeBufferBytes. Its content is arbitrary.
func LargeBuffer() []byte { return large.Get().(*[LargeBufferBytes]byte)[:] }

// PutBuffer gives a buffer back. Nothing may hold on to any part of it. Slices
// that do not have the capacity of a pooled buffer are left to the collector.
func PutBuffer(b []byte) {
	if cap(b) == LargeBufferBytes {
		large.Put((*[LargeBufferBytes]byte)(b[:LargeBufferBytes]))
	}
}
