package server

import "syscall"

// fileReserve is how many of the files that the process may have open are kept for
// storage; of few, half.
const fileReserve = 4096

// connectionBudget is how many connections the limit of open files leaves room
// for. Storage that gets none ends the process, so clients are refused first.
func connectionBudget() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1 << 30
	}
	files := int(min(uint64(limit.Cur), 1<<30))
	return files - min(files/2, fileReserve)
}
