package vm

import (
	"math/bits"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// The integer operations in which kernels spend most of their time are written out; ints makes the others from functions of 64-bit
// values.

func add32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = a[i] + b[i]
	}
}

func add64(d, a, b, _ *lane64) {
	for i := range d {
		d[i] = a[i] + b[i]
	}
}

func sub32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = a[i] - b[i]
	}
}

func sub64(d, a, b, _ *lane64) {
	for i := range d {
		d[i] = a[i] - b[i]
	}
}

func mul32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = a[i] * b[i]
	}
}

func mul64(d, a, b, _ *lane64) {
	for i := range d {
		d[i] = a[i] * b[i]
	}
}

func mad32(d, a, b, c *lane32) {
	for i := range d {
		d[i] = a[i]*b[i] + c[i]
	}
}

func mad64(d, a, b, c *lane64) {
	for i := range d {
		d[i] = a[i]*b[i] + c[i]
	}
}

func mulWideU32(d *lane64, a, b *lane32, _ *lane64) {
	for i := range d {
		d[i] = uint64(a[i]) * uint64(b[i])
	}
}

func mulWideS32(d *lane64, a, b *lane32, _ *lane64) {
	for i := range d {
		d[i] = uint64(int64(int32(a[i])) * int64(int32(b[i])))
	}
}

func madWideU32(d *lane64, a, b *lane32, c *lane64) {
	for i := range d {
		d[i] = uint64(a[i])*uint64(b[i]) + c[i]
	}
}

func madWideS32(d *lane64, a, b *lane32, c *lane64) {
	for i := range d {
		d[i] = uint64(int64(int32(a[i]))*int64(int32(b[i]))) + c[i]
	}
}

func and32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = a[i] & b[i]
	}
}

func and64(d, a, b, _ *lane64) {
	for i := range d {
		d[i] = a[i] & b[i]
	}
}

func or32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = a[i] | b[i]
	}
}

func or64(d, a, b, _ *lane64) {
	for i := range d {
		d[i] = a[i] | b[i]
	}
}

func xor32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
}

func xor64(d, a, b, _ *lane64) {
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
}

func mov32(d, a, _, _ *lane32) { *d = *a }

func mov64(d, a, _, _ *lane64) { *d = *a }

// A shift by more than the width is a shift by the width.

func shl32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = a[i] << b[i]
	}
}

func shrU32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = a[i] >> b[i]
	}
}

func shrS32(d, a, b, _ *lane32) {
	for i := range d {
		d[i] = uint32(int32(a[i]) >> b[i])
	}
}

func shl64(d, a *lane64, b *lane32) {
	for i := range d {
		d[i] = a[i] << b[i]
	}
}

func shrU64(d, a *lane64, b *lane32) {
	for i := range d {
		d[i] = a[i] >> b[i]
	}
}

func shrS64(d, a *lane64, b *lane32) {
	for i := range d {
		d[i] = uint64(int64(a[i]) >> b[i])
	}
}

// extend extends a register's bits to a 64-bit value of its type.
func extend(t ptx.Type, v uint64) uint64 {
	switch t {
	case ptx.S8:
		return uint64(int64(int8(v)))
	case ptx.S16:
		return uint64(int64(int16(v)))
	case ptx.S32:
		return uint64(int64(int32(v)))
	}
	return v
}

func truncate(t ptx.Type, v uint64) uint64 {
	if n := t.Bits(); n < 64 {
		return v & (1<<n - 1)
	}
	return v
}

// ints makes a lane function of type t from one of 64-bit values; its operands are extended and its result truncated.
func ints(t ptx.Type, f func(a, b, c uint64) uint64) any {
	switch t.Bits() {
	case 64:
		return fn64(func(d, a, b, c *lane64) {
			for i := range d {
				d[i] = f(a[i], b[i], c[i])
			}
		})
	}
	return fn32(func(d, a, b, c *lane32) {
		for i := range d {
			d[i] = uint32(truncate(t, f(extend(t, uint64(a[i])), extend(t, uint64(b[i])), extend(t, uint64(c[i])))))
		}
	})
}

// divide returns the function of a quotient or remainder. PTX does not specify division by zero; on GPUs the quotient is all ones and the
// remainder is the dividend.
func divide(t ptx.Type, rest bool) func(a, b, c uint64) uint64 {
	if t.Signed() {
		return func(a, b, _ uint64) uint64 {
			x, y := int64(a), int64(b)
			switch {
			case y == 0 && rest:
				return a
			case y == 0:
				return ^uint64(0)
			case y == -1 && rest:
				return 0
			case y == -1:
				return -a
			case rest:
				return uint64(x % y)
			}
			return uint64(x / y)
		}
	}
	return func(a, b, _ uint64) uint64 {
		switch {
		case b == 0 && rest:
			return a
		case b == 0:
			return ^uint64(0)
		case rest:
			return a % b
		}
		return a / b
	}
}

// high returns the function of the upper half of a product of type t.
func high(t ptx.Type) func(a, b, c uint64) uint64 {
	n := t.Bits()
	if n < 64 {
		if t.Signed() {
			return func(a, b, _ uint64) uint64 { return uint64(int64(a) * int64(b) >> n) }
		}
		return func(a, b, _ uint64) uint64 { return a * b >> n }
	}
	if t.Signed() {
		return func(a, b, _ uint64) uint64 {
			hi, _ := bits.Mul64(a, b)
			return hi - uint64(int64(a)>>63)&b - uint64(int64(b)>>63)&a
		}
	}
	return func(a, b, _ uint64) uint64 {
		hi, _ := bits.Mul64(a, b)
		return hi
	}
}

func minInt(t ptx.Type) func(a, b, c uint64) uint64 {
	if t.Signed() {
		return func(a, b, _ uint64) uint64 { return uint64(min(int64(a), int64(b))) }
	}
	return func(a, b, _ uint64) uint64 { return min(a, b) }
}

func maxInt(t ptx.Type) func(a, b, c uint64) uint64 {
	if t.Signed() {
		return func(a, b, _ uint64) uint64 { return uint64(max(int64(a), int64(b))) }
	}
	return func(a, b, _ uint64) uint64 { return max(a, b) }
}

// clampS32 clamps a 64-bit value to the range of .s32.
func clampS32(v int64) uint64 { return uint64(min(max(v, -1<<31), 1<<31-1)) }
