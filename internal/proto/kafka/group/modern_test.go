package group

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// topics is a catalog.
type topics map[string]Topic

func (ts topics) Topic(name string) (Topic, bool) { t, ok := ts[name]; return t, ok }

func (ts topics) All() (all []Topic) {
	for _, t := range ts {
		all = append(all, t)
	}
	return all
}

func (ts topics) Gone(t Topic) bool { return ts[t.Name] != t }

func (ts topics) put(name string, partitions int32) {
	ts[name] = Topic{Name: name, ID: TopicID{byte(len(ts) + 1)}, Partitions: partitions}
}

// consumer is the client's side of a modern member.
type consumer struct {
	id    string
	epoch Generation
	has   Parts
	names []string
	regex *string
}

func (c *consumer) beat(t testing.TB, g *Modern, now Millis, ts topics) Beat {
	t.Helper()
	r := &BeatRequest{Member: c.id, Epoch: c.epoch, Rebalance: -1, Owned: &c.has}
	if c.epoch == 0 {
		r.Rebalance, r.Names, r.Regex, r.Owned = 60_000, c.names, c.regex, &Parts{}
	}
	if b := r.Check(false); b.Code != 0 {
		t.Fatalf("%s: %+v", c.id, b)
	}
	b := g.Heartbeat(now, r, ts)
	if b.Code == 0 {
		c.epoch = b.Epoch
		if b.Assigned != nil {
			c.has = slices.Clone(*b.Assigned)
		}
	}
	return b
}

// settle lets all heartbeat until nothing changes, and checks that nobody shares a
// partition on the way.
func settle(t testing.TB, g *Modern, now *Millis, ts topics, cs ...*consumer) {
	t.Helper()
	for range 50 {
		settled := true
		for _, c := range cs {
			*now += 10
			if b := c.beat(t, g, *now, ts); b.Code != 0 {
				t.Fatalf("%s: %+v", c.id, b)
			} else if !b.Settled {
				settled = false
			}
			apart(t, cs...)
		}
		if settled {
			return
		}
	}
	t.Fatal("never settles")
}

func apart(t testing.TB, cs ...*consumer) {
	t.Helper()
	owner := map[Part]string{}
	for _, c := range cs {
		for _, p := range c.has {
			if o := owner[p]; o != "" {
				t.Fatalf("%v of both %s and %s", p, o, c.id)
			}
			owner[p] = c.id
		}
	}
}

var modernOptions = ModernOptions{Session: 45_000, Refresh: 1000}

func TestMembersShareTopics(t *testing.T) {
	ts, now := topics{}, Millis(1)
	ts.put("a", 7)
	g := NewModern(modernOptions, false, 0, 0)
	one, two, three := &consumer{id: "1", names: []string{"a"}}, &consumer{id: "2", names: []string{"a"}}, &consumer{id: "3", names: []string{"a"}}
	settle(t, g, &now, ts, one)
	if len(one.has) != 7 || g.State() != ModernStable {
		t.Fatal(one.has, g.State())
	}
	settle(t, g, &now, ts, one, two, three)
	if len(one.has) != 3 || len(two.has) != 2 || len(three.has) != 2 {
		t.Fatal(one.has, two.has, three.has)
	}
	kept := slices.Clone(two.has)
	if b := g.Heartbeat(now, &BeatRequest{Member: "3", Epoch: EpochLeave}, ts); b.Code != 0 || b.Epoch != EpochLeave {
		t.Fatalf("%+v", b)
	}
	settle(t, g, &now, ts, one, two)
	if len(one.has)+len(two.has) != 7 || !kept.within(two.has) {
		t.Fatal(one.has, two.has, "before", kept)
	}
	ts["a"] = Topic{Name: "a", ID: ts["a"].ID, Partitions: 9}
	now += 2000
	settle(t, g, &now, ts, one, two)
	if len(one.has)+len(two.has) != 9 {
		t.Fatal("new partitions are nobody's")
	}
}

func TestASessionMayBeLongerThanMost(t *testing.T) {
	ts, now := topics{}, Millis(1)
	g := NewModern(modernOptions, false, 0, 0)
	for id, session := range map[string]Millis{"usual": 0, "long": 60_000} {
		r := &BeatRequest{Member: id, Session: session, Rebalance: 1000, Names: []string{"a"}, Owned: &Parts{}}
		if b := g.Heartbeat(now, r, ts); b.Code != 0 {
			t.Fatalf("%+v", b)
		}
	}
	g.Tick(now + 50_000)
	if g.Idle() || len(g.members) != 1 || g.members[0].ID != "long" {
		t.Fatal(g.members)
	}
	if g.Tick(now + 60_000); !g.Idle() {
		t.Fatal("a member without heartbeats stays")
	}
}

