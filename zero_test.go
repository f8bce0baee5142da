package smoothl1_test

import (
	"testing"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/testkit"
)

func TestNilAndZeroValues(t *testing.T) {
	testkit.Zero(t, ".", new(smoothl1.ArgError), new(smoothl1.Loss), new(smoothl1.Kind), new(smoothl1.Reduction), new(smoothl1.DType),
		new(smoothl1.Divisor), smoothl1.DivideBy, smoothl1.NewArgError, smoothl1.DTypeOf[float32])
}
