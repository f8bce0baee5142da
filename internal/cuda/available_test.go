package cuda_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/cuda"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/devicetest"
)

// TestAvailable uses the driver library of this machine, if any, rather than a fake one.
func TestAvailable(t *testing.T) {
	err := cuda.Available()
	if err == nil {
		t.Skip("there is a CUDA device")
	}
	require.ErrorIs(t, err, cuda.ErrUnavailable)
	assert.Regexp(t, expected, err.Error())

	n, countErr := cuda.Count()
	assert.Zero(t, n)
	assert.Equal(t, err, countErr)

	d, openErr := cuda.Open(3)
	assert.Nil(t, d)
	assert.Equal(t, err, openErr)
}

// TestDevice tests every CUDA device of this machine.
func TestDevice(t *testing.T) {
	if err := cuda.Available(); err != nil {
		t.Skip(err)
	}
	n, err := cuda.Count()
	require.NoError(t, err)
	for ordinal := range n {
		devicetest.Run(t, func() (driver.Device, error) { return cuda.Open(ordinal) })
	}
	devicetest.Fault(t, func() (driver.Device, error) { return cuda.Open(0) }, false)
}
