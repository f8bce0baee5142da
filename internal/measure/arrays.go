package measure

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/memory"
)

// A layout is what the arrays of a set depend on. Workloads of the same layout are measured on the same arrays.
type layout struct {
	n            int // elements of an array
	dtype        smoothl1.DType
	weight, mask bool
	columns      int // that the index chooses from; 0: there is no index
}

func (w Workload) layout() layout {
	l := layout{n: w.N(), dtype: w.DType}
	for _, o := range w.operations() {
		l.weight, l.mask = l.weight || o.weight, l.mask || o.mask
		if o.index {
			l.columns = w.N() / w.rows()
		}
	}
	return l
}

// element returns the bytes of an element of all arrays together.
func (l layout) element() int {
	bytes := 3 * l.dtype.Size()
	if l.weight {
		bytes += l.dtype.Size()
	}
	if l.mask {
		bytes += smoothl1.Uint8.Size()
	}
	if l.columns > 0 {
		bytes += smoothl1.Int32.Size()
	}
	return bytes
}

// rotation is memory for several sets of arrays. Successive calls use successive sets. All arrays have the same number of elements, of
// which an operation with an index, or with a weight and a mask by row, uses the first of each set.
type rotation[T smoothl1.Float] struct {
	layout
	dev      *gpu.Device
	stride   int // elements from one set to the next
	sets     int
	next     int               // the set that the next call uses
	nextCopy int               // the place that the next copy uses
	whole    [3]*gpu.Buffer[T] // pred, target, out
	host     [3][]T            // the same on the CPU, nil elsewhere
	weight   *gpu.Buffer[T]
	mask     *gpu.Buffer[uint8]
	index    *gpu.Buffer[int32]
	drv      driver.Device  // that the arrays are allocated on; nil: the device's own, whose addresses are hidden
	base     []driver.Ptr   // the arrays allocated there, in the order of whole
	shared   *shared        // the memory of the arrays on the CPU, nil if it is not shared
	places   map[string]int // where in it they begin, in bytes
	taken    int            // bytes of it
	made     []set[T]       // the sets made so far, kept if they are few
}

// aligned is the alignment of a set's arrays, in elements: 64 bytes of the smallest type.
const aligned = 64

// newRotation makes and fills as many sets as take more than the given bytes.
func newRotation[T smoothl1.Float](ctx context.Context, dev *gpu.Device, l layout, bytes uint64) (_ *rotation[T], err error) {
	return newRotationOn[T](ctx, dev, nil, l, bytes)
}

// newRotationOn is newRotation with pred, target and out allocated on the driver's device, unless it is nil.
func newRotationOn[T smoothl1.Float](ctx context.Context, dev *gpu.Device, drv driver.Device, l layout, bytes uint64) (_ *rotation[T], err error) {
	r := &rotation[T]{layout: l, dev: dev, drv: drv, places: map[string]int{}}
	r.sets, r.stride = setsFor(l.n, uint64(l.dtype.Size()), bytes)
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if total := r.sets * r.stride * l.element(); dev.Backend() == "cpu" {
		if err := memory.Check(uint64(total)); err != nil {
			return nil, fmt.Errorf("%w: %w", smoothl1.ErrMemory, err)
		}
		r.shared, _ = newShared(total) // a system without it has memory all the same
	}
	for i, name := range []string{"pred", "target", "out"} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.whole[i], r.host[i], err = place[T](r, name); err != nil {
			return nil, err
		}
	}
	for i, w := range r.whole[:2] {
		if err := fill(ctx, w, func(x []T, first int) { generate(x, uint64(i+seedPred), first) }); err != nil {
			return nil, err
		}
	}
	// Touch the output beforehand, too: a page fault takes longer than the loss of a page of elements.
	if err := r.whole[2].CopyFrom(r.whole[0]); err != nil {
		return nil, err
	}
	return r, r.further(ctx)
}

// further makes and fills the weight, the mask and the index.
func (r *rotation[T]) further(ctx context.Context) (err error) {
	if r.layout.weight {
		if r.weight, _, err = place[T](r, "weight"); err == nil {
			err = fill(ctx, r.weight, generateWeights[T])
		}
	}
	if err == nil && r.layout.mask {
		if r.mask, _, err = place[uint8](r, "mask"); err == nil {
			err = fill(ctx, r.mask, generateMask)
		}
	}
	if err == nil && r.columns > 0 {
		if r.index, _, err = place[int32](r, "index"); err == nil {
			err = fill(ctx, r.index, func(x []int32, first int) { generateIndex(x, first, r.columns) })
		}
	}
	return err
}

// place makes an array of all sets: on the CPU in host memory, shared with peers if the system supports it. The number of
// elements, a multiple of 64, aligns the next array.
func place[E smoothl1.Element, T smoothl1.Float](r *rotation[T], name string) (b *gpu.Buffer[E], host []E, err error) {
	n := r.sets * r.stride
	switch {
	case r.drv != nil && len(r.base) < len(r.whole):
		at, err := r.drv.Alloc(uint64(n * smoothl1.DTypeOf[E]().Size()))
		if err != nil {
			return nil, nil, memoryError(err)
		}
		r.base = append(r.base, at)
		b, err = gpu.Wrap[E](r.dev, at, n)
		return b, nil, err
	case r.dev.Backend() != "cpu":
		b, err = gpu.Alloc[E](r.dev, n)
		return b, nil, err
	case r.shared != nil:
		host = unsafe.Slice((*E)(unsafe.Pointer(&r.shared.bytes[r.taken])), n)
		r.places[name] = r.taken
		r.taken += n * smoothl1.DTypeOf[E]().Size()
	default:
		if host, err = memory.Make[E](n); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", smoothl1.ErrMemory, err)
		}
	}
	b, err = gpu.WrapHost(r.dev, host)
	return b, host, err
}

