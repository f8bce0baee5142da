package difftest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/memory"
	"github.com/smoothl1/smoothl1/sim"
)

// A Sweep is a run of many cases in the columns of a target.
type Sweep struct {
	Seed         uint64
	First, Cases int // index of the first case, and number of cases; to reproduce a failure, see Failure.Block
	Target       Target
	// Progress, unless nil, is called after every case, by one goroutine at a time.
	Progress func()
}

// Block is the number of cases that run on one device before the next device is opened. A device always starts with the first case of a
// block, so that running a block again reproduces it.
const Block = 250

// Target says on which devices a Sweep runs the cases.
type Target struct {
	Name string
	// Limit is the maximum number of elements of a random case.
	Limit   int
	workers int
	open    func(seed uint64, block int) (*opened, error)
}

// opened is an open device of a target.
type opened struct {
	columns []Column
	close   func() error
	sim     *sim.Device // nil unless simulated
}

// OnSim returns a target that runs each block on a new simulated device, with various numbers of multiprocessors and, in every second
// round of those, various geometries, and as many blocks in parallel as there are cores.
func OnSim() Target {
	return Target{Name: "sim", Limit: 200_000, workers: runtime.GOMAXPROCS(0), open: func(seed uint64, block int) (*opened, error) {
		d := sim.New(sim.Serial(), sim.Seed(seed+uint64(block)))
		m := Modified{Device: d}
		m.Multiprocessors, m.Geometry = shapeOf(block)
		o, err := onOpened("sim", gpu.On(m))
		if err == nil {
			o.sim = d
		}
		return o, err
	}}
}

// Multiprocessors are the numbers of multiprocessors that simulated devices report. They determine the geometry of a launch: a low number
// leads to blocks of many warps, some without a chunk, and a high one to blocks of one warp even for large arrays.
var Multiprocessors = [4]int{4, 2, 64, 4096}

// shapeOf returns the number of multiprocessors and the geometry of a block. In every second round of Multiprocessors package gpu chooses
// the geometry; in the others Geometries take turns, on few multiprocessors, because the simulation of thousands of warps without a
// chunk takes long.
func shapeOf(block int) (multiprocessors int, g *Geometry) {
	round, place := block/len(Multiprocessors), block%len(Multiprocessors)
	if round%2 == 0 {
		return Multiprocessors[place], nil
	}
	all := Geometries()
	return min(Multiprocessors[place], 8), &all[(round/2*len(Multiprocessors)+place)%len(all)]
}

// OnCUDA returns a target that runs the cases on a CUDA device.
func OnCUDA(ordinal int) Target {
	return Target{Name: "CUDA", Limit: 1 << 21, workers: 1, open: func(uint64, int) (*opened, error) {
		return onOpened("CUDA", gpu.CUDA(ordinal))
	}}
}

// OnTheCPU returns a target that runs the cases on the CPU: in package cpu, with each instruction set, and in package gpu.
func OnTheCPU() Target {
	return Target{Name: "cpu", Limit: 200_000, workers: 1, open: func(uint64, int) (*opened, error) { // one worker: see OtherSets
		o, err := onOpened("gpu on the CPU", gpu.CPU())
		if err == nil {
			o.columns = slices.Concat([]Column{Fallback()}, OtherSets(), o.columns)
		}
		return o, err
	}}
}

func onOpened(name string, choice gpu.OpenOption) (*opened, error) {
	dev, err := gpu.Open(choice)
	if err != nil {
		return nil, err
	}
	return &opened{columns: []Column{On(name, dev)}, close: dev.Close}, nil
}

// Run runs a single case on a new device.
func (t Target) Run(c Case, seed uint64) (err error) {
	const arrays = 16 // in memory at a time: inputs, the results of the reference and of a column, and garbage
	if err := memory.Check(arrays * uint64(c.N) * uint64(c.DType.Size())); err != nil {
		return fmt.Errorf("difftest: n=%d: %w: %w", c.N, smoothl1.ErrMemory, err)
	}
	device, err := t.open(seed, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, device.close()) }()
	for _, err := range RunAll(c, device.columns, Reference()) {
		if err != nil {
			return err
		}
	}
	return nil
}

// Case returns the i-th case of the sweep. Every fifth case is the next of the fixed ones; the others are random.
func (s *Sweep) Case(i int) Case {
	if i%5 == 4 {
		all := fixed()
		return all[i/5%len(all)]
	}
	return Random(s.Seed, i, s.Target.Limit)
}

// Fixed returns the number of fixed cases. A sweep of five times as many cases runs all of them.
func Fixed() int { return len(fixed()) }

var fixed = sync.OnceValue(func() []Case {
	// Mixed, so that a short run has cases of all kinds.
	return slices.Insert(mixed(slices.Concat(Table(), Corners())), 3*Block/5, Deep()...) // in the first block with the highest number of multiprocessors
})

