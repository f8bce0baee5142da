package kernels

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

// A source is one of the two PTX files of an element type.
type source struct {
	dtype    smoothl1.DType
	rich     bool
	name     string
	text     string
	variants []Variant
}

// sources returns all PTX files.
func sources(t *testing.T) (list []source) {
	t.Helper()
	for _, dtype := range DTypes() {
		for _, rich := range []bool{false, true} {
			file, text, of := File, PTX, Of
			if rich {
				file, text, of = RichFile, RichPTX, RichOf
			}
			s := source{dtype: dtype, rich: rich, variants: of(dtype)}
			var err error
			s.name, err = file(dtype)
			require.NoError(t, err)
			s.text, err = text(dtype)
			require.NoError(t, err)
			list = append(list, s)
		}
	}
	return list
}

// TestVariantsAreTheEntries compares the lists with the PTX: each file has the variants of its type and no other entry, and there are two
// files for each type and no other.
func TestVariantsAreTheEntries(t *testing.T) {
	var names, read []string
	var all []Variant
	for _, s := range sources(t) {
		names = append(names, s.name)
		all = append(all, s.variants...)
		var want []string
		for _, v := range s.variants {
			assert.Equal(t, s.dtype, v.DType)
			assert.Equal(t, s.rich, v.Rich || v.Divisor)
			want = append(want, v.Name())
		}
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^\.visible \.entry (\w+)\(`).FindAllStringSubmatch(s.text, -1) {
			got = append(got, m[1])
		}
		assert.ElementsMatch(t, want, got, s.name)
		assert.Equal(t, len(got), strings.Count(s.text, ".entry"), s.name)
	}
	entries, err := fs.ReadDir(files, "ptx")
	require.NoError(t, err)
	for _, e := range entries {
		read = append(read, e.Name())
	}
	assert.ElementsMatch(t, names, read)
	assert.Equal(t, all, All())
}

func TestName(t *testing.T) {
	for name, v := range map[string]Variant{
		"smoothl1_forward_terms_f32_mul":        {},
		"smoothl1_backward_elementwise_f64_mul": {DType: smoothl1.Float64, Pass: Backward, Elementwise: true},
		"smoothl1_forward_backward_f32_div":     {Pass: ForwardBackward, Divide: true},
		"smoothl1_rich_forward_f64_div":         {DType: smoothl1.Float64, Pass: Forward, Divide: true, Rich: true},
		"smoothl1_divisor_f16":                  {DType: smoothl1.Float16, Divisor: true},
		"smoothl1_forward_bf16_mul":             {DType: smoothl1.BFloat16, Pass: Forward},
	} {
		assert.Equal(t, name, v.Name())
		assert.Contains(t, All(), v)
	}
}

// An element type without kernels is an error, and not treated as another type.
func TestUnknownType(t *testing.T) {
	const unknown = smoothl1.DType(200)
	_, err := RichPTX(unknown)
	require.ErrorIs(t, err, smoothl1.ErrDType)
	_, err = PTX(unknown)
	require.ErrorIs(t, err, smoothl1.ErrDType)
	assert.EqualError(t, err, "smoothl1: PTX: dtype = DType(200): not a valid element type here: there are kernels for [float32 float64 float16 bfloat16]")
	assert.Empty(t, Of(unknown))
	assert.Empty(t, RichOf(unknown))
	for _, v := range All() {
		assert.NotEqual(t, v.Name(), Variant{unknown, v.Pass, v.Elementwise, v.Divide, v.Rich, v.Divisor}.Name())
	}
}
