// Package results is what a run of the benchmarks against PyTorch leaves behind, as JSON.
package results

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// A Run is one run on one machine.
type Run struct {
	Machine Machine `json:"machine"`
	Commit  string  `json:"commit"` // of this repository; with "+changes" where it was not clean
	Date    string  `json:"date"`
	Rounds  int     `json:"rounds"` // measurements of PyTorch; of the others, thrice as many
	One     One     `json:"one_element"`
	Groups  []Group `json:"groups"`
}

// Machine is what it ran on.
type Machine struct {
	CPU            string `json:"cpu"`
	Threads        int    `json:"threads"` // all of them
	InstructionSet string `json:"instruction_set"`
	LastCache      int    `json:"last_cache_bytes"`
	Kernel         string `json:"kernel"`
	Go             string `json:"go"`
	PyTorch        string `json:"pytorch"`
	LoadBefore     string `json:"load_before"` // the averages of 1, 5 and 15 minutes
	LoadAfter      string `json:"load_after"`
}

// One is the time of the smallest call: forward and backward of one element through the op on the CPU device.
type One struct {
	Nanoseconds Times   `json:"ns"`
	Allocations float64 `json:"allocations"`
}

// A Group is what was measured in turns: everything on arrays of one length, with one number of threads.
type Group struct {
	N       int     `json:"n"`
	Threads int     `json:"threads"`
	Entries []Entry `json:"entries"`
}

// An Entry is one contender.
type Entry struct {
	Op        string `json:"op"`        // of the table; for a ceiling, what the loop does: read, copy, combine
	Contender string `json:"contender"` // Ours, OursDirect, PyTorch, PyTorchPreallocated, or the loop's name
	Bytes     int    `json:"bytes"`     // that it must move
	NS        Times  `json:"ns"`        // of a call
}

// The contenders that are not ceilings.
const (
	Ours                = "smoothl1"              // an op of package gpu on the CPU device, as users call it
	OursDirect          = "smoothl1, package cpu" // the function of package cpu that it calls
	PyTorch             = "pytorch"
	PyTorchPreallocated = "pytorch, preallocated"
)

// The operations.
const (
	ForwardNone     = "forward none"
	ForwardMean     = "forward mean"
	Backward        = "backward"
	ForwardBackward = "forward+backward"
)

// Ops are the operations in the order of the table.
var Ops = []string{ForwardNone, ForwardMean, Backward, ForwardBackward}

// Times are the quantiles of the rounds.
type Times struct {
	P10    float64 `json:"p10"`
	Median float64 `json:"median"`
	P90    float64 `json:"p90"`
}

// Of returns the quantiles of samples.
func Of(samples []float64) Times {
	s := slices.Sorted(slices.Values(samples))
	q := func(p float64) float64 { // between the two samples next to it
		at := p * float64(len(s)-1)
		i := min(int(at), len(s)-2)
		if i < 0 {
			return s[0]
		}
		return s[i] + (at-float64(i))*(s[i+1]-s[i])
	}
	return Times{q(0.1), q(0.5), q(0.9)}
}

// Find returns the entry of a contender.
func (g *Group) Find(op, contender string) (Entry, bool) {
	for _, e := range g.Entries {
		if e.Op == op && e.Contender == contender {
			return e, true
		}
	}
	return Entry{}, false
}

// GBs returns gigabytes per second, of the median time.
func (e Entry) GBs() float64 { return float64(e.Bytes) / e.NS.Median }

// Ceiling returns the speed of the fastest loop that moves memory as an operation does, in GB/s, and its name: for a forward
// pass with reduction one that reads two arrays; for the others one that combines two into a third, or copies one, whichever
// is faster. It is 0 where no loop was run.
func (g *Group) Ceiling(op string) (speed float64, name string) {
	for _, e := range g.Entries {
		reads := e.Op == "read"
		writes := e.Op == "copy" || e.Op == "combine"
		if (op == ForwardMean && reads || op != ForwardMean && writes) && e.GBs() > speed {
			speed, name = e.GBs(), e.Contender
		}
	}
	return speed, name
}

// Load reads a run from a file.
func Load(path string) (*Run, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r Run
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}

// Save writes a run to a file.
func (r *Run) Save(path string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
