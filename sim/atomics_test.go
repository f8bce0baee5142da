package sim_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// atomicKernel is a kernel in which each thread applies one atomic operation to one word in global memory, with an operand from
// an array, and stores the old value that it saw.
func atomicKernel(instruction, typ string) string {
	size := 4
	if strings.HasSuffix(typ, "64") {
		size = 8
	}
	return `.version 7.8
.target sm_80
.address_size 64
.visible .entry k(.param .u64 word, .param .u64 operands, .param .u64 olds)
{
	.reg .b32 %r<4>; .reg .b64 %rd<8>; .reg .b` + fmt.Sprint(8*size) + ` %v<4>;
	mov.u32 %r0, %ctaid.x; mov.u32 %r1, %ntid.x; mov.u32 %r2, %tid.x;
	mad.lo.u32 %r0, %r0, %r1, %r2;
	mul.wide.u32 %rd0, %r0, ` + fmt.Sprint(size) + `;
	ld.param.u64 %rd1, [word];
	ld.param.u64 %rd2, [operands];
	ld.param.u64 %rd3, [olds];
	add.u64 %rd2, %rd2, %rd0;
	add.u64 %rd3, %rd3, %rd0;
	ld.global.b` + fmt.Sprint(8*size) + ` %v0, [%rd2];
	mov.b` + fmt.Sprint(8*size) + ` %v1, %v0;
	` + instruction + `;
	st.global.b` + fmt.Sprint(8*size) + ` [%rd3], %v1;
	ret;
}
`
}

// chain checks that the old values that the threads saw, and the final one, are consistent with some order of the threads: it searches
// for a sequence of operations that lead from each value to the next.
func chain[T comparable](t *testing.T, initial, final T, olds []T, next func(thread int, old T) T) {
	t.Helper()
	from := map[T][]int{}
	for i, old := range olds {
		from[old] = append(from[old], i)
	}
	// An Eulerian walk: from each value continue with a thread that saw it.
	var order []T
	var walk func(v T)
	walk = func(v T) {
		for len(from[v]) > 0 {
			list := from[v]
			i := list[len(list)-1]
			from[v] = list[:len(list)-1]
			walk(next(i, v))
		}
		order = append(order, v)
	}
	walk(initial)
	require.Len(t, order, len(olds)+1, "the old values are no chain: two threads saw what only one can have seen")
	slices.Reverse(order)
	require.Equal(t, initial, order[0])
	require.Equal(t, final, order[len(order)-1])
}

