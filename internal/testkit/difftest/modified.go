package difftest

import (
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"

	"github.com/smoothl1/smoothl1"
)

// Modified is a device on which gpu finds another PTX than the one it embeds, or another number of multiprocessors.
type Modified struct {
	driver.Device
	PTX             map[smoothl1.DType]string // by element type; none: as it is
	Multiprocessors int                       // 0: as it is
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

// passes are those of the operations.
var passes = map[Op]kernels.Pass{ForwardTerms: kernels.ForwardTerms, Forward: kernels.Forward, Backward: kernels.Backward, ForwardBackward: kernels.ForwardBackward}

// Kernel returns the name of the kernel that the case runs on a device.
func (c Case) Kernel() string {
	v := kernels.Variant{DType: c.DType, Pass: passes[c.Op], Elementwise: c.Op == Backward && c.Elementwise}
	switch c.DType.Computing() {
	case smoothl1.Float32:
		v.Divide = op.Of[float32](c.Loss).Divides()
	case smoothl1.Float64:
		v.Divide = op.Of[float64](c.Loss).Divides()
	}
	return v.Name()
}
