package sim

import (
	"fmt"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
	"github.com/smoothl1/smoothl1/sim/internal/vm"
)

// Coverage reports which parts of their PTX kernels have executed.
type Coverage []KernelCoverage

// KernelCoverage is the coverage of one kernel, including the instructions of the device functions that it calls.
type KernelCoverage struct {
	Kernel       string
	Launches     uint64
	Instructions []InstructionCoverage
}

// InstructionCoverage counts how often threads executed an instruction.
type InstructionCoverage struct {
	Func     string // the kernel or device function that contains it
	Line     int    // of the PTX text, from 1
	Text     string
	Branch   bool   // a guarded branch
	Executed uint64 // by threads; of a branch: taken
	Skipped  uint64 // by threads whose guard predicate was false; of a branch: not taken
}

// CoverageCount summarizes a coverage.
type CoverageCount struct {
	Instructions, Executed int // a branch counts as executed if it was reached
	Branches, BothWays     int // guarded branches; those that some threads took and others did not
}

// String is the coverage in one line.
func (c CoverageCount) String() string {
	return fmt.Sprintf("%d of %d instructions executed, %d of %d branches both ways", c.Executed, c.Instructions, c.BothWays, c.Branches)
}

type covered struct {
	prog   *vm.Program
	counts *vm.Cover
}

// cover returns the counts of a text's kernels. A text that is loaded again keeps its old counts.
func (d *Device) cover(text string, parsed *ptx.Module, code *vm.Module) map[string]*covered {
	kernels := d.covered[text]
	if kernels != nil {
		return kernels
	}
	kernels = map[string]*covered{}
	d.covered[text] = kernels
	for _, f := range parsed.Funcs {
		if p := code.Programs[f.Name]; p != nil {
			c := &covered{p, p.NewCover()}
			kernels[f.Name] = c
			d.coverage = append(d.coverage, c)
		}
	}
	return kernels
}

// Coverage returns the coverage of all kernels loaded so far, launched or not. It may be called after Close.
func (d *Device) Coverage() Coverage {
	if !d.made() {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var list Coverage
	for _, c := range d.coverage {
		k := KernelCoverage{Kernel: c.prog.Name, Launches: c.counts.Launches}
		counts := c.prog.Executed(c.counts)
		for i, s := range c.prog.Source {
			k.Instructions = append(k.Instructions, InstructionCoverage{
				Func: s.Func, Line: s.Line, Text: s.Text, Branch: s.Branch, Executed: counts[i].Yes, Skipped: counts[i].No})
		}
		list = append(list, k)
	}
	return list
}

// Merge returns the sum of two coverages, for instance of the same texts on several devices.
func (c Coverage) Merge(other Coverage) Coverage {
	sum := make(Coverage, 0, len(c))
	at := map[string]int{}
	for _, list := range [...]Coverage{c, other} {
		for _, k := range list {
			i, ok := at[k.Kernel]
			if ok && !sum[i].same(k) { // a kernel of the same name in another text
				ok = false
			}
			if !ok {
				at[k.Kernel] = len(sum)
				k.Instructions = append([]InstructionCoverage(nil), k.Instructions...)
				sum = append(sum, k)
				continue
			}
			sum[i].Launches += k.Launches
			for n := range k.Instructions {
				sum[i].Instructions[n].Executed += k.Instructions[n].Executed
				sum[i].Instructions[n].Skipped += k.Instructions[n].Skipped
			}
		}
	}
	return sum
}

func (k KernelCoverage) same(o KernelCoverage) bool {
	if len(k.Instructions) != len(o.Instructions) {
		return false
	}
	for i, a := range k.Instructions {
		if b := o.Instructions[i]; a.Line != b.Line || a.Text != b.Text {
			return false
		}
	}
	return true
}

// Count summarizes the coverage.
func (c Coverage) Count() CoverageCount {
	var n CoverageCount
	for _, k := range c {
		for _, in := range k.Instructions {
			n.Instructions++
			if in.Executed > 0 || in.Branch && in.Skipped > 0 {
				n.Executed++
			}
			if in.Branch {
				n.Branches++
				if in.Executed > 0 && in.Skipped > 0 {
					n.BothWays++
				}
			}
		}
	}
	return n
}

// Missed lists, one per line, the instructions that no thread executed and the branches that only ever went one way.
func (c Coverage) Missed() []string {
	var list []string
	for _, k := range c {
		for _, in := range k.Instructions {
			what := ""
			switch {
			case in.Executed == 0 && in.Skipped == 0:
				what = "not reached"
			case in.Branch && in.Executed == 0:
				what = "never taken"
			case in.Branch && in.Skipped == 0:
				what = "always taken"
			case in.Executed == 0:
				what = "reached and never executed"
			default:
				continue
			}
			list = append(list, fmt.Sprintf("%s, PTX line %d: %s: %q", k.Kernel, in.Line, what, in.Text))
		}
	}
	return list
}
