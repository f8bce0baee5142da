// Package measure runs benchmarks: it measures all contenders on all workloads, interleaved in one run, so that changes of the
// machine's speed affect all of them, and reports medians. It checks every result before it measures. The command's bench,
// tools/gpubench and bench/peers use it with their own workloads and contenders; all of them write a [Result], as JSON.
//
// The time on a device is measured by its own events, with the calls queued behind other work, so that it does not include the time to
// queue them; the wall time is that of one call until its result is there. Buffers rotate through more memory than the caches
// hold, or are one set of arrays if the caches are to be measured. Clock settings are not changed.
//
// # Adding a contender
//
// A contender in Python, such as CuPy or JAX, is one file in the folder peers, beside pytorch.py: a class Contender with the
// methods that protocol.py calls, and comments that list its names on each device. Nothing else lists it.
//
// A contender in Go, such as gotch, is one file in bench/peers, beside direct.go: a function of a workload that returns a [Call]
// for each operation, added to the list by the file's init. It computes on the arrays in the host's memory.
package measure
