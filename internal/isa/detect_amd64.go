//go:build !purego

package isa

// detect returns the instruction sets that the processor supports and whose registers the operating system saves.
func detect() []Set {
	sets := []Set{Generic}
	leaves, _, _, _ := cpuid(0, 0)
	if leaves < 7 {
		return sets
	}
	const (
		needed        = 1<<27 | 1<<28 | 1<<29 // OSXSAVE, AVX and F16C: leaf 1, ECX
		avx2, bmi2    = 1 << 5, 1 << 8        // leaf 7, EBX
		f, dq, bw, vl = 1 << 16, 1 << 17, 1 << 30, 1 << 31
		saveYMM       = 1<<1 | 1<<2 // XCR0
		saveZMM       = saveYMM | 1<<5 | 1<<6 | 1<<7
	)
	_, _, ecx, _ := cpuid(1, 0)
	if ecx&needed != needed {
		return sets
	}
	saved := xgetbv()
	_, ebx, _, _ := cpuid(7, 0)
	has := func(bits uint32) bool { return ebx&bits == bits }
	if saved&saveYMM == saveYMM && has(avx2) {
		sets = append(sets, AVX2)
		if saved&saveZMM == saveZMM && has(f|dq|bw|vl|bmi2) {
			sets = append(sets, AVX512)
		}
	}
	return sets
}

// detectCache returns the size in bytes of the largest cache according to CPUID's deterministic cache parameters, which are at leaf
// 4 on Intel and, in the same form, at leaf 8000001D on AMD; 0 if there are none.
func detectCache() int {
	leaf := uint32(4)
	if most, _, _, _ := cpuid(0x80000000, 0); most >= 0x8000001d {
		if _, _, ecx, _ := cpuid(0x80000001, 0); ecx&(1<<22) != 0 { // AMD's topology extensions
			leaf = 0x8000001d
		}
	}
	if most, _, _, _ := cpuid(0, 0); leaf == 4 && most < 4 {
		return 0
	}
	largest := 0
	for subleaf := uint32(0); subleaf < 16; subleaf++ {
		eax, ebx, ecx, _ := cpuid(leaf, subleaf)
		kind := eax & 31
		if kind == 0 {
			break
		}
		if kind == 2 { // instructions only
			continue
		}
		line, partitions, ways := int(ebx&0xfff)+1, int(ebx>>12&0x3ff)+1, int(ebx>>22)+1
		largest = max(largest, line*partitions*ways*(int(ecx)+1))
	}
	return largest
}
