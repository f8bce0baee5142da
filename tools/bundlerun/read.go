//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1/internal/bundle"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// mostFound is the number of differences that are listed for a step; the logs have all.
const mostFound = 5

// decode reads a JSON file that a step has left, and reports whether there is one.
func (r *runner) decode(name string, to any) bool {
	text, err := os.ReadFile(r.keeper.path(name))
	return err == nil && json.Unmarshal(text, to) == nil
}

func readNvidiaSMI(r *runner, s *bundle.Step, exit int) {
	text := r.keeper.text(s.Name)
	lines := strings.Split(text, "\n")
	if exit != 0 || len(lines) < 2 || !strings.HasPrefix(lines[0], "driver_version") {
		if s.Outcome == bundle.Failed { // it is not ours, and only informative
			s.Outcome, s.Note = bundle.Skipped, "it fails: "+r.keeper.lastLine(s.Name)
		}
		return
	}
	s.Note = lines[1]
	r.keeper.run.Machine.Driver, _, _ = strings.Cut(lines[1], ",")
}

func readDevices(r *runner, s *bundle.Step, exit int) {
	m := &r.keeper.run.Machine
	var found struct {
		CUDA struct {
			Version, Reason string
			Devices         []struct {
				Name, Architecture, Error string
				Multiprocessors           int
				MemoryBytes               uint64 `json:"memory_bytes"`
			}
		}
	}
	if exit != 0 || json.Unmarshal([]byte(r.keeper.text(s.Name)), &found) != nil {
		m.NoGPU = "smoothl1 devices printed no devices"
		if s.Outcome == bundle.Passed {
			s.Outcome = bundle.Failed
		}
		return
	}
	m.CUDA = found.CUDA.Version
	if len(found.CUDA.Devices) == 0 {
		m.NoGPU = found.CUDA.Reason
		s.Note = "no GPU: " + m.NoGPU
		return
	}
	d := found.CUDA.Devices[0]
	if d.Error != "" {
		m.NoGPU, s.Outcome, s.Note = "CUDA device 0 cannot be used", bundle.Failed, "CUDA device 0: "+d.Error
		return
	}
	m.GPU, m.Architecture, m.Multiprocessors, m.MemoryBytes = d.Name, d.Architecture, d.Multiprocessors, d.MemoryBytes
	s.Note = fmt.Sprintf("%s (%s), driver for CUDA %s; commit %s", m.GPU, m.Architecture, m.CUDA, r.keeper.run.Commit)
}

// tested is the JSON file of the differential test.
type tested struct {
	Passed, Running, Stopped bool
	Columns                  map[string]struct {
		Cases, Elements, Kernels int
		Failed                   []string
	}
}

// into fills in a step from the file of the differential test.
func (t tested) into(s *bundle.Step, column string) {
	c := t.Columns[column]
	s.Cases = c.Cases
	s.Note = fmt.Sprintf("%d cases of %d kernels, %d elements, %d wrong", c.Cases, c.Kernels, c.Elements, len(c.Failed))
	if t.Stopped {
		s.Note += "; the rest was left out: time was up"
	}
	s.Found = c.Failed[:min(mostFound, len(c.Failed))]
	switch {
	case len(c.Failed) > 0:
		s.Outcome = bundle.Differs
	case s.Outcome == bundle.Passed && c.Cases == 0 && t.Stopped:
		s.Outcome, s.Note = bundle.Skipped, "its time was up before the first case"
	case s.Outcome == bundle.Passed && c.Cases == 0:
		s.Outcome, s.Note = bundle.Failed, "no case was run"
	}
}

func readDifferential(r *runner, s *bundle.Step, _ int) {
	column := "CUDA"
	if r.keeper.run.Machine.GPU == "" {
		column = "cpu"
	}
	var t tested
	if r.decode("difftest.json", &t) {
		t.into(s, column)
		if column == "cpu" {
			s.Note = "on the CPU alone: " + s.Note
		}
	}
	if s.Outcome == bundle.Failed && len(s.Found) == 0 {
		s.Found = failures(r.keeper.text(s.Name))
	}
}

// failures returns the first failed tests of a log of go test.
func failures(text string) []string {
	return firstLines(strings.Join(regexp.MustCompile(`(?m)^ *--- FAIL: .*|^panic: .*`).FindAllString(text, -1), "\n"), mostFound)
}

func readBits(r *runner, s *bundle.Step, _ int) {
	var b measure.Result
	if !r.decode("bits.json", &b) {
		return
	}
	eager := b.Peer(measure.Eager)
	if eager == nil {
		if s.Outcome == bundle.Passed {
			s.Outcome, s.Note = bundle.Skipped, b.Absent(measure.Eager)
		}
		return
	}
	r.keeper.run.Machine.PyTorch = eager.Version
	s.Cases = len(b.Bits)
	s.Note = "PyTorch " + eager.Version + ": " + strings.ReplaceAll(measure.BitsSummary(b.Bits), "\n", "; ")
	if s.Outcome == bundle.Passed && len(b.Bits) == 0 {
		s.Outcome, s.Note = bundle.Failed, "no array was compared: "+strings.Join(firstLines(strings.Join(b.Left, "\n"), 1), "")
	}
	for _, row := range measure.Disputed(b.Bits) {
		s.Outcome = bundle.Differs
		if len(s.Found) < mostFound {
			s.Found = append(s.Found, fmt.Sprintf("%s, %v, %v, beta %v, %v, %s: %d of %d elements differ, by %d ULP at most; %s",
				row.What, row.DType, row.Kind, row.Beta, row.Reduction, row.Data, row.Different-row.ZeroSigns, row.Elements, row.MaxULPs, row.First))
		}
	}
}