func TestAtomics(t *testing.T) {
	const blocks, threads = 11, 70
	small := func(i int) uint32 { return mix(uint32(i)) % 1000 }
	float := func(v uint32) float32 { return math.Float32frombits(v) }
	for name, test := range map[string]struct {
		initial uint32
		operand func(i int) uint32
		next    func(b, old uint32) uint32
	}{
		"add.u32": {7, small, func(b, old uint32) uint32 { return old + b }},
		"add.s32": {7, func(i int) uint32 { return -small(i) }, func(b, old uint32) uint32 { return old + b }},
		"inc.u32": {500, func(i int) uint32 { return 100 }, func(b, old uint32) uint32 {
			if old >= b {
				return 0
			}
			return old + 1
		}},
		"dec.u32": {500, func(i int) uint32 { return 100 }, func(b, old uint32) uint32 {
			if old == 0 || old > b {
				return b
			}
			return old - 1
		}},
		"min.u32":  {0xf0000000, func(i int) uint32 { return mix(uint32(i)) }, func(b, old uint32) uint32 { return min(b, old) }},
		"max.u32":  {3, func(i int) uint32 { return mix(uint32(i)) }, func(b, old uint32) uint32 { return max(b, old) }},
		"min.s32":  {3, func(i int) uint32 { return mix(uint32(i)) }, func(b, old uint32) uint32 { return uint32(min(int32(b), int32(old))) }},
		"max.s32":  {1 << 31, func(i int) uint32 { return mix(uint32(i)) }, func(b, old uint32) uint32 { return uint32(max(int32(b), int32(old))) }},
		"and.b32":  {^uint32(0), func(i int) uint32 { return ^(1 << (mix(uint32(i)) % 32)) }, func(b, old uint32) uint32 { return b & old }},
		"or.b32":   {0, func(i int) uint32 { return 1 << (mix(uint32(i)) % 32) }, func(b, old uint32) uint32 { return b | old }},
		"xor.b32":  {9, func(i int) uint32 { return 1 << (mix(uint32(i)) % 32) }, func(b, old uint32) uint32 { return b ^ old }},
		"exch.b32": {9, func(i int) uint32 { return uint32(100 + i) }, func(b, _ uint32) uint32 { return b }},
		// Whole numbers, so that every order gives the same sums.
		"add.f32": {math.Float32bits(0.5), func(i int) uint32 { return math.Float32bits(float32(small(i))) },
			func(b, old uint32) uint32 { return math.Float32bits(float(b) + float(old)) }},
	} {
		t.Run(name, func(t *testing.T) {
			op, typ, _ := strings.Cut(name, ".")
			everywhere(t, func(t *testing.T, d *sim.Device) {
				operands := make([]uint32, blocks*threads)
				for i := range operands {
					operands[i] = test.operand(i)
				}
				in := upload(t, d, operands)
				next := func(i int, old uint32) uint32 { return test.next(operands[i], old) }

				word, olds := upload(t, d, test.initial), room[uint32](t, d, len(operands))
				launch(t, d, kernel(t, d, atomicKernel("atom.global."+op+"."+typ+" %v1, [%rd1], %v0", typ), "k"), sim.Linear(blocks, threads), word, in, olds)
				final := download[uint32](t, d, word, 1)[0]
				chain(t, test.initial, final, download[uint32](t, d, olds, len(operands)), next)

				if op == "exch" {
					return // there is no red.exch, and its outcome depends on the order
				}
				word = upload(t, d, test.initial)
				launch(t, d, kernel(t, d, atomicKernel("red.relaxed.gpu.global."+op+"."+typ+" [%rd1], %v0", typ), "k"), sim.Linear(blocks, threads), word, in, olds)
				assert.Equal(t, final, download[uint32](t, d, word, 1)[0])
				assert.Equal(t, operands, download[uint32](t, d, olds, len(operands)), "red returns nothing")
			})
		})
	}
}

func TestAtomics64(t *testing.T) {
	const blocks, threads = 6, 40
	for name, test := range map[string]struct {
		initial uint64
		next    func(b, old uint64) uint64
	}{
		"add.u64":  {1 << 40, func(b, old uint64) uint64 { return old + b }},
		"min.u64":  {1 << 63, func(b, old uint64) uint64 { return min(b, old) }},
		"max.s64":  {1 << 63, func(b, old uint64) uint64 { return uint64(max(int64(b), int64(old))) }},
		"and.b64":  {^uint64(0), func(b, old uint64) uint64 { return b & old }},
		"or.b64":   {0, func(b, old uint64) uint64 { return b | old }},
		"xor.b64":  {0, func(b, old uint64) uint64 { return b ^ old }},
		"exch.b64": {1, func(b, _ uint64) uint64 { return b }},
		"add.f64": {0, func(b, old uint64) uint64 {
			return math.Float64bits(math.Float64frombits(b) + math.Float64frombits(old))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			op, typ, _ := strings.Cut(name, ".")
			everywhere(t, func(t *testing.T, d *sim.Device) {
				operands := make([]uint64, blocks*threads)
				for i := range operands {
					if operands[i] = uint64(mix(uint32(i)))<<32 | uint64(i); typ == "f64" {
						operands[i] = math.Float64bits(float64(operands[i] >> 16))
					}
				}
				word, olds := upload(t, d, test.initial), room[uint64](t, d, len(operands))
				ptx := atomicKernel("atom.acq_rel.gpu.global."+op+"."+typ+" %v1, [%rd1], %v0", typ)
				launch(t, d, kernel(t, d, ptx, "k"), sim.Linear(blocks, threads), word, upload(t, d, operands), olds)
				chain(t, test.initial, download[uint64](t, d, word, 1)[0], download[uint64](t, d, olds, len(operands)),
					func(i int, old uint64) uint64 { return test.next(operands[i], old) })
			})
		})
	}
}

