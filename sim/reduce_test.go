package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// sumKernel adds up n doubles in one launch: each block stores its sum in sums, and the block that takes the last ticket adds those up.
// The ticket wraps to 0 for the next launch.
const sumKernel = `.version 7.0
.target sm_70
.address_size 64
.visible .entry sum(.param .u64 in, .param .u32 n, .param .u64 sums, .param .u64 ticket, .param .u64 value)
{
	.reg .pred %p<9>; .reg .b32 %r<30>; .reg .b64 %rd<20>; .reg .f64 %fd<9>;
	.shared .align 8 .f64 part[32];
	.shared .align 4 .u32 drawn;
	mov.u32 %r1, %ctaid.x;
	mov.u32 %r2, %ntid.x;
	mov.u32 %r3, %tid.x;
	mov.u32 %r4, %nctaid.x;
	ld.param.u32 %r5, [n];
	ld.param.u64 %rd1, [in];
	ld.param.u64 %rd2, [sums];
	ld.param.u64 %rd3, [ticket];
	mad.lo.u32 %r6, %r1, %r2, %r3;
	mul.lo.u32 %r7, %r2, %r4;
	mov.f64 %fd1, 0d0000000000000000;
READ:
	setp.ge.u32 %p1, %r6, %r5;
	@%p1 bra FOLD;
	mul.wide.u32 %rd4, %r6, 8;
	add.u64 %rd4, %rd1, %rd4;
	ld.global.nc.f64 %fd2, [%rd4];
	add.rn.f64 %fd1, %fd1, %fd2;
	add.u32 %r6, %r6, %r7;
	bra.uni READ;
FOLD:
	mov.u32 %r28, 0;			// the first of two passes
AGAIN:
	mov.u32 %r8, 16;
WARP:
	mov.b64 {%r9, %r10}, %fd1;
	shfl.sync.down.b32 %r11, %r9, %r8, 31, -1;
	shfl.sync.down.b32 %r12, %r10, %r8, 31, -1;
	mov.b64 %fd3, {%r11, %r12};
	add.rn.f64 %fd1, %fd1, %fd3;
	shr.u32 %r8, %r8, 1;
	setp.ne.u32 %p2, %r8, 0;
	@%p2 bra WARP;
	shr.u32 %r13, %r3, 5;
	and.b32 %r14, %r3, 31;
	mov.u32 %r15, part;
	mad.lo.u32 %r16, %r13, 8, %r15;
	setp.eq.u32 %p3, %r14, 0;
	@%p3 st.shared.f64 [%r16], %fd1;
	bar.sync 0;
	setp.ne.u32 %p4, %r3, 0;
	@%p4 bra FOLDED;
	mov.f64 %fd1, 0d0000000000000000;
	mov.u32 %r17, 0;
	shr.u32 %r18, %r2, 5;
BLOCK:
	mad.lo.u32 %r19, %r17, 8, %r15;
	ld.shared.f64 %fd4, [%r19];
	add.rn.f64 %fd1, %fd1, %fd4;
	add.u32 %r17, %r17, 1;
	setp.lt.u32 %p5, %r17, %r18;
	@%p5 bra BLOCK;
FOLDED:
	setp.ne.u32 %p6, %r28, 0;
	@%p6 bra VALUE;
	@%p4 bra DRAW;
	mul.wide.u32 %rd5, %r1, 8;
	add.u64 %rd5, %rd2, %rd5;
	st.global.f64 [%rd5], %fd1;
	membar.gl;
	sub.u32 %r20, %r4, 1;
	atom.global.inc.u32 %r21, [%rd3], %r20;
	st.shared.u32 [drawn], %r21;
DRAW:
	bar.sync 0;
	ld.shared.u32 %r22, [drawn];
	add.u32 %r22, %r22, 1;
	setp.ne.u32 %p7, %r22, %r4;
	@%p7 ret;
	membar.gl;
	mov.f64 %fd1, 0d0000000000000000;
	mov.u32 %r6, %r3;
SUMS:
	setp.ge.u32 %p1, %r6, %r4;
	@%p1 bra SECOND;
	mul.wide.u32 %rd4, %r6, 8;
	add.u64 %rd4, %rd2, %rd4;
	ld.global.f64 %fd2, [%rd4];
	add.rn.f64 %fd1, %fd1, %fd2;
	add.u32 %r6, %r6, %r2;
	bra.uni SUMS;
SECOND:
	mov.u32 %r28, 1;
	bra.uni AGAIN;
VALUE:
	ld.param.u64 %rd6, [value];
	@!%p4 st.global.f64 [%rd6], %fd1;
	ret;
}
`

