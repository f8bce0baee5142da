//go:build linux

// Command bundlerun runs the steps of the bundle on a machine with a GPU, each for no longer than its share of the time, and saves
// their results as they come. It is started by run.sh in the unpacked bundle.
//
//	[BUDGET=SECONDS] [PYTHON=python3] ./run.sh [FOLDER]
//
// It writes run.json, figures.json and results.tar.gz to FOLDER, "results" by default, and keeps them up to date during the run. It
// exits with
//
//	0  everything that ran passed
//	1  a step differs, failed or exceeded its time limit
//	2  usage error, or the folder is not writable
//	3  there is no usable GPU, and everything that can be tested without one passed
//	128 plus the number of a signal, if that ended it
package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/smoothl1/smoothl1/internal/bundle"
)

// commit is set by the linker.
var commit = "unknown"

const (
	exitPassed = iota
	exitFailed
	exitUsage
	exitNoGPU
)

// Pdeathsig kills steps when the thread that started them ends, so start them on the main thread, which lives as long as the process.
func init() { runtime.LockOSThread() }

func main() {
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	signal.Ignore(syscall.SIGPIPE) // the run goes on if the reader of its output exits
	os.Exit(run(os.Args[1:], signals))
}

func run(arguments []string, signals <-chan os.Signal) int {
	refuse := func(format string, a ...any) int {
		fmt.Fprintf(os.Stderr, "run: "+format+"\n", a...)
		return exitUsage
	}
	folder := "results"
	switch {
	case len(arguments) > 1:
		return refuse("%d arguments: want the folder for the results, or none", len(arguments))
	case len(arguments) == 1 && arguments[0] == "":
		return refuse("the folder's name is empty")
	case len(arguments) == 1:
		folder = arguments[0]
	}
	budget, err := budgetOf(os.Getenv("BUDGET"))
	if err != nil {
		return refuse("%v", err)
	}
	program, err := os.Executable()
	if err != nil {
		return refuse("%v", err)
	}
	k, err := openKeeper(folder, commit, budget)
	if err != nil {
		return refuse("the results cannot be kept: %v", err)
	}
	cache, err := os.MkdirTemp("", "smoothl1-cache-")
	if err != nil {
		cache = "" // use the driver's default
	}
	defer os.RemoveAll(cache)
	r := &runner{cache: cache, keeper: k, root: filepath.Dir(program), signals: signals, begin: time.Now(), budget: budget}
	r.python = find(os.Getenv("PYTHON"), "python3")
	r.sanitizer = find("", "compute-sanitizer", "/usr/local/cuda*/bin/compute-sanitizer", "/opt/cuda*/bin/compute-sanitizer",
		"/usr/local/cuda*/compute-sanitizer/compute-sanitizer")
	return r.all(plan())
}

// budgetOf returns the time limit in BUDGET, 0 if there is none.
func budgetOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds > 0 && seconds <= 1e7) {
		return 0, fmt.Errorf("BUDGET=%s: want a number of seconds, more than 0 and at most 10000000", text)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// all runs the steps and returns the exit code.
func (r *runner) all(steps []*step) int {
	exit := exitPassed
	for i := range steps {
		if r.stopped == nil {
			r.do(steps, i)
		}
	}
	switch noGPU := r.keeper.run.Machine.GPU == ""; {
	case r.stopped != nil:
		number, _ := r.stopped.(syscall.Signal)
		exit = 128 + int(number)
	case r.bad():
		exit = exitFailed
	case noGPU:
		exit = exitNoGPU
	}
	state := bundle.Done
	if r.stopped != nil {
		state = bundle.Interrupted
	}
	return r.keeper.finish(state, exit, time.Since(r.begin))
}

func (r *runner) bad() bool {
	for _, s := range r.keeper.run.Steps {
		if s.Outcome.Bad() {
			return true
		}
	}
	return false
}
