package memory

// limits knows that an address has 32 bits.
func limits() (total, free uint64) {
	const all = 1 << 32
	return all, less(all, inUse())
}
