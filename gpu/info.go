package gpu

import (
	"runtime"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// Info is what a device says of itself. Sizes are in bytes; what is not known is 0.
type Info = driver.Info

// Info describes the device. The CPU has the backend "cpu" and, as its name, the processor's architecture; the rest is 0.
func (d *Device) Info() Info {
	if d == nil {
		return Info{}
	}
	if d.drv == nil {
		return Info{Backend: d.Backend(), Name: runtime.GOARCH}
	}
	return d.info
}
