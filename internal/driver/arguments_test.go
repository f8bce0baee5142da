package driver

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestArguments(t *testing.T) {
	const ptx = `.version 6.0
.visible .entry none()
{ ret; }
.visible .entry one( .param .u64 one_param_0 ) .maxntid 256, 1, 1
{ ret; }
.entry   four
(
	.param .u64 .ptr .global .align 4 a,
	.param .f32 c,
	.param .align 8 .b8 b[16]
)
{ ld.param.u64 %rd1, [a]; call (x), .entry; }
.entry part(.param .align 8 .b8 b[ 28 ]) {}
.entry words(.param .u32 a, .param .align 16 .b64 b[3]) {}
.entry small(.param .align 4 .b8 a[8], .param .align 4 .b8 b[3]) {}
.entry middle(.param .align 8 .b8 b[16], .param .u32 a) {}
.entry noted( .param .u64 a /* not .param b */ ) {}
.entry odd( .param .u64 a, ) {}
.entry long( .param .b8 a[99999999999999999999] ) {}
.entry bare {}
.func (.param .b32 r) inner(.param .b32 x) {}
.entry cut(.param .u64 a`
	for name, want := range map[string]int{"none": 0, "one": 1, "four": 4, "part": 4, "words": 4, "small": 2, "noted": -1, "odd": -1, "long": -1,
		"bare": -1, "inner": -1, "cut": -1, "fou": -1, "missing": -1, "": -1} {
		got, err := Arguments(ptx, name)
		assert.NoError(t, err, name)
		assert.Equal(t, want, got, name)
	}
	_, err := Arguments(ptx, "middle")
	assert.EqualError(t, err, "kernel middle: parameter 0 of 16 bytes: only the last parameter may have more than 8")
	got, err := Arguments("", "x")
	assert.NoError(t, err)
	assert.Equal(t, -1, got)
}
