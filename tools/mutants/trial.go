package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
	"github.com/smoothl1/smoothl1/sim"
)

// A trial is what the mutants of a kernel have to pass: the cases of the differential test that run it, in rounds.
type trial struct {
	kernel, ptx string
	rounds      []*round
	busy        map[int]bool // the lines of the PTX that a case executes more often than once for 32 elements
	mu          sync.Mutex   // guards busy
}

// A round is some cases on a device with a number of multiprocessors. Few multiprocessors give blocks of many warps, some of them without
// work; many give many blocks, down to one warp each.
type round struct {
	multiprocessors int
	cases           []difftest.Case
	wide            bool // the kernel makes wide accesses only
	large           bool // for what follows the chunks: too many elements for other mutants

	mu      sync.Mutex // guards what follows
	column  difftest.Column
	device  *sim.Device
	before  sim.KernelCoverage
	reached []map[int]bool // for each case that has run: the lines of the PTX that it has reached in the unchanged kernel
}

// trials returns the trials of all kernels.
func trials(texts map[string]string) map[string]*trial {
	small, large := map[string][]difftest.Case{}, map[string][]difftest.Case{}
	add := func(c difftest.Case) {
		for _, v := range c.Variants() {
			small[v.Name()] = append(small[v.Name()], c)
		}
	}
	for _, c := range slices.Concat(difftest.Corners(), difftest.Wild(), difftest.Table()) {
		add(c)
	}
	for i := range 32000 { // a quarter of them for lean kernels of float32 and float64
		add(difftest.Random(1, i, 20_000))
	}
	for _, c := range slices.Concat(difftest.Deep(), difftest.Levels()) {
		for i, v := range c.Variants() {
			if i == 0 || !c.Variants()[0].Divide { // the kernels of divisors are the same for all losses
				large[v.Name()] = append(large[v.Name()], c)
			}
		}
	}
	all := map[string]*trial{}
	for kernel, ptx := range texts {
		cases := slices.Clone(small[kernel])
		slices.SortStableFunc(cases, func(a, b difftest.Case) int { return cmp.Compare(a.Elements(), b.Elements()) })
		all[kernel] = &trial{kernel: kernel, ptx: ptx, busy: map[int]bool{}, rounds: []*round{
			{multiprocessors: 2, cases: unshared(those(cases, isAligned)), wide: true},
			{multiprocessors: 2, cases: cases},
			{multiprocessors: 64, cases: those(cases, hasBlocks)},
			{multiprocessors: 4096, cases: those(large[kernel], isModerate), large: true},
			{multiprocessors: 2, cases: those(large[kernel], fillsBlock), large: true},
			{multiprocessors: 64, cases: those(large[kernel], not(isModerate)), large: true}, // with thousands of blocks they take minutes
		}}
	}
	return all
}

// stepLimit ends a mutant that loops forever; no case needs a hundredth of it.
const stepLimit = 1 << 28

// open returns a column on a simulated device that loads ptx in place of the kernel's.
func (r *round) open(original, ptx string) (difftest.Column, *gpu.Device, *sim.Device, error) {
	device := sim.New(sim.Seed(1), sim.StepLimit(stepLimit))
	dev, err := gpu.Open(gpu.On(difftest.Modified{Device: device, PTX: map[string]string{original: ptx}, Multiprocessors: r.multiprocessors}))
	return difftest.On("mutant", dev), dev, device, err
}

// of runs a mutant of the kernel until one of the cases fails.
func (t *trial) of(m mutant) verdict {
	reached := false
	for _, r := range t.rounds {
		if r.large && t.isBusy(m.line) {
			break
		}
		v, ran := t.round(r, m)
		if reached = reached || ran; v.how != survived {
			return v
		}
	}
	if !reached {
		return m.is(survived, "no case reaches it")
	}
	return m.is(survived, "")
}

func (t *trial) isBusy(line int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.busy[line]
}

// round runs the cases of a round on a mutant, of the small ones those that reach its line, since only these can notice it, and reports
// whether there are any.
func (t *trial) round(r *round, m mutant) (v verdict, ran bool) {
	var column difftest.Column
	var dev *gpu.Device
	var device *sim.Device
	for i, c := range r.cases {
		if !r.large {
			reached, err := t.reached(r, i)
			if err != nil {
				return m.is(broken, err.Error()), true
			}
			if !reached[m.line] {
				continue
			}
		}
		if dev == nil {
			var err error
			if column, dev, device, err = r.open(t.ptx, m.text()); err != nil {
				return m.is(refused, err.Error()), true
			}
		}
		if err := difftest.Run(c, column, difftest.Fallback()); err != nil {
			_ = dev.Close() // after a fault it fails again
			if r.large {
				if err := t.unchanged(r, c); err != nil {
					return m.is(broken, err.Error()), true
				}
			}
			return m.is(wayOf(err), err.Error()), true
		}
	}
	if dev == nil {
		return m.is(survived, ""), false
	}
	if err := dev.Close(); err != nil {
		return m.is(wayOf(err), err.Error()), true
	}
	if r.wide {
		if text := narrowAccess(coverageOf(device, m.kernel)); text != "" {
			return m.is(narrower, text), true
		}
	}
	return m.is(survived, ""), true
}

