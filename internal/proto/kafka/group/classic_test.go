package group

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"
)

// world drives a group and keeps what each ticket was answered.
type world struct {
	t       testing.TB
	g       *Classic
	now     Millis
	tickets Ticket
	joined  map[Ticket]*Joined
	synced  map[Ticket]*Synced
	ids     int
}

func newWorld(t testing.TB, o Options) *world {
	return &world{t: t, g: NewClassic(o, 0), joined: map[Ticket]*Joined{}, synced: map[Ticket]*Synced{}}
}

func (w *world) take() {
	for _, a := range w.g.Answers() {
		if w.joined[a.Ticket] != nil || w.synced[a.Ticket] != nil || (a.Joined == nil) == (a.Synced == nil) {
			w.t.Fatalf("ticket %d answered twice, or with nothing", a.Ticket)
		}
		if a.Joined != nil {
			w.joined[a.Ticket] = a.Joined
		} else {
			w.synced[a.Ticket] = a.Synced
		}
	}
}

func (w *world) join(id, instance string, protocols ...string) Ticket {
	w.ids++
	r := &JoinRequest{
		Member: id, NewID: fmt.Sprint("m", w.ids), Instance: instance, Session: 10_000, Rebalance: 60_000, ProtocolType: "consumer", Skips: true,
	}
	for _, p := range protocols {
		name, meta, _ := strings.Cut(p, "=")
		r.Protocols = append(r.Protocols, Protocol{name, []byte(meta)})
	}
	w.tickets++
	w.g.Join(w.now, r, w.tickets)
	w.take()
	return w.tickets
}

func (w *world) sync(id string, generation Generation, assign map[string][]byte) Ticket {
	w.tickets++
	w.g.Sync(w.now, &SyncRequest{Member: id, Generation: generation, Assignments: assign}, w.tickets)
	w.take()
	return w.tickets
}

func (w *world) pass(d Millis) {
	end := w.now + d
	for {
		next, ok := w.g.Next()
		if !ok || next > end {
			break
		}
		w.now = max(next, w.now)
		w.g.Tick(w.now)
		w.take()
	}
	w.now = end
}

func (w *world) want(t Ticket, code int16) *Joined {
	w.t.Helper()
	j := w.joined[t]
	if j == nil || j.Code != code {
		w.t.Fatalf("ticket %d: %+v, not code %d", t, j, code)
	}
	return j
}

// two is a stable group of two members, the first of which leads.
func two(t testing.TB) (w *world, first, second string) {
	w = newWorld(t, Options{InitialDelay: 100})
	a, b := w.join("", "", "range", "sticky"), w.join("", "", "sticky", "range")
	w.pass(200)
	first, second = w.want(a, 0).Member, w.want(b, 0).Member
	w.sync(second, 1, nil)
	w.sync(first, 1, map[string][]byte{first: []byte("A"), second: []byte("B")})
	if w.g.State() != Stable {
		t.Fatal(w.g.State())
	}
	return w, first, second
}

func TestFirstMembersWaitForMore(t *testing.T) {
	w := newWorld(t, Options{InitialDelay: 100})
	a := w.join("", "", "range", "sticky")
	w.pass(90)
	b := w.join("", "", "sticky")
	w.pass(50)
	if w.joined[a] != nil {
		t.Fatal("a member that came late did not put the end off")
	}
	w.pass(60)
	leader, follower := w.want(a, 0), w.want(b, 0)
	if leader.Generation != 1 || leader.Leader != leader.Member || len(leader.Members) != 2 || len(follower.Members) != 0 ||
		leader.Protocol != "sticky" || follower.Leader != leader.Member {
		t.Fatalf("%+v %+v", leader, follower)
	}
	early := w.sync(follower.Member, 1, nil)
	if w.synced[early] != nil {
		t.Fatal("synced before the leader has assigned")
	}
	w.sync(leader.Member, 1, map[string][]byte{follower.Member: []byte("x")})
	if s := w.synced[early]; s == nil || string(s.Assignment) != "x" {
		t.Fatalf("%+v", s)
	}
}

