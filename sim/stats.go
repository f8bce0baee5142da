package sim

import "github.com/smoothl1/smoothl1/sim/internal/vm"

// Stats counts what a device has done. The counts of two moments subtract.
type Stats struct {
	Launches     uint64
	CopiesIn     uint64 // from the host
	CopiesOut    uint64 // to the host
	DeviceCopies uint64
	Clears       uint64
	BytesIn      uint64
	BytesOut     uint64
	Kernels      []KernelStats // in the order of their loads; those launched at least once
}

// KernelStats counts what the launches of a kernel have executed.
type KernelStats struct {
	Kernel       string
	Launches     uint64
	Steps        uint64 // operations of all warps; some instructions are several
	Instructions Instructions
	Global       SpaceTraffic
	Shared       SpaceTraffic
	Local        SpaceTraffic
	// Stale are the instructions whose strong loads saw an older value than the last that was stored, in the order in which each
	// first did. PTX's memory model allows it; a result that depends on it is a missing fence. LatestLoads turns it off.
	Stale []StaleLoads
}

// StaleLoads counts the strong loads of one instruction that saw an older value than the last.
type StaleLoads struct {
	Func  string // the kernel or device function that the instruction stands in
	Line  int    // of the PTX text, from 1
	Text  string
	Loads uint64 // by threads
}

// Instructions counts instructions executed by threads, by kind: "float32", "float64", "half", "integer", "logic", "compare",
// "convert", "move", "load", "store", "atomic", "warp" (shuffles, votes), "barrier", "fence", "branch", "other". An instruction
// that a thread's guard holds back does not count.
type Instructions map[string]uint64

// Total is the number of instructions of all kinds.
func (n Instructions) Total() uint64 {
	var sum uint64
	for _, v := range n {
		sum += v
	}
	return sum
}

// SpaceTraffic is the traffic of a state space.
type SpaceTraffic struct{ Loads, Stores, Atomics Traffic }

// Traffic counts accesses of memory. A request is one instruction of one warp.
type Traffic struct {
	Requests  uint64
	Bytes     uint64 // that threads ask for
	Sectors   uint64 // global memory: sectors of 32 bytes that requests touch, each counted once a request
	Conflicts uint64 // shared memory: passes beyond those that are needed without bank conflicts
	// Widths counts requests by how many bytes a thread asks for at once: 1, 2, 4, 8, 16.
	Widths [5]uint64
}

// Coalescing is the share of the bytes of the touched sectors that was asked for, more than 1 where threads ask for the same bytes;
// 0 without sectors.
func (t Traffic) Coalescing() float64 {
	if t.Sectors == 0 {
		return 0
	}
	return float64(t.Bytes) / float64(32*t.Sectors)
}

// Stats reads the counts. Work that is queued and not done is not in them. They may be read after Close.
func (d *Device) Stats() Stats {
	if !d.made() {
		return Stats{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	for _, c := range d.coverage {
		if c.counts.Launches == 0 {
			continue
		}
		k := KernelStats{Kernel: c.prog.Name, Launches: c.counts.Launches, Steps: c.counts.Steps, Instructions: Instructions{}}
		counts := c.prog.Executed(c.counts)
		for i, src := range c.prog.Source {
			if counts[i].Yes > 0 {
				k.Instructions[src.Kind] += counts[i].Yes
			}
			if src.Branch && counts[i].No > 0 { // a branch is executed whichever way it goes
				k.Instructions[src.Kind] += counts[i].No
			}
		}
		for space, to := range map[int]*SpaceTraffic{vm.GlobalTraffic: &k.Global, vm.SharedTraffic: &k.Shared, vm.LocalTraffic: &k.Local} {
			to.Loads = Traffic(c.counts.Traffic(space, vm.LoadTraffic))
			to.Stores = Traffic(c.counts.Traffic(space, vm.StoreTraffic))
			to.Atomics = Traffic(c.counts.Traffic(space, vm.AtomicTraffic))
		}
		for _, l := range c.counts.Stale() {
			src := c.prog.Source[l.Source]
			k.Stale = append(k.Stale, StaleLoads{src.Func, src.Line, src.Text, l.Loads})
		}
		s.Kernels = append(s.Kernels, k)
	}
	return s
}

// Kernel is the counts of a kernel, zeros if it was not launched.
func (s Stats) Kernel(name string) KernelStats {
	for _, k := range s.Kernels {
		if k.Kernel == name {
			return k
		}
	}
	return KernelStats{Kernel: name}
}

// Sub is what has been counted since an earlier moment of the same device. Kernels that were not launched since are left out.
func (s Stats) Sub(earlier Stats) Stats {
	r := Stats{
		Launches: s.Launches - earlier.Launches, CopiesIn: s.CopiesIn - earlier.CopiesIn, CopiesOut: s.CopiesOut - earlier.CopiesOut,
		DeviceCopies: s.DeviceCopies - earlier.DeviceCopies, Clears: s.Clears - earlier.Clears,
		BytesIn: s.BytesIn - earlier.BytesIn, BytesOut: s.BytesOut - earlier.BytesOut,
	}
	for _, k := range s.Kernels {
		if k = k.sub(earlier.Kernel(k.Kernel)); k.Launches > 0 {
			r.Kernels = append(r.Kernels, k)
		}
	}
	return r
}

func (k KernelStats) sub(o KernelStats) KernelStats {
	k.Launches -= o.Launches
	k.Steps -= o.Steps
	n := Instructions{}
	for kind, v := range k.Instructions {
		if v -= o.Instructions[kind]; v > 0 {
			n[kind] = v
		}
	}
	k.Instructions = n
	var stale []StaleLoads
	for _, l := range k.Stale {
		for _, before := range o.Stale {
			if before.Func == l.Func && before.Line == l.Line && before.Text == l.Text {
				l.Loads -= before.Loads
			}
		}
		if l.Loads > 0 {
			stale = append(stale, l)
		}
	}
	k.Stale = stale
	k.Global, k.Shared, k.Local = k.Global.sub(o.Global), k.Shared.sub(o.Shared), k.Local.sub(o.Local)
	return k
}

func (t SpaceTraffic) sub(o SpaceTraffic) SpaceTraffic {
	return SpaceTraffic{t.Loads.sub(o.Loads), t.Stores.sub(o.Stores), t.Atomics.sub(o.Atomics)}
}

func (t Traffic) sub(o Traffic) Traffic {
	t.Requests -= o.Requests
	t.Bytes -= o.Bytes
	t.Sectors -= o.Sectors
	t.Conflicts -= o.Conflicts
	for i := range t.Widths {
		t.Widths[i] -= o.Widths[i]
	}
	return t
}