// Tally has the counts of a column.
type Tally struct {
	Column     string `json:"column"`
	Cases      int    `json:"cases"`
	Elements   int    `json:"elements"`   // read and written, over all arrays
	Mismatches int    `json:"mismatches"` // cases that differ from the reference, or failed
}

// Failure is a case of a sweep that differs from the reference.
type Failure struct {
	Index int // of the case
	Err   error
}

// Block returns the first case of the failure's block, and the number of cases from there up to and including the failure.
func (f Failure) Block() (first, cases int) {
	return f.Index / Block * Block, f.Index%Block + 1
}

// Swept is the outcome of a sweep.
type Swept struct {
	Done     int // cases done, each in all columns
	Columns  []Tally
	Sizes    []SizeClass
	Failures []Failure    // the first keptFailures
	Coverage sim.Coverage // of simulated devices
}

// Mismatches returns the number of mismatches in all columns.
func (s *Swept) Mismatches() (total int) {
	for _, t := range s.Columns {
		total += t.Mismatches
	}
	return total
}

// keptFailures is the maximum number of failures that a Swept lists.
const keptFailures = 10

// Run runs the cases until they are done or ctx is done; in the latter case it returns ctx's error together with the outcome so far.
func (s *Sweep) Run(ctx context.Context) (*Swept, error) {
	found := &Swept{Sizes: newSizes()}
	blocks := make(chan int)
	var mu sync.Mutex // guards found, failed and calls of Progress
	var failed error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	for range s.Target.workers {
		workers.Go(func() {
			for block := range blocks {
				if err := s.block(ctx, block, found, &mu); err != nil {
					locked(&mu, func() { failed = errors.Join(failed, err) })
					cancel()
				}
			}
		})
	}
	for block := s.First / Block; block*Block < s.First+s.Cases && ctx.Err() == nil; block++ {
		blocks <- block
	}
	close(blocks)
	workers.Wait()
	sort.Slice(found.Failures, func(i, j int) bool { return found.Failures[i].Index < found.Failures[j].Index })
	found.Failures = found.Failures[:min(len(found.Failures), keptFailures)]
	if failed == nil {
		failed = ctx.Err()
	}
	return found, failed
}

// block runs the cases of a block that belong to the sweep.
func (s *Sweep) block(ctx context.Context, block int, found *Swept, mu *sync.Mutex) (err error) {
	device, err := s.Target.open(s.Seed, block)
	if err != nil {
		return err
	}
	defer func() {
		if closing := device.close(); closing != nil {
			err = errors.Join(err, fmt.Errorf("closing the device after cases %d to %d: %w", block*Block, (block+1)*Block-1, closing))
		}
		if device.sim != nil {
			coverage := device.sim.Coverage()
			locked(mu, func() { found.Coverage = found.Coverage.Merge(coverage) })
		}
	}()
	for i := max(s.First, block*Block); i < min(s.First+s.Cases, (block+1)*Block) && ctx.Err() == nil; i++ {
		c := s.Case(i)
		results := RunAll(c, device.columns, Reference())
		locked(mu, func() {
			found.add(i, c, device.columns, results)
			if s.Progress != nil {
				s.Progress()
			}
		})
	}
	return nil
}

// locked calls f with mu locked, and unlocks it even if f panics.
func locked(mu *sync.Mutex, f func()) {
	mu.Lock()
	defer mu.Unlock()
	f()
}

// add records the results of a case.
func (s *Swept) add(i int, c Case, columns []Column, results []error) {
	if s.Columns == nil {
		for _, column := range columns {
			s.Columns = append(s.Columns, Tally{Column: column.Name})
		}
	}
	s.Done++
	for k := range columns {
		t := &s.Columns[k]
		t.Cases++
		t.Elements += c.Elements()
		if results[k] != nil {
			t.Mismatches++
			s.Failures = append(s.Failures, Failure{i, results[k]})
		}
	}
	for k := range s.Sizes {
		if c.N <= s.Sizes[k].To {
			s.Sizes[k].Cases++
			break
		}
	}
}

// SizeClass has the number of cases whose arrays have From to To elements.
type SizeClass struct{ From, To, Cases int }

// String returns the range of the number of elements, such as "32 to 127".
func (s SizeClass) String() string {
	switch {
	case s.From == s.To:
		return strconv.Itoa(s.From)
	case s.To == math.MaxInt:
		return fmt.Sprintf("%d and more", s.From)
	}
	return fmt.Sprintf("%d to %d", s.From, s.To)
}

func newSizes() (all []SizeClass) {
	from := 0
	for _, to := range []int{0, 31, 127, 2047, 4095, 32_767, 262_143, 1 << 21, math.MaxInt} {
		all = append(all, SizeClass{From: from, To: to})
		from = to + 1
	}
	return all
}