func TestExpressionsMatchWholeNames(t *testing.T) {
	ts, now := topics{}, Millis(1)
	ts.put("orders-1", 1)
	ts.put("old-orders-1", 1)
	expression := "orders-.*"
	g, c := NewModern(modernOptions, false, 0, 0), &consumer{id: "1", regex: &expression}
	settle(t, g, &now, ts, c)
	if len(c.has) != 1 {
		t.Fatal(c.has)
	}
	ts.put("orders-2", 2)
	now += 2000
	settle(t, g, &now, ts, c)
	if len(c.has) != 3 {
		t.Fatal(c.has)
	}
	for _, bad := range []string{"(", strings.Repeat("x{1000}", ExpressionBytesMax/7+1)} {
		if b := (&BeatRequest{Member: "2", Regex: &bad, Owned: &Parts{}}).Check(false); b.Code != kerr.InvalidRegularExpression.Code {
			t.Fatalf("%+v", b)
		}
	}
}

func TestMembersThatAreLateAreOut(t *testing.T) {
	ts, now := topics{}, Millis(1)
	ts.put("a", 4)
	g := NewModern(modernOptions, false, 0, 0)
	one, two := &consumer{id: "1", names: []string{"a"}}, &consumer{id: "2", names: []string{"a"}}
	settle(t, g, &now, ts, one)
	two.beat(t, g, now, ts)
	one.beat(t, g, now, ts)             // told to revoke
	one.has = g.index["1"].Target[:0:0] // it never says that it has
	for now < 70_000 {
		now += 5000
		g.Tick(now)
		if g.index["1"] == nil {
			break
		}
		g.Heartbeat(now, &BeatRequest{Member: "1", Epoch: one.epoch, Rebalance: -1}, ts)
		two.beat(t, g, now, ts)
	}
	if g.index["1"] != nil || now > 65_100 {
		t.Fatal("a member that does not revoke stays", now)
	}
	if b := one.beat(t, g, now, ts); b.Code != kerr.UnknownMemberID.Code {
		t.Fatalf("%+v", b)
	}
	settle(t, g, &now, ts, two)
	if len(two.has) != 4 {
		t.Fatal(two.has)
	}
	g.Tick(now + 45_001)
	if !g.Idle() {
		t.Fatal("a session never ends")
	}
}

func TestFencingAndLostAnswers(t *testing.T) {
	ts, now := topics{}, Millis(1)
	ts.put("a", 4)
	g := NewModern(modernOptions, false, 0, 0)
	one, two := &consumer{id: "1", names: []string{"a"}}, &consumer{id: "2", names: []string{"a"}}
	settle(t, g, &now, ts, one)
	lost := *one
	settle(t, g, &now, ts, one, two)
	again := Parts{}
	if b := g.Heartbeat(now, &BeatRequest{Member: "1", Epoch: lost.epoch, Rebalance: -1, Owned: &again}, ts); b.Code != 0 || b.Epoch != one.epoch {
		t.Fatalf("%+v: an answer was lost", b)
	}
	for _, epoch := range []Generation{one.epoch + 1, one.epoch - 2 + 100} {
		if b := g.Heartbeat(now, &BeatRequest{Member: "1", Epoch: epoch, Rebalance: -1}, ts); b.Code != kerr.FencedMemberEpoch.Code {
			t.Fatalf("epoch %d: %+v", epoch, b)
		}
	}
	if code := g.CheckCommit(now, "1", one.epoch-1, false, true); code != kerr.StaleMemberEpoch.Code {
		t.Fatal(code)
	}
	if code := g.CheckCommit(now, "1", one.epoch, false, true); code != 0 {
		t.Fatal(code)
	}
	one.epoch, one.has = 0, nil
	settle(t, g, &now, ts, one, two)
	if len(one.has) != 2 || len(two.has) != 2 {
		t.Fatal(one.has, two.has)
	}
}

func TestStaticModernMember(t *testing.T) {
	ts, now := topics{}, Millis(1)
	ts.put("a", 4)
	g, instance := NewModern(modernOptions, false, 0, 0), "i"
	join := func(id string) Beat {
		return g.Heartbeat(now, &BeatRequest{Member: id, Instance: &instance, Rebalance: 1000, Names: []string{"a"}, Owned: &Parts{}}, ts)
	}
	b := join("1")
	if b.Code != 0 || len(*b.Assigned) != 4 {
		t.Fatalf("%+v", b)
	}
	if b := join("2"); b.Code != kerr.UnreleasedInstanceID.Code {
		t.Fatalf("%+v", b)
	}
	g.Heartbeat(now, &BeatRequest{Member: "1", Instance: &instance, Epoch: EpochLeaveStatic}, ts)
	epoch, _ := g.Epoch()
	if b := join("2"); b.Code != 0 || len(*b.Assigned) != 4 || b.Epoch != epoch {
		t.Fatalf("%+v", b)
	}
	if b := g.Heartbeat(now, &BeatRequest{Member: "1", Instance: &instance, Epoch: epoch, Rebalance: -1}, ts); b.Code != kerr.FencedInstanceID.Code {
		t.Fatalf("%+v", b)
	}
}

