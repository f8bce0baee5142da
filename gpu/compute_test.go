package gpu

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
)

func TestOverlapOfHostSlicesIsRefused(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		x, y := make([]float32, 8), make([]float32, 8)
		for _, c := range []struct {
			arg                string
			pred, target, grad []float32
		}{
			{"pred", x[:3], y[:3], x[1:4]}, {"pred", x[1:4], y[:3], x[:3]}, {"target", x[:3], y[:3], y[2:5]},
		} {
			_, err := Compute(d, smoothl1.Loss{Beta: 1}, c.pred, c.target, c.grad)
			refused(t, err, smoothl1.ErrOverlap, "Compute", "gradPred", "in the memory of "+c.arg)
		}
		for _, grad := range [][]float32{x[:3], x[3:6], y[:3], nil} {
			_, err := Compute(d, smoothl1.Loss{Beta: 1}, x[:3], y[:3], grad)
			require.NoError(t, err, "in place, beside, or none")
		}
	})
}

func TestJoinedErrorsKeepTheirReasons(t *testing.T) {
	d, s := openStub(t)
	s.failing("Launch", driver.CodeOutOfResources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES")
	grad := []float32{7, 7}
	_, err := Compute(d, smoothl1.Loss{Beta: 1}, []float32{1, 2}, []float32{1, 2}, grad)
	var e *DeviceError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, driver.CodeOutOfResources, e.Code)
	assert.Equal(t, []float32{7, 7}, grad, "outputs are untouched")
	assert.Equal(t, "0 allocations, 0 streams, 0 events, 1 modules", s.alive())
	assert.False(t, errors.Is(err, smoothl1.ErrMemory))
}
