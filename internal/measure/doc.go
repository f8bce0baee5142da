// Package measure holds contests: workloads × contenders, measured in turns in one run, so that whatever changes on the machine
// changes for all, and reported as medians. It checks every answer before it measures. The command's bench, tools/gpubench and
// bench/peers are uses of it, which differ in what they measure on what; all of them leave a [Result], as JSON.
//
// A device's time is taken by its own events, with the calls queued behind other work, so that nothing of it is the time to
// queue them; the wall time is that of one call until its result is there. Buffers rotate through more memory than the caches
// hold, or are one set of arrays where caches are to take part. Clocks are left as they are.
//
// # Adding a contender
//
// A contender in Python, such as CuPy or JAX, is one file in the folder peers, beside pytorch.py: a class Contender with the
// methods that protocol.py calls, and comments that say under which names it takes part on which device. Nothing else lists it.
//
// A contender in Go, such as gotch, is one file in bench/peers, beside direct.go: a function of a workload that returns a [Call]
// for each operation, added to the list by the file's init. It computes on the arrays in the host's memory.
package measure
