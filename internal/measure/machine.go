package measure

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// describe returns the description of a device in a result.
func describe(dev *gpu.Device) Device {
	i := dev.Info()
	d := Device{Backend: i.Backend, Name: i.Name, MemoryBytes: i.MemoryBytes, Multiprocessors: i.Multiprocessors, CacheBytes: i.L2Bytes}
	switch i.Backend {
	case "cpu":
		d.Name, d.Architecture, d.Threads = cpuName(), runtime.GOARCH, runtime.GOMAXPROCS(0)
		d.CacheBytes, d.MemoryBytes = uint64(isa.LastLevelCache()), roomOn(dev)
		d.InstructionSet, _ = cpu.InstructionSet() // every operation would fail with its error
		d.identify(cpuinfoFile, cachesFolder)
		d.askProcessor()
		if d.CacheBytes == 0 {
			d.CacheBytes = 32 << 20 // unknown: assume what a part of a large processor often has
		}
	default:
		d.Architecture = fmt.Sprintf("sm_%d%d", i.Major, i.Minor)
		if i.DriverVersion != 0 {
			d.Driver = fmt.Sprintf("CUDA %d.%d", i.DriverVersion/1000, i.DriverVersion%1000/10)
		}
	}
	d.Kernel, d.LoadBefore = firstLine("/proc/sys/kernel/osrelease"), load()
	if d.CacheBytes == 0 && i.Backend != "sim" {
		d.CacheBytes = 64 << 20 // unknown: assume more than most have
	}
	return d
}

// roomOn returns the number of bytes that the arrays may take.
func roomOn(dev *gpu.Device) uint64 {
	if dev.Backend() != "cpu" {
		return dev.Info().MemoryBytes / 10 * 9
	}
	if available := field("/proc/meminfo", "MemAvailable"); available != "" {
		if kilobytes, err := strconv.ParseUint(strings.TrimSuffix(available, " kB"), 10, 64); err == nil {
			return kilobytes << 10 / 2
		}
	}
	return 1 << 30 // unknown
}

// cpuName returns the name of the processor, with family and model, which distinguish processors whose name a virtual machine hides.
func cpuName() string {
	name := field(cpuinfoFile, "model name")
	if family := field(cpuinfoFile, "cpu family"); name != "" && family != "" {
		name += fmt.Sprintf(" (family %s, model %s)", family, field(cpuinfoFile, "model"))
	}
	if name != "" {
		return name
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}

// field returns the value of the first line "key: value" of a file, "" if there is none.
func field(path, key string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// firstLine returns the first line of a file, "" if there is none.
func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// load returns the load averages of 1, 5 and 15 minutes, or "" if they are unknown.
func load() string {
	averages := strings.Fields(firstLine("/proc/loadavg"))
	return strings.Join(averages[:min(3, len(averages))], " ")
}
