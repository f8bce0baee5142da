// Package bundle is what a run of the bundle leaves behind: the archive that make bundle packs and that runs on a machine with a
// GPU and nothing else. Command bundlerun, in it, writes it; bench/report reads it.
package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The files that a run leaves in its folder. The archive holds all files of all steps, and these two once more.
const (
	RunFile     = "run.json"     // a Run
	FiguresFile = "figures.json" // a bench.Result: times, and PyTorch's bits beside ours
	ArchiveFile = "results.tar.gz"
)

// A Run says what was done on which machine, and what came of it.
type Run struct {
	Commit  string  `json:"commit"`
	Date    string  `json:"date"` // RFC 3339, UTC
	State   State   `json:"state"`
	Exit    int     `json:"exit"` // the code that run.sh exits with
	Budget  float64 `json:"budget_s,omitempty"`
	Seconds float64 `json:"seconds"`
	Machine Machine `json:"machine"`
	Steps   []Step  `json:"steps"`
}

// State says how far a run came. One that was killed stays Running.
type State string

// The states.
const (
	Running     State = "running"
	Done        State = "done"
	Interrupted State = "interrupted"
)

// Machine is what ran it.
type Machine struct {
	GPU             string `json:"gpu,omitempty"` // "" where there is none that can be used
	Architecture    string `json:"architecture,omitempty"`
	Multiprocessors int    `json:"multiprocessors,omitempty"`
	MemoryBytes     uint64 `json:"memory_bytes,omitempty"`
	CUDA            string `json:"cuda,omitempty"`   // the newest version that the driver knows
	Driver          string `json:"driver,omitempty"` // its own version, where nvidia-smi says it
	NoGPU           string `json:"no_gpu,omitempty"` // why there is none
	PyTorch         string `json:"pytorch,omitempty"`
	Sanitizer       string `json:"compute_sanitizer,omitempty"`
	CPU             string `json:"cpu,omitempty"`
	Threads         int    `json:"threads,omitempty"`
	Kernel          string `json:"kernel,omitempty"`
}

// A Step is one of the things that a run does.
type Step struct {
	Name    string   `json:"name"`
	Outcome Outcome  `json:"outcome"`
	Note    string   `json:"note,omitempty"`  // what came of it, or why nothing did
	Found   []string `json:"found,omitempty"` // the first of what differs
	Seconds float64  `json:"seconds"`
	Limit   float64  `json:"limit_s,omitempty"` // after which it was to be cut off
	Cases   int      `json:"cases,omitempty"`
}

// Outcome is what became of a step.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Stopped Outcome = "stopped" // time was up; what it had done by then passed
	Skipped Outcome = "skipped"
	Differs Outcome = "differs"
	Failed  Outcome = "failed"
	CutOff  Outcome = "cut off" // it did not end when it was to
	Broken  Outcome = "interrupted"
)

// Bad reports whether an outcome is one to look into.
func (o Outcome) Bad() bool { return slices.Contains([]Outcome{Differs, Failed, CutOff}, o) }

// The steps, in their order.
const (
	NvidiaSMI    = "nvidia-smi"
	Devices      = "devices"
	Differential = "differential test"
	Bits         = "PyTorch's bits"
	Main         = "main benchmarks"
	Sanitizers   = "compute-sanitizer " // and the tool
	Vectors      = "vectors"
	Verify       = "verify"
	Full         = "all benchmarks"
)

// Tools are those of compute-sanitizer.
var Tools = []string{"memcheck", "racecheck", "initcheck", "synccheck"}

// Step returns the step of a name.
func (r *Run) Step(name string) (Step, bool) {
	i := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return Step{}, false
	}
	return r.Steps[i], true
}

// String is the step in a line.
func (s Step) String() string {
	line := fmt.Sprintf("%s: %s", s.Name, s.Outcome)
	if s.Outcome != Skipped {
		line += fmt.Sprintf(" (%.1f s)", s.Seconds)
	}
	if s.Note != "" {
		line += ": " + s.Note
	}
	return strings.Join(append([]string{line}, s.Found...), "\n    ")
}

// Load reads a run.
func Load(path string) (*Run, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Run{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(r.Steps) == 0 || r.Commit == "" {
		return nil, fmt.Errorf("%s: is no run of the bundle: it has no steps, or no commit", path)
	}
	return r, nil
}
