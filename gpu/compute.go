package gpu

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/op"
)

// Compute returns the reduced loss of host slices and, unless gradPred is nil, stores the gradient with respect to pred in gradPred.
// gradPred may be the same slice as pred or target, but may not otherwise overlap them. For arrays that stay on the device, see SmoothL1.
//
// On a device the slices, which may be larger than its memory, pass through it in pieces, on two streams and through page-locked memory, so
// that the copies to the device, the kernels and the copies back overlap. The bits are those of a computation of the whole. The
// memory for that, 24 MiB on the device and as much on the host for each of up to 4 calls at once, is kept for the next call until the
// device is closed or runs out of memory. With OnStream the work begins after the earlier work of that stream.
//
// If the work fails half-way, Compute returns after it has ended. gradPred, and the array that it replaces, may then have been written in
// part.
func Compute[T smoothl1.Float](d *Device, l smoothl1.Loss, pred, target, gradPred []T, options ...Option) (value float64, err error) {
	const name = "Compute"
	if err := d.enter(name); err != nil {
		return 0, err
	}
	defer d.leave()
	if err := checkHost(name, l, pred, target, gradPred); err != nil {
		return 0, err
	}
	if err := l.Validate(smoothl1.DTypeOf[T]()); err != nil {
		return 0, asOf(name, err)
	}
	c, err := readOptions(name, d, options, optStream|optMaxBlocks)
	if err != nil {
		return 0, err
	}
	defer c.end()
	if !d.quiet() {
		return 0, whileCapturing(name, "pred", fmt.Sprintf("%d elements", len(pred)))
	}
	defer d.loud()
	if d.drv == nil {
		a := cpu.Args[T]{Pred: pred, Target: target, GradPred: gradPred}
		value, err = cpu.Run(l, &a)
		return value, asOf(name, err)
	}
	w := whole[T]{dev: d, loss: l, pred: pred, target: target, gradPred: gradPred, call: &c}
	return w.compute()
}

// whole is a call of Compute on a device.
type whole[T smoothl1.Float] struct {
	dev                    *Device
	loss                   smoothl1.Loss
	pred, target, gradPred []T
	call                   *call
	piece                  int // elements of a piece
	divisor                smoothl1.Divisor
	staging                *staging
	pinned                 driver.Pinned // nil: the copies go through pageable memory
	ops                    [2]*SmoothL1[T]
	sums                   []float64
}

func (w *whole[T]) compute() (float64, error) {
	d, n, size := w.dev, len(w.pred), smoothl1.DTypeOf[T]().Size()
	w.piece = max(cpu.Chunk, d.pieceBytes/size/cpu.Chunk*cpu.Chunk)
	pieces := (n + w.piece - 1) / w.piece
	if w.loss.Reduction == smoothl1.Mean && n > 0 {
		w.divisor = smoothl1.DivideBy(float64(n))
	}
	sums, err := makeSlice[float64]("Compute", cpu.Chunks(n))
	if err != nil {
		return 0, err
	}
	w.sums = sums[:0]
	if pieces > 0 {
		if w.staging, err = d.takeStaging(pieces, size*min(n, w.piece)); err != nil {
			return 0, err
		}
		err = w.run(pieces)
		if put := d.putStaging(w.staging, err == nil); err == nil {
			err = put
		}
		if err != nil {
			return 0, err
		}
	}
	return cpu.Finish(w.loss, w.sums, n, smoothl1.Divisor{})
}

// run computes the pieces. A piece is queued before the results of the ones before it are waited for.
func (w *whole[T]) run(pieces int) error {
	under := min(pieces, depth)
	if w.staging.pinned(under) {
		w.pinned = driver.PinnedOf(w.dev.drv)
	} else {
		under = min(pieces, len(w.ops)) // a copy from pageable memory waits for the work before it
	}
	for i := range min(pieces, len(w.ops)) {
		s, err := newSmoothL1[T](w.dev, w.loss)
		if err != nil {
			return err
		}
		s.scratch, s.last = w.staging.lanes[i].scratch, w.staging.lanes[i].stream
		if err := s.scratch.grow(w.dev, needsOf(1, cpu.Chunks(min(w.piece, len(w.pred))))); err != nil {
			return err
		}
		w.ops[i] = s
	}
	if w.call.stream != nil {
		if err := w.staging.after(w.dev, w.call.stream); err != nil {
			return err
		}
	}
	for k := range pieces {
		if k >= under {
			if err := w.collect(k - under); err != nil {
				return err
			}
		}
		if err := w.queue(k); err != nil {
			return err
		}
	}
	for k := pieces - under; k < pieces; k++ {
		if err := w.collect(k); err != nil {
			return err
		}
	}
	return nil
}

// part returns the elements of x in piece k.
func (w *whole[T]) part(x []T, k int) []T { return x[k*w.piece : min(len(x), (k+1)*w.piece)] }