func TestAssignorsAreFairAndComplete(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ts := topics{}
		for i := range rapid.IntRange(1, 5).Draw(rt, "topics") {
			ts.put(fmt.Sprint("t", i), int32(rapid.IntRange(1, 9).Draw(rt, "partitions")))
		}
		same := rapid.Bool().Draw(rt, "same")
		var members []*ModernMember
		for i := range rapid.IntRange(1, 6).Draw(rt, "members") {
			m := &ModernMember{ID: fmt.Sprint(i)}
			for name := range ts {
				if same || rapid.Bool().Draw(rt, "reads") {
					m.Names = append(m.Names, name)
				}
			}
			members = append(members, m)
		}
		for _, assignor := range []string{AssignorUniform, AssignorRange, AssignorUniform} {
			assign(assignor, members, ts)
			_, readers := subscribers(members, ts)
			owners := map[Part]int{}
			least, most := 1<<30, 0
			for _, m := range members {
				least, most = min(least, len(m.Target)), max(most, len(m.Target))
				for _, p := range m.Target {
					owners[p]++
				}
			}
			for name, rs := range readers {
				for n := range ts[name].Partitions {
					if owners[Part{ts[name].ID, n}] != 1 {
						rt.Fatalf("%s: %s %d read by %d of %d", assignor, name, n, owners[Part{ts[name].ID, n}], len(rs))
					}
				}
			}
			if assignor == AssignorUniform && same && most-least > 1 {
				rt.Fatalf("from %d to %d", least, most)
			}
		}
	})
}

func TestMigration(t *testing.T) {
	w, first, second := two(t)
	ts := topics{}
	ts.put("a", 4)
	metadata := subscribing(1, "a")
	for _, m := range w.g.Members() {
		m.Protocols = []Protocol{{"range", metadata}}
	}
	w.g.protocol = "range"
	w.g.index[first].Assignment, w.g.index[second].Assignment = assigning("a", 0, 1), assigning("a", 2, 3)
	g, ok := FromClassic(w.now, w.g, modernOptions, ts)
	if !ok {
		t.Fatal("not migrated")
	}
	c := &consumer{id: "new", names: []string{"a"}}
	c.beat(t, g, w.now, ts)
	if len(c.has) != 0 {
		t.Fatal(c.has, "belongs to others still")
	}
	for _, id := range []string{first, second} {
		m := g.index[id]
		if code := g.HeartbeatClassic(w.now, id, "", m.Epoch); code != kerr.RebalanceInProgress.Code {
			t.Fatal(code)
		}
		r := &JoinRequest{Member: id, Session: 10_000, Rebalance: 60_000, ProtocolType: ConsumerProtocol, Protocols: []Protocol{{"range", metadata}}}
		j := g.JoinClassic(w.now, r, ts)
		if s := g.SyncClassic(w.now, &SyncRequest{Member: id, Generation: j.Generation}); j.Code != 0 || s.Code != 0 || len(s.Assignment) == 0 {
			t.Fatalf("%+v %+v", j, s)
		}
	}
	c.beat(t, g, w.now, ts)
	if len(c.has) != 1 || g.State() != ModernStable {
		t.Fatal(c.has, g.State())
	}
	epoch, _ := g.Epoch()
	g.Heartbeat(w.now, &BeatRequest{Member: "new", Epoch: EpochLeave}, ts)
	if !g.OnlyClassic() {
		t.Fatal("somebody modern is left")
	}
	if w.g = g.ToClassic(w.now, Options{}); w.g.State() != Preparing || w.g.Generation() <= epoch {
		t.Fatal(w.g.State(), w.g.Generation())
	}
	again := w.join(first, "", "range")
	w.join(second, "", "range")
	w.want(again, 0)
}

func TestStoredModernGroupGoesOn(t *testing.T) {
	ts, now := topics{}, Millis(1)
	ts.put("a", 4)
	g, c := NewModern(modernOptions, false, 7, 0), &consumer{id: "1", names: []string{"a"}}
	settle(t, g, &now, ts, c)
	if c.epoch != 8 || !g.Changed() {
		t.Fatal(c.epoch)
	}
	c.beat(t, g, now, ts)
	if g.Changed() {
		t.Fatal("a heartbeat is no change")
	}
	b, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if g, err = DecodeModern(b, modernOptions, now); err != nil {
		t.Fatal(err)
	}
	if b := c.beat(t, g, now, ts); b.Code != 0 || b.Epoch != 8 || !b.Settled || g.Changed() {
		t.Fatalf("%+v", b)
	}
}

func subscribing(version int16, names ...string) []byte {
	s := kmsg.NewConsumerMemberMetadata()
	s.Version, s.Topics = version, names
	return s.AppendTo(nil)
}

func assigning(topic string, numbers ...int32) []byte {
	a, t := kmsg.NewConsumerMemberAssignment(), kmsg.NewConsumerMemberAssignmentTopic()
	t.Topic, t.Partitions = topic, numbers
	a.Topics = append(a.Topics, t)
	return a.AppendTo(nil)
}
