package gpu

import (
	"errors"
	"strings"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/kernels"
)

// modules are the PTX files loaded on a device. The file of an element type is loaded when the first op of that type is created.
type modules struct {
	mu     sync.Mutex
	loaded map[smoothl1.DType]*module
}

type module struct {
	handle    driver.Module
	functions map[kernels.Variant]driver.Function
}

// module returns the kernels of an element type, loading them on first use. The caller has entered the device.
func (d *Device) module(t smoothl1.DType) (*module, error) {
	d.modules.mu.Lock()
	defer d.modules.mu.Unlock()
	if m := d.modules.loaded[t]; m != nil {
		return m, nil
	}
	file, err := kernels.File(t)
	if err != nil {
		return nil, err
	}
	text, err := kernels.PTX(t)
	if err != nil {
		return nil, opError("load", file, 0, err)
	}
	m := &module{functions: map[kernels.Variant]driver.Function{}}
	if m.handle, err = d.drv.Load(text); err != nil {
		return nil, opError("load", file, 0, err)
	}
	for _, v := range kernels.Of(t) {
		if m.functions[v], err = d.drv.Function(m.handle, v.Name()); err != nil {
			return nil, errors.Join(opError("find the kernel", v.Name(), 0, err), opError("unload", file, 0, d.drv.Unload(m.handle)))
		}
	}
	if d.modules.loaded == nil {
		d.modules.loaded = map[smoothl1.DType]*module{}
	}
	d.modules.loaded[t] = m
	return m, nil
}

// unloadAll unloads all modules, for Device.Close.
func (d *Device) unloadAll() error {
	d.modules.mu.Lock()
	defer d.modules.mu.Unlock()
	var errs []error
	for t, m := range d.modules.loaded {
		file, _ := kernels.File(t) // succeeded when t was loaded
		errs = append(errs, opError("unload", file, 0, d.drv.Unload(m.handle)))
	}
	d.modules.loaded = nil
	return errors.Join(errs...)
}

// probe loads an empty kernel with the PTX version and target of the real ones, which all files share. A driver that is too old, or
// cannot compile PTX, thus fails when the device is opened rather than when the first op is created.
func probe(drv driver.Device) error {
	text, err := kernels.PTX(smoothl1.Float32)
	if err != nil {
		return err
	}
	m, err := drv.Load(header(text) + "\n.visible .entry smoothl1_probe()\n{\n\tret;\n}\n")
	if err != nil {
		return opError("load a probe", "", 0, err)
	}
	return opError("unload the probe", "", 0, drv.Unload(m))
}

// header returns the directives at the beginning of a PTX text.
func header(ptx string) string {
	const last = ".address_size 64\n"
	before, _, ok := strings.Cut(ptx, last)
	if !ok {
		return ""
	}
	return before + last
}
