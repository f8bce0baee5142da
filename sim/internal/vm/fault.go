package vm

import "fmt"

// FaultKind is the kind of a fault.
type FaultKind uint8

const (
	IllegalAddress FaultKind = iota
	Misaligned
	Trapped
	Undefined    // behavior that PTX leaves undefined
	Deadlock     // threads wait forever
	StepLimit    // too many operations
	IllegalShape // a barrier's number, a branch's index
	Unwritten    // a read of unwritten memory
	Race
	Divergence // part of a block does not reach a barrier
)

// Fault is an error that ended a launch.
type Fault struct {
	Kind    FaultKind
	Msg     string
	Kernel  string
	Func    string // the device function, if not the kernel itself
	Line    int    // of the PTX text
	Text    string // the instruction
	Block   [3]uint32
	Thread  [3]uint32
	Addr    uint64
	HasAddr bool
}

func (f *Fault) Error() string {
	s := f.Msg
	if f.HasAddr {
		s += fmt.Sprintf(", address %#x", f.Addr)
	}
	s += fmt.Sprintf("; kernel %s", f.Kernel)
	if f.Func != "" && f.Func != f.Kernel {
		s += fmt.Sprintf(", function %s", f.Func)
	}
	if f.Line > 0 {
		s += fmt.Sprintf(", PTX line %d: %q", f.Line, f.Text)
	}
	b, t := f.Block, f.Thread
	return s + fmt.Sprintf(", block (%d,%d,%d), thread (%d,%d,%d)", b[0], b[1], b[2], t[0], t[1], t[2])
}

// fail records a fault of an access.
func (w *warp) fail(o *op, lane int, kind FaultKind, addr uint64, format string, args ...any) {
	w.failLane(o, lane, kind, format, args...)
	w.fault.Addr, w.fault.HasAddr = addr, kind != Trapped
}

// failLane records a fault of one lane.
func (w *warp) failLane(o *op, lane int, kind FaultKind, format string, args ...any) {
	f := &Fault{Kind: kind, Msg: fmt.Sprintf(format, args...), Kernel: w.prog.Name, Block: w.block.id}
	for k, name := range [...]string{"%tid.x", "%tid.y", "%tid.z"} {
		f.Thread[k] = uint32(w.special(name, lane))
	}
	if o != nil && o.source >= 0 {
		s := w.prog.Source[o.source]
		f.Line, f.Text, f.Func = s.Line, s.Text, s.Func
	}
	w.fault = f
}
