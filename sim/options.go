package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
)

// SeedVariable is the environment variable whose number is the seed of devices that are given none.
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
	noSeed          string // what is wrong with the seed
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
			o.noSeed = fmt.Sprintf("the environment variable %s is %q, which is no number from 0 to 2^64-1", SeedVariable, v)
		}
	}
	return o
}

func (o *options) settle() {
	o.multiprocessors = min(max(o.multiprocessors, 1), 1024)
	o.resident = min(max(o.resident, 1), 32)
}

// Seed sets what the order of blocks, warps, lanes of atomics and parted lanes is drawn from, and what memory holds that nothing
// wrote. Without it the seed is that of the environment variable SMOOTHL1_SIM_SEED, or else a random one; faults print it. Where the
// variable holds what is no number, every call of the device fails and says so, which gpu.Open returns.
func Seed(seed uint64) Option { return func(o *options) { o.seed, o.noSeed = seed, "" } }

// Multiprocessors sets how many multiprocessors the device says it has: 1 to 1024; 4 without this option.
func Multiprocessors(n int) Option { return func(o *options) { o.multiprocessors = n } }

// BlocksPerMultiprocessor sets how many blocks a multiprocessor runs at once: 1 to 32; 4 without this option. A kernel whose
// blocks wait for each other needs all of them to be resident.
func BlocksPerMultiprocessor(n int) Option { return func(o *options) { o.resident = n } }

// MemoryBytes sets how much device memory there is: 2 GiB without this option, 1 GiB on 32-bit systems. It is taken from the
// host's memory as it is allocated.
func MemoryBytes(n uint64) Option { return func(o *options) { o.memory = n } }

// ComputeCapability sets the device's compute capability: 9.0 without this option. PTX for a higher one does not load.
func ComputeCapability(major, minor int) Option {
	return func(o *options) { o.major, o.minor = major, minor }
}

// workLimit is how much work a launch may do, without this option, between one thread's leaving the kernel and the next one's.
const workLimit = 1 << 32

// StepLimit sets how many operations all warps of a launch may execute together before it fails; 0: no limit.
//
// Without this option a launch fails when it works, and no thread leaves the kernel, for so long that none ever will; a long launch
// whose blocks end one after the other is never stopped. What is counted is not time but 2^32 units of work, an operation of a warp
// or a few lanes' accesses of memory each, so that a launch fails on every machine or on none. On two cores of an AMD EPYC a unit
// took 5 to 100 ns, by what the loop does, so that an endless one ends after 20 seconds to 7 minutes (go test ./sim -bench Work); on a
// slow machine, or under the race detector, the limit is further away by as much as all else.
func StepLimit(n uint64) Option { return func(o *options) { o.steps, o.work = n, 0 } }

// Fast turns the strict checks off: reads of memory that nothing wrote, races, threads of a block that do not reach a barrier, and
// the weakness of memory. Kernels then run on all cores. See the package's documentation for what is checked.
func Fast() Option { return func(o *options) { o.strict = false } }

// LatestLoads makes strong loads, those of .volatile, .relaxed and .acquire, see the latest value of what they load, as they mostly do
// on GPUs. Without it they may see an older one where PTX's memory model lets them, and Stats counts those that did. Everything else
// stays checked. See the package's documentation for what relies on it.
func LatestLoads() Option { return func(o *options) { o.latest = true } }

// Serial makes kernels run on one goroutine. Results are the same, for a kernel without data races; one with data races behaves
// the same again only when it runs serially.
func Serial() Option { return func(o *options) { o.serial = true } }

// Approximate lets PTX load that has approximate instructions (div.approx, rcp.approx, ex2.approx, sin.approx and their like), for
// whose results PTX only gives bounds. They give the exact result rounded to nearest, or for transcendental functions what Go's
// package math gives, which is within the bounds, but not the bits of a GPU.
func Approximate() Option { return func(o *options) { o.approximate = true } }
