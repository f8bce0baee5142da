// Package isa selects the instruction set for the kernels of package cpu: the best one that the processor and the
// operating system support, unless the environment variable SMOOTHL1_CPU names a lesser one. All of them produce the same bits.
package isa

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// Set is an instruction set for which there are kernels.
type Set uint32

// The instruction sets, those of a processor each better than the one before it.
const (
	Generic Set = iota // pure Go
	AVX2               // amd64, with F16C
	AVX512             // amd64: F, DQ, BW, VL
	NEON               // arm64: all of them have it
)

var names = []string{"generic", "avx2", "avx512", "neon"}

// String returns "generic", "avx2", "avx512" or "neon", which are also the values of SMOOTHL1_CPU.
func (s Set) String() string {
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("Set(%d)", uint32(s))
}

// Streams reports whether the kernels of the set can write past the caches.
func (s Set) Streams() bool { return s == AVX2 || s == AVX512 }

// Variable is the environment variable that forces an instruction set.
const Variable = "SMOOTHL1_CPU"

var (
	available = detect()
	current   atomic.Uint32
	complaint error
)

func init() {
	best, err := choose(os.Getenv(Variable), available)
	current.Store(uint32(best))
	complaint = err
}

// choose returns the wanted instruction set, or the best available one if wanted is empty. If wanted is unknown or not
// available, it returns the best one and an error.
func choose(wanted string, available []Set) (Set, error) {
	best := available[len(available)-1]
	if wanted == "" {
		return best, nil
	}
	i := slices.Index(names, wanted)
	switch {
	case i < 0:
		return best, fmt.Errorf("smoothl1: environment: %s = %q: no such instruction set, want one of %s",
			Variable, wanted, strings.Join(names, ", "))
	case !slices.Contains(available, Set(i)):
		return best, fmt.Errorf("smoothl1: environment: %s = %q: this machine does not have it", Variable, wanted)
	}
	return Set(i), nil
}

// Available returns the instruction sets that can be used here, the best one last.
func Available() []Set { return slices.Clone(available) }

// Current returns the instruction set in use.
func Current() Set { return Set(current.Load()) }

// Complaint returns the error in the value of SMOOTHL1_CPU, or nil.
func Complaint() error { return complaint }

// Use changes the instruction set in use to one of Available, for tests. It returns a function that restores the previous one.
func Use(s Set) (restore func()) {
	if !slices.Contains(available, s) {
		panic(fmt.Sprintf("isa: %v is not available", s))
	}
	old := current.Swap(uint32(s))
	return func() { current.Store(old) }
}
