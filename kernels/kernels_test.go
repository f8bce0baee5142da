package kernels

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// ptx returns the text of a type's file.
func ptx(t *testing.T, dtype smoothl1.DType) string {
	t.Helper()
	text, err := PTX(dtype)
	require.NoError(t, err)
	return text
}

// TestVariantsAreTheEntries compares the list with the PTX: each file has the variants of its type and no other entry, and there is a
// file for each type and no other.
func TestVariantsAreTheEntries(t *testing.T) {
	var names, read []string
	for _, dtype := range DTypes() {
		name, err := File(dtype)
		require.NoError(t, err)
		names = append(names, name)
		var want []string
		for _, v := range Of(dtype) {
			assert.Equal(t, dtype, v.DType)
			want = append(want, v.Name())
		}
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^\.visible \.entry (\w+)\(`).FindAllStringSubmatch(ptx(t, dtype), -1) {
			got = append(got, m[1])
		}
		assert.ElementsMatch(t, want, got, name)
		assert.Equal(t, len(got), strings.Count(ptx(t, dtype), ".entry"), name)
	}
	entries, err := fs.ReadDir(files, "ptx")
	require.NoError(t, err)
	for _, e := range entries {
		read = append(read, e.Name())
	}
	assert.ElementsMatch(t, names, read)
	assert.Equal(t, slices.Concat(Of(smoothl1.Float32), Of(smoothl1.Float64), Of(smoothl1.Float16), Of(smoothl1.BFloat16)), All())
}

func TestName(t *testing.T) {
	for name, v := range map[string]Variant{
		"smoothl1_forward_terms_f32_mul":        {},
		"smoothl1_backward_elementwise_f64_mul": {DType: smoothl1.Float64, Pass: Backward, Elementwise: true},
		"smoothl1_forward_backward_f32_div":     {Pass: ForwardBackward, Divide: true},
		"smoothl1_forward_bf16_mul":             {DType: smoothl1.BFloat16, Pass: Forward},
	} {
		assert.Equal(t, name, v.Name())
		assert.Contains(t, All(), v)
	}
}

// An element type without kernels is an error, and not treated as another type.
func TestUnknownType(t *testing.T) {
	const unknown = smoothl1.DType(200)
	_, err := PTX(unknown)
	require.ErrorIs(t, err, smoothl1.ErrDType)
	assert.EqualError(t, err, "smoothl1: PTX: dtype = DType(200): unknown element type, or not that of the operation: there are kernels for [float32 float64 float16 bfloat16]")
	assert.Empty(t, Of(unknown))
	for _, v := range All() {
		assert.NotEqual(t, v.Name(), Variant{unknown, v.Pass, v.Elementwise, v.Divide}.Name())
	}
}
