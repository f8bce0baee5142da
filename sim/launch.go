package sim

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim/internal/ptx"
	"github.com/smoothl1/smoothl1/sim/internal/vm"
)

// Limits of a launch, as on GPUs of compute capability 9.0.
const (
	maxThreads = 1024
	maxShared  = 227 << 10 // bytes of a block; 48 KiB of them at most static
	maxStatic  = 48 << 10
	maxGridX   = 1<<31 - 1
	maxGridYZ  = 1<<16 - 1
	maxBlockZ  = 64
)

// Load reads PTX text and allocates memory for its variables. The detail of its error names the line and the instruction.
func (d *Device) Load(text string) (Module, error) {
	const call = "cuModuleLoadData"
	err := d.usable(call, LoadCall)
	defer d.unlock()
	if err != nil {
		return 0, err
	}
	if d.captures > 0 {
		return 0, d.refuseCapture(call, "a load")
	}
	var placed []*vm.Region
	parsed, code, err := compile(text, d.opts.approximate, func(m *ptx.Module) error {
		if !m.RunsOn(d.info.Major, d.info.Minor) {
			return fail(call, driver.CodeInvalidPTX, "the text is for %s, the device has compute capability %d.%d", m.Target, d.info.Major, d.info.Minor)
		}
		return nil
	}, func(name string, bytes, align uint64) (*vm.Region, error) {
		r, err := d.allocate(call, name, bytes, align)
		if err == nil {
			placed = append(placed, r)
		}
		return r, err
	})
	if err == nil {
		err = checkStatic(parsed, code)
	}
	if err != nil {
		for _, r := range placed {
			d.release(r.Base)
		}
		return 0, ptxError(call, err)
	}
	h := Module(d.handle())
	d.modules[h] = &module{code: code, covered: d.cover(text, parsed, code), kernels: map[string]Function{}}
	return h, nil
}

// checkStatic says which kernel has more static shared memory than a block may have.
func checkStatic(parsed *ptx.Module, code *vm.Module) error {
	for _, f := range parsed.Funcs {
		if p := code.Programs[f.Name]; p != nil && p.SharedStatic > maxStatic {
			return &ptx.Error{Line: p.Line, Msg: fmt.Sprintf("kernel %s: %d bytes of static shared memory, more than %d", p.Name, p.SharedStatic, maxStatic)}
		}
	}
	return nil
}

func ptxError(call string, err error) error {
	var bad *ptx.Error
	if !errors.As(err, &bad) {
		return err
	}
	code := driver.CodeInvalidPTX
	if bad.NewerISA {
		code = driver.CodeUnsupportedPTX
	}
	return fail(call, code, "%v", bad)
}

