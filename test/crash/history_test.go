package main

import (
	"strings"
	"testing"
	"time"
)

// sent returns a track of n messages, the first confirmed of which were.
func sent(n, confirmed int) *track {
	t := &track{queue: "q", producer: "p"}
	for i := range n {
		t.sent()
		if i < confirmed {
			_ = t.confirmed(i)
		}
	}
	return t
}

func set(numbers ...int) map[int]bool {
	m := map[int]bool{}
	for _, n := range numbers {
		m[n] = true
	}
	return m
}

func TestHistoryFindsEveryViolation(t *testing.T) {
	quiet := time.Now()
	old := quiet.Add(-2 * ackGrace)
	for _, c := range []struct {
		name string
		do   func() []error
		want string
	}{
		{"all there", func() []error { return sent(3, 2).settle(set(0, 1), quiet) }, ""},
		{"an unconfirmed one more", func() []error { return sent(3, 2).settle(set(0, 1, 2), quiet) }, ""},
		{"lost", func() []error { return sent(3, 2).settle(set(0), quiet) }, "lost"},
		{"a hole", func() []error { return sent(3, 0).settle(set(0, 2), quiet) }, "the earlier 1 is not"},
		{"resurrected", func() []error {
			s := sent(2, 0)
			s.settle(set(), quiet)
			return s.settle(set(1), quiet)
		}, "came back"},
		{"a late acknowledgement lost", func() []error {
			s := sent(1, 1)
			s.acknowledged(0, 1, quiet)
			return s.settle(set(0), quiet)
		}, ""},
		{"an old acknowledgement lost", func() []error {
			s := sent(1, 1)
			s.acknowledged(0, 1, old)
			return s.settle(set(0), quiet)
		}, "after its acknowledgement"},
		{"invented", func() []error { return []error{sent(1, 1).delivered(1, 1, false)} }, "invented"},
		{"delivered again", func() []error {
			s := sent(1, 1)
			s.acknowledged(0, 1, quiet)
			return []error{s.delivered(0, 1, true)}
		}, "delivered again"},
		{"not marked", func() []error {
			s := sent(1, 1)
			return []error{s.looked(0, 1, false), s.looked(0, 2, false)}
		}, "not marked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, err := range c.do() {
				if err != nil {
					got = append(got, err.Error())
				}
			}
			text := strings.Join(got, "; ")
			if (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}

func TestObjectsFindEveryViolation(t *testing.T) {
	made := func() *object {
		return &object{name: "o", sure: true, there: true, incarnation: 2, acked: []bool{true, true, false}}
	}
	at := func(incarnation string, numbers ...int) (p []place) {
		for _, n := range numbers {
			p = append(p, place{"o/" + incarnation, n})
		}
		return p
	}
	for _, c := range []struct {
		name     string
		o        *object
		there    bool
		contents []place
		want     string
	}{
		{"whole", made(), true, at("2", 0, 1), ""},
		{"whole and more", made(), true, at("2", 0, 1, 2), ""},
		{"gone", made(), false, nil, "should be true"},
		{"back", &object{name: "o", sure: true}, true, nil, "should be false"},
		{"perhaps deleted", &object{name: "o", there: true, incarnation: 2, acked: []bool{true}}, false, nil, ""},
		{"a message lost", made(), true, at("2", 0), "lost"},
		{"doubled", made(), true, at("2", 0, 1, 1), "behind"},
		{"of the one before", made(), true, at("1", 0), "o/1"},
		{"invented", made(), true, at("2", 0, 1, 3), "{o/2 3}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := ""
			if err := c.o.verify(c.there, c.contents); err != nil {
				text = err.Error()
			}
			if (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}
