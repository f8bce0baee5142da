package measure

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/smoothl1/smoothl1"
)

// A Result is the outcome of a run, stored as JSON.
type Result struct {
	Device   Device    `json:"device"`
	Commit   string    `json:"commit"`
	Date     string    `json:"date"` // RFC 3339, UTC
	Go       string    `json:"go"`
	Samples  int       `json:"samples"`               // of each time, unless a group or an entry has its own
	One      *One      `json:"one_element,omitempty"` // nil: not measured
	Groups   []Group   `json:"groups"`
	Sweeps   []Sweep   `json:"sweeps,omitempty"`   // of geometries
	Left     []string  `json:"left_out,omitempty"` // what was not measured, and why
	Peers    []Peer    `json:"peers,omitempty"`    // contenders in Python
	NoPeers  string    `json:"no_peers,omitempty"` // why there are none
	Bits     []BitsRow `json:"bits,omitempty"`     // peers' results compared with ours
	Seconds  float64   `json:"seconds"`
	Rotating uint64    `json:"rotating_bytes"`         // the least memory that the buffers rotate through
	Walked   uint64    `json:"walked_bytes,omitempty"` // other memory that is read before each call from cold caches
}

// Device describes the device that was measured.
type Device struct {
	Backend         string `json:"backend"`
	Name            string `json:"name"`
	Architecture    string `json:"architecture"`
	Multiprocessors int    `json:"multiprocessors,omitempty"`
	Threads         int    `json:"threads,omitempty"`         // of a CPU
	InstructionSet  string `json:"instruction_set,omitempty"` // of a CPU
	MemoryBytes     uint64 `json:"memory_bytes,omitempty"`
	CacheBytes      uint64 `json:"cache_bytes"` // L2 of a GPU, last level of a CPU
	Driver          string `json:"driver,omitempty"`
	Kernel          string `json:"kernel,omitempty"`      // the operating system's release
	LoadBefore      string `json:"load_before,omitempty"` // the averages of 1, 5 and 15 minutes
	LoadAfter       string `json:"load_after,omitempty"`

	// Of a CPU, what the system says of it.
	Vendor string  `json:"vendor,omitempty"`
	Family string  `json:"family,omitempty"`
	Model  string  `json:"model,omitempty"`
	Caches []Cache `json:"caches,omitempty"` // of its first core

	// Tuning is the rule by which package cpu makes calls on large arrays, and Choices are what its measurements of this run's calls chose.
	Tuning  string   `json:"tuning,omitempty"`
	Choices []string `json:"choices,omitempty"`
	GHz     float64  `json:"ghz,omitempty"` // the frequency of a core, measured in the run; 0: unknown
}

// A Peer is a contender in a process of its own.
type Peer struct {
	Contender string `json:"contender"`
	Version   string `json:"version,omitempty"` // of its library
	CUDA      string `json:"cuda,omitempty"`
	Device    string `json:"device,omitempty"`
	Absent    string `json:"absent,omitempty"` // why it took no part
}

// One is the time of the smallest call: forward and backward of one element.
type One struct {
	NS          Times   `json:"ns"`
	Allocations float64 `json:"allocations"`
}

// A Group is one loss on arrays of one size. All its entries were measured interleaved.
type Group struct {
	Workload  string             `json:"workload"` // the model whose shape it is; "" for a plain size
	Shape     []int              `json:"shape"`
	N         int                `json:"n"`
	DType     smoothl1.DType     `json:"dtype"`
	Kind      smoothl1.Kind      `json:"kind"`
	Beta      float64            `json:"beta"`
	Reduction smoothl1.Reduction `json:"reduction"`
	Threads   int                `json:"threads,omitempty"` // of the CPU, if the workload sets them
	Samples   int                `json:"samples,omitempty"` // if the time was up before all were taken
	Tried     int                `json:"tried,omitempty"`   // ways to move memory, of which Entries has the fastest; 0: it has all
	Entries   []Entry            `json:"entries"`
}

// An Entry is one operation of one contender.
type Entry struct {
	Op        string `json:"op"`
	Contender string `json:"contender"`
	Bytes     int    `json:"bytes"`             // that the operation must move
	Samples   int    `json:"samples,omitempty"` // if fewer than the group's
	DeviceNS  Times  `json:"device_ns"`         // of one of several queued calls, on the device
	NS        Times  `json:"ns,omitzero"`       // of one call until its result is there
}

