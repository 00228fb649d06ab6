package admin

import (
	"bytes"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
)

// process is what the kernel and the runtime say of this process. What cannot be
// read stays 0.
type process struct {
	id          string
	rssBytes    int64
	memoryLimit int64
	filesOpen   int
	filesMax    uint64
	cpuSeconds  float64
	heapBytes   uint64
	memoryBytes uint64 // all the runtime has from the system
	goroutines  uint64
	gcCycles    uint64
	gcSeconds   float64
}

func readProcess() process {
	p := process{id: strconv.Itoa(os.Getpid()), memoryLimit: debug.SetMemoryLimit(-1)}
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(b); len(fields) > 1 {
			if pages, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
				p.rssBytes = pages * int64(os.Getpagesize())
			}
		}
	}
	if d, err := os.Open("/proc/self/fd"); err == nil {
		if names, err := d.Readdirnames(-1); err == nil {
			p.filesOpen = len(names) - 1 // less the one that reads
		}
		if d.Close() != nil {
			p.filesOpen = 0
		}
	}
	p.readLimits()
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/sched/goroutines:goroutines"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
	}
	metrics.Read(samples)
	for i, to := range []*uint64{&p.heapBytes, &p.memoryBytes, &p.goroutines, &p.gcCycles} {
		if samples[i].Value.Kind() == metrics.KindUint64 {
			*to = samples[i].Value.Uint64()
		}
	}
	if samples[4].Value.Kind() == metrics.KindFloat64 {
		p.gcSeconds = samples[4].Value.Float64()
	}
	return p
}
