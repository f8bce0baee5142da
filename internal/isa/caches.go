package isa

import "slices"

// Cache is a cache of data that a core owns or shares.
type Cache struct {
	Level   int
	Bytes   int
	Threads int // hardware threads that share it; on Intel, how many there is room for
}

// Caches returns the caches that the processor reports, the smallest level first: none if it reports none, which is usual in virtual
// machines, and other processors than those of amd64 report none at all. A virtual machine may report what is shared with others.
func Caches() []Cache { return slices.Clone(caches) }

var caches = detectCaches()

// LastLevelCache returns the size in bytes of the cache that cores share, of level 3 or more, or 0 if the processor reports none.
func LastLevelCache() int {
	largest := 0
	for _, c := range caches {
		if c.Level > 2 {
			largest = max(largest, c.Bytes)
		}
	}
	return largest
}

// UseCaches changes what Caches returns, for tests. It returns a function that changes it back.
func UseCaches(c ...Cache) (restore func()) {
	old := caches
	caches = c
	return func() { caches = old }
}
