package bench

import "testing"

func TestCheckerCountsLossRepetitionAndDisorder(t *testing.T) {
	c := checker{next: map[uint16]uint64{}}
	for _, s := range []uint64{5, 6, 9, 7, 10} { // it may begin anywhere; 7 and 8 are missing, then 7 comes late
		c.see(1, s, false)
	}
	if c.gaps != 2 || c.repeated != 1 || c.old != 0 {
		t.Errorf("gaps %d, repeated %d, redelivered %d", c.gaps, c.repeated, c.old)
	}
	c = checker{next: map[uint16]uint64{}}
	c.see(1, 0, false)
	c.see(2, 0, false)
	c.see(1, 1, false)
	c.see(1, 0, true)
	if c.gaps != 0 || c.repeated != 0 || c.old != 1 {
		t.Errorf("gaps %d, repeated %d, redelivered %d", c.gaps, c.repeated, c.old)
	}
}

func TestClaimGivesOutExactlyWhatWasAskedFor(t *testing.T) {
	r := &run{options: Options{Messages: 1000}}
	var sum int64
	for range 10 {
		sum += r.claim(256)
	}
	if sum != 1000 {
		t.Errorf("%d of 1000 claimed", sum)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	good := Options{Producers: 1, Size: 16, Queues: 1, Duration: 1}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*Options){
		func(o *Options) { o.Producers = 0 },
		func(o *Options) { o.Size = 15 },
		func(o *Options) { o.Queues = 0 },
		func(o *Options) { o.Duration = 0 },
		func(o *Options) { o.ExchangeType = "fanout" },
		func(o *Options) { o.ExchangeType, o.Consumers = "topic", 2 },
		func(o *Options) { o.Bindings = 10 },
		func(o *Options) { o.DeadLetter = "expire" },
		func(o *Options) { o.DeadLetter = "reject" },
		func(o *Options) { o.Priorities = 256 },
		func(o *Options) { o.Backlog, o.Rate = 10, 10 },
		func(o *Options) { o.Transaction = 257 },
		func(o *Options) { o.ExchangeType, o.Bindings = "direct", 70_000 },
	} {
		o := good
		change(&o)
		if o.check() == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func TestConfirmsInAnyOrder(t *testing.T) {
	p := &producer{run: &run{}, due: make([]int64, 8), latency: newHistogram()}
	for s := range int64(8) {
		*p.slot(s) = 1
	}
	for _, c := range []struct {
		tag              int64
		multiple         bool
		confirmed, floor int64
	}{
		{3, false, 1, 0}, {5, false, 2, 0}, {1, false, 3, 1}, {4, true, 5, 5}, {4, true, 5, 5}, {8, true, 8, 8},
	} {
		p.confirm(c.tag, c.multiple)
		if p.confirmed.Load() != c.confirmed || p.floor.Load() != c.floor {
			t.Errorf("after %d: %d confirmed, floor %d; want %d, %d", c.tag, p.confirmed.Load(), p.floor.Load(), c.confirmed, c.floor)
		}
	}
}
