package kernels_test

import (
	"testing"

	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/kernels"
)

func TestNilAndZeroValues(t *testing.T) {
	testkit.Zero(t, ".", new(kernels.Variant), new(kernels.Pass), kernels.All, kernels.DTypes, kernels.File, kernels.Of, kernels.PTX,
		kernels.RichFile, kernels.RichOf, kernels.RichPTX, new(kernels.Target), kernels.Targets)
}
