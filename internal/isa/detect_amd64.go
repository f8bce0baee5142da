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

// detectCaches returns the caches of data that CPUID describes.
func detectCaches() []Cache {
	most, vendor, _, _ := cpuid(0, 0)
	extended, _, _, _ := cpuid(0x80000000, 0)
	if vendor != 0x68747541 { // "Auth", AMD, at the beginning of "AuthenticAMD"
		if most < 4 {
			return nil
		}
		return deterministic(4)
	}
	if extended >= 0x8000001d {
		if _, _, ecx, _ := cpuid(0x80000001, 0); ecx&(1<<22) != 0 { // topology extensions
			if found := deterministic(0x8000001d); len(found) > 0 {
				return found
			}
		}
	}
	if extended < 0x80000006 {
		return nil
	}
	// What is left where a virtual machine hides the other leaf. The last-level cache in this one is the sum over the socket.
	if _, _, ecx, _ := cpuid(0x80000006, 0); ecx>>16 > 0 {
		return []Cache{{2, int(ecx>>16) << 10, 1}}
	}
	return nil
}

// deterministic reads CPUID's deterministic cache parameters: at leaf 4 on Intel and, in the same form, at leaf 8000001D on AMD.
func deterministic(leaf uint32) []Cache {
	var all []Cache
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
		all = append(all, Cache{int(eax >> 5 & 7), line * partitions * ways * (int(ecx) + 1), int(eax>>14&0xfff) + 1})
	}
	return all
}
