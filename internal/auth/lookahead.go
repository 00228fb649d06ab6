package auth

import (
	"regexp"
	"strings"
)

// lookahead is what must, or must not, stand at the beginning of a name.
type lookahead struct {
	re     *regexp.Regexp
	wanted bool
}

// cutLookaheads takes the lookaheads off the beginning of a pattern like
// ^(?!amq\.).*, which RabbitMQ's documentation recommends and RE2 does not have.
// There, and only there, a lookahead is a match of its own, so that matching
// stays linear. The pattern comes back as it is where it has none.
func cutLookaheads(text string) (string, []lookahead, error) {
	rest, ok := strings.CutPrefix(text, "^")
	var found []lookahead
	for ok && (strings.HasPrefix(rest, "(?!") || strings.HasPrefix(rest, "(?=")) {
		end, _ := scanGroup(rest[3:])
		if end < 0 {
			return "", nil, ErrPattern
		}
		re, err := regexp.Compile("^(?:" + rest[3:3+end] + ")")
		if err != nil {
			return "", nil, err
		}
		found = append(found, lookahead{re, rest[2] == '='})
		rest = rest[3+end+1:]
	}
	if found == nil {
		return text, nil, nil
	}
	// An alternative would go without the lookaheads.
	if end, alternatives := scanGroup(rest); alternatives || end >= 0 {
		return "", nil, ErrPattern
	}
	return "^" + rest, found, nil
}

// scanGroup finds the parenthesis that closes what is before it, or returns -1,
// and says whether there are alternatives outside of inner groups.
func scanGroup(text string) (end int, alternatives bool) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			if i++; i < len(text) && text[i] == 'Q' {
				return -1, true // quoted text is not looked into
			}
		case '[':
			i += classEnd(text[i:])
		case '(':
			depth++
		case '|':
			alternatives = alternatives || depth == 0
		case ')':
			if depth == 0 {
				return i, alternatives
			}
			depth--
		}
	}
	return -1, alternatives
}

// classEnd is where the character class at the beginning of text ends.
func classEnd(text string) int {
	i := 1
	if strings.HasPrefix(text[i:], "^") {
		i++
	}
	for first := true; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case strings.HasPrefix(text[i:], "[:"):
			if n := strings.Index(text[i:], ":]"); n > 0 {
				i += n + 1
			}
		case text[i] == ']' && !first:
			return i
		}
		first = false
	}
	return len(text)
}

func (p *Pattern) matchesAhead(name string) bool {
	for _, l := range p.ahead {
		if l.re.MatchString(name) != l.wanted {
			return false
		}
	}
	return true
}
