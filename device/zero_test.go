package device_test

import (
	"testing"

	"github.com/smoothl1/smoothl1/device"
	"github.com/smoothl1/smoothl1/internal/testkit"
)

func TestNilAndZeroValues(t *testing.T) {
	testkit.Zero(t, ".", new(device.Ptr), new(device.Stream), new(device.Event), new(device.Graph), new(device.Module), new(device.Function), new(device.Info),
		new(device.Geometry), new(device.Error), device.Linear)
}