// Unload waits for all work of the device and gives a module and its variables back.
func (d *Device) Unload(m Module) error {
	const call = "cuModuleUnload"
	err := d.usable(call, UnloadCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	mod := d.modules[m]
	if mod == nil {
		return fail(call, driver.CodeInvalidHandle, "no module %d", m)
	}
	d.drainAll()
	if err := d.after(call); err != nil {
		return err
	}
	for _, r := range mod.code.Globals {
		d.release(r.Base)
	}
	for _, f := range mod.kernels {
		delete(d.kernels, f)
	}
	delete(d.modules, m)
	return nil
}

// Function finds a kernel of a module by its name.
func (d *Device) Function(m Module, name string) (Function, error) {
	const call = "cuModuleGetFunction"
	err := d.usable(call, LoadCall)
	defer d.unlock()
	if err != nil {
		return 0, err
	}
	mod := d.modules[m]
	if mod == nil {
		return 0, fail(call, driver.CodeInvalidHandle, "no module %d", m)
	}
	if f, ok := mod.kernels[name]; ok {
		return f, nil
	}
	p := mod.code.Programs[name]
	if p == nil {
		return 0, fail(call, driver.CodeNotFound, "the module has no kernel %q", name)
	}
	f := Function(d.handle())
	mod.kernels[name] = f
	d.kernels[f] = &kernel{prog: p, counts: mod.covered[name].counts}
	return f, nil
}

// Global finds a variable of a module in .global memory by its name: its address and its size in bytes.
func (d *Device) Global(m Module, name string) (Ptr, uint64, error) {
	const call = "cuModuleGetGlobal"
	err := d.usable(call, LoadCall)
	defer d.unlock()
	if err != nil {
		return 0, 0, err
	}
	mod := d.modules[m]
	if mod == nil {
		return 0, 0, fail(call, driver.CodeInvalidHandle, "no module %d", m)
	}
	if r := mod.code.Global(name); r != nil {
		return Ptr(r.Base), uint64(len(r.Data)), nil
	}
	return 0, 0, fail(call, driver.CodeNotFound, "the module has no variable %q", name)
}

// Launch starts a kernel. args holds one parameter each, in the order of the PTX: integers and addresses as they are, a float64 as
// its bits, a float32 as its bits in the low half. The last parameter may be a struct, passed by value: then its words of 8 bytes are
// the last arguments, in the order of their addresses. A kernel's fault is reported by a later call.
func (d *Device) Launch(f Function, g Geometry, on Stream, args []uint64) error {
	const call = "cuLaunchKernel"
	err := d.usable(call, LaunchCall)
	defer d.unlock()
	if err != nil {
		return err
	}
	s, err := d.stream(call, on)
	if err != nil {
		return err
	}
	k := d.kernels[f]
	if k == nil {
		return fail(call, driver.CodeInvalidHandle, "no function %d", f)
	}
	if err := checkShape(call, k.prog, g); err != nil {
		return err
	}
	params, err := pack(call, k.prog, args)
	if err != nil {
		return err
	}
	d.submit(s, new(uint64), func() *Error {
		if d.kernels[f] != k { // of a graph
			return &Error{Code: driver.CodeIllegalAddress, Name: nameOf(driver.CodeIllegalAddress),
				Detail: fmt.Sprintf("a graph launches kernel %s, whose module has been unloaded", k.prog.Name)}
		}
		return d.execute(k, g, params)
	})
	return nil
}

// checkShape says why a kernel cannot be launched in a shape.
func checkShape(call string, p *vm.Program, g Geometry) error {
	bad := func(code int, format string, args ...any) error {
		return fail(call, code, "kernel %s, grid (%d,%d,%d), block (%d,%d,%d): %s", p.Name, g.Grid[0], g.Grid[1], g.Grid[2],
			g.Block[0], g.Block[1], g.Block[2], fmt.Sprintf(format, args...))
	}
	for i := range 3 {
		if g.Grid[i] == 0 || g.Block[i] == 0 {
			return bad(driver.CodeInvalidValue, "a size is 0")
		}
	}
	threads := uint64(g.Block[0]) * uint64(g.Block[1]) * uint64(g.Block[2])
	shared := p.SharedStatic
	if g.SharedBytes > 0 {
		align := max(p.SharedAlign, 1)
		shared = (shared+align-1)&^(align-1) + uint64(g.SharedBytes)
	}
	switch {
	case g.Grid[0] > maxGridX || g.Grid[1] > maxGridYZ || g.Grid[2] > maxGridYZ:
		return bad(driver.CodeInvalidValue, "a grid may have (%d,%d,%d) blocks", maxGridX, maxGridYZ, maxGridYZ)
	case g.Block[0] > maxThreads || g.Block[1] > maxThreads || g.Block[2] > maxBlockZ || threads > maxThreads:
		return bad(driver.CodeInvalidValue, "a block may have (%d,%d,%d) threads and %d together", maxThreads, maxThreads, maxBlockZ, maxThreads)
	case p.ReqThreads[0] > 0 && p.ReqThreads != [3]int{int(g.Block[0]), int(g.Block[1]), int(g.Block[2])}:
		return bad(driver.CodeInvalidValue, "the kernel requires blocks of (%d,%d,%d)", p.ReqThreads[0], p.ReqThreads[1], p.ReqThreads[2])
	case p.MaxThreads > 0 && threads > uint64(p.MaxThreads):
		return bad(driver.CodeOutOfResources, "the kernel allows %d threads in a block (.maxntid)", p.MaxThreads)
	case shared > maxShared:
		return bad(driver.CodeInvalidValue, "%d bytes of shared memory, a block may have %d", shared, maxShared)
	}
	return nil
}

// pack lays out a launch's arguments as the kernel reads them. A parameter of more than 8 bytes, a struct passed by value, takes as
// many arguments as it has words; it must be the last, for a driver that is given an address for each argument reads the others at
// addresses of their own.
func pack(call string, p *vm.Program, args []uint64) ([]byte, error) {
	bad := func(format string, args ...any) ([]byte, error) {
		return nil, fail(call, driver.CodeInvalidValue, "kernel %s"+format, append([]any{p.Name}, args...)...)
	}
	want, more := len(p.Params), ""
	for i, q := range p.Params {
		if q.Bytes <= 8 {
			continue
		}
		if i < len(p.Params)-1 {
			return bad(": parameter %s of %d bytes: only the last parameter may have more than 8", q.Name, q.Bytes)
		}
		words := (q.Bytes + 7) / 8
		want, more = i+words, fmt.Sprintf(" (%d of them the words of parameter %s of %d bytes)", words, q.Name, q.Bytes)
	}
	if len(args) != want {
		return bad(" takes %d arguments%s, not %d", want, more, len(args))
	}
	buf := make([]byte, p.ParamBytes)
	var word [8]byte
	for i, v := range args {
		q := p.Params[min(i, len(p.Params)-1)]
		behind := 8 * (i - min(i, len(p.Params)-1)) // bytes of a struct before this word
		bytes := min(q.Bytes-behind, 8)
		if n := 8 * bytes; n < 64 && v>>n != 0 && int64(v)>>(n-1) != -1 {
			return bad(": argument %d, %#x, does not fit parameter %s of %d bytes", i, v, q.Name, q.Bytes)
		}
		binary.LittleEndian.PutUint64(word[:], v)
		copy(buf[q.Offset+behind:], word[:bytes])
	}
	return buf, nil
}

// codes are CUDA's codes for faults of a kernel.
var codes = map[vm.FaultKind]int{
	vm.IllegalAddress: driver.CodeIllegalAddress,
	vm.Misaligned:     driver.CodeMisaligned,
	vm.Trapped:        driver.CodeLaunchFailed,
	vm.Undefined:      driver.CodeLaunchFailed,
	vm.Deadlock:       driver.CodeLaunchTimeout,
	vm.StepLimit:      driver.CodeLaunchTimeout,
	vm.IllegalShape:   driver.CodeIllegalInstr,
	vm.Unwritten:      driver.CodeLaunchFailed,
	vm.Race:           driver.CodeLaunchFailed,
	vm.Divergence:     driver.CodeLaunchFailed,
}

// execute runs a launch.
func (d *Device) execute(k *kernel, g Geometry, params []byte) *Error {
	d.launches++
	d.stats.Launches++
	perMP := min(d.opts.resident, 2048/int(g.Block[0]*g.Block[1]*g.Block[2]))
	cover, fault := vm.Run(k.prog, d.memory, params, vm.Geometry{Grid: g.Grid, Block: g.Block, SharedBytes: g.SharedBytes}, vm.Options{
		Seed: d.opts.seed, Launch: d.launches, Multiprocessors: d.opts.multiprocessors, Resident: perMP * d.opts.multiprocessors,
		StepLimit: d.opts.steps, WorkLimit: d.opts.work, Serial: d.opts.serial, Strict: d.opts.strict,
		LatestLoads: d.opts.latest,
	})
	k.counts.Add(cover)
	if fault == nil {
		return nil
	}
	code := codes[fault.Kind]
	return &Error{Code: code, Name: nameOf(code), Detail: fmt.Sprintf("%v, seed %d, launch %d", fault, d.opts.seed, d.launches)}
}
