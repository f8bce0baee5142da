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
	PTX             string // empty: as it is
	Multiprocessors int    // 0: as it is
}

// Load implements driver.Device.
func (m Modified) Load(ptx string) (driver.Module, error) {
	if m.PTX != "" {
		ptx = m.PTX
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

// Kernel returns the name of the kernel that the case runs on a device.
func (c Case) Kernel() string {
	e := kernels.Entry{DType: c.DType}
	switch c.DType {
	case smoothl1.Float32:
		e.Divide = op.Of[float32](c.Loss).Divides()
	case smoothl1.Float64:
		e.Divide = op.Of[float64](c.Loss).Divides()
	}
	switch {
	case c.Op == ForwardTerms:
		e.Op = kernels.ForwardTerms
	case c.Op == Forward:
		e.Op = kernels.Forward
	case c.Op == ForwardBackward:
		e.Op = kernels.ForwardBackward
	case c.Elementwise:
		e.Op = kernels.BackwardElementwise
	default:
		e.Op = kernels.Backward
	}
	return e.Name()
}
