package npy

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// memoryLimit returns the bytes of memory that this process can have at the very most: those of the machine, or of the control
// group that it runs in. The system itself may promise more and then kill the process that takes it at its word.
func memoryLimit() uint64 {
	var limit uint64
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		limit = uint64(info.Totalram) * uint64(info.Unit)
	}
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && (limit == 0 || n < limit) {
			limit = n
		}
	}
	return limit
}
