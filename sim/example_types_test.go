package sim_test

import (
	"fmt"
	"log"

	"github.com/smoothl1/smoothl1/sim"
)

// launched returns a device on which saxpy has run once, on n elements.
func launched(n int) *sim.Device {
	dev := sim.New(sim.Seed(1))
	module, err := dev.Load(saxpy)
	if err != nil {
		log.Fatal(err)
	}
	kernel, err := dev.Function(module, "saxpy")
	if err != nil {
		log.Fatal(err)
	}
	x, err := dev.Alloc(uint64(4 * n))
	if err != nil {
		log.Fatal(err)
	}
	y, err := dev.Alloc(uint64(4 * n))
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range []sim.Ptr{x, y} {
		if err := dev.Zero(p, uint64(4*n), 0); err != nil {
			log.Fatal(err)
		}
	}
	if err := dev.Launch(kernel, sim.Linear(uint32(n+31)/32, 32), 0, []uint64{uint64(x), uint64(y), 0, uint64(n)}); err != nil {
		log.Fatal(err)
	}
	if err := dev.Wait(0); err != nil {
		log.Fatal(err)
	}
	return dev
}

// Stats counts a kernel's memory traffic: here two loads and a store of 4 bytes per element, with all sectors fully used.
func ExampleStats() {
	dev := launched(1024)
	defer dev.Close()
	k := dev.Stats().Kernel("saxpy")
	fmt.Println(k.Launches, k.Global.Loads.Bytes, k.Global.Stores.Bytes, k.Global.Loads.Coalescing())
	fmt.Println(k.Instructions["float32"], "of", k.Instructions.Total(), "instructions compute")
	// Output:
	// 1 8192 4096 1
	// 1024 of 18432 instructions compute
}

// Coverage reports what a test has not reached: with only full blocks, no thread exits early.
func ExampleCoverage() {
	dev := launched(1024)
	defer dev.Close()
	fmt.Println(dev.Coverage().Count())
	for _, m := range dev.Coverage().Missed() {
		fmt.Println(m)
	}
	// Output:
	// 18 of 18 instructions executed, 0 of 1 branches both ways
	// saxpy, PTX line 18: never taken: "@%p1 bra done"
}

// Held finds resources that were not released.
func ExampleHeld() {
	dev := launched(1024)
	fmt.Printf("%+v\n", dev.Held())
	// Output: {Allocations:2 Bytes:8192 Pinned:0 PinnedBytes:0 Streams:0 Events:0 Modules:1 Graphs:0}
}

// FailNext makes a call fail, to test how a program reacts.
func ExampleDevice_FailNext() {
	dev := sim.New()
	defer dev.Close()
	dev.FailNext(sim.AllocCall, 2, false)
	for range 3 {
		_, err := dev.Alloc(1 << 10)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// CUDA_ERROR_OUT_OF_MEMORY (2) from cuMemAlloc: made to fail
	// <nil>
}
