package measure

import (
	"context"
	"errors"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
)

// rotation is memory for several sets of arrays of n elements, which calls use in turn.
type rotation[T smoothl1.Float] struct {
	dev       *gpu.Device
	n, stride int // elements of an array, and from one to the next
	sets      int
	next      int               // the set that the next call uses
	nextCopy  int               // the place that the next copy uses
	whole     [3]*gpu.Buffer[T] // pred, target, out
}

// aligned is the number of elements that a set's arrays begin at a multiple of: 256 bytes of the smaller type.
const aligned = 64

// newRotation makes sets until they take more than so many bytes, and fills them.
func newRotation[T smoothl1.Float](ctx context.Context, dev *gpu.Device, n int, bytes uint64) (*rotation[T], error) {
	r := &rotation[T]{dev: dev, n: n}
	r.sets, r.stride = setsFor(n, uint64(smoothl1.DTypeOf[T]().Size()), bytes)
	var err error
	for i := range r.whole {
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, r.close())
		}
		if r.whole[i], err = gpu.Alloc[T](dev, r.sets*r.stride); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	for i, w := range r.whole[:2] {
		if err := r.fill(ctx, w, uint64(i+1)); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	// What is written is touched beforehand, too: the first touch of a page takes longer than the loss of what fits into it.
	if err := r.whole[2].CopyFrom(r.whole[0]); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// setsFor returns how many sets of n elements make more than so many bytes, of the two arrays that each operation touches at
// least, and the elements from one set to the next.
func setsFor(n int, size, bytes uint64) (sets, stride int) {
	stride = (n + aligned - 1) / aligned * aligned
	return int(bytes/(2*uint64(stride)*size)) + 1, stride
}

// rotationBytes is the memory that the sets take.
func rotationBytes(n int, size, bytes uint64) uint64 {
	sets, stride := setsFor(n, size, bytes)
	return 3 * uint64(sets) * uint64(stride) * size
}

func (r *rotation[T]) close() error {
	var errs []error
	for _, w := range r.whole {
		errs = append(errs, w.Close())
	}
	return errors.Join(errs...)
}

// piece is what is generated, copied and checked in one go.
const piece = 2048 * cpu.Chunk

// fill gives an array its content, a function of seed and position alone.
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

// generate writes the content from position first on: multiples of 2^-22 in [-2, 2), in no order, so that both branches of the
// formula are as likely as not.
func generate[T smoothl1.Float](x []T, seed uint64, first int) {
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

// set are the arrays of one call.
type set[T smoothl1.Float] struct {
	first             int // position of its first element
	pred, target, out *gpu.Buffer[T]
}

// take returns the arrays of so many calls, each the next set.
func (r *rotation[T]) take(calls int) ([]set[T], error) {
	all := make([]set[T], calls)
	for i := range all {
		s, err := r.at(r.next)
		if err != nil {
			return nil, err
		}
		all[i] = s
		r.next = (r.next + 1) % r.sets
	}
	return all, nil
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

// pair are source and destination of a copy.
type pair[T smoothl1.Float] struct{ from, to *gpu.Buffer[T] }

// copied returns how many elements a copy has that moves as many bytes as so many arrays, or as near to it as the memory goes.
func (r *rotation[T]) copied(arrays int) int { return min(arrays*r.n/2, r.sets*r.stride) }

// takeCopies returns the buffers of so many copies of m elements.
func (r *rotation[T]) takeCopies(m, calls int) (all []pair[T], err error) {
	stride := (m + aligned - 1) / aligned * aligned
	places := max(1, r.sets*r.stride/stride)
	for range calls {
		first := min(r.nextCopy%places*stride, r.sets*r.stride-m)
		r.nextCopy++
		var p pair[T]
		if p.from, err = r.whole[0].Slice(first, first+m); err != nil {
			return nil, err
		}
		if p.to, err = r.whole[2].Slice(first, first+m); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}