// The last block of a reduction sees the sums of all others, in many orders of the blocks; on several streams at once, each
// with memory of its own, launched repeatedly on the same ticket.
func TestTicketReduction(t *testing.T) {
	everywhere(t, func(t *testing.T, d *sim.Device) {
		f := kernel(t, d, sumKernel, "sum")
		type job struct {
			stream        sim.Stream
			values        []uint64
			begin, end    sim.Event
			blocks        uint32
			want          []float64
			input         []uint64
			sums, tickets uint64
		}
		var jobs []job
		for _, blocks := range []uint32{1, 2, 7, 40} {
			s, err := d.NewStream()
			require.NoError(t, err)
			j := job{stream: s, blocks: blocks, sums: room[float64](t, d, int(blocks)), tickets: upload(t, d, uint32(0))}
			j.begin, err = d.NewEvent()
			require.NoError(t, err)
			j.end, err = d.NewEvent()
			require.NoError(t, err)
			for _, n := range []int{0, 1, 5000, 700} {
				in := make([]float64, max(n, 1))
				sum := 0.0
				for i := range n {
					in[i] = float64(mix(uint32(i)*blocks)) / 1024 // no rounding in any order
					sum += in[i]
				}
				j.input, j.want = append(j.input, upload(t, d, in)), append(j.want, sum)
				j.values = append(j.values, room[float64](t, d, 1))
			}
			jobs = append(jobs, j)
		}
		require.NoError(t, d.Wait(0))
		for k, n := range []int{0, 1, 5000, 700} {
			for _, j := range jobs {
				if k == 0 {
					require.NoError(t, d.Record(j.begin, j.stream))
				}
				args := []uint64{j.input[k], uint64(n), j.sums, j.tickets, j.values[k]}
				require.NoError(t, d.Launch(f, sim.Linear(j.blocks, 96), j.stream, args))
				clear(args)
			}
		}
		for _, j := range jobs {
			require.NoError(t, d.Record(j.end, j.stream))
		}
		for _, j := range jobs {
			ms, err := d.Elapsed(j.begin, j.end)
			require.NoError(t, err)
			assert.GreaterOrEqual(t, ms, float32(0))
			for k, v := range j.values {
				assert.Equalf(t, j.want[k], download[float64](t, d, v, 1)[0], "%d blocks, launch %d", j.blocks, k)
			}
			assert.Zero(t, download[uint32](t, d, j.tickets, 1)[0], "the ticket is ready for the next launch")
			require.NoError(t, d.CloseStream(j.stream))
		}
	})
}

// Work on one stream is done in order, whenever it is done: a chain of launches and copies in which each depends on the previous one.
func TestStreamOrder(t *testing.T) {
	ptx := body(prologue + `
		ld.global.u32 %r3, [%rd1];
		mad.lo.u32 %r3, %r3, 3, %r0;
		st.global.u32 [%rd1], %r3;`)
	everywhere(t, func(t *testing.T, d *sim.Device) {
		f := kernel(t, d, ptx, "k")
		const n = 33
		var streams []sim.Stream
		var at [3][2]uint64
		for i := range at {
			s, err := d.NewStream()
			require.NoError(t, err)
			streams = append(streams, s)
			at[i] = [2]uint64{room[uint32](t, d, n), room[uint32](t, d, n)}
		}
		require.NoError(t, d.Wait(0))
		for i, s := range streams {
			require.NoError(t, d.Zero(sim.Ptr(at[i][0]), 4*n, s))
		}
		for round := range 20 {
			for i, s := range streams {
				from, to := at[i][round%2], at[i][1-round%2]
				require.NoError(t, d.Launch(f, sim.Linear(1, n), s, []uint64{from, 0}))
				require.NoError(t, d.Copy(sim.Ptr(to), sim.Ptr(from), 4*n, s))
				require.NoError(t, d.Zero(sim.Ptr(from), 4*n, s))
			}
		}
		for i, s := range streams {
			require.NoError(t, d.Wait(s))
			for thread, got := range download[uint32](t, d, at[i][0], n) {
				want := uint32(0)
				for range 20 {
					want = 3*want + uint32(thread)
				}
				require.Equal(t, want, got)
			}
			require.Equal(t, make([]uint32, n), download[uint32](t, d, at[i][1], n))
		}
	})
}

// Work may stay queued: for some seeds, a program that does not wait for a stream finds that nothing has been done.
func TestForgottenWait(t *testing.T) {
	var early, late int
	for seed := range uint64(40) {
		d := device(t, sim.Seed(seed))
		f := kernel(t, d, body(prologue+"st.global.u32 [%rd1], 1;"), "k")
		out := upload(t, d, []uint32{0})
		require.NoError(t, d.Wait(0))
		s, err := d.NewStream()
		require.NoError(t, err)
		require.NoError(t, d.Launch(f, sim.Linear(1, 1), s, []uint64{out, 0}))
		if download[uint32](t, d, out, 1)[0] == 0 { // on the default stream
			late++
		} else {
			early++
		}
		require.NoError(t, d.Wait(s))
		require.Equal(t, []uint32{1}, download[uint32](t, d, out, 1))
	}
	assert.Positive(t, early)
	assert.Positive(t, late)
}
