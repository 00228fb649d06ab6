package auth

import (
	"errors"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// Variables is what topic patterns may refer to. A variable that is empty is
// not there, and what refers to it matches no text but itself.
type Variables struct{ Username, VHost, ClientID string }

// placeholders and the runes that stand for them in a parsed pattern. The runes
// are for private use and refused in patterns. A placeholder becomes a group of
// its rune and closing, since the parser folds alternatives of one rune into a
// class.
var placeholders = []struct {
	name string
	mark rune
}{{"{username}", 0xF8E0}, {"{vhost}", 0xF8E4}, {"{client_id}", 0xF8E8}}

const closing = 0xF8F0

// TopicPattern is a pattern of routing keys that may have {username}, {vhost}
// and {client_id} in it. The zero TopicPattern is the empty one.
type TopicPattern struct {
	text string
	tree *syntax.Regexp // nil without placeholders
	same Pattern        // the pattern without placeholders
}

// CompileTopicPattern compiles a pattern with placeholders, which may not stand
// inside a character class.
func CompileTopicPattern(text string) (p TopicPattern, err error) {
	p.text = text
	marked := text
	for _, h := range placeholders {
		if strings.ContainsRune(text, h.mark) || strings.ContainsRune(text, closing) {
			return TopicPattern{}, ErrPattern
		}
		marked = strings.ReplaceAll(marked, h.name, "(?:"+string([]rune{h.mark, closing})+")")
	}
	if marked == text {
		p.same, err = CompilePattern(text)
		if err != nil {
			return TopicPattern{}, err
		}
		return p, nil
	}
	if len(text) > PatternBytesMax {
		return TopicPattern{}, ErrPattern
	}
	if p.tree, err = syntax.Parse(marked, syntax.Perl); err != nil {
		return TopicPattern{}, errors.Join(ErrPattern, err)
	}
	if marksInClass(p.tree) {
		return TopicPattern{}, ErrPattern
	}
	return p, nil
}

// marksInClass tells whether a placeholder stands inside a character class,
// where it could not mean what it says.
func marksInClass(tree *syntax.Regexp) bool {
	if tree.Op == syntax.OpCharClass {
		// A class without a placeholder takes all marks or none, so that none of
		// its ranges begins or ends at one.
		for i, r := range tree.Rune {
			for _, h := range placeholders {
				if r == h.mark || i%2 == 0 && r == h.mark+1 || i%2 == 1 && r == h.mark-1 {
					return true
				}
			}
		}
	}
	return slices.ContainsFunc(tree.Sub, marksInClass)
}

// String returns the pattern as it was given.
func (p TopicPattern) String() string { return p.text }

// Expand returns the pattern for one connection. The variables are put into the
// parsed pattern, not into its text, so they match themselves and nothing else
// whatever they contain.
func (p TopicPattern) Expand(v Variables) (Pattern, error) {
	if p.tree == nil {
		return p.same, nil
	}
	values := make(map[rune][]rune, len(placeholders))
	for i, value := range []string{v.Username, v.VHost, v.ClientID} {
		if !utf8.ValidString(value) {
			return Pattern{}, ErrPattern
		}
		if value == "" {
			value = placeholders[i].name
		}
		values[placeholders[i].mark] = []rune(value)
	}
	expanded, err := CompilePattern(replaced(p.tree, values).String())
	if err != nil {
		return Pattern{}, err
	}
	expanded.text = p.text
	return expanded, nil
}

// replaced returns a copy of the tree with values in the place of marks. How
// deep it goes is bounded by the parser, at 1000 levels.
func replaced(tree *syntax.Regexp, values map[rune][]rune) *syntax.Regexp {
	out := *tree
	out.Sub = slices.Clone(tree.Sub)
	for i := range out.Sub {
		out.Sub[i] = replaced(out.Sub[i], values)
	}
	if tree.Op != syntax.OpLiteral {
		return &out
	}
	out.Rune = nil
	for _, r := range tree.Rune {
		if value, ok := values[r]; ok {
			out.Rune = append(out.Rune, value...)
		} else if r != closing {
			out.Rune = append(out.Rune, r)
		}
	}
	return &out
}

// TopicPermission is what a user may do with the routing keys of an exchange.
type TopicPermission struct{ Write, Read TopicPattern }

// NewTopicPermission compiles the two patterns of a topic permission.
func NewTopicPermission(write, read string) (p TopicPermission, err error) {
	if p.Write, err = CompileTopicPattern(write); err != nil {
		return TopicPermission{}, err
	}
	if p.Read, err = CompileTopicPattern(read); err != nil {
		return TopicPermission{}, err
	}
	return p, nil
}