// memoryError returns the error of an allocation, which wraps smoothl1.ErrMemory if there was too little.
func memoryError(err error) error {
	if e := (*driver.Error)(nil); errors.As(err, &e) && e.Code == driver.CodeOutOfMemory {
		return fmt.Errorf("%w: %w", smoothl1.ErrMemory, err)
	}
	return err
}

// address returns the device address of an array of a set: 0, 1 and 2 stand for pred, target and out. The arrays are allocated on drv.
func (r *rotation[T]) address(array int, s set[T]) uint64 {
	return uint64(r.base[array]) + uint64(s.first*r.dtype.Size())
}

// setsFor returns how many sets of n elements exceed the given bytes, counting only the two arrays that every operation reads, and the
// distance in elements from one set to the next.
func setsFor(n int, size, bytes uint64) (sets, stride int) {
	stride = (n + aligned - 1) / aligned * aligned
	return int(bytes/(2*uint64(stride)*size)) + 1, stride
}

// bytes returns the memory that the sets take.
func (l layout) bytes(rotate uint64) uint64 {
	sets, stride := setsFor(l.n, uint64(l.dtype.Size()), rotate)
	return uint64(sets) * uint64(stride) * uint64(l.element())
}

func (r *rotation[T]) close() error {
	var errs []error
	for _, w := range append(r.whole[:], r.weight) {
		errs = append(errs, w.Close())
	}
	errs = append(errs, r.mask.Close(), r.index.Close())
	for _, p := range r.base {
		errs = append(errs, r.drv.Free(p))
	}
	if r.shared != nil {
		errs = append(errs, r.shared.close())
	}
	return errors.Join(errs...)
}

// piece is the number of elements that are generated, copied and checked at a time.
const piece = 2048 * cpu.Chunk

// fill fills an array with content that depends on the position alone.
func fill[E smoothl1.Element](ctx context.Context, w *gpu.Buffer[E], generate func(x []E, first int)) error {
	host := make([]E, min(piece, w.Len()))
	for first := 0; first < w.Len(); first += piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := min(piece, w.Len()-first)
		generate(host[:m], first)
		part, err := w.Slice(first, first+m)
		if err != nil {
			return err
		}
		if err := part.Set(host[:m]); err != nil {
			return err
		}
	}
	return nil
}

// set holds the arrays of one call; the last three are nil if the layout does not have them.
type set[T smoothl1.Float] struct {
	first                     int // position of its first element
	pred, target, out, weight *gpu.Buffer[T]
	mask                      *gpu.Buffer[uint8]
	index                     *gpu.Buffer[int32]
}

// take returns a function that maps the number of a call to its set, for the given number of calls.
func (r *rotation[T]) take(calls int) (func(i int) set[T], error) {
	first := r.next
	r.next = (first + calls) % r.sets
	if calls < r.sets { // there may be millions of sets
		some := make([]set[T], calls)
		for i := range some {
			s, err := r.at((first + i) % r.sets)
			if err != nil {
				return nil, err
			}
			some[i] = s
		}
		return func(i int) set[T] { return some[i] }, nil
	}
	for len(r.made) < r.sets {
		s, err := r.at(len(r.made))
		if err != nil {
			return nil, err
		}
		r.made = append(r.made, s)
	}
	if r.sets == 1 {
		return func(int) set[T] { return r.made[0] }, nil
	}
	return func(i int) set[T] { return r.made[(first+i)%r.sets] }, nil
}

func (r *rotation[T]) at(k int) (s set[T], err error) {
	s.first = k * r.stride
	end := s.first + r.n
	for i, to := range []**gpu.Buffer[T]{&s.pred, &s.target, &s.out} {
		if *to, err = r.whole[i].Slice(s.first, end); err != nil {
			return s, err
		}
	}
	if r.weight != nil {
		s.weight, err = r.weight.Slice(s.first, end)
	}
	if err == nil && r.mask != nil {
		s.mask, err = r.mask.Slice(s.first, end)
	}
	if err == nil && r.index != nil {
		s.index, err = r.index.Slice(s.first, end)
	}
	return s, err
}

// copied returns the length, in elements, of a copy that moves as many bytes as an operation on the given number of arrays, or as many
// as the memory allows.
func (r *rotation[T]) copied(arrays int) int { return min(arrays*r.n/2, r.sets*r.stride) }

// takeCopies returns copies of m elements for the given number of calls, to be used cyclically: fewer if there is no room for all.
func (r *rotation[T]) takeCopies(m, calls int) (all []func() error, err error) {
	stride := (m + aligned - 1) / aligned * aligned
	places := max(1, r.sets*r.stride/stride)
	for range min(calls, places) {
		first := min(r.nextCopy%places*stride, r.sets*r.stride-m)
		r.nextCopy++
		if r.host[0] != nil {
			all = append(all, func() error {
				copyParts(r.host[2][first:first+m], r.host[0][first:first+m])
				return nil
			})
			continue
		}
		from, err := r.whole[0].Slice(first, first+m)
		if err != nil {
			return nil, err
		}
		to, err := r.whole[2].Slice(first, first+m)
		if err != nil {
			return nil, err
		}
		all = append(all, func() error { return to.CopyFrom(from) })
	}
	return all, nil
}