// A compare-and-swap loop, contended within warps too: each thread applies f(old) = 3*old+1 once.
func TestCompareAndSwap(t *testing.T) {
	ptx := body(prologue + `
		ld.volatile.global.u32 %r3, [%rd0];
	LOOP:
		mad.lo.u32 %r4, %r3, 3, 1;
		mov.u32 %r5, %r3;
		atom.global.cas.b32 %r3, [%rd0], %r5, %r4;
		setp.ne.u32 %p1, %r3, %r5;
		@%p1 bra LOOP;`)
	everywhere(t, func(t *testing.T, d *sim.Device) {
		word := upload(t, d, uint32(2))
		launch(t, d, kernel(t, d, ptx, "k"), sim.Linear(7, 45), word, 0)
		want := uint32(2)
		for range 7 * 45 {
			want = 3*want + 1
		}
		assert.Equal(t, want, download[uint32](t, d, word, 1)[0])
	})
}

// A lock in global memory, acquired by one thread of each warp: what a thread writes before it releases the lock is visible to
// the next owner.
func TestLock(t *testing.T) {
	ptx := body(prologue + `
		and.b32 %r3, %r2, 31;
		setp.ne.u32 %p1, %r3, 0;
		@%p1 exit;
	TRY:
		atom.global.cas.b32 %r4, [%rd0], 0, 1;
		setp.ne.u32 %p2, %r4, 0;
		@%p2 bra TRY;
		membar.gl;
		ld.global.u32 %r5, [%rd0+4];
		mad.lo.u32 %r5, %r5, 3, 1;
		st.global.u32 [%rd0+4], %r5;
		membar.gl;
		atom.global.exch.b32 %r6, [%rd0], 0;`)
	everywhere(t, func(t *testing.T, d *sim.Device) {
		memory := upload(t, d, []uint32{0, 2})
		launch(t, d, kernel(t, d, ptx, "k"), sim.Linear(9, 96), memory, 0)
		want := uint32(2)
		for range 9 * 3 {
			want = 3*want + 1
		}
		assert.Equal(t, []uint32{0, want}, download[uint32](t, d, memory, 2))
	})
}

// A histogram in shared memory, added up in global memory.
func TestSharedAtomics(t *testing.T) {
	ptx := body(`.shared .align 4 .b32 h[16];` + prologue + `
		mov.u32 %r3, h;
		shl.b32 %r4, %r2, 2;
		add.u32 %r5, %r3, %r4;
		setp.lt.u32 %p1, %r2, 16;
		mov.u32 %r6, 0;
		@%p1 st.shared.u32 [%r5], %r6;
		bar.sync 0;
		mul.lo.u32 %r7, %r0, %r0;
		and.b32 %r7, %r7, 60;
		add.u32 %r7, %r3, %r7;
		atom.shared.add.u32 %r8, [%r7], 1;
		red.shared.add.u32 [%r7], 2;
		bar.sync 0;
		@!%p1 exit;
		ld.shared.u32 %r9, [%r5];
		mul.wide.u32 %rd2, %r2, 4;
		add.u64 %rd3, %rd0, %rd2;
		red.global.add.u32 [%rd3], %r9;`)
	want := make([]uint32, 16)
	for i := range uint32(13 * 50) {
		want[i*i&60/4] += 3
	}
	everywhere(t, func(t *testing.T, d *sim.Device) {
		out := upload(t, d, make([]uint32, 16))
		launch(t, d, kernel(t, d, ptx, "k"), sim.Linear(13, 50), out, 0)
		assert.Equal(t, want, download[uint32](t, d, out, 16))
	})
}
