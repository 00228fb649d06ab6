package meta_test

import (
	"testing"

	"weir/internal/frugal"
	"weir/internal/meta"
)

// FuzzLoad loads a checkpoint of two keys.
func FuzzLoad(f *testing.F) {
	f.Add("q\x00/\x00q", []byte(`{"Namespace":"/","Name":"q","Durable":true}`), "b\x00/\x00x\x00q", []byte(`{"Namespace":"/","Source":"amq.topic","Destination":"q","Key":"a.#"}`))
	f.Add("n\x00a", []byte(`{"Name":"a"}`), "p\x00a\x00p", []byte(`{"Namespace":"a","Name":"p","Pattern":"^q"}`))
	f.Add("t\x00/\x00t", []byte(`{"Namespace":"/","Name":"t"}`), "q\x00/\x00v", []byte(`{"Namespace":"/","Name":"v","View":{"Topic":"t"}}`))
	f.Add("u\x00ann", []byte(`{"Name":"ann"}`), "g\x00name", []byte(`{}`))
	f.Add("c", []byte(`{"NextLog":7,"NoDefault":true}`), "e\x00/\x00x", []byte(`{"Namespace":"/","Name":"x","Kind":"topic"}`))
	f.Fuzz(func(t *testing.T, key string, value []byte, other string, more []byte) {
		frugal.Check(t, len(key)+len(value)+len(other)+len(more), 0, func() {
			l := meta.NewLoader()
			if l.Load([]byte(key), value) != nil || l.Load([]byte(other), more) != nil {
				return
			}
			_, _ = l.Finish()
		})
	})
}
