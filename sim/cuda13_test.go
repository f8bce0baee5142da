package sim_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// The forms that compilers of CUDA 13 emit: every register a .bN, loads of untyped bits, pointer parameters with the space they point to,
// pragmas and directives that are hints.
const cuda13 = `.version 9.0
.target sm_100
.address_size 64
.func (.param .b32 func_retval0) twice(.param .b32 twice_param_0) .abi_preserve 8 .abi_preserve_control 1
{
	.reg .b32 %r<3>;
	ld.param.b32 %r1, [twice_param_0];
	shl.b32 %r2, %r1, 1;
	st.param.b32 [func_retval0], %r2;
	ret;
}
.visible .entry k(
	.param .u64 .ptr .global .align 4 k_param_0,
	.param .align 8 .b8 k_param_1[16]
)
.maxntid 64
.explicitcluster
.reqnctapercluster 1, 1, 1
.pragma "enable_smem_spilling";
{
	.reg .pred %p<2>; .reg .b32 %r<9>; .reg .b64 %rd<5>;
	ld.param.b64 %rd1, [k_param_0];
	ld.param.v2.b32 {%r1, %r2}, [k_param_1+8];
	cvta.to.global.u64 %rd2, %rd1;
	mov.u32 %r3, %tid.x;
	mul.wide.u32 %rd3, %r3, 4;
	add.s64 %rd4, %rd2, %rd3;
	setp.ge.s32 %p1, %r3, %r1;
	@%p1 bra $L__BB0_2;
	.pragma "frequency 100";
	cvt.rn.f32.u32 %r4, %r3;
	fma.rn.f32 %r5, %r4, 0f40000000, %r2;
	{ // callseq 0, 0
	.param .b32 param0;
	.param .b32 retval0;
	st.param.b32 [param0], %r5;
	call.uni (retval0), twice, (param0);
	ld.param.b32 %r6, [retval0];
	} // callseq 0
	.pragma "used_bytes_mask 0xf";
	st.global.b32 [%rd4], %r6;
$L__BB0_2:
	ret;
}
.visible .entry l() .maxclusterrank 8 { ret; }
`

func TestCUDA13(t *testing.T) {
	d := device(t, sim.ComputeCapability(10, 0))
	out := room[uint32](t, d, 64)
	m, err := d.Load(cuda13)
	require.NoError(t, err)
	k, err := d.Function(m, "k")
	require.NoError(t, err)
	launch(t, d, k, sim.Linear(1, 64), out, 0, 0x3f800000_00000020)
	for i, got := range download[uint32](t, d, out, 64) {
		want := uint32(untouched)
		if i < 32 {
			want = math.Float32bits(float32(2*i+1)) << 1
		}
		require.Equal(t, want, got, i)
	}
}

// Texts of all versions of PTX 9, including the project's kernels, load on the devices of their target and on no others.
func TestTargets(t *testing.T) {
	for target, runs := range map[string]string{
		"sm_52": "7.5 9.0 10.0 10.3 11.0 12.0 12.1", "sm_90": "9.0 10.0 10.3 11.0 12.0 12.1", "sm_90a": "9.0",
		"sm_100": "10.0 10.3 11.0 12.0 12.1", "sm_100a": "10.0", "sm_100f": "10.0 10.3", "sm_103": "10.3 11.0 12.0 12.1", "sm_103a": "10.3",
		"sm_103f": "10.3", "sm_101f": "11.0", "sm_110": "11.0 12.0 12.1", "sm_110a": "11.0", "sm_110f": "11.0",
		"sm_120": "12.0 12.1", "sm_120a": "12.0", "sm_120f": "12.0 12.1", "sm_121": "12.1", "sm_121a": "12.1", "sm_121f": "12.1",
	} {
		for _, cc := range []string{"7.5", "9.0", "10.0", "10.3", "11.0", "12.0", "12.1"} {
			var major, minor int
			fmt.Sscanf(cc, "%d.%d", &major, &minor)
			for _, version := range []string{"8.8", "8.9", "9.0", "9.2", "9.5", "9.10"} {
				head := fmt.Sprintf(".version %s\n.target %s\n.address_size 64\n", version, target)
				d := device(t, sim.ComputeCapability(major, minor))
				_, err := d.Load(head + ".visible .entry k() { ret; }")
				if strings.Contains(" "+runs+" ", " "+cc+" ") {
					require.NoErrorf(t, err, "%s on %s", target, cc)
				} else {
					code(t, driver.CodeInvalidPTX, err, target, cc)
				}
			}
		}
	}
	d := device(t, sim.ComputeCapability(12, 1))
	_, rest, ok := strings.Cut(shipped(t, smoothl1.Float32), ".address_size 64\n")
	require.True(t, ok)
	_, err := d.Load(".version 9.5\n.target sm_121f\n.address_size 64\n" + rest)
	require.NoError(t, err)
	for _, target := range []string{"sm_80a", "sm_90f", "sm_100af", "sm_100b", "sm_a", "sm_", "sm_f", "compute_100"} {
		_, err := d.Load(fmt.Sprintf(".version 9.0\n.target %s\n.address_size 64\n", target))
		code(t, driver.CodeInvalidPTX, err, target)
	}
}
