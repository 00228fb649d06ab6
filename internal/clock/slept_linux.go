package clock

import "golang.org/x/sys/unix"

// slept is how long the machine has slept since its start.
func slept() int64 {
	var with, without unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &with) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &without) != nil {
		return 0
	}
	return with.Nano() - without.Nano()
}
