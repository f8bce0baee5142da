package smoothl1_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

func ExampleLoss_Validate() {
	l := smoothl1.Loss{Kind: smoothl1.Huber, Beta: 0}
	err := l.Validate(smoothl1.Float32)
	fmt.Println(err)
	fmt.Println(errors.Is(err, smoothl1.ErrBeta))
	// Output:
	// smoothl1: Loss: delta = 0: beta out of range: must be positive for the Huber loss
	// true
}

func ExampleReduction_Set() {
	var l smoothl1.Loss
	flags := flag.NewFlagSet("train", flag.ContinueOnError)
	flags.Var(&l.Kind, "loss", "smooth_l1 or huber")
	flags.Var(&l.Reduction, "reduction", "mean, sum or none")
	flags.Float64Var(&l.Beta, "beta", 1, "where the loss turns linear")
	_ = flags.Parse([]string{"-loss", "huber", "-reduction", "sum"})
	fmt.Println(l)
	// Output: huber(delta=1, sum)
}

func TestValidate(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		loss   smoothl1.Loss
		dtype  smoothl1.DType
		reason error
		text   string
	}{
		{smoothl1.Loss{}, smoothl1.Float32, nil, ""},
		{smoothl1.Loss{Beta: 1}, smoothl1.Float64, nil, ""},
		{smoothl1.Loss{Beta: 1e-60}, smoothl1.Float64, nil, ""},
		{smoothl1.Loss{Beta: 1e-45}, smoothl1.Float32, nil, ""}, // the smallest subnormal
		{smoothl1.Loss{Beta: 3.4e38}, smoothl1.Float32, nil, ""},
		{smoothl1.Loss{Kind: smoothl1.Huber, Beta: 1e-3}, smoothl1.Float32, nil, ""},
		{smoothl1.Loss{Beta: nan}, smoothl1.Float32, smoothl1.ErrBeta, "smoothl1: Loss: beta = NaN: beta out of range: must be finite"},
		{smoothl1.Loss{Beta: inf}, smoothl1.Float64, smoothl1.ErrBeta, "smoothl1: Loss: beta = +Inf: beta out of range: must be finite"},
		{smoothl1.Loss{Beta: -1}, smoothl1.Float64, smoothl1.ErrBeta, "smoothl1: Loss: beta = -1: beta out of range: must not be negative"},
		{smoothl1.Loss{Beta: 1e-46}, smoothl1.Float32, smoothl1.ErrBeta, "smoothl1: Loss: beta = 1e-46: beta out of range: is 0 in float32"},
		{smoothl1.Loss{Beta: 1e39}, smoothl1.Float32, smoothl1.ErrBeta, "smoothl1: Loss: beta = 1e+39: beta out of range: is +Inf in float32"},
		{smoothl1.Loss{Kind: smoothl1.Huber}, smoothl1.Float64, smoothl1.ErrBeta, "smoothl1: Loss: delta = 0: beta out of range: must be positive for the Huber loss"},
		{smoothl1.Loss{Kind: smoothl1.Huber, Beta: -2}, smoothl1.Float64, smoothl1.ErrBeta, "smoothl1: Loss: delta = -2: beta out of range: must not be negative"},
		{smoothl1.Loss{Kind: 2}, smoothl1.Float64, smoothl1.ErrKind, "smoothl1: Loss: kind = 2: unknown kind of loss: want SmoothL1 or Huber"},
		{smoothl1.Loss{Reduction: 3}, smoothl1.Float64, smoothl1.ErrReduction, "smoothl1: Loss: reduction = 3: not a valid reduction here: want Mean, Sum or None"},
		{smoothl1.Loss{}, smoothl1.Uint8, smoothl1.ErrDType, "smoothl1: Loss: dtype = uint8: not a valid element type here"},
		{smoothl1.Loss{}, 9, smoothl1.ErrDType, "smoothl1: Loss: dtype = DType(9): not a valid element type here"},
	} {
		err := c.loss.Validate(c.dtype)
		if c.reason == nil {
			assert.NoError(t, err, c.loss)
			continue
		}
		assert.ErrorIs(t, err, c.reason, c.loss)
		assert.EqualError(t, err, c.text)
	}
}

