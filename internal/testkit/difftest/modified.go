package difftest

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
)

// Modified is a device that loads other PTX in place of that of package kernels, for whatever target, reports another number of
// multiprocessors, or launches kernels on another grid.
type Modified struct {
	driver.Device
	PTX             map[string]string // replacements, by the texts of package kernels
	Multiprocessors int               // 0: unchanged
	Geometry        *Geometry         // of the next launches; nil: unchanged
}

// Load implements driver.Device.
func (m Modified) Load(ptx string) (driver.Module, error) {
	targets := kernels.Targets()
	if other, ok := m.PTX[targets[len(targets)-1].Text(ptx)]; ok {
		ptx = other
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

// Launch implements driver.Device.
func (m Modified) Launch(f driver.Function, g driver.Geometry, on driver.Stream, args []uint64) error {
	return m.Device.Launch(f, m.grid(g), on, args)
}

// LaunchRecord implements driver.LaunchRecorder, so that a measurement on m takes the time that it takes on the device.
func (m Modified) LaunchRecord(f driver.Function, g driver.Geometry, on driver.Stream, args []uint64, e driver.Event) (launched, recorded error) {
	return driver.LaunchRecord(m.Device, f, m.grid(g), on, args, e)
}

// grid returns the grid in place of g.
func (m Modified) grid(g driver.Geometry) driver.Geometry {
	if m.Geometry != nil {
		return m.Geometry.On(m.Info().Multiprocessors, g)
	}
	return g
}

// Variants returns the kernels that the case launches on a device: that which computes its outputs, and before it that of divisors, if the
// gradients depend on one that only the device knows.
func (c Case) Variants() []kernels.Variant {
	v := kernels.Variant{DType: c.DType, Pass: c.Op, Divide: op.FormulaOf(c.DType, c.Loss).Divides}
	if c.Lean() {
		v.Elementwise = c.Op == Backward && c.Elementwise
		return []kernels.Variant{v}
	}
	v.Rich, v.Pass, v.Divide = true, Forward, v.Divide || c.has(op.RoleBeta)
	if !c.Op.Differentiates() {
		return []kernels.Variant{v}
	}
	v.Pass = ForwardBackward
	if c.By == ByCount || c.Loss.Reduction != smoothl1.Mean {
		return []kernels.Variant{v}
	}
	return []kernels.Variant{v, {DType: c.DType, Divisor: true}}
}

// Kernel returns the name of the first of the case's kernels.
func (c Case) Kernel() string { return c.Variants()[0].Name() }
