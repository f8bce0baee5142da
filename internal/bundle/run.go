// Package bundle defines the results of a run of the bundle, the archive that "make bundle" packs and that runs on a machine with
// nothing but a GPU. Command bundlerun, which is in the bundle, writes them; bench/report reads them.
package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The files that a run writes to its folder. The archive holds the files of all steps, and copies of the other two.
const (
	RunFile     = "run.json"     // a Run
	FiguresFile = "figures.json" // a measure.Result: times, and a comparison of PyTorch's bits with ours
	ArchiveFile = "results.tar.gz"
)

// A Run describes what was done, on which machine, and with what results.
type Run struct {
	Commit  string  `json:"commit"`
	Date    string  `json:"date"` // RFC 3339, UTC
	State   State   `json:"state"`
	Exit    int     `json:"exit"` // exit code of run.sh
	Budget  float64 `json:"budget_s,omitempty"`
	Seconds float64 `json:"seconds"`
	Machine Machine `json:"machine"`
	Steps   []Step  `json:"steps"`
}

// State is the state of a run. One that was killed stays Running.
type State string

// The states.
const (
	Running     State = "running"
	Done        State = "done"
	Interrupted State = "interrupted"
)

// Machine describes the machine of a run.
type Machine struct {
	GPU             string `json:"gpu,omitempty"` // "" if there is no usable one
	Architecture    string `json:"architecture,omitempty"`
	Multiprocessors int    `json:"multiprocessors,omitempty"`
	MemoryBytes     uint64 `json:"memory_bytes,omitempty"`
	CUDA            string `json:"cuda,omitempty"`   // the newest version that the driver supports
	Driver          string `json:"driver,omitempty"` // version of the driver, from nvidia-smi
	NoGPU           string `json:"no_gpu,omitempty"` // why there is no usable GPU
	PyTorch         string `json:"pytorch,omitempty"`
	Sanitizer       string `json:"compute_sanitizer,omitempty"`
	CPU             string `json:"cpu,omitempty"`
	Threads         int    `json:"threads,omitempty"`
	Kernel          string `json:"kernel,omitempty"`
}

// A Step is one step of a run.
type Step struct {
	Name    string   `json:"name"`
	Outcome Outcome  `json:"outcome"`
	Note    string   `json:"note,omitempty"`  // the result, or why there is none
	Found   []string `json:"found,omitempty"` // the first few differences
	Seconds float64  `json:"seconds"`
	Limit   float64  `json:"limit_s,omitempty"` // time limit
	Cases   int      `json:"cases,omitempty"`
}

// Outcome is the outcome of a step.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "passed"
	Stopped Outcome = "stopped" // time was up; everything done by then passed
	Skipped Outcome = "skipped"
	Differs Outcome = "differs"
	Failed  Outcome = "failed"
	CutOff  Outcome = "cut off" // it exceeded its time limit
	Broken  Outcome = "interrupted"
)

// Bad reports whether an outcome needs attention.
func (o Outcome) Bad() bool { return slices.Contains([]Outcome{Differs, Failed, CutOff}, o) }

// The steps, in their order.
const (
	NvidiaSMI    = "nvidia-smi"
	Devices      = "devices"
	Differential = "differential test"
	Bits         = "PyTorch's bits"
	Main         = "main benchmarks"
	Geometry     = "geometry sweep"
	Sanitizers   = "compute-sanitizer " // followed by the tool
	Vectors      = "vectors"
	Verify       = "verify"
	Full         = "all benchmarks"
)

// Tools are the tools of compute-sanitizer.
var Tools = []string{"memcheck", "racecheck", "initcheck", "synccheck"}

// Step returns the step with a name.
func (r *Run) Step(name string) (Step, bool) {
	i := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Name == name })
	if i < 0 {
		return Step{}, false
	}
	return r.Steps[i], true
}

// String returns the step on one line, followed by the differences found.
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
