package vm

import (
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// bfe extracts n bits of a, starting at bit pos.
func bfe(t ptx.Type, a uint64, pos, n uint32) uint64 {
	width := uint32(t.Bits())
	pos, n = pos&0xff, n&0xff
	var s uint64
	if t.Signed() && n > 0 {
		s = a >> min(pos+n-1, width-1) & 1
	}
	var v uint64
	if pos < width {
		v = a >> pos
	}
	avail := width - min(pos, width)
	keep := min(n, avail)
	if keep < 64 {
		v &= 1<<keep - 1
	}
	if s == 1 && keep < width { // sign-extend
		v |= ^uint64(0) << keep
	}
	return truncate(t, v)
}

// bfi inserts the low n bits of a into b, starting at bit pos.
func bfi(t ptx.Type, a, b uint64, pos, n uint32) uint64 {
	width := uint32(t.Bits())
	pos, n = pos&0xff, n&0xff
	if pos >= width || n == 0 {
		return b
	}
	n = min(n, width-pos)
	mask := ^uint64(0) >> (64 - n) << pos
	return b&^mask | a<<pos&mask
}

// bfind returns the position of the leading bit that differs from the sign, or all ones.
func bfind(t ptx.Type, a uint64, shift bool) uint32 {
	v := extend(t, a)
	if t.Signed() && int64(v) < 0 {
		v = ^v
	}
	if t.Signed() {
		v = truncate(t, v)
	}
	if v == 0 {
		return ^uint32(0)
	}
	at := uint32(63 - bits.LeadingZeros64(v))
	if shift {
		return uint32(t.Bits()) - 1 - at
	}
	return at
}

// prmt picks four of the eight bytes of b:a.
func prmt(mode string, a, b, c uint32) uint32 {
	src := uint64(b)<<32 | uint64(a)
	at := func(i uint32) uint32 { return uint32(src >> (8 * (i & 7)) & 0xff) }
	var pick [4]uint32
	s := c & 3
	switch mode {
	case "":
		var v uint32
		for i := range uint32(4) {
			sel := c >> (4 * i)
			x := at(sel)
			if sel&8 != 0 {
				x = uint32(int32(int8(x))>>7) & 0xff
			}
			v |= x << (8 * i)
		}
		return v
	case "f4e":
		pick = [4]uint32{s, s + 1, s + 2, s + 3}
	case "b4e":
		pick = [4]uint32{s, s + 7, s + 6, s + 5}
	case "rc8":
		pick = [4]uint32{s, s, s, s}
	case "ecl":
		pick = [4]uint32{max(s, 0), max(s, 1), max(s, 2), max(s, 3)}
	case "ecr":
		pick = [4]uint32{min(s, 0), min(s, 1), min(s, 2), min(s, 3)}
	case "rc16":
		h := s & 1 * 2
		pick = [4]uint32{h, h + 1, h, h + 1}
	}
	return at(pick[0]) | at(pick[1])<<8 | at(pick[2])<<16 | at(pick[3])<<24
}

// lop3 applies the function of three bits with truth table lut.
func lop3(a, b, c uint32, lut uint8) uint32 {
	var v uint32
	for i := range 8 {
		if lut>>i&1 == 0 {
			continue
		}
		x, y, z := ^a, ^b, ^c
		if i&4 != 0 {
			x = a
		}
		if i&2 != 0 {
			y = b
		}
		if i&1 != 0 {
			z = c
		}
		v |= x & y & z
	}
	return v
}
