package sim_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

const callsHead = `.version 7.8
.target sm_80
.address_size 64
`

// calling returns a module whose kernel k stores, for each thread, a word that a device function f computes from the thread's number.
func calling(functions, instructions string) string {
	return callsHead + functions + `
.visible .entry k(.param .u64 out, .param .u32 n)
{
.reg .pred %p<20>; .reg .b32 %r<40>; .reg .b64 %rd<20>; .reg .f32 %f<20>; .reg .f64 %fd<20>;
` + prologue + instructions + "\nst.global.u32 [%rd1], %r9;\nret;\n}\n"
}

// Parameters and results in .param memory, as nvcc passes them: a word, a double, a float and a struct by value.
func TestCall(t *testing.T) {
	ptx := calling(`
.func (.param .b32 r) f(.param .b32 a, .param .b64 b, .param .b32 c, .param .align 8 .b8 s[16])
{
	.reg .b32 %r<9>; .reg .f32 %f<3>; .reg .f64 %fd<3>;
	ld.param.u32 %r1, [a];
	ld.param.f64 %fd1, [b];
	ld.param.f32 %f1, [c];
	ld.param.u32 %r2, [s];
	ld.param.f64 %fd2, [s+8];
	add.rn.f64 %fd1, %fd1, %fd2;
	cvt.rzi.u32.f64 %r3, %fd1;
	cvt.rzi.u32.f32 %r4, %f1;
	add.u32 %r5, %r1, %r2;
	add.u32 %r5, %r5, %r3;
	add.u32 %r5, %r5, %r4;
	st.param.b32 [r], %r5;
	ret;
}`, `
	cvt.rn.f64.u32 %fd1, %r0;
	cvt.rn.f32.u32 %f1, %r0;
	mul.rn.f32 %f1, %f1, 0f40400000;
	mov.f64 %fd2, 0d4059000000000000;
	{
	.param .b32 p0; .param .b64 p1; .param .b32 p2; .param .align 8 .b8 p3[16]; .param .b32 res;
	st.param.b32 [p0+0], %r0;
	st.param.f64 [p1+0], %fd1;
	st.param.f32 [p2+0], %f1;
	st.param.b32 [p3+0], 7000;
	st.param.f64 [p3+8], %fd2;
	call.uni (res), f, (p0, p1, p2, p3);
	ld.param.b32 %r9, [res+0];
	}`)
	check(t, ptx, 2, 50, 0, func(i uint32) uint32 { return i + i + 3*i + 7000 + 100 })
}

// The old form: parameters and results are registers.
func TestCallRegisters(t *testing.T) {
	ptx := calling(`
.func (.reg .b32 r, .reg .f64 w) f(.reg .b32 a, .reg .b32 b)
{
	.reg .b32 %t<3>;
	mul.lo.u32 %t1, a, a;
	sub.u32 r, %t1, b;
	cvt.rn.f64.u32 w, a;
	ret;
}`, `
	call (%r9, %fd1), f, (%r0, %r2);
	cvt.rzi.u32.f64 %r8, %fd1;
	mad.lo.u32 %r9, %r8, 1000, %r9;`)
	check(t, ptx, 2, 50, 0, func(i uint32) uint32 { return i*i - i%50 + 1000*i })
}

// Nested calls: in a loop whose trip count varies, in one branch only, with a return in the middle; after them a shuffle of
// all lanes.
func TestNestedCalls(t *testing.T) {
	ptx := calling(`
.func (.param .b32 r) collatz(.param .b32 a);
.func (.param .b32 r) twice(.param .b32 a)
{
	.reg .b32 %r<5>;
	ld.param.b32 %r1, [a];
	{
	.param .b32 p; .param .b32 q;
	st.param.b32 [p], %r1;
	call (q), collatz, (p);
	ld.param.b32 %r1, [q];
	}
	{
	.param .b32 p; .param .b32 q;
	st.param.b32 [p], %r1;
	call (q), collatz, (p);
	ld.param.b32 %r1, [q];
	}
	st.param.b32 [r], %r1;
	ret;
}
.func (.param .b32 r) collatz(.param .b32 a)
{
	.reg .pred %p<3>; .reg .b32 %r<5>;
	ld.param.b32 %r1, [a];
	and.b32 %r2, %r1, 1;
	setp.ne.u32 %p1, %r2, 0;
	@%p1 bra ODD;
	shr.u32 %r1, %r1, 1;
	st.param.b32 [r], %r1;
	ret;
ODD:
	mad.lo.u32 %r1, %r1, 3, 1;
	st.param.b32 [r], %r1;
	ret;
}`, `
	mov.u32 %r9, %r0;
	rem.u32 %r3, %r0, 5;
LOOP:
	setp.eq.u32 %p1, %r3, 0;
	@%p1 bra OUT;
	{
	.param .b32 p; .param .b32 q;
	st.param.b32 [p], %r9;
	call (q), twice, (p);
	ld.param.b32 %r9, [q];
	}
	sub.u32 %r3, %r3, 1;
	bra LOOP;
OUT:
	shfl.sync.bfly.b32 %r9, %r9, 1, 31, -1;`)
	check(t, ptx, 2, 64, 0, func(i uint32) uint32 {
		v := i ^ 1
		for range 2 * (v % 5) {
			if v, i = v/2, v; i%2 == 1 {
				v = 3*i + 1
			}
		}
		return v
	})
}