func TestSlowMemberCostsOnlyItself(t *testing.T) {
	w, first, second := two(t)
	third := w.join("", "", "range")
	if code := w.g.Heartbeat(w.now, first, "", 1); code != kerr.RebalanceInProgress.Code {
		t.Fatal(code)
	}
	again := w.join(first, "", "range", "sticky")
	for range 6 { // second heartbeats and never joins
		w.pass(9_000)
		w.g.Heartbeat(w.now, second, "", 1)
	}
	w.pass(6_001)
	if j := w.want(again, 0); j.Generation != 2 || len(j.Members) != 2 {
		t.Fatalf("%+v", j)
	}
	w.want(third, 0)
	if code := w.g.Heartbeat(w.now, second, "", 1); code != kerr.UnknownMemberID.Code {
		t.Fatal(code)
	}
}

func TestSessionsEnd(t *testing.T) {
	w, first, second := two(t)
	w.pass(9_000)
	w.g.Heartbeat(w.now, first, "", 1)
	w.pass(2_000)
	if w.g.State() != Preparing || len(w.g.Members()) != 1 {
		t.Fatal(w.g.State(), len(w.g.Members()))
	}
	if code := w.g.Heartbeat(w.now, second, "", 1); code != kerr.UnknownMemberID.Code {
		t.Fatal(code)
	}
	w.pass(20_000)
	if w.g.State() != Empty || !w.g.Idle() || w.g.Generation() != 2 {
		t.Fatal(w.g.State(), w.g.Generation())
	}
}

func TestStaticMemberComesBack(t *testing.T) {
	w := newWorld(t, Options{})
	a := w.join("", "one", "range")
	id := w.want(a, 0).Member
	w.sync(id, 1, map[string][]byte{id: []byte("A")})
	b := w.join("", "one", "range")
	j := w.want(b, 0)
	if j.Generation != 1 || j.Member == id || !j.Skip || j.Leader != j.Member {
		t.Fatalf("%+v", j)
	}
	if s := w.synced[w.sync(j.Member, 1, nil)]; s == nil || string(s.Assignment) != "A" {
		t.Fatalf("%+v", s)
	}
	w.want(w.join(id, "one", "range"), kerr.FencedInstanceID.Code)
	if code := w.g.Heartbeat(w.now, id, "one", 1); code != kerr.FencedInstanceID.Code {
		t.Fatal(code)
	}
	if code := w.g.CheckCommit(w.now, id, "one", 1, false); code != kerr.FencedInstanceID.Code {
		t.Fatal(code)
	}
}

func TestClientThatGoesIsNotWaitedFor(t *testing.T) {
	w, first, second := two(t)
	ghost := w.join("", "", "range")
	again := w.join(first, "", "range", "sticky")
	w.g.Abandon(w.now, ghost)
	w.take()
	back := w.join(second, "", "range", "sticky")
	if j := w.want(again, 0); len(j.Members) != 2 {
		t.Fatalf("%+v", j)
	}
	w.want(back, 0)
	w.g.Abandon(w.now, ghost)
	if w.joined[ghost] != nil {
		t.Fatal("answered after it was abandoned")
	}
}

func TestTwoStepsAndPending(t *testing.T) {
	w := newWorld(t, Options{})
	w.g.Join(0, &JoinRequest{NewID: "x", Session: 1000, ProtocolType: "consumer", Protocols: []Protocol{{Name: "range"}}, TwoSteps: true}, 1)
	w.take()
	if j := w.want(1, kerr.MemberIDRequired.Code); j.Member != "x" {
		t.Fatalf("%+v", j)
	}
	w.tickets = 1
	a := w.join("", "", "range")
	if w.joined[a] != nil {
		t.Fatal("a member that has its id is waited for")
	}
	w.pass(1001)
	w.want(a, 0)
	w.want(w.join("x", "", "range"), kerr.UnknownMemberID.Code)
}

