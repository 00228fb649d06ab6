package route

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Kind is the way an exchange matches.
type Kind uint8

// The kinds. Their numbers are on disk and never change.
const (
	Direct         Kind = 1 // the routing key is the binding key
	Fanout         Kind = 2 // always
	Topic          Kind = 3 // the binding key is a pattern of words
	Headers        Kind = 4 // the headers of the message decide
	ConsistentHash Kind = 5 // one target; the binding key is its weight
	ModulusHash    Kind = 6 // one target, all alike
	Random         Kind = 7 // one target, by Message.Random
)

// Target is where a binding leads, a number chosen by the table's owner.
type Target uint32

// MatchMode is how a headers binding matches.
type MatchMode uint8

// The modes. Their numbers are on disk and never change.
const (
	MatchAll      MatchMode = 0 // every header of the binding
	MatchAny      MatchMode = 1 // at least one
	MatchAllWithX MatchMode = 2 // as All, and headers named x-… count too
	MatchAnyWithX MatchMode = 3 // as Any, and headers named x-… count too
)

// Header is one header of a binding.
type Header struct {
	Name  string
	Value Value
}

// Binding leads messages to a target. Headers matter to headers exchanges and
// are part of a binding's identity in all.
type Binding struct {
	Target  Target
	Key     string
	Match   MatchMode
	Headers []Header
	// Place is the target's place in hashes, which must be the same wherever and
	// whenever the table is built: a hash of the target's name, say. It does not
	// identify the binding. 0 takes the target's number.
	Place uint64
}

// Property names what a message may be hashed by besides key and headers.
type Property uint8

// The properties.
const (
	PropertyNone Property = iota
	PropertyMessageID
	PropertyCorrelationID
	PropertyTimestamp
)

// HashBy says what a hash exchange looks at; the zero HashBy is the routing key.
// What a message lacks hashes like the empty text.
type HashBy struct {
	Header   string
	Property Property
}

// Message is what a table may ask of a message. It asks only what its kind and
// its bindings need.
type Message interface {
	Header(name string) (Value, bool)
	// Names yields the name of every header. The strings are valid during the call.
	Names(yield func(name string) bool)
	Property(Property) (Value, bool)
	Random() uint64
}

// ErrWeight refuses a binding key that is no weight.
var ErrWeight = errors.New("route: the binding key must be an integer from 1 to 1000000")

// weightMax keeps sums of weights exact as floats: a table cannot have enough
// bindings to get beyond that.
const weightMax = 1_000_000

// Check tells whether a binding is valid for this kind.
func (k Kind) Check(b Binding) error {
	if k != ConsistentHash {
		return nil
	}
	if weightOf(b.Key) == 0 {
		return ErrWeight
	}
	return nil
}

func weightOf(key string) uint32 {
	n, err := strconv.ParseUint(key, 10, 32)
	if err != nil || n > weightMax {
		return 0
	}
	return uint32(n)
}

// bindingID is what makes two bindings the same.
type bindingID struct {
	target Target
	key    string
	args   string
}

// bound is a binding in the table, in the ring of those of its target.
type bound struct {
	binding    Binding
	id         bindingID
	next, prev int32
	at         int32 // its place in the list of a kind that has one
}

// Table is the bindings of one exchange.
type Table struct {
	kind   Kind
	hashBy HashBy
	ids    map[bindingID]int32
	bound  []bound
	free   []int32
	heads  map[Target]int32 // one of the target's bindings

	direct  map[string]*fan
	fan     fan // of fanout and random
	topic   trie
	headers headerList
	modulus []place // sorted
	members []member
	// memberAt is where a target stands in members.
	memberAt map[Target]int32
	uneven   int // members whose weight is not 1
}

// New returns an empty table. Hash kinds look at the routing key.
func New(k Kind) *Table {
	return &Table{kind: k, ids: map[bindingID]int32{}, heads: map[Target]int32{}}
}

// SetHashBy changes what a hash exchange looks at.
func (t *Table) SetHashBy(by HashBy) { t.hashBy = by }

// Kind returns the way the table matches.
func (t *Table) Kind() Kind { return t.kind }

// Len returns the number of bindings.
func (t *Table) Len() int { return len(t.ids) }

// normal returns b with headers in order and its own copy of all it refers to.
func normal(b Binding) Binding {
	b.Key = strings.Clone(b.Key)
	headers := make([]Header, 0, len(b.Headers))
	for _, h := range b.Headers {
		if h.Name == "x-match" {
			continue // says the mode, which stands in Match
		}
		h.Name = strings.Clone(h.Name)
		h.Value.text = strings.Clone(h.Value.text)
		headers = append(headers, h)
	}
	slices.SortStableFunc(headers, func(x, y Header) int { return strings.Compare(x.Name, y.Name) })
	b.Headers = headers
	return b
}

func identify(b Binding) bindingID {
	id := bindingID{target: b.Target, key: b.Key}
	if b.Match != MatchAll || len(b.Headers) > 0 {
		args := []byte{byte(b.Match)}
		for _, h := range b.Headers {
			args = Text(h.Name).appendID(args)
			args = h.Value.appendID(args)
		}
		id.args = string(args)
	}
	return id
}

