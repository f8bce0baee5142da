package devicetest_test

import (
	"testing"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/devicetest"
	"github.com/smoothl1/smoothl1/sim"
)

// The simulated device holds to the same contract; it also shows that the kernels do what the stand-in for libcuda, which
// cannot run PTX, takes them to do.
func TestSim(t *testing.T) {
	open := func() (driver.Device, error) { return sim.New(), nil }
	devicetest.Run(t, open)
	t.Run("Fault", func(t *testing.T) { devicetest.Fault(t, open, true) })
}
