package kafka

import (
	"encoding/binary"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// fillIn gives every field of a request some value.
func fillIn(t *rapid.T, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Version" && v.Field(i).CanSet() {
				if name == "UnknownTags" {
					if tags, ok := v.Field(i).Addr().Interface().(*kmsg.Tags); ok && rapid.IntRange(0, 4).Draw(t, "tag") == 0 {
						tags.Set(99, []byte("unknown"))
					}
					continue
				}
				fillIn(t, v.Field(i), depth)
			}
		}
	case reflect.Slice:
		n := rapid.IntRange(0, 3).Draw(t, "length")
		if v.Type().Elem().Kind() == reflect.Uint8 {
			n *= 70 // lengths of two bytes too
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fillIn(t, v.Index(i), depth+1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fillIn(t, v.Index(i), depth+1)
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "null") {
			v.Set(reflect.Zero(v.Type()))
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(t, v.Elem(), depth+1)
	case reflect.String:
		v.SetString(rapid.StringN(0, 150, 200).Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "flag"))
	case reflect.Float64:
		v.SetFloat(rapid.Float64().Draw(t, "float"))
	default:
		switch {
		case v.CanInt():
			v.SetInt(int64(int8(rapid.Byte().Draw(t, "number"))))
		case v.CanUint():
			v.SetUint(uint64(rapid.Byte().Draw(t, "number")))
		}
	}
}

// TestEveryRequestHasItsShape fills in every request of every flexible version and
// wants it to be walked through to its end.
func TestEveryRequestHasItsShape(t *testing.T) {
	for key, a := range apis() {
		for version := a.low; version <= a.high; version++ {
			if !flexible(key, version) {
				continue
			}
			rapid.Check(t, func(t *rapid.T) {
				m := kmsg.RequestForKey(key)
				m.SetVersion(version)
				fillIn(t, reflect.ValueOf(m).Elem(), 0)
				r := request{key: key, version: version, body: m.AppendTo(nil)}
				if !r.sound() {
					t.Fatalf("key %d version %d: %+v", key, version, m)
				}
				if r.body = r.body[:len(r.body)-1]; r.sound() {
					t.Fatalf("key %d version %d: ends too early", key, version)
				}
			})
		}
	}
}

// TestTagBombs: a count of tagged fields beyond the request costs nothing.
func TestTagBombs(t *testing.T) {
	body := binary.AppendUvarint([]byte{1, 0, 0, 0}, 1<<32-1)
	begin := time.Now()
	r := request{key: 3, version: 9, body: body}
	if err := r.decode(kmsg.NewPtrMetadataRequest()); err == nil {
		t.Error("a bomb is a request")
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %v", took)
	}
}