// The contenders that reports know by name.
const (
	Ours         = "smoothl1"
	Direct       = "smoothl1, package cpu" // without package gpu
	Replayed     = "smoothl1, graph"       // by the replay of a graph
	Eager        = "pytorch"
	Compiled     = "pytorch, compiled"
	Whole        = "pytorch, compiled whole" // loss and gradient in one function
	Graphed      = "pytorch, CUDA graph"     // of eager PyTorch
	Preallocated = "pytorch, preallocated"
)

// Cold returns the contender that makes the calls of another one from cold caches.
func Cold(contender string) string { return contender + ", cold" }

// copyOf returns the contender of a Copy that moves as many bytes as an operation on the given number of arrays.
func copyOf(arrays int) string { return fmt.Sprintf("as %d arrays", arrays) }

// Times are quantiles of samples, in nanoseconds.
type Times struct {
	P10    float64 `json:"p10"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
}

// Quantiles returns the quantiles of samples, interpolated linearly.
func Quantiles(samples []float64) Times {
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

// GBs returns gigabytes per second, computed from the median time on the device.
func (e Entry) GBs() float64 { return float64(e.Bytes) / e.DeviceNS.Median }

// Find returns the entry of a contender.
func (g *Group) Find(op, contender string) (Entry, bool) {
	i := slices.IndexFunc(g.Entries, func(e Entry) bool { return e.Op == op && e.Contender == contender })
	if i < 0 {
		return Entry{}, false
	}
	return g.Entries[i], true
}

// Share returns an entry's speed as a share of that of the copy whose number of bytes is closest, or NaN if there is no copy.
func (g *Group) Share(e Entry) float64 {
	share, nearest := math.NaN(), math.MaxInt
	for _, c := range g.Entries {
		if far := max(c.Bytes-e.Bytes, e.Bytes-c.Bytes); c.Op == Copy && far < nearest {
			share, nearest = e.GBs()/c.GBs(), far
		}
	}
	return share
}

// Ceiling returns the speed of the fastest loop that moves memory as an operation does, in GB/s, and its name: for a forward
// pass with reduction one that reads two arrays; for the others, with whatever further operands, one that combines two into a third, or
// copies one, whichever is faster. The speed is 0 if no loop was run.
func (g *Group) Ceiling(op string) (speed float64, name string) {
	for _, e := range g.Entries {
		reads := e.Op == Read
		writes := e.Op == Copy || e.Op == Combine
		if (op == ForwardReduced && reads || op != ForwardReduced && writes) && e.GBs() > speed {
			speed, name = e.GBs(), e.Contender
			if !strings.HasPrefix(name, e.Op) {
				name = e.Op + " " + name
			}
		}
	}
	return speed, name
}

// OwnCeiling returns an entry's speed as a share of that of the kernel which only moves memory as it does: for a forward pass with
// reduction one that reads two arrays, for the others one that reads two and writes a third. It is NaN if that was not measured.
func (g *Group) OwnCeiling(e Entry) float64 {
	op := Combine
	if e.Op == ForwardReduced || e.Op == Atomic {
		op = Read
	}
	speed := 0.0
	for _, k := range g.Entries {
		if k.Op == op {
			speed = max(speed, k.GBs())
		}
	}
	if speed == 0 || moves[e.Op] != 0 {
		return math.NaN()
	}
	return e.GBs() / speed
}

// Ways returns the number of ways to move memory of which the fastest is the ceiling.
func (g *Group) Ways() int {
	if g.Tried > 0 {
		return g.Tried
	}
	n := 0
	for _, e := range g.Entries {
		if moves[e.Op] != 0 && e.Contender != copyOf(2) && e.Contender != copyOf(3) {
			n++
		}
	}
	return n
}

// Peer returns a peer that took part, or nil.
func (r *Result) Peer(contender string) *Peer {
	if p := r.peer(contender); p != nil && p.Absent == "" {
		return p
	}
	return nil
}

// Absent returns why a peer took no part, or "" if it did.
func (r *Result) Absent(contender string) string {
	if p := r.peer(contender); p != nil {
		return p.Absent
	}
	return r.NoPeers
}

func (r *Result) peer(contender string) *Peer {
	for i := range r.Peers {
		if r.Peers[i].Contender == contender {
			return &r.Peers[i]
		}
	}
	return nil
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

// Save writes the result to a file, which it replaces atomically, so that it can be called at any time during a run.
func (r *Result) Save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o666); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
