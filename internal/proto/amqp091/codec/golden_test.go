package codec_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"weir/internal/proto/amqp091/codec"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/methods.txt anew")

const goldenFile = "testdata/methods.txt"

// methods returns every method there is, in the order of ids.
func methods() []codec.Method {
	var all []codec.Method
	for class := range uint32(100) {
		for number := range uint32(130) {
			if m := codec.New(codec.ID(class<<16 | number)); m != nil {
				all = append(all, m)
			}
		}
	}
	return all
}

// fill gives every field a value of its own, so that swapped fields show.
func fill(m codec.Method) {
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		switch f.Interface().(type) {
		case bool:
			f.SetBool(i%2 == 1)
		case string:
			f.SetString(strings.ToLower(name))
		case codec.Table:
			f.SetBytes(codec.AppendMap(nil, map[string]any{"a": int32(i), "b": "text"}))
		case []byte:
			f.SetBytes([]byte(strings.ToLower(name)))
		default:
			f.SetUint(uint64(i + 1))
		}
	}
}

// describe writes the method as golden text: its name and "Field=value" words.
func describe(m codec.Method) string {
	words := []string{m.ID().String()}
	v := reflect.ValueOf(m).Elem()
	for i := range v.NumField() {
		switch x := v.Field(i).Interface().(type) {
		case codec.Table:
			words = append(words, fmt.Sprintf("%s=%v", v.Type().Field(i).Name, x.Map()))
		case []byte:
			words = append(words, fmt.Sprintf("%s=%s", v.Type().Field(i).Name, x))
		default:
			words = append(words, fmt.Sprintf("%s=%v", v.Type().Field(i).Name, x))
		}
	}
	return strings.Join(words, " ")
}

// decodeMethodFrame reads a whole method frame.
func decodeMethodFrame(b []byte) (codec.Method, error) {
	var f codec.Frame
	n, err := codec.ReadFrame(b, &f)
	if err != nil || n != len(b) {
		return nil, fmt.Errorf("frame of %d bytes: took %d, %s", len(b), n, fmt.Sprint(err))
	}
	id, arguments, err := codec.MethodID(f.Payload)
	if err != nil {
		return nil, err
	}
	m := codec.New(id)
	if m == nil {
		return nil, fmt.Errorf("no method %v", id)
	}
	return m, m.Decode(arguments)
}

func TestGoldenMethods(t *testing.T) {
	if *rewrite {
		var b bytes.Buffer
		for _, m := range methods() {
			fill(m)
			fmt.Fprintf(&b, "%x %s\n", codec.AppendMethod(nil, 1, m), describe(m))
		}
		if err := os.WriteFile(goldenFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[codec.ID]bool{}
	for line := range strings.Lines(string(data)) {
		code, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		frame, err := hex.DecodeString(code)
		if err != nil {
			t.Fatal(err)
		}
		m, err := decodeMethodFrame(frame)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		seen[m.ID()] = true
		if got := describe(m); got != text {
			t.Errorf("decoded\n%s\nwant\n%s", got, text)
		}
		if got := codec.AppendMethod(nil, 1, m); !bytes.Equal(got, frame) {
			t.Errorf("%s: encoded\n%x\nwant\n%x", text, got, frame)
		}
	}
	for _, m := range methods() {
		if !seen[m.ID()] {
			t.Errorf("%v has no golden line", m.ID())
		}
	}
	if len(seen) != 66 {
		t.Errorf("%d methods", len(seen))
	}
}

func TestEveryMethodRefusesTruncationAndTrailingBytes(t *testing.T) {
	for _, m := range methods() {
		fill(m)
		full := m.Append(nil)
		for n := range full {
			if err := codec.New(m.ID()).Decode(full[:n]); err == nil {
				t.Errorf("%v: %d of %d bytes accepted", m.ID(), n, len(full))
			}
		}
		if err := codec.New(m.ID()).Decode(append(slices.Clone(full), 0)); err == nil {
			t.Errorf("%v: a trailing byte accepted", m.ID())
		}
	}
}

func TestEveryFlagRoundTrips(t *testing.T) {
	for _, m := range methods() {
		v := reflect.ValueOf(m).Elem()
		for i := range v.NumField() {
			if v.Field(i).Kind() != reflect.Bool {
				continue
			}
			one := codec.New(m.ID())
			reflect.ValueOf(one).Elem().Field(i).SetBool(true)
			back := codec.New(m.ID())
			if err := back.Decode(one.Append(nil)); err != nil {
				t.Fatal(err)
			}
			if describe(one) != describe(back) {
				t.Errorf("%s became %s", describe(one), describe(back))
			}
		}
	}
}
