package auth_test

import (
	"crypto/sha512"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"weir/internal/auth"
	"weir/internal/frugal"
)

func sha512Of(s string) []byte {
	sum := sha512.Sum512([]byte(s))
	return sum[:]
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{""}, []string{"a", "\n"}},
		{".*", []string{"", "a", "a\nb"}, nil},
		{"^.*", []string{"", "a\nb"}, nil},
		{".*$", []string{"", "a\nb"}, nil},
		{"orders", []string{"orders", "my-orders-2"}, []string{"order"}},
		{"^orders$", []string{"orders"}, []string{"my-orders", "orders2"}},
		{"^(amq\\.gen.*|amq\\.default)$", []string{"amq.gen-x", "amq.default"}, []string{"amq.direct"}},
		{"^a|b$", []string{"ax", "xb"}, []string{"xa", "bx"}},
		{"(?i)^orders", []string{"ORDERS"}, nil},
	} {
		p, err := auth.CompilePattern(c.pattern)
		if err != nil {
			t.Fatalf("%q: %v", c.pattern, err)
		}
		if p.String() != c.pattern {
			t.Errorf("%q is given back as %q", c.pattern, p)
		}
		for _, name := range c.yes {
			if !p.Match(name) || !p.MatchBytes([]byte(name)) {
				t.Errorf("%q does not match %q", c.pattern, name)
			}
		}
		for _, name := range c.no {
			if p.Match(name) || p.MatchBytes([]byte(name)) {
				t.Errorf("%q matches %q", c.pattern, name)
			}
		}
	}
	for _, bad := range []string{"(", "a{2000}", "(?=a)", `\1`, strings.Repeat("a", auth.PatternBytesMax+1)} {
		if _, err := auth.CompilePattern(bad); !errors.Is(err, auth.ErrPattern) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestPermissions(t *testing.T) {
	p, err := auth.NewPermission("^mine", ".*", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		verb auth.Verb
		name string
		want bool
	}{
		{auth.Configure, "mine.1", true},
		{auth.Configure, "yours", false},
		{auth.Write, "anything", true},
		{auth.Write, "amq.default", true},
		{auth.Write, "", false},
		{auth.Read, "mine.1", false},
		{auth.Read, "", false},
		{auth.Verb(0), "mine.1", false},
		{auth.Delete, "mine.1", true},
		{auth.Alter, "yours", false},
		{auth.Describe, "yours", true},
		{auth.All, "mine.1", false},
	} {
		if got := p.Allows(c.verb, c.name); got != c.want {
			t.Errorf("%v %q: got %v", c.verb, c.name, got)
		}
	}
	var none auth.Permission
	for _, verb := range []auth.Verb{auth.Configure, auth.Write, auth.Read} {
		if none.Allows(verb, "x") {
			t.Errorf("nothing allows %v", verb)
		}
	}
	for i := range 3 {
		patterns := []string{"a", "a", "a"}
		patterns[i] = "("
		if _, err := auth.NewPermission(patterns[0], patterns[1], patterns[2]); !errors.Is(err, auth.ErrPattern) {
			t.Errorf("pattern %d: %v", i, err)
		}
	}
}

func TestTopicPatterns(t *testing.T) {
	vars := auth.Variables{Username: "bob", VHost: "/", ClientID: "a.b*"}
	for _, c := range []struct {
		pattern string
		vars    auth.Variables
		yes, no []string
	}{
		{`^{username}\.`, vars, []string{"bob.x"}, []string{"alice.x", "bobx"}},
		{`^{username}-{client_id}$`, vars, []string{"bob-a.b*"}, []string{"bob-axb", "bob-a.bbb"}},
		{`^{vhost}$`, vars, []string{"/"}, []string{"x"}},
		{`^{username}*$`, vars, []string{"", "bob", "bobbob"}, []string{"bobbb"}},
		{`^({username}|x)$`, auth.Variables{Username: "a|.*"}, []string{"a|.*", "x"}, []string{"a", "anything"}},
		{`^{username}$`, auth.Variables{Username: "{vhost}", VHost: ".*"}, []string{"{vhost}"}, []string{"x"}},
		{`^{username}$`, auth.Variables{Username: ")("}, []string{")("}, []string{"", "x"}},
		{`^{username}a|{username}b|[^c]{username}$`, vars, []string{"boba", "bobb", "xbob"}, []string{"cbob"}},
		{`^({username}|{vhost}|{client_id})$`, vars, []string{"bob", "/", "a.b*"}, []string{"b", "a"}},
		{`^{client_id}$`, auth.Variables{Username: "bob"}, []string{"{client_id}"}, []string{"", "bob"}},
		{`^{other}$`, vars, []string{"{other}"}, []string{"bob"}},
		{``, vars, []string{""}, []string{"x"}},
		{`.*`, vars, []string{"", "x"}, nil},
		{`^(?i:x{username})$`, vars, []string{"xbob", "Xbob"}, []string{"xalice"}},
	} {
		p, err := auth.CompileTopicPattern(c.pattern)
		if err != nil {
			t.Fatalf("%q: %v", c.pattern, err)
		}
		e, err := p.Expand(c.vars)
		if err != nil {
			t.Fatalf("%q: %v", c.pattern, err)
		}
		if p.String() != c.pattern || e.String() != c.pattern {
			t.Errorf("%q is given back as %q and %q", c.pattern, p, e)
		}
		for _, key := range c.yes {
			if !e.Match(key) {
				t.Errorf("%q for %+v does not match %q", c.pattern, c.vars, key)
			}
		}
		for _, key := range c.no {
			if e.Match(key) {
				t.Errorf("%q for %+v matches %q", c.pattern, c.vars, key)
			}
		}
	}
	for _, bad := range []string{
		"(", "{username}(", "\uf8f0", "\uf8e0", `\{username}`,
		"{vhost}" + strings.Repeat("a", auth.PatternBytesMax), "[{username}]", "[^{vhost}]", "[a-{client_id}]", "[x{username}{vhost}]+",
	} {
		if _, err := auth.CompileTopicPattern(bad); !errors.Is(err, auth.ErrPattern) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
	p, _ := auth.NewTopicPermission("{username}", ".*")
	if _, err := p.Write.Expand(auth.Variables{Username: "\xff"}); !errors.Is(err, auth.ErrPattern) {
		t.Errorf("a name that is no text: %v", err)
	}
}

// TestVariablesMatchThemselvesOnly tries names that look like patterns.
func TestVariablesMatchThemselvesOnly(t *testing.T) {
	p, err := auth.CompileTopicPattern(`^({username}\.)+{client_id}$`)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		nasty := rapid.StringOfN(rapid.RuneFrom([]rune(`ab.*+?()[]{}|^$\-Q\E,0`)), 1, 12, -1)
		v := auth.Variables{Username: nasty.Draw(t, "username"), ClientID: nasty.Draw(t, "client")}
		e, err := p.Expand(v)
		if err != nil {
			t.Fatal(err)
		}
		name, client := regexp.QuoteMeta(v.Username), regexp.QuoteMeta(v.ClientID)
		want := regexp.MustCompile(`^(?:(?:` + name + `)\.)+(?:` + client + `)$`)
		keys := []string{v.Username + "." + v.ClientID, "a." + v.ClientID, nasty.Draw(t, "key"), "a.a", "a.b"}
		for _, key := range keys {
			if e.Match(key) != want.MatchString(key) {
				t.Fatalf("%+v on %q: got %v", v, key, e.Match(key))
			}
		}
	})
}

