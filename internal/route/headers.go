package route

import (
	"math"
	"strings"
)

// headerList is the bindings of a headers exchange. Names are numbered, so that
// a message is asked once for each name however many bindings have it; bindings
// are found by the values they want, so that those of others cost nothing.
type headerList struct {
	matchers []*matcher
	always   bucket    // matchers that want nothing
	wanted   []*wanted // nil where the name has no uses
	names    []string
	numbers  map[string]int32
	uses     []uint32
	spare    []int32 // numbers without uses
}

// wanted finds the matchers that want something of one header. Numbers that may
// equal others of another type, and values of other kinds, are not told apart.
type wanted struct {
	ints  map[int64]*bucket
	texts map[string]*bucket
	other bucket
}

// bucket is matchers that a message may match, and which of their spots it is.
type bucket []entry

type entry struct {
	matcher *matcher
	spot    int
}

// spot is where a matcher stands.
type spot struct {
	bucket *bucket
	at     int
}

type matcher struct {
	target Target
	any    bool
	bound  int32
	wants  []want
	spots  []spot
}

type want struct {
	name  int32
	value Value
}

func (l *headerList) add(bound int32, b *Binding) (at int32) {
	m := &matcher{target: b.Target, bound: bound}
	m.any = b.Match == MatchAny || b.Match == MatchAnyWithX
	withX := b.Match == MatchAllWithX || b.Match == MatchAnyWithX
	for _, h := range b.Headers {
		if withX || !strings.HasPrefix(h.Name, "x-") {
			m.wants = append(m.wants, want{l.number(h.Name), h.Value})
		}
	}
	l.matchers = append(l.matchers, m)
	l.place(m)
	return int32(len(l.matchers) - 1)
}

// place puts a matcher where messages it may match are looked for: if one want is
// enough, under each of them; if all are needed, under the one that has the
// fewest others.
func (l *headerList) place(m *matcher) {
	switch {
	case m.any:
		for i := range m.wants {
			m.enter(l.bucket(&m.wants[i]))
		}
	case len(m.wants) == 0:
		m.enter(&l.always)
	default:
		var best *bucket
		for i := range m.wants {
			if b := l.bucket(&m.wants[i]); best == nil || len(*b) < len(*best) {
				best = b
			}
		}
		m.enter(best)
	}
}

func (m *matcher) enter(b *bucket) {
	m.spots = append(m.spots, spot{b, len(*b)})
	*b = append(*b, entry{m, len(m.spots) - 1})
}

func (m *matcher) leave() {
	for _, s := range m.spots {
		list := *s.bucket
		last := list[len(list)-1]
		list[s.at] = last
		last.matcher.spots[last.spot].at = s.at
		list[len(list)-1] = entry{}
		*s.bucket = list[:len(list)-1]
	}
	m.spots = nil
}

// bucket returns the one of a want.
func (l *headerList) bucket(w *want) *bucket {
	x := l.wanted[w.name]
	switch w.value.kind {
	case kindInt:
		return under(&x.ints, int64(w.value.bits))
	case kindText:
		return under(&x.texts, w.value.text)
	default:
		return &x.other
	}
}

func under[K comparable](m *map[K]*bucket, key K) *bucket {
	if *m == nil {
		*m = map[K]*bucket{}
	}
	b := (*m)[key]
	if b == nil {
		b = new(bucket)
		(*m)[key] = b
	}
	return b
}

// number returns the number of a name and counts one more use of it.
func (l *headerList) number(name string) int32 {
	n, ok := l.numbers[name]
	switch {
	case ok:
	case len(l.spare) > 0:
		n = l.spare[len(l.spare)-1]
		l.spare = l.spare[:len(l.spare)-1]
		l.names[n] = name
	default:
		n = int32(len(l.names))
		l.names = append(l.names, name)
		l.uses = append(l.uses, 0)
		l.wanted = append(l.wanted, nil)
	}
	if l.numbers == nil {
		l.numbers = map[string]int32{}
	}
	if l.numbers[name] = n; l.wanted[n] == nil {
		l.wanted[n] = &wanted{}
	}
	l.uses[n]++
	return n
}

