package measure

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1/internal/isa"
)

// A Cache is one that a core owns or shares.
type Cache struct {
	Level   int    `json:"level"`
	Kind    string `json:"kind,omitempty"` // data, instruction or unified
	Bytes   uint64 `json:"bytes"`
	Threads int    `json:"threads"` // that share it
}

// identify adds what the system says of the processor: vendor, family and model, which on arm64 are implementer, architecture and part, and
// the caches of its first core.
func (d *Device) identify(cpuinfo, caches string) {
	of := func(keys ...string) string {
		for _, key := range keys {
			if value := field(cpuinfo, key); value != "" {
				return value
			}
		}
		return ""
	}
	d.Vendor, d.Family, d.Model = of("vendor_id", "CPU implementer"), of("cpu family", "CPU architecture"), of("model", "CPU part")
	folders, _ := filepath.Glob(filepath.Join(caches, "index*")) // the pattern is valid
	for _, folder := range folders {
		value := func(name string) string { return firstLine(filepath.Join(folder, name)) }
		level, err := strconv.Atoi(value("level"))
		bytes, err2 := strconv.ParseUint(strings.TrimSuffix(value("size"), "K"), 10, 64)
		if err != nil || err2 != nil {
			continue
		}
		d.Caches = append(d.Caches, Cache{Level: level, Kind: strings.ToLower(value("type")), Bytes: bytes << 10, Threads: listed(value("shared_cpu_list"))})
	}
}

// askProcessor adds the caches that the processor reports, where the system lists none.
func (d *Device) askProcessor() {
	if len(d.Caches) > 0 {
		return
	}
	for _, c := range isa.Caches() {
		d.Caches = append(d.Caches, Cache{Level: c.Level, Bytes: uint64(c.Bytes), Threads: c.Threads})
	}
}

// listed returns the number of processors in a list such as 0-3,8.
func listed(list string) (n int) {
	for part := range strings.SplitSeq(list, ",") {
		from, to, several := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		last := first
		if several {
			if last, err = strconv.Atoi(to); err != nil {
				continue
			}
		}
		n += last - first + 1
	}
	return n
}

// Same reports whether two descriptions are of machines of one kind, with the same instruction set in use. Where one does not list its
// caches, the largest decides.
func (d *Device) Same(other *Device) bool {
	caches := d.CacheBytes == other.CacheBytes
	if len(d.Caches) > 0 && len(other.Caches) > 0 {
		caches = slices.Equal(d.Caches, other.Caches)
	}
	return caches && d.Backend == other.Backend && d.Name == other.Name && d.Threads == other.Threads && d.InstructionSet == other.InstructionSet
}

var (
	ofNoUse = regexp.MustCompile(`(?i)\(r\)|\(tm\)|@.*$|\b\d+-core\b|\b(intel|amd|cpu|processor|with|family|model)\b`)
	others  = regexp.MustCompile(`[^a-z0-9]+`)
)

// Word returns a short name of the processor for names of files, such as epyc-26-2: words of its name, family and model.
func (d *Device) Word() string {
	name, rest, _ := strings.Cut(d.Name, "(family ")
	words := strings.FieldsFunc(others.ReplaceAllString(strings.ToLower(ofNoUse.ReplaceAllString(name, " ")), " "), func(r rune) bool { return r == ' ' })
	words = words[:min(3, len(words))]
	words = append(words, strings.Fields(others.ReplaceAllString(ofNoUse.ReplaceAllString(rest, " "), " "))...)
	if len(words) == 0 {
		return "unknown"
	}
	return strings.Join(words, "-")
}

const (
	cpuinfoFile  = "/proc/cpuinfo"
	cachesFolder = "/sys/devices/system/cpu/cpu0/cache"
)

// FreePath returns a path that no result of another machine has: path itself or, before its extension, with -2, -3 and so on.
func (d *Device) FreePath(path string) string {
	ext := filepath.Ext(path)
	for k, free := 2, path; ; k++ {
		if _, err := os.Stat(free); err != nil {
			return free
		}
		if r, err := Load(free); err == nil && r.Device.Same(d) {
			return free // its own, of the same day
		}
		free = strings.TrimSuffix(path, ext) + "-" + strconv.Itoa(k) + ext
	}
}
