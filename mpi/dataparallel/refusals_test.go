//go:build cgo && linux

package dataparallel

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/mpi"
	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
)

// refusals gives one of three ranks other arguments: all ranks get an error, the same text, and can go on.
func refusals(t ranks.Check, world *mpi.Comm) {
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	defer dev.Close()
	rank := world.Rank()
	odd := rank == 1
	loss := smoothl1.Loss{Beta: 1}
	s, err := NewSmoothL1[float32](world, dev, loss)
	require.NoError(t, err)
	const n = 4096
	buffer := func(n int) *gpu.Buffer[float32] { return wrap(t, dev, make([]float32, n)) }
	mask := func(n int) *gpu.Buffer[uint8] { return wrap(t, dev, make([]uint8, n)) }
	plain := func() *gpu.Args[float32] {
		return &gpu.Args[float32]{Pred: buffer(n), Target: buffer(n), GradPred: buffer(n)}
	}

	check := func(err error, text string, cause []int, reasons ...error) {
		var e *RankError
		require.ErrorAs(t, err, &e, text)
		require.Equal(t, cause, e.Ranks)
		require.Contains(t, err.Error(), text)
		for i, reason := range reasons {
			if i == 0 || odd { // the first is that of all ranks
				require.ErrorIs(t, err, reason)
			}
		}
		// All ranks say the same, but for the name of the operation where that is what differs.
		_, said, _ := strings.Cut(strings.TrimPrefix(err.Error(), "dataparallel: "), ": ")
		own, all := make([]byte, 600), make([]byte, 3*600)
		copy(own, said)
		require.NoError(t, mpi.Allgather(world, own, all))
		require.Equal(t, bytes.Repeat(own, 3), all)
		_, err = s.Run(plain())
		require.NoError(t, err, "after: "+text)
	}
	// run makes a call with arguments that are changed on rank 1, or on all.
	run := func(change func(a *gpu.Args[float32]), onAll bool, text string, cause []int, reasons ...error) {
		a := plain()
		if odd || onAll {
			change(a)
		}
		_, err := s.Run(a)
		check(err, text, cause, reasons...)
	}
	one := []int{1}
	run(func(a *gpu.Args[float32]) { a.Target = buffer(n - 1) }, false, "rank 1: smoothl1: Run: len(target) = 4095", one, ErrFailed, smoothl1.ErrLength)
	run(func(a *gpu.Args[float32]) { a.Pred, a.Target = nil, nil }, false, "arrays: pred target on ranks 0, 2, none on rank 1", one, ErrDisagree)
	run(func(a *gpu.Args[float32]) { a.Mask = mask(n) }, false, "pred target mask on rank 1", one, ErrDisagree)
	run(func(a *gpu.Args[float32]) { a.Upstream = gpu.Number[float32](2) }, false, "pred target upstream on rank 1", one, ErrDisagree)
	run(func(a *gpu.Args[float32]) { a.Divisor = smoothl1.DivideBy(2) }, false, "divisor: elements on ranks 0, 2, a number on rank 1", one, ErrDisagree)
	run(func(a *gpu.Args[float32]) { a.Divisor = smoothl1.DivideBy(-2) }, false, "divisor = -2", one, ErrFailed, smoothl1.ErrDivisor)
	run(func(a *gpu.Args[float32]) { a.ByRow = true }, false, "rank 1: smoothl1: Run: byRow", one, ErrFailed, smoothl1.ErrUnused)
	run(func(a *gpu.Args[float32]) { a.NoLoss = true }, true, "noLoss", []int{0, 1, 2}, ErrFailed, smoothl1.ErrUnused)
	run(func(a *gpu.Args[float32]) { a.Shape = &smoothl1.Shape{Rows: 1024, Cols: 4} }, false, "columns: 0 on ranks 0, 2, 4 on rank 1", one, ErrDisagree)
	for _, rows := range []int{1 << 50, 1 << 60} { // the ranks do not make room for their chunk sums
		run(func(a *gpu.Args[float32]) {
			a.Shape = &smoothl1.Shape{Rows: 1024, Cols: 4}
			if odd {
				a.Shape.Rows = rows
			}
		}, true, fmt.Sprintf("shape = %d × 4: view does not fit: pred, dense, has 4096 elements", rows), one, ErrFailed, smoothl1.ErrView)
	}
	run(func(a *gpu.Args[float32]) {
		a.Shape = &smoothl1.Shape{Rows: 1024, Cols: 4, Pred: smoothl1.Strided(0, 0, 0), Target: smoothl1.Single()}
		if a.Target, a.GradPred = buffer(1), nil; odd {
			a.Shape.Rows = 1 << 60
		}
	}, true, "rank 1: smoothl1: Reserve: elements = 4611686018427387904", one, ErrFailed, smoothl1.ErrMemory)
	run(func(a *gpu.Args[float32]) { a.Shape = &smoothl1.Shape{Rows: -1, Cols: 4} }, false, "shape = -1 × 4", one, ErrFailed, smoothl1.ErrCount)
	run(func(a *gpu.Args[float32]) { require.NoError(t, a.Pred.Close()) }, false, "float32[4096]: is closed", one, ErrFailed, smoothl1.ErrClosed)
	run(func(a *gpu.Args[float32]) {
		a.Pred, a.Target, a.GradPred = buffer(3000), buffer(3000), buffer(3000)
	}, false, "rank 1 has 3000 elements: length does not fit: it must be a multiple of 2048 on all ranks before the last that has any, rank 2; "+
		"of 11192 elements, Shard(11192, 1, 3) gives it [4096, 8192)", one, smoothl1.ErrLength)
	run(func(a *gpu.Args[float32]) { a.Divisor = smoothl1.DivideByKept() }, true, "there is no mask", []int{0, 1, 2}, ErrFailed, smoothl1.ErrDivisor)
	run(func(a *gpu.Args[float32]) {
		a.Weight, a.Divisor, a.Upstream = buffer(n), smoothl1.DivideByWeights(), gpu.Number[float32](2)
	}, true, "it is 0, which needs the upstream gradient 1", []int{0, 1, 2}, ErrFailed, smoothl1.ErrDivisor)
	run(func(a *gpu.Args[float32]) {
		index := make([]int32, 1024)
		if odd {
			index[5] = 9
		}
		a.Index, a.Target, a.Shape = wrap(t, dev, index), buffer(1024), &smoothl1.Shape{Rows: 1024, Cols: 4}
		if rank < 2 {
			a.Index, a.Target, a.Pred, a.GradPred, a.Shape = wrap(t, dev, append(index, index...)), buffer(2048), buffer(8192), buffer(8192), &smoothl1.Shape{Rows: 2048, Cols: 4}
		}
	}, true, "rank 1: smoothl1: Run: index[5] = 9", one, ErrFailed, smoothl1.ErrIndex)

	// Another loss, another type, another call.
	other := loss
	if odd {
		other.Beta = 0.5
	}
	_, err = NewSmoothL1[float32](world, dev, other)
	check(err, "NewSmoothL1: beta: 1 on ranks 0, 2, 0.5 on rank 1", one, ErrDisagree)
	if odd {
		other.Reduction = smoothl1.None
	}
	_, err = NewSmoothL1[float32](world, dev, other)
	check(err, "rank 1: smoothl1: NewSmoothL1: reduction = none", one, ErrFailed, smoothl1.ErrReduction)
	if odd {
		_, err = NewSmoothL1[float64](world, dev, loss)
	} else {
		_, err = NewSmoothL1[float32](world, dev, loss)
	}
	check(err, "element type: float32 on ranks 0, 2, float64 on rank 1", one, ErrDisagree)
	if odd {
		err = Agree(world, nil)
	} else {
		_, err = s.Run(plain())
	}
	check(err, "operation: Run on ranks 0, 2, Agree on rank 1", one, ErrDisagree)
	broken := errors.New("broken")
	if err = nil; odd {
		err = broken
	}
	check(Agree(world, err), "Agree: rank 1: broken", one, ErrFailed, broken)
	require.NoError(t, Agree(world, nil))

	// What is refused without the others.
	for _, c := range []*mpi.Comm{nil, {}} {
		_, err := NewSmoothL1[float32](c, dev, loss)
		require.Error(t, err)
		_, err = NewGradient(c, 1)
		require.Error(t, err)
		_, err = NewBuffers[float32](c, dev)
		require.Error(t, err)
		require.ErrorIs(t, Agree(c, broken), broken)
	}
	for _, s := range []*SmoothL1[float32]{nil, {}} {
		_, err := s.Run(plain())
		require.Error(t, err)
		require.NoError(t, s.Close())
	}
	for _, g := range []*Gradient{nil, {}} {
		require.Error(t, g.Reduce(0, nil, nil))
	}
	for _, b := range []*Buffers[float32]{nil, {}} {
		require.Error(t, b.Allreduce(buffer(1)))
		require.NoError(t, b.Close())
	}
	s.mu.Lock()
	_, err = s.Run(plain())
	require.ErrorIs(t, err, smoothl1.ErrBusy)
	require.ErrorIs(t, s.Close(), smoothl1.ErrBusy)
	s.mu.Unlock()
	if odd {
		require.NoError(t, s.Close())
		require.NoError(t, s.Close())
	}
	_, err = s.Run(plain()) // the others do not wait
	require.ErrorContains(t, err, "rank 1: smoothl1: Run: op = smooth_l1(beta=1, mean): is closed")
	require.NoError(t, s.Close())
}
