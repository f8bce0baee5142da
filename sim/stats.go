package sim

import "github.com/smoothl1/smoothl1/sim/internal/vm"

// Stats counts what a device has done. Sub subtracts the counts of an earlier moment.
type Stats struct {
	Launches     uint64
	CopiesIn     uint64 // from the host
	CopiesOut    uint64 // to the host
	DeviceCopies uint64
	Clears       uint64
	BytesIn      uint64
	BytesOut     uint64
	Kernels      []KernelStats // those launched at least once, in load order
}

// KernelStats holds the counts of all launches of a kernel.
type KernelStats struct {
	Kernel       string
	Launches     uint64
	Steps        uint64 // operations of all warps; some instructions take several
	Instructions Instructions
	Global       SpaceTraffic
	Shared       SpaceTraffic
	Local        SpaceTraffic
	// Stale lists the instructions whose strong loads saw a value older than the latest one stored, in the order in which each
	// first did. PTX's memory model allows this; code whose result depends on it lacks a fence. LatestLoads turns it off.
	Stale []StaleLoads
}

// StaleLoads counts the strong loads of one instruction that saw a value older than the latest.
type StaleLoads struct {
	Func  string // the kernel or device function that contains the instruction
	Line  int    // of the PTX text, from 1
	Text  string
	Loads uint64 // by threads
}

// Instructions counts instructions executed by threads, by kind: "float32", "float64", "half", "integer", "logic", "compare",
// "convert", "move", "load", "store", "atomic", "warp" (shuffles, votes), "barrier", "fence", "branch", "other". An instruction
// is not counted for threads whose guard predicate is false.
type Instructions map[string]uint64

// Total returns the number of instructions of all kinds.
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
	Bytes     uint64 // requested by threads
	Sectors   uint64 // global memory: 32-byte sectors touched, each counted once per request
	Conflicts uint64 // shared memory: extra passes caused by bank conflicts
	// Widths counts requests by the number of bytes that each thread accesses: 1, 2, 4, 8, 16.
	Widths [5]uint64
}

// Coalescing returns the ratio of the bytes requested to the bytes of the sectors touched, 0 if there were none. It exceeds 1 where
// threads request the same bytes.
func (t Traffic) Coalescing() float64 {
	if t.Sectors == 0 {
		return 0
	}
	return float64(t.Bytes) / float64(32*t.Sectors)
}

// Stats returns the counts so far, not including work that is queued but not done. It may be called after Close.
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
			if src.Branch && counts[i].No > 0 { // a branch not taken is executed all the same
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

// Kernel returns the counts of a kernel, which are zero if it was not launched.
func (s Stats) Kernel(name string) KernelStats {
	for _, k := range s.Kernels {
		if k.Kernel == name {
			return k
		}
	}
	return KernelStats{Kernel: name}
}

// Sub returns the counts since an earlier moment of the same device. Kernels not launched since are left out.
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