func TestRefusals(t *testing.T) {
	w, first, _ := two(t)
	w.want(w.join("", "", "roundrobin"), kerr.InconsistentGroupProtocol.Code)
	w.want(w.join("nobody", "", "range"), kerr.UnknownMemberID.Code)
	for generation, want := range map[Generation]int16{0: kerr.IllegalGeneration.Code, 1: 0, 2: kerr.IllegalGeneration.Code} {
		if code := w.g.Heartbeat(w.now, first, "", generation); code != want {
			t.Errorf("generation %d: %d", generation, code)
		}
		if code := w.g.CheckCommit(w.now, first, "", generation, false); code != want {
			t.Errorf("commit in generation %d: %d", generation, code)
		}
	}
	if code := w.g.CheckCommit(w.now, "", "", -1, false); code != kerr.UnknownMemberID.Code {
		t.Error("a stranger commits for a group with members:", code)
	}
	if code := w.g.CheckCommit(w.now, "", "", -1, true); code != 0 {
		t.Error("older transactions say nothing of members:", code)
	}
}

func TestStoredGroupGoesOn(t *testing.T) {
	w, first, second := two(t)
	if !w.g.Changed() {
		t.Fatal("nothing to store")
	}
	b, err := w.g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if w.g, err = DecodeClassic(b, Options{}, w.now); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{first, second} {
		if code := w.g.Heartbeat(w.now, id, "", 1); code != 0 {
			t.Fatal(code)
		}
	}
	if s := w.synced[w.sync(second, 1, nil)]; string(s.Assignment) != "B" {
		t.Fatalf("%+v", s)
	}
	w.pass(30_000)
	if !w.g.Idle() {
		t.Fatal("sessions of a stored group never end")
	}
}

// TestAnything lets members do what they like: generations never fall, every
// ticket is answered once, and in the end nobody waits.
func TestAnything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, Options{InitialDelay: Millis(rapid.SampledFrom([]int{0, 100}).Draw(rt, "delay")), SizeMax: rapid.IntRange(0, 4).Draw(rt, "size")})
		var last Generation
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			id := ""
			if n := len(w.g.Members()); n > 0 && rapid.Bool().Draw(rt, "known") {
				id = w.g.Members()[rapid.IntRange(0, n-1).Draw(rt, "member")].ID
			}
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0, 1:
				instance := ""
				if m := w.g.index[id]; m != nil {
					instance = m.Instance
				} else {
					instance = rapid.SampledFrom([]string{"", "i", "j"}).Draw(rt, "instance")
				}
				w.join(id, instance, rapid.SampledFrom([]string{"a", "a=2", "b"}).Draw(rt, "protocol"), "c")
			case 2:
				w.sync(id, w.g.Generation(), map[string][]byte{id: {1}})
			case 3:
				w.g.Heartbeat(w.now, id, "", w.g.Generation())
			case 4:
				if w.g.Leave(id, "") == 0 {
					w.g.Left(w.now)
				}
				w.take()
			case 5:
				w.pass(Millis(rapid.SampledFrom([]int{1, 150, 9_000, 70_000}).Draw(rt, "time")))
			}
			if w.g.Generation() < last {
				rt.Fatalf("generation %d after %d", w.g.Generation(), last)
			}
			last = w.g.Generation()
			for _, m := range w.g.Members() {
				if m.join != 0 && m.sync != 0 || w.g.index[m.ID] != m || m.Instance != "" && w.g.static[m.Instance] != m.ID {
					rt.Fatalf("%+v", m)
				}
			}
		}
		w.pass(1_000_000)
		if !w.g.Idle() || len(w.joined)+len(w.synced) != int(w.tickets) {
			rt.Fatalf("%v: %d of %d answered", w.g.State(), len(w.joined)+len(w.synced), w.tickets)
		}
	})
}