func TestNamesAreReadBack(t *testing.T) {
	type all struct {
		Kind      smoothl1.Kind
		Reduction smoothl1.Reduction
		DType     smoothl1.DType
	}
	for _, want := range []all{{smoothl1.SmoothL1, smoothl1.Mean, smoothl1.Float32}, {smoothl1.Huber, smoothl1.Sum, smoothl1.Float64}, {Reduction: smoothl1.None},
		{DType: smoothl1.Float16}, {DType: smoothl1.BFloat16}, {DType: smoothl1.Uint8}, {DType: smoothl1.Int32}} {
		text, err := json.Marshal(want)
		require.NoError(t, err)
		var got all
		require.NoError(t, json.Unmarshal(text, &got))
		assert.Equal(t, want, got, string(text))
	}
	assert.Equal(t, "smooth_l1 huber mean sum none float32 float64", fmt.Sprint(smoothl1.SmoothL1, smoothl1.Huber, smoothl1.Mean, smoothl1.Sum, smoothl1.None, smoothl1.Float32, smoothl1.Float64))
	assert.Equal(t, "float16 bfloat16 uint8 int32", fmt.Sprint(smoothl1.Float16, smoothl1.BFloat16, smoothl1.Uint8, smoothl1.Int32))
	assert.Equal(t, "Kind(9) Reduction(9) DType(9)", fmt.Sprint(smoothl1.Kind(9), smoothl1.Reduction(9), smoothl1.DType(9)))
}

func TestNamesThatDoNotExist(t *testing.T) {
	k, r, d := smoothl1.Huber, smoothl1.Sum, smoothl1.Float64
	err := k.Set("Huber")
	assert.ErrorIs(t, err, smoothl1.ErrKind)
	assert.EqualError(t, err, `smoothl1: UnmarshalText: kind = "Huber": unknown kind of loss: want smooth_l1, huber`)
	assert.ErrorIs(t, r.Set(""), smoothl1.ErrReduction)
	assert.ErrorIs(t, d.UnmarshalText([]byte("float8")), smoothl1.ErrDType)
	assert.Equal(t, []any{smoothl1.Huber, smoothl1.Sum, smoothl1.Float64}, []any{k, r, d}, "nothing was changed")
	_, err = smoothl1.Kind(7).MarshalText()
	assert.ErrorIs(t, err, smoothl1.ErrKind)
	_, err = smoothl1.Reduction(7).MarshalText()
	assert.ErrorIs(t, err, smoothl1.ErrReduction)
	_, err = smoothl1.DType(7).MarshalText()
	assert.ErrorIs(t, err, smoothl1.ErrDType)

	flags := flag.NewFlagSet("x", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var(&r, "reduction", "")
	assert.ErrorContains(t, flags.Parse([]string{"-reduction", "max"}), "want mean, sum, none")
}

func TestDTypes(t *testing.T) {
	assert.Equal(t, smoothl1.Float32, smoothl1.DTypeOf[float32]())
	assert.Equal(t, smoothl1.Float64, smoothl1.DTypeOf[float64]())
	assert.Equal(t, smoothl1.Float16, smoothl1.DTypeOf[smoothl1.F16]())
	assert.Equal(t, smoothl1.BFloat16, smoothl1.DTypeOf[smoothl1.BF16]())
	assert.Equal(t, smoothl1.Uint8, smoothl1.DTypeOf[uint8]())
	assert.Equal(t, smoothl1.Int32, smoothl1.DTypeOf[int32]())
	var sizes []int
	var computing []string
	for d := range smoothl1.Int32 + 1 {
		sizes, computing = append(sizes, d.Size()), append(computing, fmt.Sprint(d, " in ", d.Computing()))
	}
	assert.Equal(t, []int{4, 8, 2, 2, 1, 4}, sizes)
	assert.Equal(t, []string{"float32 in float32", "float64 in float64", "float16 in float32", "bfloat16 in float32",
		"uint8 in DType(255)", "int32 in DType(255)"}, computing)
}

// A type missing from a table is an error or a zero result, never treated as another type.
func TestUnknownDType(t *testing.T) {
	for _, unknown := range []smoothl1.DType{smoothl1.Uint8, smoothl1.Int32, smoothl1.Int32 + 1, 255} {
		assert.Equal(t, unknown > smoothl1.Int32, unknown.Size() == 0)
		assert.ErrorIs(t, smoothl1.Loss{Beta: 1}.Validate(unknown), smoothl1.ErrDType)
		assert.ErrorIs(t, smoothl1.Loss{Beta: 1}.Validate(unknown.Computing()), smoothl1.ErrDType)
	}
	assert.Equal(t, smoothl1.Float64, smoothl1.DTypeOf[float64]())
	assert.Equal(t, smoothl1.Float32, smoothl1.DTypeOf[float32]().Computing())
}
