package difftest

import (
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"

	"github.com/smoothl1/smoothl1"
)

// Modified is a device that loads other PTX in place of that of package kernels, or reports another number of multiprocessors.
type Modified struct {
	driver.Device
	PTX             map[smoothl1.DType]string // replacements, by element type
	Multiprocessors int                       // 0: unchanged
}

// Load implements driver.Device.
func (m Modified) Load(ptx string) (driver.Module, error) {
	for t, other := range m.PTX {
		if shipped, err := kernels.PTX(t); err != nil {
			return 0, err
		} else if ptx == shipped {
			return m.Device.Load(other)
		}
	}
	return m.Device.Load(ptx)
}

// Info implements driver.Device.
func (m Modified) Info() driver.Info {
	info := m.Device.Info()
	if m.Multiprocessors != 0 {
		info.Multiprocessors = m.Multiprocessors
	}
	return info
}

// Kernel returns the name of the kernel that the case launches on a device.
func (c Case) Kernel() string {
	name := kernels.Variant{
		DType: c.DType, Pass: c.Op, Elementwise: c.Op == Backward && c.Elementwise && c.Lean(), Divide: op.FormulaOf(c.DType, c.Loss).Divides,
	}.Name()
	if !c.Lean() {
		name += "_rich"
	}
	return name
}