// A predicate guards a call; lanes for which it is false keep their registers. The function writes to memory through a pointer.
func TestGuardedCall(t *testing.T) {
	ptx := calling(`
.func store(.param .b64 p, .param .b32 v)
{
	.reg .b32 %r<3>; .reg .b64 %rd<3>;
	ld.param.b64 %rd1, [p];
	ld.param.b32 %r1, [v];
	st.u32 [%rd1], %r1;
	ret;
}`, `
	.local .align 4 .b32 cell;
	.param .b64 p0; .param .b32 p1;
	and.b32 %r3, %r0, 2;
	setp.ne.u32 %p1, %r3, 0;
	mov.u64 %rd2, cell;
	cvta.local.u64 %rd3, %rd2;
	st.local.u32 [cell], 5;
	st.param.b64 [p0], %rd3;
	st.param.b32 [p1], %r0;
	@%p1 call store, (p0, p1);
	ld.local.u32 %r9, [%rd2];`)
	check(t, ptx, 2, 48, 0, func(i uint32) uint32 {
		if i&2 != 0 {
			return i
		}
		return 5
	})
}

// Constant and global variables with initial values: words, floats, addresses of other variables; each lane reads one table at
// an index of its own. A global variable keeps its value between launches.
func TestVariables(t *testing.T) {
	const ptx = callsHead + `
.const .align 8 .f64 powers[4] = {0d3FF0000000000000, 0d4000000000000000, 4.0, 8.0};
.const .align 4 .u32 table[6] = {10, 0x14, 30, 40};
.global .align 4 .u32 counters[2] = {5, 6};
.global .align 8 .u64 where[2] = {generic(table)+4, counters};
.visible .entry k(.param .u64 out, .param .u32 n)
{
.reg .b32 %r<20>; .reg .b64 %rd<20>; .reg .f64 %fd<5>;
` + prologue + `
	rem.u32 %r3, %r0, 6;
	mul.wide.u32 %rd2, %r3, 4;
	mov.u64 %rd3, table;
	add.u64 %rd3, %rd3, %rd2;
	ld.const.u32 %r4, [%rd3];
	rem.u32 %r3, %r0, 4;
	mul.wide.u32 %rd2, %r3, 8;
	mov.u64 %rd3, powers;
	add.u64 %rd3, %rd3, %rd2;
	ld.const.f64 %fd1, [%rd3];
	cvt.rzi.u32.f64 %r5, %fd1;
	ld.global.u64 %rd4, [where];
	ld.u32 %r6, [%rd4];			// the second word of table
	ld.global.u64 %rd5, [where+8];
	red.global.add.u32 [%rd5+4], 1;
	ld.const.v2.u32 {%r7, %r8}, [table+8];
	shl.b32 %r5, %r5, 8;
	add.u32 %r9, %r4, %r5;
	mad.lo.u32 %r9, %r6, 65536, %r9;
	add.u32 %r7, %r7, %r8;
	mad.lo.u32 %r9, %r7, 16777216, %r9;
	st.global.u32 [%rd1], %r9;
	ret;
}
`
	everywhere(t, func(t *testing.T, d *sim.Device) {
		m, err := d.Load(assembled(t, ptx))
		require.NoError(t, err)
		f, err := d.Function(m, "k")
		require.NoError(t, err)
		out := room[uint32](t, d, 100)
		for range 3 {
			launch(t, d, f, sim.Linear(2, 50), out, 0)
		}
		for i, got := range download[uint32](t, d, out, 100) {
			require.Equal(t, []uint32{10, 20, 30, 40, 0, 0}[i%6]+uint32(math.Exp2(float64(i%4)))<<8+20<<16+70<<24, got)
		}
		p, size, err := d.Global(m, "counters")
		require.NoError(t, err)
		require.EqualValues(t, 8, size)
		require.Equal(t, []uint32{5, 6 + 300}, download[uint32](t, d, uint64(p), 2))
	})
}
