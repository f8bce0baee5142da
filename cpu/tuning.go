package cpu

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu/internal/tune"
	"github.com/smoothl1/smoothl1/internal/isa"
)

// tuner chooses how passes over large arrays are made.
var tuner atomic.Pointer[tune.Tuner]

// tuneComplaint is the error in the value of SMOOTHL1_TUNE, or nil.
var tuneComplaint = func() error {
	fixed, err := tune.Parse(os.Getenv(tune.Variable))
	tuner.Store(tune.New(fixed))
	if err != nil {
		return fmt.Errorf("smoothl1: environment: %s = %q: %w", tune.Variable, os.Getenv(tune.Variable), err)
	}
	return nil
}()

// SetTuning fixes choices as the environment variable SMOOTHL1_TUNE does: see Tuning. It forgets what has been measured so far. The empty
// setting leaves all choices to measurements. The error says what is wrong with a setting, which then changes nothing.
func SetTuning(setting string) error {
	fixed, err := tune.Parse(setting)
	if err != nil {
		return smoothl1.NewArgError("SetTuning", "setting", setting, err)
	}
	tuner.Store(tune.New(fixed))
	return nil
}

// TuningReport says how passes over large arrays are made on this machine, and why.
type TuningReport struct {
	Setting    string  // of the environment variable SMOOTHL1_TUNE, or "" if everything is measured
	Caches     []Cache // that the processor reports
	StreamFrom int     // bytes from which on arrays are written past the caches, until a measurement says otherwise
	Tuned      []Tuned // of the calls so far
}

// Cache is a cache of data that a core owns or shares with others, as the processor reports it. In a virtual machine the cache, or the
// number of threads that share it, may be that of the host.
type Cache struct {
	Level   int
	Bytes   int
	Threads int
}

// Tuned is how a kind of calls is made: those that compute the same from arrays of about the same size, on as many processors.
type Tuned struct {
	Pass       string // "forward_terms", "forward", "backward" or "forward_backward"
	DType      smoothl1.DType
	Form       string // operands that make a difference, or ""
	Bytes      int    // of all arrays together; up to an eighth more is of this kind
	Processors int    // GOMAXPROCS

	Threads   int     // goroutines
	Streaming bool    // outputs are written past the caches
	Ahead     int     // prefetch distance in bytes
	Measured  bool    // others have been tried; until then this is the best so far, at first what the rule says
	Before    string  // what the last search began with: at first what the rule says
	Speedup   float64 // over that, as measured
}

// Tuning returns a report on how calls have been made so far, or an error if SMOOTHL1_TUNE is not valid, as gpu.Open does for the CPU.
//
// A call on arrays of more than 512 KiB (128 KiB in Go code) may be split among goroutines, write outputs past the caches with streaming
// (non-temporal) stores, and prefetch. No choice changes a bit of a result. A rule makes the first one, from the caches that the processor
// reports. Then calls of the same kind are timed, which takes no work of its own: a few hundred of them are made in turns as chosen and
// with one thing changed, and what is faster by 2 % is kept. It is tried again after 4,096 calls, 8,192 and so on. Calls made at the same time
// as others are not counted. Nothing is kept after the program's end.
//
// Below StreamFrom an output may stay in a cache for whoever reads it next, but streaming stores are tried from 2 MiB on: they leave
// nothing there. The environment variable SMOOTHL1_TUNE, read at program start, fixes choices: settings separated by commas, of
// threads=N, stores=ordinary, stores=streaming and ahead=BYTES; off leaves what is not fixed to the rule, and nothing is timed. SetTuning
// does the same in a program.
func Tuning() (*TuningReport, error) {
	tuner := tuner.Load()
	r := &TuningReport{Setting: tuner.Fixed().String(), StreamFrom: tune.StreamFrom(runtime.GOMAXPROCS(0))}
	for _, c := range isa.Caches() {
		r.Caches = append(r.Caches, Cache(c))
	}
	for _, f := range tuner.Found() {
		r.Tuned = append(r.Tuned, Tuned{
			Pass: f.Key.Pass.String(), DType: f.Key.Type, Form: f.Key.Form.String(), Bytes: f.Key.Size.Bytes(), Processors: f.Key.Procs,
			Threads: f.Choice.Threads, Streaming: f.Choice.Streaming, Ahead: f.Choice.Ahead,
			Measured: f.Settled, Before: f.Before.String(), Speedup: f.Speedup,
		})
	}
	slices.SortFunc(r.Tuned, func(a, b Tuned) int {
		return cmp.Or(cmp.Compare(a.Pass, b.Pass), cmp.Compare(a.DType, b.DType), cmp.Compare(a.Form, b.Form),
			cmp.Compare(a.Processors, b.Processors), cmp.Compare(a.Bytes, b.Bytes))
	})
	return r, tuneComplaint
}

// String returns the report as lines of text.
func (r *TuningReport) String() string {
	if r == nil {
		return "cpu.TuningReport(nil)"
	}
	var b strings.Builder
	var caches []string
	for _, c := range r.Caches {
		caches = append(caches, fmt.Sprintf("L%d %s for %d threads", c.Level, tune.Text(c.Bytes), c.Threads))
	}
	if len(caches) == 0 {
		caches = []string{"none"}
	}
	fmt.Fprintf(&b, "caches reported: %s; streaming stores from %s on", strings.Join(caches, ", "), tune.Text(r.StreamFrom))
	switch r.Setting {
	case "":
		b.WriteString(", until a measurement says otherwise")
	default:
		fmt.Fprintf(&b, "; %s=%s", tune.Variable, r.Setting)
	}
	for _, t := range r.Tuned {
		form := ""
		if t.Form != "" {
			form = " (" + t.Form + ")"
		}
		fmt.Fprintf(&b, "\n%s %v%s, %v on %d processors: %v", t.Pass, t.DType, form, tune.SizeOf(t.Bytes),
			t.Processors, tune.Choice{Threads: t.Threads, Streaming: t.Streaming, Ahead: t.Ahead})
		switch {
		case !t.Measured:
			b.WriteString("; not measured, or not to the end")
		case t.Speedup != 1:
			fmt.Fprintf(&b, "; measured, %.2f times as fast as %s", t.Speedup, t.Before)
		default:
			b.WriteString("; measured, no other is faster")
		}
	}
	return b.String()
}
