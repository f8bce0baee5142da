package memory

// limits returns the size of the 32-bit address space.
func limits() (total, free uint64) {
	const all = 1 << 32
	return all, less(all, inUse())
}
