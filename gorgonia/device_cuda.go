//go:build cuda && linux && amd64 && cgo

package gorgonia

import (
	"errors"
	"fmt"
	"sync"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/gorgonia/cuda"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

// callsExtern has Gorgonia allocate the outputs on the device.
const callsExtern = true

var (
	_ G.CUDADoer = (*lossOp)(nil)
	_ G.CUDADoer = (*gradOp)(nil)
)

// CUDADo is part of G.CUDADoer. Gorgonia's engine allocates managed memory, which is valid for all contexts of the process, so the kernels of
// package gpu use it where it is.
func (op *lossOp) CUDADo(extern G.External, _ G.Device, prealloc G.Value, inputs ...G.Value) (G.Value, error) {
	extern.Signal() // the work that makes the inputs
	a, err := op.args(inputs)
	if err != nil {
		return nil, err
	}
	if !op.reduces() {
		if a.Terms, err = dense(terms, prealloc); err != nil {
			return nil, err
		}
		_, err = run(name, op.loss, a)
		return prealloc, err
	}
	loss, err := run(name, op.loss, a)
	if err != nil {
		return nil, err
	}
	switch x := prealloc.(type) {
	case *G.F32:
		*x = G.F32(loss)
	case *G.F64:
		*x = G.F64(loss)
	default:
		return nil, smoothl1.NewArgError(name, "prealloc", fmt.Sprintf("of Go type %T", prealloc), smoothl1.ErrDType)
	}
	return prealloc, nil
}

// CUDADo is part of G.CUDADoer.
func (op *gradOp) CUDADo(extern G.External, _ G.Device, prealloc G.Value, inputs ...G.Value) (G.Value, error) {
	extern.Signal()
	x, err := dense(op.wrt.role(), prealloc)
	if err != nil {
		return nil, err
	}
	return op.compute(x, inputs)
}

// deviceOp computes one loss on one device.
type deviceOp[T float32 | float64] struct {
	mu   sync.Mutex // an op runs one call at a time
	dev  *gpu.Device
	crit *gpu.SmoothL1[T]
}

// deviceKey names a deviceOp.
type deviceKey struct {
	ordinal int
	loss    smoothl1.Loss
	dtype   tensor.Dtype
}

// devices and their ops stay open, as Gorgonia's engines do.
var devices struct {
	mu   sync.Mutex
	open map[int]*gpu.Device
	ops  map[deviceKey]any
}

// deviceOpOf returns the op for a loss on a device.
func deviceOpOf[T float32 | float64](k deviceKey) (*deviceOp[T], error) {
	devices.mu.Lock()
	defer devices.mu.Unlock()
	if devices.open == nil {
		devices.open, devices.ops = map[int]*gpu.Device{}, map[deviceKey]any{}
	}
	if o, ok := devices.ops[k].(*deviceOp[T]); ok {
		return o, nil
	}
	dev := devices.open[k.ordinal]
	if dev == nil {
		var err error
		if dev, err = gpu.Open(gpu.CUDA(k.ordinal)); err != nil {
			return nil, err
		}
		devices.open[k.ordinal] = dev
	}
	crit, err := gpu.NewSmoothL1[T](dev, k.loss)
	if err != nil {
		return nil, err
	}
	o := &deviceOp[T]{dev: dev, crit: crit}
	devices.ops[k] = o
	return o, nil
}

// onDevice computes a call whose tensors are in the memory of Gorgonia's CUDA engine; ok is false if pred is not.
func onDevice(name string, loss smoothl1.Loss, a *Args, c *call) (value float64, ok bool, err error) {
	engine, ok := a.Pred.Engine().(*cuda.Engine)
	if !ok {
		return 0, false, nil
	}
	for r, x := range c.tensors {
		if x != nil && x.Engine() != tensor.Engine(engine) {
			return 0, true, smoothl1.NewArgError(name, role(r).String(), fmt.Sprintf("in the memory of %T", x.Engine()),
				fmt.Errorf("%w: pred has another engine", smoothl1.ErrDevice))
		}
	}
	noLoss := a.NoLoss || name == "Backward" || name == "ForwardTerms"
	k := deviceKey{int(engine.Context().Device), loss, a.Pred.Dtype()}
	if k.dtype == tensor.Float64 {
		value, err = launch[float64](k, a, c, noLoss)
	} else {
		value, err = launch[float32](k, a, c, noLoss)
	}
	return value, true, err
}

// launch performs a call on a device, and waits for it.
func launch[T float32 | float64](k deviceKey, a *Args, c *call, noLoss bool) (value float64, err error) {
	o, err := deviceOpOf[T](k)
	if err != nil {
		return 0, err
	}
	var closers []interface{ Close() error }
	defer func() {
		for _, b := range closers {
			err = errors.Join(err, b.Close())
		}
	}()
	wrap := func(r role) *gpu.Buffer[T] {
		b, e := wrapped[T](o.dev, c.tensors[r])
		if err = errors.Join(err, e); b != nil {
			closers = append(closers, b)
		}
		return b
	}
	b := &gpu.Args[T]{Pred: wrap(pred), Target: wrap(target), Weight: wrap(weight), Beta: wrap(beta), Terms: wrap(terms), Abs: wrap(abs),
		GradPred: wrap(gradPred), GradTarget: wrap(gradTarget), AccumulatePred: a.AccumulatePred, AccumulateTarget: a.AccumulateTarget,
		Direction: wrap(direction), Second: wrap(second), Divisor: a.Divisor, NoLoss: noLoss, Shape: c.shape}
	switch a.Upstream.kind {
	case byElement:
		b.Upstream = gpu.Elements(wrap(upstream))
	case byNumber:
		b.Upstream = gpu.Number[T](a.Upstream.number)
	}
	m, e := wrapped[uint8](o.dev, c.tensors[mask])
	if err = errors.Join(err, e); m != nil {
		closers = append(closers, m)
	}
	b.Mask = m
	if err != nil {
		return 0, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.crit.Run(b); err != nil {
		return 0, err
	}
	if k.loss.Reduction == smoothl1.None || noLoss {
		return 0, o.dev.Wait()
	}
	return o.crit.Value()
}

// wrapped returns a buffer in the memory of a tensor, or nil if there is no tensor.
func wrapped[T smoothl1.Element](dev *gpu.Device, x *tensor.Dense) (*gpu.Buffer[T], error) {
	if x == nil {
		return nil, nil
	}
	n := int(x.MemSize() / x.Dtype().Size())
	if n == 0 {
		return gpu.Alloc[T](dev, 0)
	}
	return gpu.Wrap[T](dev, x.Uintptr(), n)
}
