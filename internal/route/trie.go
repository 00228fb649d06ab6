package route

import (
	"bytes"
	"strings"
	"sync"
)

// trie is the patterns of a topic exchange, a node per word. Matching walks all
// nodes that the words so far can lead to at once, so its cost is bounded by
// words times nodes however many # there are.
type trie struct {
	nodes []node // nodes[0] is the root; 0 elsewhere is none
	free  []int32
}

type node struct {
	parent int32
	word   string // on the edge from the parent
	star   int32  // the child for *
	hash   int32  // the child for #; one of # is never there
	// The children for words: one is kept apart, since most nodes have one.
	only     int32
	children map[string]int32
	fan      fan
}

// words yields the words of a pattern, several # in a row as one.
func words(pattern string, yield func(string)) {
	hash := false
	for rest, more := pattern, pattern != ""; more; {
		var word string
		word, rest, more = strings.Cut(rest, ".")
		if word == "#" && hash {
			continue
		}
		hash = word == "#"
		yield(word)
	}
}

func (t *trie) add(pattern string, target Target) {
	if len(t.nodes) == 0 {
		t.nodes = make([]node, 1)
	}
	at := int32(0)
	words(pattern, func(word string) {
		next := t.child(at, word)
		if next == 0 {
			next = t.grow(at, word)
		}
		at = next
	})
	t.nodes[at].fan.add(target)
}

// child returns the child for the word of a pattern, or 0.
func (t *trie) child(at int32, word string) int32 {
	n := &t.nodes[at]
	switch {
	case word == "*":
		return n.star
	case word == "#":
		return n.hash
	case n.only != 0 && t.nodes[n.only].word == word:
		return n.only
	}
	return n.children[word]
}

func (t *trie) grow(at int32, word string) int32 {
	var i int32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		t.nodes = append(t.nodes, node{})
		i = int32(len(t.nodes) - 1)
	}
	t.nodes[i] = node{parent: at, word: word}
	n := &t.nodes[at]
	switch {
	case word == "*":
		n.star = i
	case word == "#":
		n.hash = i
	case n.only == 0 && n.children == nil:
		n.only = i
	default:
		if n.children == nil {
			n.children = map[string]int32{t.nodes[n.only].word: n.only}
			n.only = 0
		}
		n.children[word] = i
	}
	return i
}

func (t *trie) remove(pattern string, target Target) {
	at := int32(0)
	words(pattern, func(word string) { at = t.child(at, word) })
	t.nodes[at].fan.remove(target)
	for at != 0 && t.nodes[at].bare() {
		parent, word := t.nodes[at].parent, t.nodes[at].word
		p := &t.nodes[parent]
		switch {
		case word == "*":
			p.star = 0
		case word == "#":
			p.hash = 0
		case p.only == at:
			p.only = 0
		default:
			if delete(p.children, word); len(p.children) == 0 {
				p.children = nil
			}
		}
		t.nodes[at] = node{}
		t.free = append(t.free, at)
		at = parent
	}
}

func (n *node) bare() bool {
	return len(n.fan.targets) == 0 && n.star == 0 && n.hash == 0 && n.only == 0 && n.children == nil
}

// walk is the nodes a match has reached.
type walk struct {
	trie          *trie
	current, next []int32
	// hashes is the # nodes reached, which stay so to the end; those without
	// children have given their targets and are not in it.
	hashes []int32
	// reached[node] is turn for a # node that was reached in this match.
	reached []uint32
	turn    uint32
	out     []Target
}

var walks = sync.Pool{New: func() any { return new(walk) }}

func (t *trie) match(key []byte, out []Target) []Target {
	if len(t.nodes) == 0 {
		return out
	}
	w := walks.Get().(*walk)
	w.begin(t, out)
	w.reach(0)
	for more := len(key) > 0; more; {
		var word []byte
		if i := bytes.IndexByte(key, '.'); i >= 0 {
			word, key = key[:i], key[i+1:]
		} else {
			word, more = key, false
		}
		w.current, w.next = w.next, w.current[:0]
		// The # nodes that this word reaches are already behind it.
		before := len(w.hashes)
		if len(w.current)+before == 0 {
			break
		}
		for _, at := range w.current {
			w.step(at, word)
		}
		for _, at := range w.hashes[:before] {
			w.step(at, word)
		}
	}
	for _, at := range w.next {
		w.out = append(w.out, t.nodes[at].fan.targets...)
	}
	result := unique(w.out, len(out))
	w.trie, w.out = nil, nil
	walks.Put(w)
	return result
}

func (w *walk) begin(t *trie, out []Target) {
	w.trie, w.out = t, out
	w.current, w.next, w.hashes = w.current[:0], w.next[:0], w.hashes[:0]
	if len(w.reached) < len(t.nodes) {
		w.reached, w.turn = make([]uint32, len(t.nodes)+len(t.nodes)/2), 0
	}
	if w.turn++; w.turn == 0 {
		clear(w.reached)
		w.turn = 1
	}
}

// step follows a word from a node. A node has one parent, which is asked once a
// word, so no node is reached twice by a word but through #.
func (w *walk) step(at int32, word []byte) {
	n := &w.trie.nodes[at]
	if n.star != 0 {
		w.reach(n.star)
	}
	if n.only != 0 {
		if w.trie.nodes[n.only].word == string(word) {
			w.reach(n.only)
		}
	} else if n.children != nil {
		if child, ok := n.children[string(word)]; ok {
			w.reach(child)
		}
	}
}

// reach notes a node and the # below it, which stands for no word too.
func (w *walk) reach(at int32) {
	w.next = append(w.next, at)
	hash := w.trie.nodes[at].hash
	if hash == 0 || w.reached[hash] == w.turn {
		return
	}
	w.reached[hash] = w.turn
	n := &w.trie.nodes[hash]
	w.out = append(w.out, n.fan.targets...)
	if n.star != 0 || n.only != 0 || n.children != nil {
		w.hashes = append(w.hashes, hash)
	}
}
