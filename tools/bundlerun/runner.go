//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/smoothl1/smoothl1/internal/bundle"
)

// runner runs the steps of a plan.
type runner struct {
	keeper            *keeper
	root              string // the unpacked bundle
	cache             string // folder in which the driver caches compiled kernels for the next step
	python, sanitizer string // "" if there is none
	signals           <-chan os.Signal
	stopped           os.Signal // the signal that ended the run, or nil
	begin             time.Time
	budget            time.Duration // 0: no limit
}

// step is a step of the plan: its share of the time, and what it does.
type step struct {
	name  string
	share float64       // of the time left, relative to the shares of the steps after it
	least time.Duration // it gets at least this, and is skipped if less is left
	most  time.Duration // more would be of no use
	// soft says that the step cannot be told how long it may take, so that being cut off is not a failure.
	soft bool
	// always says that the step is never skipped for lack of time.
	always bool
	// needsGPU says that the step is skipped if there is no GPU.
	needsGPU bool
	// command returns the command for a time limit and the folder of the bundle to run it in, or why there is none.
	command func(r *runner, limit time.Duration) (dir string, arguments []string, whyNot string)
	// read sets the note from the command's results, and the outcome if it differs from that of the exit code.
	read func(r *runner, s *bundle.Step, exit int)
}

const (
	reserve = 3 * time.Second // for writing the final results
	grace   = 3 * time.Second // from SIGTERM to SIGKILL
)

// limitOf returns how long the i-th step may take: its share of the time left, relative to the shares of the steps still to come, but at
// least s.least and at most s.most.
func limitOf(steps []*step, i int, left time.Duration) time.Duration {
	shares := 0.0
	for _, s := range steps[i:] {
		shares += s.share
	}
	share := time.Duration(float64(left) * steps[i].share / shares)
	return min(max(share, steps[i].least), steps[i].most)
}

// do runs a step and records its result.
func (r *runner) do(steps []*step, i int) {
	s := steps[i]
	result := &bundle.Step{Name: s.name, Outcome: bundle.Skipped}
	defer func() { r.keeper.add(*result) }()
	limit, left := s.most, time.Duration(1<<62)
	if r.budget > 0 {
		left = r.budget - reserve - time.Since(r.begin)
		limit = limitOf(steps, i, left)
	}
	// A step has some time to end by itself when its limit is over.
	slack := max(limit/4, grace)
	cutOff := min(limit+slack, left)
	machine := &r.keeper.run.Machine
	switch {
	case s.needsGPU && machine.GPU == "":
		result.Note = "there is no GPU: " + machine.NoGPU
		return
	case left < s.least && !s.always:
		result.Note = fmt.Sprintf("time is up: %.1f s are left, and it takes %v at least", max(0, left.Seconds()), s.least)
		return
	}
	dir, arguments, whyNot := s.command(r, limit)
	if whyNot != "" {
		result.Note = whyNot
		return
	}
	result.Limit = limit.Seconds()
	r.keeper.note(*result)
	begin := time.Now()
	exit, ended, err := r.execute(s.name, filepath.Join(r.root, dir), arguments, cutOff)
	result.Seconds = time.Since(begin).Seconds()
	switch {
	case err != nil:
		result.Outcome, result.Note = bundle.Failed, err.Error()
		return
	case r.stopped != nil:
		result.Outcome = bundle.Broken
	case ended && exit == 0:
		result.Outcome = bundle.Passed
	case ended:
		result.Outcome = bundle.Failed
	case s.soft || cutOff < limit+slack: // the run's time is up
		result.Outcome = bundle.Stopped
	default:
		result.Outcome = bundle.CutOff
	}
	s.read(r, result, exit)
	if (result.Outcome.Bad() || result.Outcome == bundle.Stopped) && result.Note == "" {
		result.Note = r.keeper.lastLine(s.name)
	}
}

// execute runs a command in a process group of its own, with its output in the step's log, and returns its exit code and whether it ended
// by itself. It is killed when its time is up or a signal arrives.
func (r *runner) execute(name, dir string, arguments []string, limit time.Duration) (exit int, ended bool, err error) {
	log, err := r.keeper.log(name)
	if err != nil {
		return 0, false, err
	}
	defer log.Close()
	c := exec.Command(arguments[0], arguments[1:]...)
	c.Dir, c.Stdout, c.Stderr = dir, log, log
	c.Env = append([]string{"CUDA_CACHE_PATH=" + r.cache}, os.Environ()...) // overridden by the environment's, if set
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return 0, false, err
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	// Kill processes that the first one has left behind.
	defer func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }()
	timeUp := time.After(limit)
	select {
	case <-done:
		return c.ProcessState.ExitCode(), true, nil
	case <-timeUp:
		fmt.Fprintf(log, "\nrun: cut off after %.1f s\n", limit.Seconds())
	case r.stopped = <-r.signals:
		fmt.Fprintf(log, "\nrun: %v\n", r.stopped)
	}
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM)
	select {
	case <-done:
	case <-time.After(grace):
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		select {
		case <-done:
		case <-time.After(grace): // it hangs in the driver; leave it
		}
	}
	return -1, false, nil
}

// find returns the first program that exists: chosen if it is not empty, or else one of the other names or patterns.
func find(chosen string, others ...string) string {
	if chosen != "" {
		others = []string{chosen}
	}
	for _, name := range others {
		paths, err := filepath.Glob(name)
		if err != nil || filepath.Base(name) == name {
			paths = []string{name}
		}
		for _, path := range paths {
			if found, err := exec.LookPath(path); err == nil {
				if absolute, err := filepath.Abs(found); err == nil {
					return absolute
				}
			}
		}
	}
	return ""
}
