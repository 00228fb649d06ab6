package checkpoint_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"maps"
	"testing"

	"weir/internal/checkpoint"
	"weir/internal/frugal"
	"weir/internal/record"
	"weir/internal/vfs"
)

// smallState has a base and two deltas.
func smallState(t testing.TB) (*vfs.Mem, state) {
	m := vfs.NewMem()
	s, _, _, err := load(m)
	must(t, err)
	want := state{"a": "1", "b": "2", "c": "3"}
	must(t, s.Replace(meta(1), func(put func(k, v []byte)) {
		for k, v := range want {
			put([]byte(k), []byte(v))
		}
	}))
	for i, e := range []edit{
		{keys: []string{"b", "d"}, values: []string{"", "44"}, deletes: []bool{true, false}},
		{keys: []string{"a"}, values: []string{"111"}, deletes: []bool{false}},
	} {
		must(t, s.Write(meta(record.Index(2+i)), e.apply))
		want = e.on(want)
	}
	must(t, s.Close())
	return m.CrashClone(func() bool { return false }), want
}

func image(t testing.TB, fs vfs.FS, name string) []byte {
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

func replaceFile(t testing.TB, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(name)
	must(t, err)
	_, err = f.WriteAt(b, 0)
	must(t, err)
	must(t, f.Close())
}

func requireDamage(t *testing.T, fs vfs.FS, name string) {
	t.Helper()
	var damage *vfs.CorruptError
	if err := checkpoint.Verify(fs, dir); !errors.As(err, &damage) || damage.File != name {
		t.Fatalf("%s: verify says %v", name, err)
	}
	if _, _, _, err := load(fs); !errors.As(err, &damage) || damage.File != name || !errors.Is(err, checkpoint.ErrCorrupt) {
		t.Fatalf("%s: open says %v", name, err)
	}
}

func TestFlipEveryBitCutEveryByte(t *testing.T) {
	m, want := smallState(t)
	names, err := m.List(dir)
	must(t, err)
	if len(names) != 3 {
		t.Fatal(names)
	}
	for _, name := range names {
		name = dir + "/" + name
		good := image(t, m, name)
		for at := range good {
			for bit := range 8 {
				c := m.CrashClone(func() bool { return true })
				b := bytes.Clone(good)
				b[at] ^= 1 << bit
				replaceFile(t, c, name, b)
				requireDamage(t, c, name)
			}
			c := m.CrashClone(func() bool { return true })
			replaceFile(t, c, name, good[:at])
			requireDamage(t, c, name)
		}
		c := m.CrashClone(func() bool { return true })
		replaceFile(t, c, name, append(bytes.Clone(good), 0))
		requireDamage(t, c, name)
	}
	_, _, got, err := load(m)
	must(t, err)
	if !maps.Equal(got, want) {
		t.Fatal("the undamaged state differs")
	}
}

func TestMissingAndMixedUpFiles(t *testing.T) {
	m, _ := smallState(t)
	const first, second = dir + "/0000000000000002.delta", dir + "/0000000000000003.delta"
	c := m.CrashClone(func() bool { return true })
	must(t, c.Remove(first))
	requireDamage(t, c, first)
	c = m.CrashClone(func() bool { return true })
	replaceFile(t, c, first, image(t, m, second))
	requireDamage(t, c, first)
}

// reseal gives the frames of b valid checksums again, and the number and the
// position they should have.
func reseal(b []byte, number uint64) {
	at := 8
	for len(b)-at >= 32 {
		n := int(binary.LittleEndian.Uint32(b[at+4:]))
		if n > len(b)-at-32 {
			break
		}
		f := b[at : at+32+n]
		binary.LittleEndian.PutUint64(f[16:], number)
		binary.LittleEndian.PutUint64(f[24:], uint64(at))
		binary.LittleEndian.PutUint32(f, crc32.Checksum(f[4:], crc32.MakeTable(crc32.Castagnoli)))
		at += 32 + n
	}
}

// FuzzLoad loads a state whose last delta holds arbitrary bytes. It must load
// or report damage, and allocate no more than a small multiple of the input.
func FuzzLoad(f *testing.F) {
	m, _ := smallState(f)
	const last = dir + "/0000000000000003.delta"
	f.Add(image(f, m, last), true)
	f.Add(image(f, m, dir+"/0000000000000002.delta"), true)
	f.Add([]byte("weirckp\x01"), false)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = bytes.Clone(b)
			reseal(b, 3)
		}
		c := m.CrashClone(func() bool { return true })
		replaceFile(t, c, last, b)
		var verify error
		frugal.Check(t, len(b), 256<<10, func() { verify = checkpoint.Verify(c, dir) })
		if verify != nil && !errors.Is(verify, checkpoint.ErrCorrupt) {
			t.Fatal(verify)
		}
		if _, _, _, err := load(c); (err == nil) != (verify == nil) {
			t.Fatalf("open says %v, verify says %v", err, verify)
		}
	})
}