// Add puts a binding in and tells whether it was not in. A binding that Check
// refuses matches nothing.
func (t *Table) Add(b Binding) (added bool) {
	b = normal(b)
	id := identify(b)
	if _, ok := t.ids[id]; ok {
		return false
	}
	i := t.take()
	t.bound[i] = bound{binding: b, id: id, next: i, prev: i}
	t.ids[id] = i
	if head, ok := t.heads[b.Target]; ok {
		last := t.bound[head].prev
		t.bound[i].next, t.bound[i].prev = head, last
		t.bound[last].next, t.bound[head].prev = i, i
	} else {
		t.heads[b.Target] = i
	}
	t.index(i)
	return true
}

func (t *Table) take() int32 {
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		return i
	}
	t.bound = append(t.bound, bound{})
	return int32(len(t.bound) - 1)
}

// Remove takes a binding out and tells whether it was in.
func (t *Table) Remove(b Binding) bool {
	i, ok := t.ids[identify(normal(b))]
	if ok {
		t.drop(i)
	}
	return ok
}

// RemoveTarget takes all bindings of a target out and returns how many.
func (t *Table) RemoveTarget(target Target) (n int) {
	for {
		i, ok := t.heads[target]
		if !ok {
			return n
		}
		t.drop(i)
		n++
	}
}

func (t *Table) drop(i int32) {
	t.unindex(i)
	e := t.bound[i]
	delete(t.ids, e.id)
	if e.next == i {
		delete(t.heads, e.id.target)
	} else {
		t.bound[e.prev].next, t.bound[e.next].prev = e.next, e.prev
		t.heads[e.id.target] = e.next
	}
	t.bound[i] = bound{}
	t.free = append(t.free, i)
}

// Has tells whether any binding leads to the target.
func (t *Table) Has(target Target) bool {
	_, ok := t.heads[target]
	return ok
}

// Bindings yields all bindings in no particular order. The table must not change
// meanwhile.
func (t *Table) Bindings(yield func(Binding) bool) {
	for _, i := range t.ids {
		if !yield(t.bound[i].binding) {
			return
		}
	}
}

// BindingsOf yields the bindings of a target. The table must not change
// meanwhile.
func (t *Table) BindingsOf(target Target, yield func(Binding) bool) {
	first, ok := t.heads[target]
	for i := first; ok && yield(t.bound[i].binding); {
		if i = t.bound[i].next; i == first {
			return
		}
	}
}

// Targets yields each target once, in no particular order. The table must not
// change meanwhile.
func (t *Table) Targets(yield func(Target) bool) {
	for target := range t.heads {
		if !yield(target) {
			return
		}
	}
}

// index makes the binding at i count in Match.
func (t *Table) index(i int32) {
	b := &t.bound[i].binding
	switch t.kind {
	case Direct:
		f := t.direct[b.Key]
		if f == nil {
			if t.direct == nil {
				t.direct = map[string]*fan{}
			}
			f = new(fan)
			t.direct[b.Key] = f
		}
		f.add(b.Target)
	case Fanout, Random:
		t.fan.add(b.Target)
	case Topic:
		t.topic.add(b.Key, b.Target)
	case Headers:
		t.bound[i].at = t.headers.add(i, b)
	case ConsistentHash:
		t.addMember(b)
	case ModulusHash:
		t.addPlace(b)
	}
}

func (t *Table) unindex(i int32) {
	b := &t.bound[i].binding
	switch t.kind {
	case Direct:
		f := t.direct[b.Key]
		if f.remove(b.Target); len(f.targets) == 0 {
			delete(t.direct, b.Key)
		}
	case Fanout, Random:
		t.fan.remove(b.Target)
	case Topic:
		t.topic.remove(b.Key, b.Target)
	case Headers:
		if moved, ok := t.headers.remove(t.bound[i].at); ok {
			t.bound[moved].at = t.bound[i].at
		}
	case ConsistentHash:
		t.removeMember(b)
	case ModulusHash:
		t.removePlace(b)
	}
}

// Match appends the targets of a message to out, each once, in no particular
// order. m may be nil where the kind is direct, fanout, topic or a hash of the
// routing key.
func (t *Table) Match(key []byte, m Message, out []Target) []Target {
	switch t.kind {
	case Direct:
		if f := t.direct[string(key)]; f != nil {
			out = append(out, f.targets...)
		}
	case Fanout:
		out = append(out, t.fan.targets...)
	case Topic:
		out = t.topic.match(key, out)
	case Headers:
		out = t.headers.match(m, out)
	case ConsistentHash:
		if len(t.members) > 0 {
			out = t.matchMember(t.hash(key, m), out)
		}
	case ModulusHash:
		if n := uint64(len(t.modulus)); n > 0 {
			out = append(out, t.modulus[t.hash(key, m)%n].target)
		}
	case Random:
		if n := uint64(len(t.fan.targets)); n > 0 {
			out = append(out, t.fan.targets[m.Random()%n])
		}
	}
	return out
}

// unique removes what stands twice in out[from:].
func unique(out []Target, from int) []Target {
	const scanMax = 16 // below this, comparing all with all is faster than sorting
	list := out[from:]
	if len(list) > scanMax {
		slices.Sort(list)
		return out[:from+len(slices.Compact(list))]
	}
	n := 0
	for _, target := range list {
		if !slices.Contains(list[:n], target) {
			list[n] = target
			n++
		}
	}
	return out[:from+n]
}
