package measure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/kernels"
)

// check launches a kernel on the first set, and compares its result with what the host computes.
func (k *ceilingsOn[T]) check(ctx context.Context, kernel string, w Workload, want *expectation[T]) error {
	return k.checkOn(ctx, driver.Linear(3, 2*kernels.WarpThreads), kernel, w, want) // few warps, which take tiles in turn
}

func (k *ceilingsOn[T]) checkOn(ctx context.Context, g driver.Geometry, kernel string, w Workload, want *expectation[T]) error {
	s, err := k.arrays.at(0)
	if err != nil {
		return err
	}
	launch := k.call(kernel, w, g, s)
	switch kernel {
	case Read:
		return errors.Join(launch(), k.checkRead(ctx, int(g.Grid[0]*g.Block[0]/kernels.WarpThreads)))
	case Combine:
		return errors.Join(launch(), k.checkCombine(ctx, driver.Ptr(k.arrays.address(2, s))))
	}
	return errors.Join(k.drv.Zero(k.sum, 8, 0), launch(), k.checkAtomic(w, want))
}

// checkRead compares the exclusive or of what all warps have read.
func (k *ceilingsOn[T]) checkRead(ctx context.Context, warps int) error {
	host := make([]byte, 4*warps)
	if err := k.drv.CopyOut(host, k.words, 0); err != nil {
		return err
	}
	got, sum := uint32(0), uint32(0)
	for i := 0; i < len(host); i += 4 {
		got ^= binary.LittleEndian.Uint32(host[i:])
	}
	err := k.combined(ctx, func(_ int, x []uint64) error {
		for _, v := range x {
			sum ^= uint32(v) ^ uint32(v>>32)
		}
		return nil
	})
	if err == nil && got != sum {
		err = fmt.Errorf("wrong answer: %#x, not %#x", got, sum)
	}
	return err
}

// checkCombine compares the whole output.
func (k *ceilingsOn[T]) checkCombine(ctx context.Context, out driver.Ptr) error {
	return k.combined(ctx, func(at int, x []uint64) error {
		host := make([]byte, 8*len(x))
		if err := k.drv.CopyOut(host, out+driver.Ptr(8*at), 0); err != nil {
			return err
		}
		for i, v := range x {
			if got := binary.LittleEndian.Uint64(host[8*i:]); got != v {
				return fmt.Errorf("wrong answer: word %d is %#x, not %#x", at+i, got, v)
			}
		}
		return nil
	})
}

// checkAtomic compares the sum with the canonical one, from which it differs by rounding.
func (k *ceilingsOn[T]) checkAtomic(w Workload, want *expectation[T]) error {
	sum := want.value
	if w.Loss.Reduction == smoothl1.Mean {
		sum *= float64(w.N())
	}
	host := make([]byte, 8)
	if err := k.drv.CopyOut(host, k.sum, 0); err != nil {
		return err
	}
	got := math.Float64frombits(binary.LittleEndian.Uint64(host))
	if !(math.Abs(got-sum) <= 1e-10*math.Abs(sum)) {
		return fmt.Errorf("wrong answer: the sum is %v, the canonical one %v", got, sum)
	}
	return nil
}

// combined visits the exclusive or of the first set's pred and target, as words of 8 bytes, as far as the kernels go.
func (k *ceilingsOn[T]) combined(ctx context.Context, visit func(at int, x []uint64) error) error {
	size, total := k.arrays.dtype.Size(), k.pieces()*pieceBytes/8
	for at := 0; at < total; at += piece * size / 8 {
		if err := ctx.Err(); err != nil {
			return err
		}
		m := min(piece*size/8, total-at)
		var x [2][]T
		var words [2][]uint64
		for i := range x {
			x[i] = make([]T, m*8/size)
			generate(x[i], uint64(i+seedPred), at*8/size)
			words[i] = unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(x[i]))), m)
		}
		for i := range words[0] {
			words[0][i] ^= words[1][i]
		}
		if err := visit(at, words[0]); err != nil {
			return err
		}
	}
	return nil
}
