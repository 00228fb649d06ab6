package kafka

import (
	"testing"

	"weir/internal/frugal"
)

// FuzzProduce reads produce requests as produce does, up to where the batches go.
func FuzzProduce(f *testing.F) {
	f.Add([]byte{255, 255, 255, 255, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, false)
	f.Add([]byte{0, 255, 255, 0, 0, 0, 1, 2, 2, 't', 2, 0, 0, 0, 0, 1, 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, b []byte, compact bool) {
		frugal.Check(t, len(b), 0, func() { walkProduce(b, compact) })
	})
}

func walkProduce(b []byte, compact bool) {
	d := decoder{b: b}
	d.text(compact)
	d.int16()
	d.int32()
	for range d.count(compact, 4) {
		d.text(compact)
		for range d.count(compact, 5) {
			d.int32()
			for rest := d.bytes(compact); len(rest) > 0; {
				var code int16
				if _, rest, code = readBatch(rest); code != errNone {
					break
				}
			}
			if compact {
				d.tags()
			}
		}
		if compact {
			d.tags()
		}
	}
}