// reached returns the lines that a case of a round reaches in the unchanged kernel, which must pass it.
func (t *trial) reached(r *round, i int) (map[int]bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.reached) <= i {
		if r.device == nil {
			column, _, device, err := r.open(t.ptx, t.ptx)
			if err != nil {
				return nil, err
			}
			r.column, r.device = column, device
		}
		c := r.cases[len(r.reached)]
		if err := difftest.Run(c, r.column, difftest.Fallback()); err != nil {
			return nil, fmt.Errorf("%s unchanged: %w", t.kernel, err)
		}
		after := coverageOf(r.device, t.kernel)
		lines := map[int]bool{}
		t.mu.Lock()
		for k, instruction := range after.Instructions {
			times := instruction.Executed + instruction.Skipped
			if len(r.before.Instructions) > 0 {
				times -= r.before.Instructions[k].Executed + r.before.Instructions[k].Skipped
			}
			if times > 0 {
				lines[instruction.Line] = true
			}
			if c.N >= 2*cpu.Chunk && !c.ByRow && times > uint64(c.N/32) {
				t.busy[instruction.Line] = true
			}
		}
		t.mu.Unlock()
		r.before, r.reached = after, append(r.reached, lines)
		if text := narrowAccess(after); r.wide && text != "" {
			return nil, fmt.Errorf("%s unchanged: %s: %s", t.kernel, narrower, text)
		}
	}
	return r.reached[i], nil
}

// unchanged runs a case on the unchanged kernel.
func (t *trial) unchanged(r *round, c difftest.Case) error {
	column, dev, _, err := r.open(t.ptx, t.ptx)
	if err != nil {
		return err
	}
	return errors.Join(difftest.Run(c, column, difftest.Fallback()), dev.Close())
}

// coverageOf returns the coverage of a kernel.
func coverageOf(d *sim.Device, kernel string) sim.KernelCoverage {
	for _, k := range d.Coverage() {
		if k.Kernel == kernel {
			return k
		}
	}
	return sim.KernelCoverage{}
}

// those returns the cases that have a property.
func those(cases []difftest.Case, has func(difftest.Case) bool) []difftest.Case {
	return slices.DeleteFunc(slices.Clone(cases), not(has))
}

func not(has func(difftest.Case) bool) func(difftest.Case) bool {
	return func(c difftest.Case) bool { return !has(c) }
}

// isAligned reports whether a case has aligned and dense arrays of full chunks, for which the kernels promise wide accesses.
func isAligned(c difftest.Case) bool {
	return c.N > 0 && c.N%cpu.Chunk == 0 && c.N <= 2*cpu.Chunk && c.Shift == 0 && c.Actions == 0 && slices.Max(c.Forms[:]) <= difftest.Dense
}

// unshared returns lean cases with two chunks for a block, so that no warps share one: those that do access single elements. An odd seed
// has no first call, which would have two blocks.
func unshared(cases []difftest.Case) []difftest.Case {
	cases = slices.Clone(cases)
	for i := range cases {
		if c := &cases[i]; c.Lean() {
			c.Rows, c.Cols, c.N, c.Blocks, c.Seed = 0, 0, 2*cpu.Chunk, 1, c.Seed|1
		}
	}
	return cases
}

// hasBlocks reports whether a case can have more than one block.
func hasBlocks(c difftest.Case) bool { return c.N > cpu.Chunk || c.ByRow }

// fillsBlock reports whether there are a multiple of as many chunk sums as a block has threads. A quarter of these cases suffices for
// rich kernels, which have many.
func fillsBlock(c difftest.Case) bool { return c.N%(256*cpu.Chunk) == 0 && (c.Lean() || c.Seed%4 == 0) }

func isModerate(c difftest.Case) bool { return c.N < 1<<21 }

// narrowAccess describes an access of a single element of the arrays, or returns "" if the kernel has made none.
func narrowAccess(k sim.KernelCoverage) string {
	element := regexp.MustCompile(`^(ld|st)\.global\.(f32|f64|u16|u8)`)
	if strings.Contains(k.Kernel, "_f64") { // two bytes of a mask go with 16 bytes of the other arrays
		element = regexp.MustCompile(`^(ld|st)\.global\.(f64|u8)`)
	}
	for _, i := range k.Instructions {
		// Only one thread of 32 or fewer writes the chunk sums and the loss, one at a time; all threads read a row.
		if i.Executed >= 32*k.Launches/2 && element.MatchString(i.Text) {
			return fmt.Sprintf("line %d: %s", i.Line, i.Text)
		}
	}
	return ""
}

func wayOf(err error) string {
	var e *gpu.DeviceError
	if errors.As(err, &e) {
		return stopped
	}
	return differs
}
