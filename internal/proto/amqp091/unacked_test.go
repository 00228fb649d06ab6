package amqp091

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/broker"
	"weir/internal/record"
)

// naive is the ring's specification: a list of open deliveries.
type naive struct {
	tag    uint64
	offset record.Offset
	a      *broker.Attachment
}

func TestUnackedAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		attachments := []*broker.Attachment{{}, {}, {}}
		consumers := []*consumer{{}, {}, nil} // the last is basic.get's
		next := [3]record.Offset{}
		var u unacked
		var model []naive
		tag := uint64(0)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "op") > 0 {
				tag++
				i := rapid.IntRange(0, 2).Draw(t, "who")
				open := rapid.IntRange(0, 4).Draw(t, "acked") > 0
				offset := next[i]
				next[i] += record.Offset(rapid.IntRange(1, 2).Draw(t, "gap"))
				if !open {
					u.push(tag, 0, 0, false)
					continue
				}
				u.push(tag, offset, u.hold(attachments[i], consumers[i]), true)
				model = append(model, naive{tag, offset, attachments[i]})
				continue
			}
			target := rapid.Uint64Range(0, tag+1).Draw(t, "tag")
			multiple := rapid.Bool().Draw(t, "multiple")
			var want []naive
			at := slices.IndexFunc(model, func(n naive) bool { return n.tag == target })
			known := at >= 0
			switch {
			case target == 0 && multiple:
				want, model, known = model, nil, true
			case known && multiple:
				want, model = slices.Clone(model[:at+1]), model[at+1:]
			case known:
				want = []naive{model[at]}
				model = slices.Delete(slices.Clone(model), at, at+1)
			}
			ranges, ok := u.take(nil, target, multiple)
			if ok != known {
				t.Fatalf("tag %d multiple %v: known %v, want %v", target, multiple, ok, known)
			}
			var got []naive
			for _, r := range ranges {
				if int64(r.hi-r.lo) != r.deliveries {
					t.Fatal("a run has a gap")
				}
				for o := r.lo; o < r.hi; o++ {
					got = append(got, naive{0, o, r.holder})
				}
			}
			for i := range want {
				want[i].tag = 0
			}
			if !slices.Equal(got, want) {
				t.Fatalf("settled %v, want %v", got, want)
			}
			if u.open != len(model) || u.count > 0 && !u.at(0).open {
				t.Fatalf("%d open, want %d", u.open, len(model))
			}
		}
	})
}

func TestUnackedCoalescesAndReleasesHolders(t *testing.T) {
	var u unacked
	a, k := &broker.Attachment{}, &consumer{}
	h := u.hold(a, k)
	for i := range uint64(10000) {
		u.push(i+1, record.Offset(i), h, true)
	}
	ranges, ok := u.take(nil, 10000, true)
	if !ok || len(ranges) != 1 || ranges[0].lo != 0 || ranges[0].hi != 10000 {
		t.Fatalf("%v %+v", ok, ranges)
	}
	if len(u.dropped) != 0 || u.ring != nil {
		t.Fatal("an active consumer was dropped, or a large ring kept")
	}
	k.over = true
	u.drop(h)
	if len(u.dropped) != 1 || u.dropped[0] != a || u.hold(&broker.Attachment{}, nil) != h {
		t.Fatal("the holder of a consumer that is over is not free")
	}
}

func BenchmarkUnacked(b *testing.B) {
	var u unacked
	h := u.hold(&broker.Attachment{}, &consumer{})
	ranges := make([]settlement, 0, 16)
	tag := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		tag++
		u.push(tag, record.Offset(tag), h, true)
		if tag%10 == 0 {
			ranges, _ = u.take(ranges[:0], tag, true)
		}
	}
}
