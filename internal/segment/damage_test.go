package segment_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"weir/internal/frugal"
	"weir/internal/record"
	"weir/internal/segment"
	"weir/internal/vfs"
)

func image(t testing.TB, fs vfs.FS) []byte {
	t.Helper()
	f, err := fs.Open(name)
	must(t, err)
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	must(t, err)
	return b
}

func put(t testing.TB, b []byte) *vfs.Mem {
	t.Helper()
	m := newMem(t)
	f, err := m.Create(name)
	must(t, err)
	_, err = f.WriteAt(b, 0)
	must(t, err)
	return m
}

// readEverything uses every way to read a file; each hands out bytes only.
func readEverything(fs vfs.FS, add func(record.LogID, segment.Entry)) error {
	r, err := segment.Open(fs, name)
	if err != nil {
		return err
	}
	defer r.Close()
	var errs []error
	for _, run := range r.Runs() {
		errs = append(errs, r.Read(run.Log, 0, 1<<30, nil, func(e segment.Entry) bool {
			add(run.Log, e)
			return true
		}))
		_, _, err := r.OffsetByTime(run.Log, run.MaxTimestamp)
		errs = append(errs, err, r.Attributes(run.Log, func(record.Offset, uint8, int64, int64) {}))
	}
	return errors.Join(errs...)
}

// TestFlipEveryBit flips every bit of a file: Verify must notice, and a reader
// must not hand out anything that was not written.
func TestFlipEveryBit(t *testing.T) {
	m, runs := smallSegment(t)
	good := image(t, m)
	written := make(map[record.LogID][]message)
	for _, r := range runs {
		written[r.log] = r.messages
	}
	for at := range good {
		for bit := range 8 {
			b := bytes.Clone(good)
			b[at] ^= 1 << bit
			c := put(t, b)
			var damage *vfs.CorruptError
			if err := segment.Verify(c, name); !errors.As(err, &damage) || damage.File != name {
				t.Fatalf("byte %d bit %d: %v", at, bit, err)
			}
			err := readEverything(c, func(log record.LogID, e segment.Entry) {
				for _, m := range written[log] {
					if m.Offset == e.Offset && bytes.Equal(m.Record, e.Record) {
						return
					}
				}
				t.Fatalf("byte %d bit %d: handed out a record that was not written", at, bit)
			})
			if err == nil && at >= 8 {
				t.Fatalf("byte %d bit %d: nobody noticed", at, bit)
			}
			if err != nil && !errors.Is(err, segment.ErrCorrupt) {
				t.Fatal(err)
			}
		}
	}
}

// TestDamagedLargeFile zeroes every sector of a file with index and attributes,
// flips some of its bits and cuts it short.
func TestDamagedLargeFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	m := newMem(t)
	_, err := write(m, name, randomRuns(rng, 3, 300, 1200))
	must(t, err)
	good := image(t, m)
	for at := 0; at < len(good); at += 512 {
		b := bytes.Clone(good)
		clear(b[at:min(at+512, len(b))])
		if bytes.Equal(b, good) {
			continue
		}
		if err := segment.Verify(put(t, b), name); !errors.Is(err, segment.ErrCorrupt) {
			t.Fatalf("sector at %d: %v", at, err)
		}
	}
	for range 1000 {
		b := bytes.Clone(good)
		at := rng.IntN(len(b))
		b[at] ^= 1 << rng.IntN(8)
		if err := segment.Verify(put(t, b), name); !errors.Is(err, segment.ErrCorrupt) {
			t.Fatalf("flip at %d: %v", at, err)
		}
	}
	for cut := 1; cut < len(good); cut += 1 + rng.IntN(3000) {
		if err := segment.Verify(put(t, good[:cut]), name); !errors.Is(err, segment.ErrCorrupt) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
}

// reseal gives b valid checksums again, frame by frame from its beginning, so
// that the decoders behind the checksums are reached.
func reseal(b []byte) {
	table := crc32.MakeTable(crc32.Castagnoli)
	at := 8
	for len(b)-at >= 24+32 {
		n := int(binary.LittleEndian.Uint32(b[at+4:]))
		if n > len(b)-at-24-32 {
			break
		}
		binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(b[at+4:at+24+n], table))
		at += 24 + n
	}
	if len(b) >= 32 {
		end := b[len(b)-32:]
		binary.LittleEndian.PutUint32(end, crc32.Checksum(end[4:], table))
	}
}

// requireSane uses a damaged file in every way.
func requireSane(t *testing.T, b []byte) {
	c := put(t, b)
	var err, verify error
	frugal.Check(t, len(b), 256<<10, func() {
		err = readEverything(c, func(record.LogID, segment.Entry) {})
		verify = segment.Verify(c, name)
	})
	for _, err := range []error{err, verify} {
		if err != nil && !errors.Is(err, segment.ErrCorrupt) {
			t.Fatal(err)
		}
	}
}

// TestResealedFlips damages a file with indexes behind its checksums.
func TestResealedFlips(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	m := newMem(t)
	_, err := write(m, name, randomRuns(rng, 2, 200, 1500))
	must(t, err)
	good := image(t, m)
	for range 300 {
		b := bytes.Clone(good)
		// Most of what is not payload lies at the end.
		at := len(b) - 1 - rng.IntN(min(len(b)-1, 1+rng.IntN(len(b)-1)))
		b[at] ^= 1 << rng.IntN(8)
		reseal(b)
		requireSane(t, b)
	}
}

// FuzzReader opens and reads arbitrary files. A reader must not panic, report
// anything but damage, or allocate more than a small multiple of the input.
func FuzzReader(f *testing.F) {
	m, _ := smallSegment(f)
	f.Add(image(f, m), true)
	f.Add([]byte("weirseg\x01"), false)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = bytes.Clone(b)
			reseal(b)
		}
		requireSane(t, b)
	})
}
