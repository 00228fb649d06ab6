package wire

import "sync"

// Sizes of the pooled buffers. The large one holds the largest frame that any
// dialect accepts before it assembles a message (128 KiB and its overhead) and
// is a whole number of the allocator's pages.
const (
	SmallBufferBytes = 8 << 10
	LargeBufferBytes = 136 << 10
)

var (
	small = sync.Pool{New: func() any { return new([SmallBufferBytes]byte) }}
	large = sync.Pool{New: func() any { return new([LargeBufferBytes]byte) }}
)

// SmallBuffer takes a buffer of SmallBufferBytes. Its content is arbitrary.
func SmallBuffer() []byte { return small.Get().(*[SmallBufferBytes]byte)[:] }

// LargeBuffer takes a buffer of LargeBufferBytes. Its content is arbitrary.
func LargeBuffer() []byte { return large.Get().(*[LargeBufferBytes]byte)[:] }

// PutBuffer gives a buffer back. Nothing may hold on to any part of it. Slices
// that do not have the capacity of a pooled buffer are left to the collector.
func PutBuffer(b []byte) {
	switch cap(b) {
	case SmallBufferBytes:
		small.Put((*[SmallBufferBytes]byte)(b[:SmallBufferBytes]))
	case LargeBufferBytes:
		large.Put((*[LargeBufferBytes]byte)(b[:LargeBufferBytes]))
	}
}
