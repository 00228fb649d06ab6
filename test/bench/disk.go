package main

import (
	"os"
	"path/filepath"
	"syscall"
	"time"

	"weir/test/bench/report"
)

const (
	diskBlock  = 4096
	diskBlocks = 256 // of the file, written before
	diskWrites = 300
)

// disk measures what a write of 4 KB and its fdatasync cost in the folder, now.
// Everything that is still to be written out is written out first, so that a run
// does not pay for what the one before has left behind.
func disk(folder string) (report.Disk, error) {
	syscall.Sync()
	f, err := os.Create(filepath.Join(folder, "disk-probe"))
	if err != nil {
		return report.Disk{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, diskBlock)
	for i := range diskBlocks {
		if _, err := f.WriteAt(block, int64(i)*diskBlock); err != nil {
			return report.Disk{}, err
		}
	}
	if err := f.Sync(); err != nil {
		return report.Disk{}, err
	}
	var took []float64
	for i := range diskWrites {
		begin := time.Now()
		if _, err := f.WriteAt(block, int64(i%diskBlocks)*diskBlock); err != nil {
			return report.Disk{}, err
		}
		if err := syscall.Fdatasync(int(f.Fd())); err != nil {
			return report.Disk{}, err
		}
		took = append(took, float64(time.Since(begin).Microseconds()))
	}
	return report.Disk{P50: report.Quantile(took, 0.5), P99: report.Quantile(took, 0.99)}, nil
}

// dropCaches makes the next reads come from the disk. It tells whether it was
// allowed to.
func dropCaches() bool {
	syscall.Sync()
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("1"), 0) == nil
}
