package measure

import (
	"context"
	"errors"
	"fmt"
	"github.com/smoothl1/smoothl1/internal/op"
	"sync"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/memory"
)

// rotation is memory for several sets of arrays of n elements. Successive calls use successive sets.
type rotation[T op.Computing] struct {
	dev       *gpu.Device
	n, stride int // elements of an array, and from one to the next
	sets      int
	next      int               // the set that the next call uses
	nextCopy  int               // the place that the next copy uses
	whole     [3]*gpu.Buffer[T] // pred, target, out
	host      [3][]T            // the same on the CPU, nil elsewhere
	shared    *shared           // the memory of host, nil if it is not shared
	made      []set[T]          // the sets made so far, kept if they are few
}

// aligned is the alignment of a set's arrays, in elements: 256 bytes of the smaller type.
const aligned = 64

// newRotation makes and fills as many sets as take more than the given bytes.
func newRotation[T op.Computing](ctx context.Context, dev *gpu.Device, n int, bytes uint64) (*rotation[T], error) {
	r := &rotation[T]{dev: dev, n: n}
	r.sets, r.stride = setsFor(n, uint64(smoothl1.DTypeOf[T]().Size()), bytes)
	if dev.Backend() == "cpu" {
		if err := r.allocateHost(); err != nil {
			return nil, err
		}
	}
	var err error
	for i := range r.whole {
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, r.close())
		}
		if r.host[i] != nil {
			r.whole[i], err = gpu.WrapHost(dev, r.host[i])
		} else {
			r.whole[i], err = gpu.Alloc[T](dev, r.sets*r.stride)
		}
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	for i, w := range r.whole[:2] {
		if err := r.fill(ctx, w, uint64(i+1)); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	// Touch the output beforehand, too: a page fault takes longer than the loss of a page of elements.
	if err := r.whole[2].CopyFrom(r.whole[0]); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// allocateHost makes the arrays in host memory, shared with peers if the system supports it.
func (r *rotation[T]) allocateHost() (err error) {
	n, size := r.sets*r.stride, smoothl1.DTypeOf[T]().Size()
	if err := memory.Check(uint64(3 * n * size)); err != nil {
		return fmt.Errorf("%w: %w", smoothl1.ErrMemory, err)
	}
	if r.shared, err = newShared(3 * n * size); err == nil {
		all := unsafe.Slice((*T)(unsafe.Pointer(&r.shared.bytes[0])), 3*n)
		for i := range r.host {
			r.host[i] = all[i*n : (i+1)*n : (i+1)*n]
		}
		return nil
	}
	for i := range r.host {
		if r.host[i], err = memory.Make[T](n); err != nil {
			return fmt.Errorf("%w: %w", smoothl1.ErrMemory, err)
		}
	}
	return nil
}

// setsFor returns how many sets of n elements exceed the given bytes, counting only the two arrays that every operation reads, and the
// distance in elements from one set to the next.
func setsFor(n int, size, bytes uint64) (sets, stride int) {
	stride = (n + aligned - 1) / aligned * aligned
	return int(bytes/(2*uint64(stride)*size)) + 1, stride
}

// rotationBytes returns the memory that the sets take.
func rotationBytes(n int, size, bytes uint64) uint64 {
	sets, stride := setsFor(n, size, bytes)
	return 3 * uint64(sets) * uint64(stride) * size
}

func (r *rotation[T]) close() error {
	var errs []error
	for _, w := range r.whole {
		errs = append(errs, w.Close())
	}
	if r.shared != nil {
		errs = append(errs, r.shared.close())
	}
	return errors.Join(errs...)
}

// piece is the number of elements that are generated, copied and checked at a time.
const piece = 2048 * cpu.Chunk

// fill fills an array with content that depends on seed and position alone.
func (r *rotation[T]) fill(ctx context.Context, w *gpu.Buffer[T], seed uint64) error {
	host := make([]T, min(piece, w.Len()))
	for first := 0; first < w.Len(); first += piece {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := min(piece, w.Len()-first)
		generate(host[:m], seed, first)
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

// generate writes the content that begins at position first: pseudo-random multiples of 2^-22 in [-2, 2), for which both branches of
// the formula are likely.
func generate[T op.Computing](x []T, seed uint64, first int) {
	const share = 1 << 18
	var wait sync.WaitGroup
	for at := 0; at < len(x); at += share {
		part := x[at:min(len(x), at+share)]
		begin := uint64(first+at) + seed<<40
		wait.Go(func() {
			for i := range part {
				z := (begin + uint64(i) + 1) * 0x9e3779b97f4a7c15 // splitmix64
				z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
				z = (z ^ z>>27) * 0x94d049bb133111eb
				z ^= z >> 31
				part[i] = T(int64(z>>40)-1<<23) * 0x1p-22
			}
		})
	}
	wait.Wait()
}

// set holds the arrays of one call.
type set[T op.Computing] struct {
	first             int // position of its first element
	pred, target, out *gpu.Buffer[T]
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
	for i, to := range []**gpu.Buffer[T]{&s.pred, &s.target, &s.out} {
		if *to, err = r.whole[i].Slice(s.first, s.first+r.n); err != nil {
			return s, err
		}
	}
	return s, nil
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
