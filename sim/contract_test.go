package sim_test

import (
	"fmt"
	"testing"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/internal/testkit/devicetest"
	"github.com/smoothl1/smoothl1/sim"
)

// The contract of a device, for simulated devices with all kinds of options, or, without -long, of two kinds.
func TestContract(t *testing.T) {
	all := ways()
	if !testkit.Long() {
		all = all[:2]
	}
	for i, options := range all {
		t.Run(fmt.Sprintf("way=%d", i), func(t *testing.T) {
			open := func() (driver.Device, error) { return sim.New(options...), nil }
			devicetest.Run(t, open)
			t.Run("Fault", func(t *testing.T) { devicetest.Fault(t, open, true) })
		})
	}
}