// queue queues a piece: the copies to the device, the kernel, and, through page-locked memory, the copies back.
func (w *whole[T]) queue(k int) error {
	d, s, op, on := w.dev, &w.staging.slots[k%depth], w.ops[k%2], w.staging.lanes[k%2].stream
	pred, target := w.part(w.pred, k), w.part(w.target, k)
	var buffers [2]Buffer[T]
	for i, x := range [][]T{pred, target} {
		off := i * s.bytes
		buffers[i] = Buffer[T]{array{dev: d, dtype: smoothl1.DTypeOf[T](), n: len(x), ptr: s.room.at + driver.Ptr(off)}}
		if err := w.copyIn(s, x, off, on); err != nil {
			return err
		}
	}
	a := Args[T]{Pred: &buffers[0], Target: &buffers[1], Divisor: w.divisor}
	if w.gradPred != nil {
		a.GradPred = a.Pred
	}
	options := []Option{OnStream(on), MaxBlocks(w.call.maxBlocks)}
	if w.call.maxBlocks == 0 {
		options = options[:1]
	}
	if err := op.Run(&a, options...); err != nil {
		return asOf("Compute", err)
	}
	if w.pinned == nil {
		return nil
	}
	sums := 8 * cpu.Chunks(len(pred))
	if err := w.pinned.CopyOutAsync(s.host.at+driver.Ptr(2*s.bytes), op.scratch.sumsAt(), uint64(sums), on.s); err != nil {
		return opError("copy from the device", "", sums, err)
	}
	if w.gradPred != nil {
		bytes := buffers[0].bytes()
		if err := w.pinned.CopyOutAsync(s.host.at, s.room.at, uint64(bytes), on.s); err != nil {
			return opError("copy from the device", "", bytes, err)
		}
	}
	return opError("record an event", "", 0, d.drv.Record(s.done, on.s))
}

// copyIn copies x to the device, at an offset in the slot.
func (w *whole[T]) copyIn(s *slot, x []T, off int, on *Stream) error {
	raw := rawBytes(x)
	var err error
	if w.pinned == nil {
		err = w.dev.drv.CopyIn(s.room.at+driver.Ptr(off), deviceBytes(x), on.s)
	} else {
		copyBytes(s.host.host[off:], raw)
		if bigEndian {
			swap(elementsOf[T](s.host.host[off:], len(x)))
		}
		err = w.pinned.CopyInAsync(s.room.at+driver.Ptr(off), s.host.at+driver.Ptr(off), uint64(len(raw)), on.s)
	}
	return opError("copy to the device", "", len(raw), err)
}

// collect waits for a piece and takes its results.
func (w *whole[T]) collect(k int) error {
	s, on := &w.staging.slots[k%depth], w.staging.lanes[k%2].stream
	var grad []T
	if w.gradPred != nil {
		grad = w.part(w.gradPred, k)
	}
	have := len(w.sums)
	w.sums = w.sums[:have+cpu.Chunks(len(w.part(w.pred, k)))]
	sums := rawBytes(w.sums[have:])
	if w.pinned == nil {
		if err := w.dev.drv.CopyOut(sums, w.ops[k%2].scratch.sumsAt(), on.s); err != nil {
			return opError("copy from the device", "", len(sums), err)
		}
		if grad != nil {
			if err := w.dev.drv.CopyOut(rawBytes(grad), s.room.at, on.s); err != nil {
				return opError("copy from the device", "", len(rawBytes(grad)), err)
			}
		}
	} else {
		if err := w.pinned.Await(s.done); err != nil {
			return opError("wait", "", 0, err)
		}
		copy(sums, s.host.host[2*s.bytes:])
		copyBytes(rawBytes(grad), s.host.host)
	}
	if bigEndian {
		swap(w.sums[have:])
		swap(grad)
	}
	return nil
}

// elementsOf returns n elements that begin at x.
func elementsOf[T smoothl1.Element](x []byte, n int) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(x))), n)
}

// copyShare is the least number of bytes for which a further core is worth its start.
const copyShare = 1 << 20

// copyBytes copies src to the beginning of dst, or the beginning of src to dst, whichever is shorter, on several cores if it is large: one
// core copies more slowly than a bus. See BenchmarkCopyBytes.
func copyBytes(dst, src []byte) {
	n := min(len(dst), len(src))
	workers := min(n/copyShare, runtime.GOMAXPROCS(0), 8)
	if workers <= 1 {
		copy(dst, src)
		return
	}
	var all sync.WaitGroup
	share := (n/workers + 63) &^ 63
	for from := share; from < n; from += share {
		all.Go(func() { copy(dst[from:min(from+share, n)], src[from:min(from+share, n)]) })
	}
	copy(dst[:share], src[:share])
	all.Wait()
}

// checkHost checks the host slices, which may overlap although their copies on the device do not.
func checkHost[T smoothl1.Float](name string, l smoothl1.Loss, pred, target, gradPred []T) error {
	c := op.Call{Reduction: l.Reduction, N: len(pred), Size: smoothl1.DTypeOf[T]().Size()}
	put := func(r op.Role, x []T) op.Found {
		return c.Put(r, uint64(uintptr(unsafe.Pointer(unsafe.SliceData(x)))), len(x))
	}
	c.Has = put(op.RolePred, pred) | put(op.RoleTarget, target)
	if gradPred == nil {
		return c.Check(name, op.Forward)
	}
	c.Has |= put(op.RoleGradPred, gradPred)
	return c.Check(name, op.ForwardBackward)
}

// asOf returns err with its operation, if it is an *ArgError, replaced by the one that the program called.
func asOf(op string, err error) error {
	if a, ok := err.(*smoothl1.ArgError); ok {
		return smoothl1.NewArgError(op, a.Arg, a.Value, a.Err)
	}
	return err
}
