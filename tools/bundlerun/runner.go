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
	cache             string // where the driver keeps what it has compiled, for the next step
	python, sanitizer string // "" where there is none
	signals           <-chan os.Signal
	stopped           os.Signal // that ended the run; nil: none did
	begin             time.Time
	budget            time.Duration // 0: no limit
}

// step is a step of the plan: how much of the time it is worth, and what it does.
type step struct {
	name  string
	share float64       // of the time that is left, beside those of the steps after it
	least time.Duration // what it gets at least, and is skipped where that is not left
	most  time.Duration // more is not of use
	// soft says that it cannot be told to end, or that what it measures takes as long as it takes: being cut off is no fault of it.
	soft bool
	// always says that it is not skipped, whatever is left.
	always bool
	// needsGPU says that it is skipped where there is none.
	needsGPU bool
	// command returns what is to be run, in a folder of the bundle, for how long; or why it cannot be.
	command func(r *runner, limit time.Duration) (dir string, arguments []string, whyNot string)
	// read makes of what the command has left the note, and the outcome if it is not that of the command's exit code.
	read func(r *runner, s *bundle.Step, exit int)
}

const (
	reserve = 3 * time.Second // for what is written at the end
	grace   = 3 * time.Second // from the signal that asks a step to end to the one that ends it
)

// limitOf returns how long the i-th step may take: its share of what is left, among those that are still to come, and what it
// needs at least where that is more.
func limitOf(steps []*step, i int, left time.Duration) time.Duration {
	shares := 0.0
	for _, s := range steps[i:] {
		shares += s.share
	}
	share := time.Duration(float64(left) * steps[i].share / shares)
	return min(max(share, steps[i].least), steps[i].most)
}

// do runs a step and takes down what came of it.
func (r *runner) do(steps []*step, i int) {
	s := steps[i]
	result := &bundle.Step{Name: s.name, Outcome: bundle.Skipped}
	defer func() { r.keeper.add(*result) }()
	limit, left := s.most, time.Duration(1<<62)
	if r.budget > 0 {
		left = r.budget - reserve - time.Since(r.begin)
		limit = limitOf(steps, i, left)
	}
	// A step that was told to end has some time to do so.
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

// execute runs a command as a group of processes, its output in the step's log, and returns its exit code, and whether it ended
// by itself. It is ended when its time is up or a signal came.
func (r *runner) execute(name, dir string, arguments []string, limit time.Duration) (exit int, ended bool, err error) {
	log, err := r.keeper.log(name)
	if err != nil {
		return 0, false, err
	}
	defer log.Close()
	c := exec.Command(arguments[0], arguments[1:]...)
	c.Dir, c.Stdout, c.Stderr = dir, log, log
	c.Env = append([]string{"CUDA_CACHE_PATH=" + r.cache}, os.Environ()...) // the environment's own counts, if it has one
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return 0, false, err
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	// A group outlives its first process where that leaves others behind.
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
		case <-time.After(grace): // it hangs in the driver: it is left there
		}
	}
	return -1, false, nil
}

// find returns the first program there is: that of the environment's name, or else those of these names or patterns.
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
