package frugal

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

// The limits of Check.
const (
	// BytesPerByte is how many bytes may be allocated for each byte of input.
	BytesPerByte = 64
	// BytesFree may be allocated for any input: errors, tables, the first buffers.
	BytesFree = 64 << 10
	// TimePerBlock is how long each BlockBytes of input, or part of them, may take.
	TimePerBlock = 10 * time.Millisecond
	BlockBytes   = 64 << 10
)

// What compiling a regular expression may take for each byte of it, and at any
// length: x{1000} is a thousand instructions.
const (
	patternBytesPerByte = 64 << 10
	patternBytesFree    = 4 << 20
	patternTimePerByte  = 200 * time.Microsecond
)

// attempts is how often something is measured before it fails: other goroutines
// allocate too, a garbage collection or another process takes time, and what is
// learned once is not needed again.
const attempts = 6

const allocated = "/gc/heap/allocs:bytes"

// Check fails where run, which reads so many bytes, takes more than the limits and
// free bytes besides. It runs it again before it says so: run does the same each time.
func Check(t testing.TB, input int, free uint64, run func()) {
	t.Helper()
	CheckWithin(t, input, free, 0, run)
}

// CheckWithin is Check of what may also take a time that has nothing to do with the
// input, such as that of an answer.
func CheckWithin(t testing.TB, input int, free uint64, took time.Duration, run func()) {
	t.Helper()
	mostBytes := uint64(input)*BytesPerByte + BytesFree + free
	mostTime := took + TimePerBlock*time.Duration(1+input/BlockBytes)*slower
	var bytes uint64
	var spent time.Duration
	for try := range attempts {
		if try > 1 {
			runtime.GC() // so that none is needed now
		}
		b, s := measure(run)
		if try == 0 {
			bytes, spent = b, s
		}
		bytes, spent = min(bytes, b), min(spent, s)
		if bytes <= mostBytes && spent <= mostTime {
			return
		}
	}
	if bytes > mostBytes {
		t.Fatalf("%d bytes of input made it allocate %d, at most %d", input, bytes, mostBytes)
	}
	t.Fatalf("%d bytes of input took %v, at most %v", input, spent, mostTime)
}

// CheckPattern is Check of what also compiles a regular expression of so many bytes.
func CheckPattern(t testing.TB, input, pattern int, run func()) {
	t.Helper()
	CheckWithin(t, input, uint64(pattern)*patternBytesPerByte+patternBytesFree, time.Duration(pattern)*patternTimePerByte*slower, run)
}

// measure does not stop the world. What small allocations of a size class add to
// the count comes with the next span of it, which BytesFree has room for.
func measure(run func()) (uint64, time.Duration) {
	sample := []metrics.Sample{{Name: allocated}}
	metrics.Read(sample)
	before, begun := sample[0].Value.Uint64(), time.Now()
	run()
	spent := time.Since(begun)
	metrics.Read(sample)
	return sample[0].Value.Uint64() - before, spent
}
