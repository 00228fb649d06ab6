package kafka

import (
	"bytes"
	"reflect"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The library believes the count of tagged fields and goes round as often, long
// after the request has ended. So flexible requests are walked through before it
// sees them. What they look like is learned from the library itself, once for each
// key and version: a field that stands in a request changes its bytes.

// form is how a part of a request is encoded.
type form uint8

const (
	formFixed  form = iota // so many bytes
	formBytes              // a compact length less one, and so many bytes; 0 is null
	formArray              // a compact count less one, and so many elements
	formStruct             // fields and tagged fields
	formOption             // a byte, and unless it is negative a struct
)

// shape is a part of a request.
type shape struct {
	form   form
	bytes  int
	fields []shape // of a struct or option; one, of an array's elements
}

var shapes sync.Map // of *shape by [2]int16

// shapeOf returns what requests of a key and flexible version look like.
func shapeOf(key, version int16) *shape {
	id := [2]int16{key, version}
	if s, ok := shapes.Load(id); ok {
		return s.(*shape)
	}
	r := kmsg.RequestForKey(key)
	r.SetVersion(version)
	setDefaults(reflect.ValueOf(r).Elem())
	s := learnStruct(reflect.ValueOf(r).Elem(), func() []byte { return r.AppendTo(nil) })
	shapes.Store(id, &s)
	return &s
}

// learnStruct finds out which fields of a struct stand in the request that encode
// makes.
func learnStruct(v reflect.Value, encode func() []byte) shape {
	s := shape{form: formStruct}
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name == "Version" || name == "UnknownTags" {
			continue
		}
		if field, stands := learn(v.Field(i), encode); stands {
			s.fields = append(s.fields, field)
		}
	}
	return s
}

// learn finds out what a field is like and whether it stands in its place: tagged
// ones do not, and add more than themselves where they are not empty.
func learn(f reflect.Value, encode func() []byte) (s shape, stands bool) {
	saved := reflect.New(f.Type()).Elem()
	saved.Set(f)
	defer func() { f.Set(saved) }()
	even := func(set func(n int)) bool { // nothing at all takes as much as what is empty
		f.Set(reflect.Zero(f.Type()))
		none := len(encode())
		set(0)
		empty := len(encode())
		set(1)
		one := len(encode())
		set(2)
		return none == empty && one > empty && len(encode())-one == one-empty
	}
	switch t := f.Type(); {
	case t.Kind() == reflect.String:
		return shape{form: formBytes}, even(func(n int) { f.SetString(string(make([]byte, n))) })
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return shape{form: formBytes}, even(func(n int) { f.SetBytes(make([]byte, n)) })
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.String:
		return shape{form: formBytes}, even(func(n int) {
			text := reflect.New(t.Elem())
			text.Elem().SetString(string(make([]byte, n)))
			f.Set(text)
		})
	case t.Kind() == reflect.Slice:
		if !even(func(n int) { f.Set(reflect.MakeSlice(t, n, n)) }) {
			return shape{}, false
		}
		f.Set(reflect.MakeSlice(t, 1, 1))
		setDefaults(f.Index(0))
		return shape{form: formArray, fields: []shape{learnElement(f.Index(0), encode)}}, true
	case t.Kind() == reflect.Pointer:
		f.Set(reflect.Zero(t))
		none := len(encode())
		f.Set(reflect.New(t.Elem()))
		if len(encode()) == none {
			return shape{}, false
		}
		setDefaults(f.Elem())
		s = learnStruct(f.Elem(), encode)
		s.form = formOption
		return s, true
	case t.Kind() == reflect.Struct:
		s = learnStruct(f, encode)
		return s, len(s.fields) > 0
	}
	was := encode()
	vary(f)
	is := encode()
	return shape{form: formFixed, bytes: int(f.Type().Size())}, len(was) == len(is) && !bytes.Equal(was, is)
}

// setDefaults gives a struct the values that tagged fields are left out for.
func setDefaults(v reflect.Value) {
	if d, ok := v.Addr().Interface().(interface{ Default() }); ok {
		d.Default()
	}
}

// learnElement is learn for an element of an array, which always stands.
func learnElement(f reflect.Value, encode func() []byte) shape {
	if f.Kind() == reflect.Struct {
		return learnStruct(f, encode)
	}
	s, _ := learn(f, encode)
	return s
}

// vary gives a number, flag or id another value.
func vary(f reflect.Value) {
	switch {
	case f.Kind() == reflect.Bool:
		f.SetBool(!f.Bool())
	case f.CanInt():
		f.SetInt(f.Int() ^ 1)
	case f.CanUint():
		f.SetUint(f.Uint() ^ 1)
	case f.CanFloat():
		f.SetFloat(f.Float() + 1)
	case f.Kind() == reflect.Array:
		vary(f.Index(0))
	}
}

// walk passes over a part of a request; false is that it is not like this.
func (s *shape) walk(d *decoder) bool {
	switch s.form {
	case formFixed:
		d.take(s.bytes)
	case formBytes:
		if n := d.uvarint(); n > 0 {
			d.take(n - 1)
		}
	case formArray:
		for range d.count(true, 1) {
			if !s.fields[0].walk(d) {
				return false
			}
		}
	case formOption:
		if b := d.take(1); len(b) == 0 || int8(b[0]) < 0 {
			break
		}
		fallthrough
	case formStruct:
		for i := range s.fields {
			if !s.fields[i].walk(d) {
				return false
			}
		}
		d.tags()
	}
	return !d.bad
}

// sound says whether the body of a flexible request has all that its counts and
// lengths say.
func (r *request) sound() bool {
	d := decoder{b: r.body}
	return shapeOf(r.key, r.version).walk(&d)
}
