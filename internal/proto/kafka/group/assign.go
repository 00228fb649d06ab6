package group

import (
	"cmp"
	"slices"
)

// Assignors of a modern group, the first of which is the default.
const (
	AssignorUniform = "uniform"
	AssignorRange   = "range"
	AssignorSimple  = "simple" // of share groups
)

// assign gives every member its target. topics are those there are, by name.
func assign(assignor string, members []*ModernMember, topics map[string]Topic) {
	switch assignor {
	case AssignorRange:
		assignRange(members, topics)
	case AssignorSimple:
		assignShared(members, topics)
	default:
		assignUniform(members, topics)
	}
}

// subscribers are the members that read each topic, with the topics in order.
func subscribers(members []*ModernMember, topics map[string]Topic) (names []string, readers map[string][]*ModernMember) {
	readers = map[string][]*ModernMember{}
	for _, m := range members {
		for _, name := range m.Topics() {
			if _, ok := topics[name]; ok {
				readers[name] = append(readers[name], m)
			}
		}
	}
	for name := range readers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, readers
}

// assignRange gives each reader of a topic a run of its partitions. Readers of the
// same topics get the same numbers of each.
func assignRange(members []*ModernMember, topics map[string]Topic) {
	names, readers := subscribers(members, topics)
	for _, m := range members {
		m.Target = nil
	}
	for _, name := range names {
		t, rs := topics[name], readers[name]
		slices.SortStableFunc(rs, func(a, b *ModernMember) int {
			if (a.Instance == "") != (b.Instance == "") {
				return cmp.Compare(b.Instance, a.Instance) // static members first
			}
			return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.ID, b.ID))
		})
		next := int32(0)
		for i, m := range rs {
			n := t.Partitions / int32(len(rs))
			if int32(i) < t.Partitions%int32(len(rs)) {
				n++
			}
			for range n {
				m.Target = append(m.Target, Part{t.ID, next})
				next++
			}
		}
	}
	for _, m := range members {
		m.Target = NewParts(m.Target)
	}
}

// assignUniform gives every member as many partitions as the others, as far as
// subscriptions allow, and moves as few as it can.
func assignUniform(members []*ModernMember, topics map[string]Topic) {
	names, readers := subscribers(members, topics)
	readersOf := map[TopicID][]*ModernMember{}
	total := 0
	for _, name := range names {
		readersOf[topics[name].ID] = readers[name]
		total += int(topics[name].Partitions)
	}
	if len(members) == 0 {
		return
	}
	same := !slices.ContainsFunc(names, func(name string) bool { return len(readers[name]) != len(members) })
	taken := map[Part]bool{}
	keep(members, taken, readersOf, total, same)
	for _, name := range names {
		for number := range topics[name].Partitions {
			if p := (Part{topics[name].ID, number}); !taken[p] {
				m := least(readersOf[p.Topic])
				m.Target = append(m.Target, p)
			}
		}
	}
	if !same {
		level(members, readersOf)
	}
	for _, m := range members {
		m.Target = NewParts(m.Target)
	}
}

// keep leaves the members what they have, up to an equal share if all read the same.
func keep(members []*ModernMember, taken map[Part]bool, readersOf map[TopicID][]*ModernMember, total int, same bool) {
	share, extra := total/len(members), total%len(members)
	for _, m := range members {
		quota := share
		if extra > 0 && len(m.Target) > share {
			quota++
			extra--
		}
		m.Target = m.Target.filter(func(p Part) bool {
			if same && quota <= 0 || taken[p] || !slices.Contains(readersOf[p.Topic], m) {
				return false
			}
			quota--
			taken[p] = true
			return true
		})
	}
}

// least is who has the fewest.
func least(readers []*ModernMember) *ModernMember {
	return slices.MinFunc(readers, func(a, b *ModernMember) int { return cmp.Compare(len(a.Target), len(b.Target)) })
}

// level moves partitions from those who have more to those who have less, by two
// at least, until none can be moved.
func level(members []*ModernMember, readersOf map[TopicID][]*ModernMember) {
	for moved := true; moved; {
		moved = false
		for _, m := range members {
			for i := 0; i < len(m.Target); i++ {
				to := least(readersOf[m.Target[i].Topic])
				if len(to.Target)+1 < len(m.Target) {
					to.Target = append(to.Target, m.Target[i])
					m.Target = slices.Delete(m.Target, i, i+1)
					moved = true
					i--
				}
			}
		}
	}
}

// assignShared gives each partition to as few members as keep all busy: several
// members may read one.
func assignShared(members []*ModernMember, topics map[string]Topic) {
	names, readers := subscribers(members, topics)
	for _, m := range members {
		m.Target = nil
	}
	for _, name := range names {
		t, rs := topics[name], readers[name]
		for i := range max(int(t.Partitions), len(rs)) {
			m := rs[i%len(rs)]
			m.Target = append(m.Target, Part{t.ID, int32(i % int(t.Partitions))})
		}
	}
	for _, m := range members {
		m.Target = NewParts(m.Target)
	}
}
