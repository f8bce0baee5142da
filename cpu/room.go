package cpu

import (
	"unsafe"

	"github.com/smoothl1/smoothl1/cpu/internal/core"
	"github.com/smoothl1/smoothl1/cpu/internal/stage"
)

// room holds the buffers in which a goroutine makes the pieces of rich passes. Rooms are reused, so that a call does not allocate.
type room[C core.Float] struct {
	pred, target, weight, beta, up, dir [piece]C // inputs, as computed with, or as stored for a fused kernel
	term, distance                      [piece]C
	scaled                              [piece]C // upstream gradients with weights
	gradPred, gradTarget, second, old   [piece]C
	norm                                [piece]C // norms of the rows of the piece
	divisor                             [piece]float64
	lanes                               [Lanes]float64
	raw                                 [piece]C // stored elements on their way
	mask                                [piece]uint8

	fused             stage.Fused[C]
	ones              [piece]C
	onesF16, onesBF16 [piece]uint16
	all               [piece]uint8 // a mask that leaves out nothing
	params            core.Params[C]
	sums              [maxBatch]float64 // of a loss that nobody wants
}

var (
	rooms32 pool[room[float32]]
	rooms64 pool[room[float64]]
)

func freeRooms[C core.Float]() *pool[room[C]] {
	if f, ok := any(&rooms32).(*pool[room[C]]); ok {
		return f
	}
	if f, ok := any(&rooms64).(*pool[room[C]]); ok {
		return f
	}
	return new(pool[room[C]])
}

func newRoom[C core.Float]() *room[C] {
	b := &room[C]{}
	for i := range b.all {
		b.all[i], b.ones[i], b.onesF16[i], b.onesBF16[i] = 1, 1, 0x3c00, 0x3f80
	}
	return b
}

// onesOf returns ones as stored in a storage type.
func (b *room[C]) onesOf(s stage.Storage) unsafe.Pointer {
	switch s {
	case stage.F16:
		return unsafe.Pointer(&b.onesF16)
	case stage.BF16:
		return unsafe.Pointer(&b.onesBF16)
	}
	return unsafe.Pointer(&b.ones)
}
