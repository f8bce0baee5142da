package sim

import (
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim/internal/vm"
)

// CallKind is a kind of device call that can be made to fail.
type CallKind uint8

const (
	AllocCall  CallKind = iota // Alloc
	FreeCall                   // Free
	CopyCall                   // CopyIn, CopyOut, Copy, Zero, CopyInAsync, CopyOutAsync
	LoadCall                   // Load, Function
	UnloadCall                 // Unload
	LaunchCall                 // Launch
	WaitCall                   // Wait, Elapsed, Await
	StreamCall                 // NewStream, CloseStream
	EventCall                  // NewEvent, CloseEvent, Record, WaitEvent
	GraphCall                  // BeginCapture, EndCapture, LaunchGraph, CloseGraph
	PinnedCall                 // AllocPinned, FreePinned
	InfoCall                   // MemoryInfo
	callKinds
)

// failCodes are the error codes with which injected failures fail.
var failCodes = [callKinds]int{
	AllocCall: driver.CodeOutOfMemory, FreeCall: driver.CodeUnknown, CopyCall: driver.CodeUnknown, LoadCall: driver.CodeOutOfMemory,
	UnloadCall: driver.CodeUnknown, LaunchCall: driver.CodeOutOfResources, WaitCall: driver.CodeLaunchFailed,
	StreamCall: driver.CodeOutOfMemory, EventCall: driver.CodeOutOfMemory, PinnedCall: driver.CodeOutOfMemory, InfoCall: driver.CodeUnknown,
	GraphCall: driver.CodeOutOfMemory,
}

// planned is an injected failure that has not happened yet.
type planned struct {
	kind   CallKind
	left   int
	sticky bool
}

// FailNext makes the n-th future call of a kind fail; n = 1 is the next one. The call fails with the error that CUDA returns when
// resources run out, or with CUDA_ERROR_UNKNOWN, and has no effect: a Free or Unload that fails releases nothing, but an EndCapture ends the
// capture. If sticky, the failure becomes a fault of the device, as after an illegal address: every later call fails with it too. Failures
// accumulate; if n ≤ 0, FailNext does nothing.
func (d *Device) FailNext(kind CallKind, n int, sticky bool) {
	if !d.made() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if n > 0 && kind < callKinds {
		d.planned = append(d.planned, planned{kind, n, sticky})
	}
}

// failing counts a call and returns the failure planned for it, if any.
func (d *Device) failing(call string, kind CallKind) error {
	d.calls[kind]++
	var err error
	keep := d.planned[:0]
	for _, p := range d.planned {
		if p.kind == kind {
			p.left--
		}
		if p.left > 0 {
			keep = append(keep, p)
			continue
		}
		err = fail(call, failCodes[kind], "made to fail")
		if p.sticky {
			d.fault, d.reported = err.(*Error), true
		}
	}
	d.planned = keep
	return err
}

// Calls returns the number of calls of a kind so far, including those that failed.
func (d *Device) Calls(kind CallKind) uint64 {
	if !d.made() {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if kind >= callKinds {
		return 0
	}
	return d.calls[kind]
}

// Held counts the resources of a device that have not been released.
type Held struct {
	Allocations int
	Bytes       uint64 // of the allocations
	Pinned      int    // allocations of page-locked host memory
	PinnedBytes uint64 // of these allocations
	Streams     int
	Events      int
	Modules     int
	Graphs      int
}

// Held counts the resources in use. After Close it counts those that were still in use when the device was closed: the leaks.
func (d *Device) Held() Held {
	if !d.made() {
		return Held{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return d.leaked
	}
	return d.held()
}

func (d *Device) held() Held {
	h := Held{Streams: len(d.streams) - 1, Events: len(d.events), Modules: len(d.modules), Graphs: len(d.graphs)}
	d.memory.Each(func(r *vm.Region) {
		switch bytes := uint64(len(r.Data)); {
		case r.Pinned:
			h.Pinned++
			h.PinnedBytes += bytes
		case r.Name == "": // not a module's variable
			h.Allocations++
			h.Bytes += bytes
		}
	})
	return h
}
