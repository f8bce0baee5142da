package gpu

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/kernels"
)

func textOf(t *testing.T, dtype smoothl1.DType) string {
	text, err := kernels.PTX(dtype)
	require.NoError(t, err)
	return text
}

// newest is the target of the kernels on a device that can run any.
var newest = kernels.Targets()[0]

// Open loads only the probe; the kernels of a type are loaded once, with the first op of the type.
func TestKernelsAreLoadedWhenNeeded(t *testing.T) {
	s := newStub()
	d, err := Open(On(s))
	require.NoError(t, err)
	require.Len(t, s.loads, 1)
	assert.Less(t, len(s.loads[0]), 1000)
	assert.Equal(t, nothingAlive, s.alive(), "the module of Open is unloaded again")
	assert.Empty(t, s.names)
	s.loads = nil

	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := NewSmoothL1[float64](d, smoothl1.Loss{Beta: 0.1, Reduction: smoothl1.None})
			assert.NoError(t, err)
		})
	}
	all.Wait()
	assert.Equal(t, []string{newest.Text(textOf(t, smoothl1.Float64))}, s.loads)
	assert.Len(t, s.names, len(kernels.Of(smoothl1.Float64)), "and no other kernels are looked up")

	newOp[float32](t, d, smoothl1.Loss{Beta: 1})
	newOp[float32](t, d, smoothl1.Loss{Beta: 2})
	assert.Equal(t, []string{newest.Text(textOf(t, smoothl1.Float64)), newest.Text(textOf(t, smoothl1.Float32))}, s.loads)
	assert.Len(t, s.modules, 2)
	require.NoError(t, d.Close())
	assert.Equal(t, nothingAlive, s.alive())
}

// A driver that accepts the probe accepts the kernels: they have the same PTX version and target.
func TestProbeIsLikeTheKernels(t *testing.T) {
	_, s := openStub(t)
	for _, dtype := range kernels.DTypes() {
		h := header(newest.Text(textOf(t, dtype)))
		assert.Contains(t, h, "\n.version ")
		assert.Contains(t, h, "\n.target sm_75\n")
		assert.True(t, strings.HasPrefix(s.loads[0], h), dtype)
	}
	assert.Empty(t, header("nothing of the kind"))
}

// If kernels cannot be loaded, or are not found in the module, creating the op fails; the next op tries again.
func TestKernelsThatDoNotLoad(t *testing.T) {
	d, s := openStub(t)
	before := s.alive()
	s.faults.Before("Load", 0, func(string) error {
		return &driver.Error{Call: "cuModuleLoadDataEx", Code: driver.CodeInvalidPTX, Name: "CUDA_ERROR_INVALID_PTX", Detail: "ptxas application ptx input, line 9"}
	})
	_, err := NewSmoothL1[float64](d, smoothl1.Loss{Beta: 1})
	require.EqualError(t, err, "gpu: load smoothl1_f64.ptx: CUDA_ERROR_INVALID_PTX (218) from cuModuleLoadDataEx: ptxas application ptx input, line 9")
	assert.Equal(t, before, s.alive())
	s.faults.Mend()

	s.failing("Function", driver.CodeNotFound, "CUDA_ERROR_NOT_FOUND")
	_, err = NewSmoothL1[float64](d, smoothl1.Loss{Beta: 1})
	require.ErrorContains(t, err, "gpu: find the kernel smoothl1_forward_terms_f64_mul: CUDA_ERROR_NOT_FOUND (500) from Function")
	assert.Equal(t, before, s.alive())
	s.faults.Mend()

	newOp[float64](t, d, smoothl1.Loss{Beta: 1})
	assert.Len(t, s.modules, 1)
	assert.Equal(t, 1, d.Usage().Objects, "the op; the module is the device's")
}