func readBenchmarks(what string) func(*runner, *bundle.Step, int) {
	return func(r *runner, s *bundle.Step, _ int) {
		r.wrongAnswer(s)
		var b measure.Result
		if !r.decode(what+".json", &b) {
			return
		}
		s.Cases = len(b.Groups)
		if s.Outcome.Bad() {
			return
		}
		if eager := b.Peer(measure.Eager); eager != nil {
			r.keeper.run.Machine.PyTorch = eager.Version
		}
		for i := range b.Groups {
			s.Note += b.Groups[i].String() + "; "
		}
		for _, left := range b.Left {
			s.Note += "left out: " + left + "; "
		}
		if s.Note = strings.TrimSuffix(s.Note, "; "); what == "full" {
			s.Note = fmt.Sprintf("%d groups; %d left out", len(b.Groups), len(b.Left))
		}
	}
}

// wrongAnswer says that a step differs if its program has found a wrong answer.
func (r *runner) wrongAnswer(s *bundle.Step) {
	if s.Outcome == bundle.Failed && strings.Contains(r.keeper.text(s.Name), "wrong answer: ") {
		s.Outcome, s.Note = bundle.Differs, r.keeper.lastLine(s.Name)
	}
}

func readGeometry(r *runner, s *bundle.Step, _ int) {
	r.wrongAnswer(s)
	var b measure.Result
	if !r.decode("geometry.json", &b) {
		return
	}
	s.Cases = len(b.Sweeps)
	switch {
	case s.Outcome.Bad():
	case s.Outcome == bundle.Passed && len(b.Sweeps) == 0:
		s.Outcome, s.Note = bundle.Skipped, "nothing was measured: "+strings.Join(b.Left, "; ")
	default:
		s.Note = measure.SweepSummary(b.Sweeps)
		if len(b.Left) > 0 {
			s.Note = strings.TrimPrefix(s.Note+"; left out: "+strings.Join(b.Left, "; left out: "), "; ")
		}
	}
}

func readSanitizer(tool string) func(*runner, *bundle.Step, int) {
	return func(r *runner, s *bundle.Step, exit int) {
		text := r.keeper.text(s.Name)
		if m := regexp.MustCompile(`(?i)device not supported|unable to find injection library|not supported on this`).FindString(text); m != "" {
			s.Outcome, s.Note = bundle.Skipped, "compute-sanitizer does not run here: "+m
			return
		}
		var t tested
		ran := r.decode(tool+".json", &t)
		if ran {
			t.into(s, "CUDA")
		}
		summary := regexp.MustCompile(`(ERROR|RACECHECK) SUMMARY: (\d+).*`).FindStringSubmatch(text)
		if summary != nil {
			s.Note = strings.TrimPrefix(summary[0]+"; "+s.Note, "; ")
		}
		switch errors := regexp.MustCompile(`(?m)^========= (Invalid|Uninitialized|Error|Race|Barrier|Program hit).*`).FindAllString(text, mostFound); {
		case s.Outcome == bundle.CutOff, s.Outcome == bundle.Broken, s.Outcome == bundle.Stopped:
		case exit == foundErrors || summary != nil && summary[2] != "0":
			s.Outcome, s.Found = bundle.Differs, errors
		case s.Outcome == bundle.Passed && (!ran || summary == nil):
			s.Outcome, s.Note = bundle.Failed, "it has no summary, or the test did not run: "+r.keeper.lastLine(s.Name)
		}
	}
}

func readVectors(r *runner, s *bundle.Step, _ int) {
	text := r.keeper.text(s.Name)
	all := 0
	for _, m := range regexp.MustCompile(`(?m)(\d+) of (\d+) instructions$`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		s.Cases += n
		n, _ = strconv.Atoi(m[2])
		all += n
	}
	s.Note = fmt.Sprintf("%d of %d instructions", s.Cases, all)
	if s.Outcome == bundle.Failed {
		if s.Found = failures(text); len(s.Found) > 0 {
			s.Outcome = bundle.Differs
		}
	}
	if s.Outcome == bundle.Passed && s.Cases == 0 {
		s.Outcome, s.Note = bundle.Failed, "no instruction was executed: "+r.keeper.lastLine(s.Name)
	}
}

func readVerify(r *runner, s *bundle.Step, _ int) {
	var v struct {
		Cases, Asked, Mismatches int
		Failures                 []string
	}
	if !r.decode("verify.json", &v) {
		return
	}
	s.Cases = v.Cases
	s.Note = fmt.Sprintf("%d of %d cases, %d wrong", v.Cases, v.Asked, v.Mismatches)
	if v.Mismatches > 0 {
		s.Outcome, s.Found = bundle.Differs, v.Failures[:min(mostFound, len(v.Failures))]
	}
}
