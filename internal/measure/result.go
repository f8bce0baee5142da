// Package bench measures what the loss takes on a device, against a copy on the same device in the same run and, where there
// is one, against PyTorch on it. It checks every answer before it measures.
//
// A device's time is taken by its own events, with the calls queued behind other work, so that nothing of it is the time to
// queue them; the wall time is that of one call until its result is there. Buffers rotate through more memory than the caches
// hold. Clocks are left as they are.
package measure

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/smoothl1/smoothl1"
)

// A Result is what a run leaves behind, as JSON.
type Result struct {
	Device   Device    `json:"device"`
	Commit   string    `json:"commit"`
	Date     string    `json:"date"` // RFC 3339, UTC
	Go       string    `json:"go"`
	Samples  int       `json:"samples"` // of each time, where a group says nothing else
	Groups   []Group   `json:"groups"`
	Left     []string  `json:"left_out,omitempty"` // what was not measured, and why
	PyTorch  *PyTorch  `json:"pytorch,omitempty"`
	NoTorch  string    `json:"no_pytorch,omitempty"` // why there is none
	Bits     []BitsRow `json:"bits,omitempty"`       // PyTorch's results compared with ours
	Seconds  float64   `json:"seconds"`
	Rotating uint64    `json:"rotating_bytes"` // the least memory that the buffers rotate through
}

// Device is what was measured.
type Device struct {
	Backend         string `json:"backend"`
	Name            string `json:"name"`
	Architecture    string `json:"architecture"`
	Multiprocessors int    `json:"multiprocessors,omitempty"`
	Threads         int    `json:"threads,omitempty"` // of a CPU
	MemoryBytes     uint64 `json:"memory_bytes,omitempty"`
	CacheBytes      uint64 `json:"cache_bytes"` // L2 of a GPU, last level of a CPU
	Driver          string `json:"driver,omitempty"`
}

// PyTorch says which PyTorch took part.
type PyTorch struct {
	Version  string `json:"version"`
	CUDA     string `json:"cuda,omitempty"`
	Device   string `json:"device"`
	Compiles string `json:"no_compile,omitempty"` // why torch.compile took no part
}

// A Group is one loss on arrays of one size: everything in it was measured in turns.
type Group struct {
	Workload  string             `json:"workload"` // whose shape it is; "" for a power of two
	Shape     []int              `json:"shape"`
	N         int                `json:"n"`
	DType     smoothl1.DType     `json:"dtype"`
	Kind      smoothl1.Kind      `json:"kind"`
	Beta      float64            `json:"beta"`
	Reduction smoothl1.Reduction `json:"reduction"`
	Samples   int                `json:"samples,omitempty"` // where time was up before all were taken
	Entries   []Entry            `json:"entries"`
}

// An Entry is one operation of one contender.
type Entry struct {
	Op        string `json:"op"`
	Contender string `json:"contender"`
	Bytes     int    `json:"bytes"`     // that the operation must move
	DeviceNS  Times  `json:"device_ns"` // of one of several queued calls, on the device
	NS        Times  `json:"ns"`        // of one call until its result is there
}

// The operations. A copy reads as many bytes as it writes.
const (
	ForwardNone     = "forward none"
	ForwardReduced  = "forward"
	Backward        = "backward"
	ForwardBackward = "forward+backward"
	Copy            = "copy"
)

// Ops are the operations of the loss, in the order of the tables.
var Ops = []string{ForwardNone, ForwardReduced, Backward, ForwardBackward}

// arrays is how many arrays an operation reads and writes.
var arrays = map[string]int{ForwardNone: 3, ForwardReduced: 2, Backward: 3, ForwardBackward: 3}

// The contenders.
const (
	Ours     = "smoothl1"
	Plain    = "copy" // of a Copy
	Eager    = "pytorch"
	Compiled = "pytorch, compiled"
)

// Times are quantiles of samples, in nanoseconds.
type Times struct {
	P10    float64 `json:"p10"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
}

// timesOf returns the quantiles of samples, between the two samples next to each.
func timesOf(samples []float64) Times {
	if len(samples) == 0 {
		return Times{}
	}
	s := slices.Sorted(slices.Values(samples))
	q := func(p float64) float64 {
		at := p * float64(len(s)-1)
		i := int(at)
		if i >= len(s)-1 {
			return s[len(s)-1]
		}
		return s[i] + (at-float64(i))*(s[i+1]-s[i])
	}
	return Times{q(0.1), q(0.5), q(0.9)}
}

// GBs returns gigabytes per second, of the median time on the device.
func (e Entry) GBs() float64 { return float64(e.Bytes) / e.DeviceNS.Median }

// Find returns the entry of a contender.
func (g *Group) Find(op, contender string) (Entry, bool) {
	i := slices.IndexFunc(g.Entries, func(e Entry) bool { return e.Op == op && e.Contender == contender })
	if i < 0 {
		return Entry{}, false
	}
	return g.Entries[i], true
}

// Share returns an entry's speed as a share of that of the copy that moves as many bytes, or most nearly as many; NaN where
// there is none.
func (g *Group) Share(e Entry) float64 {
	share, nearest := math.NaN(), math.MaxInt
	for _, c := range g.Entries {
		if far := max(c.Bytes-e.Bytes, e.Bytes-c.Bytes); c.Op == Copy && far < nearest {
			share, nearest = e.GBs()/c.GBs(), far
		}
	}
	return share
}

// Load reads a result from a file.
func Load(path string) (*Result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
