package mpi

import (
	"runtime"
	"unsafe"
)

// kind is a function of MPI.
type kind int

const (
	doFinalize kind = iota
	doBarrier
	doBcast
	doAllgather
	doAllgatherv
	doAlltoallv
	doAllreduce
	doSplit
	doFree
	doRank
	doSize
)

// A call is one call of MPI, made by this thread or another. Its fields keep what the library reads and writes reachable, and off the
// goroutines' stacks, which may move.
type call struct {
	kind       kind
	comm       int32 // the communicator's handle, in the form that it has in Fortran: a number
	send, recv unsafe.Pointer
	device     uintptr // in place of recv: an address in a device's memory
	count      int32
	element    element
	root, key  int32

	sendCounts, sendStarts []int32
	counts, starts         []int32

	code int   // 0, or the library's error
	out  int32 // a new communicator, a rank or a size
	done chan struct{}
}

// do makes a call the way that the provided level of thread support demands.
func (k *call) do() int {
	switch library.provided {
	case Multiple:
		k.run()
	case Serialized:
		k.runAlone()
	default:
		library.calls <- k
		<-k.done
	}
	runtime.KeepAlive(k)
	return k.code
}

func (k *call) runAlone() {
	library.one.Lock()
	defer library.one.Unlock()
	k.run()
}

// forget makes the caller's memory unreachable from the call, which the communicator keeps.
func (k *call) forget() {
	k.send, k.recv, k.device = nil, nil, 0
}

// An Element is a type of number that collective operations carry.
type Element interface {
	uint8 | int32 | int64 | uint64 | float32 | float64
}

// element is an Element as a number, which package C understands.
type element int32

const (
	elementUint8 element = iota
	elementInt32
	elementInt64
	elementUint64
	elementFloat32
	elementFloat64
)

func elementOf[T Element]() element {
	switch any(*new(T)).(type) {
	case uint8:
		return elementUint8
	case int32:
		return elementInt32
	case int64:
		return elementInt64
	case uint64:
		return elementUint64
	case float32:
		return elementFloat32
	}
	return elementFloat64
}

func pointer[T any](x []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(x)) }
