package measure

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/cuda"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
)

//go:embed ceiling/ceiling.ptx
var ceilingPTX string

// The operations of the kernels in ceiling/ceiling.cu, in the order of the tables.
var ceilingOps = []string{Read, Combine, Atomic}

var ceilingKernels = map[string]string{Read: "ceiling_read", Combine: "ceiling_combine", Atomic: "ceiling_atomic"}

const (
	pieceBytes = 16
	tilePieces = 256     // that a warp takes of each array at a time
	mostBlocks = 1 << 17 // of a grid
)

// ceilings are the loaded kernels of ceiling/ceiling.cu.
type ceilings struct {
	drv       driver.Device
	module    driver.Module
	functions map[string]driver.Function // by operation
	words     driver.Ptr                 // for each warp of the largest grid
	sum       driver.Ptr
	opened    bool // the device was opened here
}

// ceilingText returns the kernels for the target for which a device took those of the loss, if that is newer than their own, sm_60: a
// driver that refuses text for older devices takes neither.
func ceilingText(taken string) string {
	for _, t := range kernels.Targets() {
		if t > 60 && t.String() == taken {
			return t.Text(ceilingPTX)
		}
	}
	return ceilingPTX
}

// newCeilings loads the kernels on the device of a run.
func newCeilings(c *Config) (_ *ceilings, err error) {
	k := &ceilings{drv: c.Driver, functions: map[string]driver.Function{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()
	if k.drv == nil {
		if k.drv, err = cuda.Open(c.Device.Info().Ordinal); err != nil {
			return k, err
		}
		k.opened = true
	}
	if k.module, err = k.drv.Load(ceilingText(c.Device.Target())); err != nil {
		return k, err
	}
	for of, name := range ceilingKernels {
		if k.functions[of], err = k.drv.Function(k.module, name); err != nil {
			return k, err
		}
	}
	if k.words, err = k.drv.Alloc(4 * mostBlocks * kernels.MaxWarps); err == nil {
		k.sum, err = k.drv.Alloc(8)
	}
	return k, err
}

func (k *ceilings) close() error {
	if k == nil || k.drv == nil {
		return nil
	}
	var errs []error
	for _, p := range []driver.Ptr{k.words, k.sum} {
		if p != 0 {
			errs = append(errs, k.drv.Free(p))
		}
	}
	if k.module != 0 {
		errs = append(errs, k.drv.Unload(k.module))
	}
	if k.opened {
		errs = append(errs, k.drv.Close())
	}
	return errors.Join(errs...)
}

// ceilingsOn are the ceilings on the arrays of a rotation, with the fastest grid of each that was found so far.
type ceilingsOn[T smoothl1.Float] struct {
	*ceilings
	arrays *rotation[T]
	grids  map[string]driver.Geometry
}

// takes reports whether a kernel is compared with an operation of a workload.
func (k *ceilingsOn[T]) takes(kernel string, w Workload) bool {
	forward := false
	others := false
	for _, o := range w.operations() {
		forward = forward || o.name == ForwardReduced
		others = others || o.name != ForwardReduced
	}
	switch kernel {
	case Read:
		return forward && k.pieces() > 0
	case Combine:
		return others && k.pieces() > 0
	}
	return forward && w.DType == smoothl1.Float32 && w.Loss.Kind == smoothl1.SmoothL1 && w.Loss.Beta > 0 && !op.FormulaOf(w.DType, w.Loss).Divides
}

// pieces returns the number of pieces of 16 bytes of an array. Read and Combine leave out what remains.
func (k *ceilingsOn[T]) pieces() int { return k.arrays.n * k.arrays.dtype.Size() / pieceBytes }

// bytes returns the bytes that a kernel moves.
func (k *ceilingsOn[T]) bytes(kernel string) int {
	switch kernel {
	case Read:
		return 2 * pieceBytes * k.pieces()
	case Combine:
		return 3 * pieceBytes * k.pieces()
	}
	return 2 * k.arrays.n * k.arrays.dtype.Size()
}

// contenders returns the kernels to compare with a workload's operations, each with its fastest grid. They have been checked.
func (k *ceilingsOn[T]) contenders(ctx context.Context, w Workload, clock *clock, want *expectation[T]) (all []*contender, err error) {
	for _, kernel := range ceilingOps {
		if !k.takes(kernel, w) {
			continue
		}
		if _, ok := k.grids[kernel]; !ok {
			if err := k.check(ctx, kernel, w, want); err != nil {
				return nil, fmt.Errorf("%s: %w", kernel, err)
			}
			if k.grids[kernel], err = k.fastest(ctx, kernel, w, clock); err != nil {
				return nil, fmt.Errorf("%s: %w", kernel, err)
			}
		}
		all = append(all, k.contender(kernel, w, k.grids[kernel], clock))
	}
	return all, nil
}

// contender returns a kernel on a grid.
func (k *ceilingsOn[T]) contender(kernel string, w Workload, g driver.Geometry, clock *clock) *contender {
	e := Entry{Op: kernel, Contender: fmt.Sprintf("%d blocks of %d threads", g.Grid[0], g.Block[0]), Bytes: k.bytes(kernel)}
	c := k.arrays.contender(clock, e, func(s set[T]) (func() error, error) {
		return k.call(kernel, w, g, s), nil
	}, k.arrays.dev.Wait)
	c.guest = true
	return c
}

// call returns a function that launches a kernel.
func (k *ceilingsOn[T]) call(kernel string, w Workload, g driver.Geometry, s set[T]) func() error {
	args := []uint64{k.arrays.address(0, s), k.arrays.address(1, s), uint64(k.pieces())}
	switch kernel {
	case Read:
		args = append(args, uint64(k.words))
	case Combine:
		args = append(args, k.arrays.address(2, s))
	case Atomic:
		f := op.FormulaOf(w.DType, w.Loss)
		args[2] = uint64(k.arrays.n)
		args = append(args, uint64(f.Threshold), uint64(f.Inverse), uint64(k.sum))
	}
	return func() error { return k.drv.Launch(k.functions[kernel], g, 0, args) }
}

// candidates returns the grids to choose from: a warp for each tile, in blocks of several sizes if there are few; or several blocks for
// each multiprocessor, whose warps take tiles in turn.
func (k *ceilingsOn[T]) candidates() (all []driver.Geometry) {
	tiles := max(1, (k.pieces()+tilePieces-1)/tilePieces)
	multiprocessors := max(1, k.drv.Info().Multiprocessors)
	full := func(warps int) int { return (tiles + warps - 1) / warps }
	add := func(blocks, warps int) {
		all = append(all, driver.Linear(uint32(blocks), uint32(warps*kernels.WarpThreads)))
	}
	for _, each := range []int{1, 2, 3, 4, 8, 16} {
		if blocks := each * multiprocessors; blocks < full(kernels.MaxWarps) {
			add(blocks, kernels.MaxWarps)
		}
	}
	for warps := kernels.MaxWarps; warps > 0 && (len(all) == 0 || warps == kernels.MaxWarps); warps /= 2 {
		if blocks := full(warps); blocks <= mostBlocks {
			add(blocks, warps)
		}
	}
	return all
}

// fastest returns the grid on which a kernel takes the least time.
func (k *ceilingsOn[T]) fastest(ctx context.Context, kernel string, w Workload, clock *clock) (driver.Geometry, error) {
	const rounds = 3
	grids := k.candidates()
	var all []*contender
	for _, g := range grids {
		all = append(all, k.contender(kernel, w, g, clock))
		all[len(all)-1].guest = false
	}
	if _, _, err := contest(ctx, all, rounds, never, nil); err != nil {
		return driver.Geometry{}, err
	}
	best := 0
	for i, c := range all {
		if Quantiles(c.device).Median < Quantiles(all[best].device).Median {
			best = i
		}
	}
	return grids[best], nil
}
