package tune

import "github.com/smoothl1/smoothl1/internal/isa"

// The rule's constants.
const (
	// perThread is how many bytes a goroutine is worth: moving them takes a core some 100 µs, several times as long as it takes to
	// wake it.
	perThread = 2 << 20
	// genericPerThread is the same for Go code, which takes some ten times as long.
	genericPerThread = 128 << 10
	// From is the size in bytes from which on passes are tuned. A smaller one is over before another core is awake, and its arrays are
	// in caches of which a core has the full bandwidth.
	From        = 512 << 10
	genericFrom = 128 << 10
)

// Ahead is the prefetch distance in bytes for arrays in a cache that the hardware prefetchers do not read at full bandwidth.
const Ahead = 1024

// Rule returns the choice for a kind of passes of which none has been timed.
func Rule(k Key) Choice {
	share := perThread
	if k.Set == isa.Generic {
		share = genericPerThread
	}
	c := Choice{Threads: max(1, min(k.Procs, k.Size.Bytes()*k.Form.Work()/share)), Ahead: Ahead}
	if c.Streaming = k.Streamable && k.Size.Bytes() >= StreamFrom(k.Procs); c.Streaming || k.Set == isa.Generic {
		c.Ahead = 0
	}
	return c
}

// StreamFrom returns the size in bytes from which on the rule streams. Where outputs stay in a cache until somebody reads them, ordinary
// stores serve the program best, even if the pass itself takes a little longer. What stays is at most what the threads of the pass
// have of the last-level cache: a part that their number has of the threads sharing it. In a virtual machine, the cache is that of a
// whole socket, and so are the threads. Half of the part is left to the other arrays of the program, but a core's own second-level cache
// is used in any case.
//
// glibc's memcpy streams from three quarters of a thread's part of the cache on up to version 2.37, and from a quarter of the whole cache, but at
// least those, since (x86_non_temporal_threshold).
func StreamFrom(procs int) int {
	own, part := 0, 0
	for _, c := range isa.Caches() {
		switch {
		case c.Level == 2:
			own = c.Bytes * min(procs, max(1, procs/c.Threads))
		case c.Level > 2:
			part = max(part, c.Bytes/c.Threads*min(procs, c.Threads))
		}
	}
	return max(own, part/2, unknown)
}

// unknown is what StreamFrom returns at least, also where the processor does not say what caches it has.
const unknown = 2 << 20
