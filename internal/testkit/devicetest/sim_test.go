package devicetest_test

import (
	"testing"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/devicetest"
	"github.com/smoothl1/smoothl1/sim"
)

// The simulated device must keep the same contract. As it executes PTX, this also checks what the fake libcuda, which cannot, assumes
// about the kernels.
func TestSim(t *testing.T) {
	open := func() (driver.Device, error) { return sim.New(), nil }
	devicetest.Run(t, open)
	t.Run("Fault", func(t *testing.T) { devicetest.Fault(t, open, true) })
}
