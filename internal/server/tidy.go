package server

import (
	"runtime/debug"
	"runtime/metrics"
	"time"

	"weir/internal/clock"
)

const (
	// tidyPeriod is how often the loop looks for a quiet moment.
	tidyPeriod = 2 * time.Second
	// tidyBytes of garbage and free spans make it worth giving memory back.
	tidyBytes = 8 << 20
	// quietBytes allocated within a period are no traffic to speak of.
	quietBytes = 8 << 20
	// stackBytes is what a waiting goroutine needs; collections halve larger
	// stacks, once each.
	stackBytes = 4 << 10
)

// tidyLoop gives memory back to the machine in quiet moments. Collections are
// rare under load, to save CPU, so that what a burst left behind would otherwise
// stay resident for minutes.
func tidyLoop(c clock.Clock, done <-chan struct{}) {
	tick := make(chan struct{}, 1)
	timer := c.AfterFunc(tidyPeriod, func() { tick <- struct{}{} })
	defer timer.Stop()
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/sched/goroutines:goroutines"},
	}
	var before, stuck uint64
	for {
		select {
		case <-done:
			return
		case <-tick:
		}
		metrics.Read(samples)
		allocated, live := samples[0].Value.Uint64(), samples[1].Value.Uint64()
		objects, free := samples[2].Value.Uint64(), samples[3].Value.Uint64()
		quiet := allocated-before < quietBytes
		before = allocated
		stacks, wide := samples[4].Value.Uint64(), samples[5].Value.Uint64()*stackBytes+tidyBytes
		if quiet && (objects+free > live+tidyBytes || stacks > wide && stacks != stuck) {
			debug.FreeOSMemory()
			metrics.Read(samples[4:5])
			if stuck = 0; samples[4].Value.Uint64() == stacks {
				stuck = stacks // no use trying again until it changes
			}
		}
		timer.Reset(tidyPeriod)
	}
}
