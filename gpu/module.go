package gpu

import (
	"errors"
	"strings"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/kernels"
)

// modules are the PTX files loaded on a device. The file of an element type's kernels of plain arrays is loaded when the first op of that
// type is created, that of its rich kernels by the first call that needs one.
type modules struct {
	target kernels.Target // that the driver takes: see probe
	mu     sync.Mutex
	loaded map[moduleKey]*module
}

type moduleKey struct {
	dtype smoothl1.DType
	rich  bool
}

func (k moduleKey) file() (string, error) {
	if k.rich {
		return kernels.RichFile(k.dtype)
	}
	return kernels.File(k.dtype)
}

func (k moduleKey) text() (string, error) {
	if k.rich {
		return kernels.RichPTX(k.dtype)
	}
	return kernels.PTX(k.dtype)
}

func (k moduleKey) variants() []kernels.Variant {
	if k.rich {
		return kernels.RichOf(k.dtype)
	}
	return kernels.Of(k.dtype)
}

type module struct {
	handle    driver.Module
	functions map[kernels.Variant]driver.Function
}

// module returns the kernels of a file, loading them on first use. The caller has entered the device.
func (d *Device) module(k moduleKey) (*module, error) {
	d.modules.mu.Lock()
	defer d.modules.mu.Unlock()
	if m := d.modules.loaded[k]; m != nil {
		return m, nil
	}
	file, err := k.file()
	if err != nil {
		return nil, err
	}
	text, err := k.text()
	if err != nil {
		return nil, opError("load", file, 0, err)
	}
	m := &module{functions: map[kernels.Variant]driver.Function{}}
	if m.handle, err = d.drv.Load(d.modules.target.Text(text)); err != nil {
		return nil, opError("load", file, 0, err)
	}
	for _, v := range k.variants() {
		if m.functions[v], err = d.drv.Function(m.handle, v.Name()); err != nil {
			return nil, errors.Join(opError("find the kernel", v.Name(), 0, err), opError("unload", file, 0, d.drv.Unload(m.handle)))
		}
	}
	if d.modules.loaded == nil {
		d.modules.loaded = map[moduleKey]*module{}
	}
	d.modules.loaded[k] = m
	return m, nil
}

// unloadAll unloads all modules, for Device.Close.
func (d *Device) unloadAll() error {
	d.modules.mu.Lock()
	defer d.modules.mu.Unlock()
	var errs []error
	for k, m := range d.modules.loaded {
		file, _ := k.file() // succeeded when the file was loaded
		errs = append(errs, opError("unload", file, 0, d.drv.Unload(m.handle)))
	}
	d.modules.loaded = nil
	return errors.Join(errs...)
}

// probe loads an empty kernel with the PTX version of the real ones, for one target after the other, the newest that the device can run
// first, and returns the first target that the driver takes. A driver that is too old, or cannot compile PTX, thus fails when the device is
// opened rather than when the first op is created, and the files are loaded for a target that is known to work.
func probe(drv driver.Device) (kernels.Target, error) {
	text, err := kernels.PTX(smoothl1.Float32)
	if err != nil {
		return 0, err
	}
	text = header(text) + "\n.visible .entry smoothl1_probe()\n{\n\tret;\n}\n"
	info, targets := drv.Info(), kernels.Targets()
	var refusals []refusal
	for i, target := range targets {
		// A device that can run none is offered the oldest: the driver knows best.
		if !target.RunsOn(info.Major, info.Minor) && i < len(targets)-1 {
			continue
		}
		m, err := drv.Load(target.Text(text))
		switch {
		case err == nil:
			return target, opError("unload the probe", "", 0, drv.Unload(m))
		case !refusesText(err):
			return 0, opError("load a probe", "", 0, err)
		}
		refusals = append(refusals, refusal{target, err})
	}
	return 0, opError("load the kernels", "", 0, &textsError{info.DriverVersion, refusals})
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
