package memory

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// limitsOf reads the memory limits of a process from a Linux system's files: the bytes that it can have in total, and the bytes
// still free. Either is limited by the machine, by the process's control group, or by a parent of that. promised is the memory
// that the process has mapped; the part never touched takes no memory yet, but will, so limitsOf subtracts it from free.
func limitsOf(files fs.FS, promised uint64) (total, free uint64) {
	total, free = unknown, unknown
	if m := fields(files, "proc/meminfo", 1<<10); m["MemTotal"] > 0 {
		total = m["MemTotal"] + m["SwapTotal"]
		if available, ok := m["MemAvailable"]; ok {
			free = available + m["SwapFree"]
		}
	}
	if _, err := fs.Stat(files, "proc/spl/kstat/zfs"); err == nil {
		free = total // unknown: the kernel does not count the cache of ZFS as available
	}
	text, _ := fs.ReadFile(files, "proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(part) < 3:
		case part[1] == "":
			total, free = groups(files, "sys/fs/cgroup", part[2], version2, total, free)
		case strings.Contains(","+part[1]+",", ",memory,"):
			total, free = groups(files, "sys/fs/cgroup/memory", part[2], version1, total, free)
		}
	}
	if free != unknown {
		mine := fields(files, "proc/self/status", 1<<10)
		if touched := mine["RssAnon"] + mine["VmSwap"]; touched > 0 {
			free = less(free, less(promised, touched))
		}
	}
	return total, free
}

// version holds the names of a control group's files. Memory in cache, fields of memory.stat, counts as free.
type version struct {
	limit, used         string
	swapLimit, swapUsed string // of swap alone; "" if there is no such file
	cache               []string
}

var (
	version1 = version{"memory.limit_in_bytes", "memory.usage_in_bytes", "", "", []string{"total_inactive_file", "total_active_file"}}
	version2 = version{"memory.max", "memory.current", "memory.swap.max", "memory.swap.current", []string{"inactive_file", "active_file", "slab_reclaimable"}}
)

// groups lowers total and free to the limits of a control group and its parents. It skips groups that it does not find: they are not
// visible inside a container.
func groups(files fs.FS, root, group string, v version, total, free uint64) (uint64, uint64) {
	for dir := path.Join("/", group); ; dir = path.Dir(dir) {
		at := func(name string) string { return path.Join(root, dir, name) }
		if limit, ok := number(files, at(v.limit)); ok {
			used, _ := number(files, at(v.used))
			stat := fields(files, at("memory.stat"), 1)
			for _, name := range v.cache {
				used = less(used, stat[name])
			}
			room := less(limit, used)
			if v.swapLimit != "" {
				swap, limited := number(files, at(v.swapLimit))
				if !limited {
					swap = fields(files, "proc/meminfo", 1<<10)["SwapTotal"]
				}
				swapUsed, _ := number(files, at(v.swapUsed))
				limit, room = limit+swap, room+less(swap, swapUsed)
			}
			total, free = min(total, limit), min(free, room)
		}
		if dir == "/" {
			return total, free
		}
	}
}

// number reads a file that holds one number. It returns false for the word max, which means no limit.
func number(files fs.FS, name string) (uint64, bool) {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 63)
	return n, err == nil
}

// fields reads a file with a name and a number on each line. It multiplies the numbers by unit.
func fields(files fs.FS, name string, unit uint64) map[string]uint64 {
	text, _ := fs.ReadFile(files, name)
	found := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 {
			if n, err := strconv.ParseUint(f[1], 10, 53); err == nil {
				found[strings.TrimSuffix(f[0], ":")] = n * unit
			}
		}
	}
	return found
}
