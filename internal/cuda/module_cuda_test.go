//go:build cuda && linux && amd64 && cgo

package cuda

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParameters(t *testing.T) {
	const ptx = `.version 6.0
.visible .entry none()
{ ret; }
.visible .entry one( .param .u64 one_param_0 ) .maxntid 256, 1, 1
{ ret; }
.entry   three
(
	.param .u64 .ptr .global .align 4 a,
	.param .align 8 .b8 b[16],
	.param .f32 c
)
{ ld.param.u64 %rd1, [a]; call (x), .entry; }
.entry noted( .param .u64 a /* not .param b */ ) {}
.entry bare {}
.func (.param .b32 r) inner(.param .b32 x) {}
.entry cut(.param .u64 a`
	for name, want := range map[string]int{"none": 0, "one": 1, "three": 3, "noted": -1, "bare": -1, "inner": -1, "cut": -1, "thre": -1, "missing": -1, "": -1} {
		assert.Equal(t, want, parameters(ptx, name), name)
	}
	assert.Equal(t, -1, parameters("", "x"))

	shipped, err := os.ReadFile("../../kernels/smoothl1.ptx")
	require.NoError(t, err)
	assert.Equal(t, 7, parameters(string(shipped), "smoothl1_forward_terms_f32_mul"))
}
