package auth_test

import (
	"testing"

	"weir/internal/auth"
)

func TestLookaheads(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{`^(?!amq\.).*`, []string{"", "q", "amq", "xamq.y"}, []string{"amq.", "amq.gen-1"}},
		{`^(?!amq\.|mqtt[.(])(?!x).+$`, []string{"a", "mqtt"}, []string{"amq.a", "mqtt.a", "mqtt(", "x", ""}},
		{`^(?=a)(?!ab).*c$`, []string{"ac", "axc"}, []string{"abc", "bc", "a"}},
		{`^(?![])]a).`, []string{"a", ")b"}, []string{")a", "]a", ""}},
		{`^(?!(a|b)\)).*`, []string{"a", "(a"}, []string{"a)", "b)x"}},
		{`^(?!a)(b|c)`, []string{"b", "cd"}, []string{"a", "d"}},
	} {
		p, err := auth.CompilePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for want, names := range map[bool][]string{true: c.yes, false: c.no} {
			for _, name := range names {
				if p.Match(name) != want || p.MatchBytes([]byte(name)) != want {
					t.Errorf("%s on %q: not %v", c.pattern, name, want)
				}
			}
		}
		if p.String() != c.pattern {
			t.Errorf("%s became %s", c.pattern, p)
		}
	}
	for _, bad := range []string{
		`^(?!a`, `^(?!a)|b`, `^(?!a)b)`, `^(?!\Qa)\E)`, `a(?!b)`, `^(?!(?!a))`, `^(?<!a)b`, `(?!a)`, `^(?!a)b|c`, `^(?!a)[`, `^(?!(`,
	} {
		if _, err := auth.CompilePattern(bad); err == nil {
			t.Errorf("%s compiles", bad)
		}
	}
}