func FuzzTopicPattern(f *testing.F) {
	f.Add(`^{username}(a|{vhost})*[{client_id}x]{2,3}`, "u", "/", "c")
	f.Add(`(?i)K{username}k`, "k", "", "")
	f.Add("{client_id}", "u", "\xcd", "\x90") // together they are valid
	f.Add(strings.Repeat("x{1000}", 200)+"{vhost}", "u", "/", "c")
	f.Add(strings.Repeat("{username}", 100), strings.Repeat("u", 200), "/", "c")
	f.Fuzz(func(t *testing.T, text, username, vhost, client string) {
		values := len(username) + len(vhost) + len(client) // each may stand there many times
		frugal.CheckPattern(t, len(text)+values, len(text)*(1+values/len("{vhost}")), func() {
			expandAndMatch(t, text, username, vhost, client)
		})
	})
}

func expandAndMatch(t *testing.T, text, username, vhost, client string) {
	p, err := auth.CompileTopicPattern(text)
	if err != nil {
		return
	}
	e, err := p.Expand(auth.Variables{Username: username, VHost: vhost, ClientID: client})
	if err != nil {
		if utf8.ValidString(username) && utf8.ValidString(vhost) && utf8.ValidString(client) && len(username+vhost+client) < 16 && len(text) < 64 {
			t.Fatalf("%q accepted, but not expanded: %v", text, err)
		}
		return
	}
	e.Match(username)
}

func TestRoles(t *testing.T) {
	roles, others := auth.ParseRoles([]string{"monitoring", "x, policymaker", ""})
	if roles != auth.Monitoring|auth.Policymaker || !slices.Equal(others, []string{"x"}) {
		t.Errorf("got %v and %v", roles, others)
	}
	if names := roles.Names(); !slices.Equal(names, []string{"monitoring", "policymaker"}) {
		t.Errorf("names are %v", names)
	}
	for _, c := range []struct {
		has, asked auth.Roles
		want       bool
	}{
		{auth.Administrator, auth.Policymaker | auth.Monitoring | auth.Management, true},
		{auth.Monitoring, auth.Management, true},
		{auth.Policymaker, auth.Monitoring, false},
		{auth.Management, auth.Administrator, false},
		{0, auth.Management, false},
	} {
		if c.has.Has(c.asked) != c.want {
			t.Errorf("%v has %v: want %v", c.has.Names(), c.asked.Names(), c.want)
		}
	}
}
