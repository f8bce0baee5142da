package sim_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// A struct passed by value takes its words as arguments: alone, after other parameters, with an alignment of more than 8 bytes, and with
// a size that is not a multiple of 8 bytes.
func TestStructParameter(t *testing.T) {
	const load = `
	.reg .b64 %rd<9>; .reg .b32 %r<9>; .reg .f64 %fd;
	ld.param.u64 %rd0, [p]; ld.param.u32 %r1, [p+8]; ld.param.s16 %r2, [p+12]; ld.param.u8 %r3, [p+15]; ld.param.f64 %fd, [p+16];
	st.global.u32 [%rd0], %r1; st.global.u32 [%rd0+4], %r2; st.global.u32 [%rd0+8], %r3; st.global.f64 [%rd0+16], %fd;
`
	const text = `.version 7.8
.target sm_80
.address_size 64
.visible .entry alone(.param .align 8 .b8 p[24]) {` + load + `mov.u32 %r4, 7; st.global.u32 [%rd0+12], %r4; ret; }
.visible .entry behind(.param .u32 n, .param .align 16 .b8 p[24]) {` + load + `ld.param.u32 %r4, [n]; st.global.u32 [%rd0+12], %r4; ret; }
.visible .entry part(.param .align 8 .b8 p[28]) {` + load + `ld.param.u32 %r4, [p+24]; st.global.u32 [%rd0+12], %r4; ret; }
.visible .entry words(.param .align 8 .b64 p[4]) {` + load + `ld.param.u32 %r4, [p+28]; st.global.u32 [%rd0+12], %r4; ret; }
`
	everywhere(t, func(t *testing.T, d *sim.Device) {
		out := room[uint32](t, d, 6)
		block := []uint64{out, 0xfe80_fffe_01234567, math.Float64bits(-1.5)}
		for name, args := range map[string][]uint64{
			"alone": block, "behind": append([]uint64{7}, block...), "part": append(block[:3:3], 7), "words": append(block[:3:3], 7<<32),
		} {
			require.NoError(t, d.Zero(sim.Ptr(out), 24, 0))
			launch(t, d, kernel(t, d, text, name), sim.Linear(1, 1), args...)
			bits := math.Float64bits(-1.5)
			require.Equal(t, []uint32{0x01234567, 0xfffffffe, 0xfe, 7, uint32(bits), uint32(bits >> 32)}, download[uint32](t, d, out, 6), name)
		}
	})
}
