//go:build cuda && linux && amd64 && cgo

package fakedriver_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/fakedriver"
)

// The error of a device that is out of memory says how much was asked for and how much is free.
func TestOutOfMemory(t *testing.T) {
	clean(t)
	d, err := gpu.Open(gpu.CUDA(0))
	require.NoError(t, err)
	_, err = gpu.Alloc[uint8](d, 1<<31)
	require.ErrorIs(t, err, smoothl1.ErrMemory)
	assert.EqualError(t, err, "gpu: allocate (2147483648 bytes): CUDA_ERROR_OUT_OF_MEMORY (2) from cuMemAlloc: 1073741824 of 1073741824 bytes are free")
	require.NoError(t, d.Close())
}

// Compute calls the driver correctly, with page-locked memory and without. (The fake driver does not run the kernel.)
func TestCompute(t *testing.T) {
	for _, refused := range []bool{false, true} {
		clean(t)
		d, err := gpu.Open(gpu.CUDA(0))
		require.NoError(t, err)
		if refused {
			fakedriver.Fail("cuMemHostAlloc", 2, driver.CodeOutOfMemory)
		}
		x := make([]float32, 5<<20)
		for range 2 {
			_, err = gpu.Compute(d, smoothl1.Loss{Beta: 1}, x, x, make([]float32, len(x)))
			require.NoError(t, err)
		}
		assert.Equal(t, refused, d.Pageable() != "")
		if !refused {
			assert.Equal(t, 3, fakedriver.Calls("cuMemHostAlloc"))
			assert.Equal(t, 3, fakedriver.Alive().Pinned)
		}
		require.NoError(t, d.Close())
	}
}
