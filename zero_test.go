package smoothl1_test

import (
	"testing"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/testkit"
)

func TestNilAndZeroValues(t *testing.T) {
	testkit.Zero(t, ".", new(smoothl1.ArgError), new(smoothl1.Loss), new(smoothl1.Kind), new(smoothl1.Reduction), new(smoothl1.DType),
		new(smoothl1.Divisor), smoothl1.DivideBy, smoothl1.NewArgError, smoothl1.DTypeOf[float32],
		smoothl1.DivideByKept, smoothl1.DivideByWeights, new(smoothl1.F16), new(smoothl1.BF16), smoothl1.ToF16, smoothl1.ToBF16,
		smoothl1.F16s[uint16], smoothl1.BF16s[uint16], smoothl1.Bytes[bool], smoothl1.Convert[float32, float64],
		new(smoothl1.Shape), new(smoothl1.View), smoothl1.PerRow, smoothl1.PerColumn, smoothl1.Single, smoothl1.Strided)
}
