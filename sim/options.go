package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
)

// SeedVariable is the environment variable that holds the default seed of devices.
const SeedVariable = "SMOOTHL1_SIM_SEED"

// Option changes a device that New opens.
type Option func(*options)

type options struct {
	seed            uint64
	multiprocessors int
	resident        int
	memory          uint64
	major, minor    int
	steps, work     uint64
	serial          bool
	approximate     bool
	strict          bool
	noSeed          string // why SeedVariable is invalid, or ""
	latest          bool
}

func defaults() options {
	o := options{multiprocessors: 4, resident: 4, memory: 2 << 30, major: 9, work: workLimit, strict: true}
	if math.MaxInt == math.MaxInt32 {
		o.memory = 1 << 30
	}
	o.seed = rand.Uint64()
	if v := os.Getenv(SeedVariable); v != "" {
		var err error
		if o.seed, err = strconv.ParseUint(v, 0, 64); err != nil {
			o.noSeed = fmt.Sprintf("the environment variable %s is %q, which is not a number from 0 to 2^64-1", SeedVariable, v)
		}
	}
	return o
}

func (o *options) settle() {
	o.multiprocessors = min(max(o.multiprocessors, 1), 1024)
	o.resident = min(max(o.resident, 1), 32)
}

// Seed sets the seed of the device's random decisions: the order of blocks, of warps, of diverged lanes and of the lanes of an atomic
// instruction, and the contents of unwritten memory. Without this option the seed comes from the environment variable
// SMOOTHL1_SIM_SEED, or else is random; faults print it. If the variable is not a number, every call of the device fails and says
// so, and gpu.Open returns that error.
func Seed(seed uint64) Option { return func(o *options) { o.seed, o.noSeed = seed, "" } }

// Multiprocessors sets the number of multiprocessors that the device reports: 1 to 1024, 4 by default.
func Multiprocessors(n int) Option { return func(o *options) { o.multiprocessors = n } }

// BlocksPerMultiprocessor sets the number of blocks that a multiprocessor runs at once: 1 to 32, 4 by default. A kernel whose
// blocks wait for each other needs all of them to be resident.
func BlocksPerMultiprocessor(n int) Option { return func(o *options) { o.resident = n } }

// MemoryBytes sets the size of device memory: 2 GiB by default, 1 GiB on 32-bit systems. Host memory is used only for what is
// allocated.
func MemoryBytes(n uint64) Option { return func(o *options) { o.memory = n } }

// ComputeCapability sets the device's compute capability, 9.0 by default. PTX for a higher one does not load.
func ComputeCapability(major, minor int) Option {
	return func(o *options) { o.major, o.minor = major, minor }
}

// workLimit is the default limit of the work that a launch may do between two threads' exits from the kernel.
const workLimit = 1 << 32

// StepLimit sets the number of operations that all warps of a launch together may execute before the launch fails; 0 means no limit.
//
// By default a launch fails when it does 2^32 units of work without any thread leaving the kernel; a long launch whose blocks end
// one after the other is never stopped. A unit is an operation of a warp or the memory accesses of a few lanes. Work is counted
// rather than time, so that a launch fails on every machine or on none. On two cores of an AMD EPYC a unit took 5 to 100 ns,
// depending on the loop, so that an endless loop ends after 20 seconds to 7 minutes (go test ./sim -bench Work); on a slow machine,
// or under the race detector, it takes correspondingly longer.
func StepLimit(n uint64) Option { return func(o *options) { o.steps, o.work = n, 0 } }

// Fast disables the strict checks, those for reads of unwritten memory, races and barriers that threads of a block miss, and the weak
// memory model. Kernels then run on all cores. The package documentation describes the checks.
func Fast() Option { return func(o *options) { o.strict = false } }

// LatestLoads makes strong loads (.volatile, .relaxed and .acquire) see the latest value, as they mostly do on GPUs. Without it they
// may see an older one where PTX's memory model allows it, and Stats counts those that did. Everything else stays checked. The
// package documentation describes code that relies on it.
func LatestLoads() Option { return func(o *options) { o.latest = true } }

// Serial makes kernels run on one goroutine. This does not change the results of a kernel without data races; a kernel with data
// races is reproducible only if it runs serially.
func Serial() Option { return func(o *options) { o.serial = true } }

// Approximate allows PTX with approximate instructions (div.approx, rcp.approx, ex2.approx, sin.approx and the like), whose results
// PTX only bounds. They return the exact result rounded to nearest, or for transcendental functions the result of Go's package math:
// within the bounds, but not the bits of a GPU.
func Approximate() Option { return func(o *options) { o.approximate = true } }
