package route

import "strings"

// headerList is the bindings of a headers exchange. Names are numbered, so that
// a message is asked once for each name however many bindings have it.
type headerList struct {
	matchers []matcher
	names    []string
	numbers  map[string]int32
	uses     []uint32
	spare    []int32 // numbers without uses
}

type matcher struct {
	target Target
	any    bool
	bound  int32
	wants  []want
}

type want struct {
	name  int32
	value Value
}

func (l *headerList) add(bound int32, b *Binding) (at int32) {
	m := matcher{target: b.Target, bound: bound}
	m.any = b.Match == MatchAny || b.Match == MatchAnyWithX
	withX := b.Match == MatchAllWithX || b.Match == MatchAnyWithX
	for _, h := range b.Headers {
		if withX || !strings.HasPrefix(h.Name, "x-") {
			m.wants = append(m.wants, want{l.number(h.Name), h.Value})
		}
	}
	l.matchers = append(l.matchers, m)
	return int32(len(l.matchers) - 1)
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
	}
	if l.numbers == nil {
		l.numbers = map[string]int32{}
	}
	l.numbers[name] = n
	l.uses[n]++
	return n
}

// remove takes out the matcher at a place; the one whose binding is moved, if
// any, has taken that place.
func (l *headerList) remove(at int32) (moved int32, ok bool) {
	for _, w := range l.matchers[at].wants {
		if l.uses[w.name]--; l.uses[w.name] == 0 {
			delete(l.numbers, l.names[w.name])
			l.names[w.name] = ""
			l.spare = append(l.spare, w.name)
		}
	}
	last := len(l.matchers) - 1
	l.matchers[at] = l.matchers[last]
	l.matchers[last] = matcher{}
	l.matchers = l.matchers[:last]
	if int(at) == last {
		return 0, false
	}
	return l.matchers[at].bound, true
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
	for i := range l.matchers {
		if l.matchers[i].matches(&a, l) {
			out = append(out, l.matchers[i].target)
		}
	}
	return unique(out, from)
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
