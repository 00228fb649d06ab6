package auth

import (
	"errors"
	"regexp"
)

// Verb is what somebody wants to do with a resource.
type Verb uint8

// The verbs. Their numbers are on disk and never change.
const (
	Configure Verb = 1 // make, change or delete it
	Write     Verb = 2 // put messages in
	Read      Verb = 3 // take messages out

	// The finer ones. In a permission the first three are parts of Configure, and
	// who has any right has the last two.
	Create          Verb = 4
	Delete          Verb = 5
	Alter           Verb = 6
	AlterConfigs    Verb = 7
	Describe        Verb = 8
	DescribeConfigs Verb = 9

	// Those that only grants have.
	ClusterAction   Verb = 10
	IdempotentWrite Verb = 11
	All             Verb = 255
)

func (v Verb) String() string {
	switch v {
	case Configure:
		return "configure"
	case Write:
		return "write"
	case Read:
		return "read"
	case Create, Delete, Alter, AlterConfigs:
		return "configure"
	case Describe, DescribeConfigs:
		return "describe"
	}
	return "unknown"
}

// PatternBytesMax is the longest pattern accepted.
const PatternBytesMax = 4096

// ErrPattern reports a pattern that is not a regular expression of RE2, or too
// long.
var ErrPattern = errors.New("auth: invalid pattern")

// Pattern is a compiled pattern of names. The zero Pattern is the empty one.
type Pattern struct {
	text string
	all  bool // matches everything, as most do
	re   *regexp.Regexp

	ahead []lookahead
}

// CompilePattern compiles a pattern, which matches anywhere in a name unless it
// is anchored. The empty pattern stands for ^$: it matches the empty text only.
// The language is that of RE2, with lookaheads right behind a leading ^.
func CompilePattern(text string) (Pattern, error) {
	p := Pattern{text: text}
	switch text {
	case "":
		return p, nil
	case ".*", "^.*", ".*$":
		p.all = true
		return p, nil
	}
	if len(text) > PatternBytesMax {
		return Pattern{}, ErrPattern
	}
	plain, ahead, err := cutLookaheads(text)
	if err != nil {
		return Pattern{}, errors.Join(ErrPattern, err)
	}
	p.ahead = ahead
	re, err := regexp.Compile(plain)
	if err != nil {
		return Pattern{}, errors.Join(ErrPattern, err)
	}
	p.re = re
	return p, nil
}

// String returns the pattern as it was given.
func (p Pattern) String() string { return p.text }

// Match tells whether the pattern matches a name.
func (p Pattern) Match(name string) bool {
	if p.re == nil {
		return p.all || name == ""
	}
	return p.matchesAhead(name) && p.re.MatchString(name)
}

// MatchBytes is Match without a conversion.
func (p Pattern) MatchBytes(name []byte) bool {
	if p.re == nil {
		return p.all || len(name) == 0
	}
	return (p.ahead == nil || p.matchesAhead(string(name))) && p.re.Match(name)
}

// Permission is what a user may do in a namespace. The zero Permission is
// nothing at all.
type Permission struct{ Configure, Write, Read Pattern }

// NewPermission compiles the three patterns of a permission.
func NewPermission(configure, write, read string) (p Permission, err error) {
	for _, c := range []struct {
		to   *Pattern
		text string
	}{{&p.Configure, configure}, {&p.Write, write}, {&p.Read, read}} {
		if *c.to, err = CompilePattern(c.text); err != nil {
			return Permission{}, err
		}
	}
	return p, nil
}

// Allows tells whether the user may do this to the resource. The default
// exchange is called amq.default here, as in RabbitMQ; nothing is allowed on a
// resource without a name, not even by a pattern that would match it.
func (p *Permission) Allows(verb Verb, name string) bool {
	if name == "" {
		return false
	}
	switch verb {
	case Configure, Create, Delete, Alter, AlterConfigs:
		return p.Configure.Match(name)
	case Describe, DescribeConfigs:
		return p.Read.Match(name) || p.Write.Match(name) || p.Configure.Match(name)
	case Write:
		return p.Write.Match(name)
	case Read:
		return p.Read.Match(name)
	}
	return false
}