// remove takes out the matcher at a place; the one whose binding is moved, if
// any, has taken that place.
func (l *headerList) remove(at int32) (moved int32, ok bool) {
	m := l.matchers[at]
	m.leave()
	for i := range m.wants {
		l.release(&m.wants[i])
	}
	last := len(l.matchers) - 1
	l.matchers[at] = l.matchers[last]
	l.matchers[last] = nil
	l.matchers = l.matchers[:last]
	if int(at) == last {
		return 0, false
	}
	return l.matchers[at].bound, true
}

// release ends a use of a want's name, and its bucket if that is empty.
func (l *headerList) release(w *want) {
	x := l.wanted[w.name]
	switch b := l.bucket(w); {
	case len(*b) > 0:
	case w.value.kind == kindInt:
		delete(x.ints, int64(w.value.bits))
	case w.value.kind == kindText:
		delete(x.texts, w.value.text)
	}
	if l.uses[w.name]--; l.uses[w.name] == 0 {
		delete(l.numbers, l.names[w.name])
		l.names[w.name], l.wanted[w.name] = "", nil
		l.spare = append(l.spare, w.name)
	}
}

// asked is what a message has answered so far, for the lower numbers.
type asked struct {
	message Message
	known   [16]bool
	there   [16]bool
	value   [16]Value
}

func (a *asked) header(l *headerList, n int32) (Value, bool) {
	if int(n) >= len(a.known) {
		return a.message.Header(l.names[n])
	}
	if !a.known[n] {
		a.value[n], a.there[n] = a.message.Header(l.names[n])
		a.known[n] = true
	}
	return a.value[n], a.there[n]
}

func (l *headerList) match(m Message, out []Target) []Target {
	if len(l.matchers) == 0 {
		return out
	}
	a := asked{message: m}
	from := len(out)
	for i := range l.always {
		out = append(out, l.always[i].matcher.target)
	}
	if len(l.names) > namesAskedMax {
		return unique(l.matchNames(m, out), from)
	}
	for n := range l.names {
		if l.uses[n] > 0 {
			out = l.matchName(&a, int32(n), out)
		}
	}
	return unique(out, from)
}

// namesAskedMax is up to how many names a message is asked for each one; with
// more of them it is asked for all it has.
const namesAskedMax = 8

// matchNames adds the targets that may be found by any header of the message.
func (l *headerList) matchNames(m Message, out []Target) []Target {
	a := asked{message: m}
	for name := range m.Names {
		if n, ok := l.numbers[name]; ok {
			out = l.matchName(&a, n, out)
		}
	}
	return out
}

// matchName adds the targets that may be found by one header.
func (l *headerList) matchName(a *asked, n int32, out []Target) []Target {
	v, there := a.header(l, n)
	if !there {
		return out
	}
	x := l.wanted[n]
	switch v.kind {
	case kindInt:
		out = x.ints[int64(v.bits)].match(a, l, out)
	case kindFloat:
		if f := math.Float64frombits(v.bits); f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63 {
			out = x.ints[int64(f)].match(a, l, out)
		}
	case kindText:
		out = x.texts[v.text].match(a, l, out)
	default:
	}
	return x.other.match(a, l, out)
}

func (b *bucket) match(a *asked, l *headerList, out []Target) []Target {
	if b == nil {
		return out
	}
	for i := range *b {
		if m := (*b)[i].matcher; m.matches(a, l) {
			out = append(out, m.target)
		}
	}
	return out
}

func (m *matcher) matches(a *asked, l *headerList) bool {
	for i := range m.wants {
		w := &m.wants[i]
		v, there := a.header(l, w.name)
		if hit := there && (w.value.IsNil() || w.value.Equal(v)); hit == m.any {
			return hit
		}
	}
	return !m.any
}
