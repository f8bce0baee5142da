package kernels_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

// The tests in this file run the kernels on arrays of more than 2^32 elements without their memory. In the text, the number of each block
// is higher by a constant, so that a launch does the last chunks only, and the addresses are such that those chunks are in memory. An
// address or count that is computed in 32 bits anywhere leads out of it, which the simulated device reports, or to another result than
// that of the same chunks alone.

// A tail is the last part of large arrays.
type tail struct {
	t        *testing.T
	d        *sim.Device
	dtype    smoothl1.DType
	skipped  uint64 // elements of the arrays before the tail
	elements uint64 // of the tail
	ticket   sim.Ptr
	outputs  []sim.Ptr
	bytes    []int // of the outputs
}

func newTail(t *testing.T, dtype smoothl1.DType, skipped, elements uint64) *tail {
	x := &tail{t: t, d: sim.New(sim.MemoryBytes(64 << 20)), dtype: dtype, skipped: skipped, elements: elements}
	t.Cleanup(func() { require.NoError(t, x.d.Close()) })
	return x
}

func (x *tail) alloc(bytes int) sim.Ptr {
	p, err := x.d.Alloc(uint64(bytes))
	require.NoError(x.t, err)
	require.NoError(x.t, x.d.Zero(p, uint64(bytes), 0))
	return p
}

// input returns memory with n small numbers of the element type.
func (x *tail) input(n int, seed uint64) uint64 {
	r := rand.New(rand.NewPCG(seed, 2))
	var data []byte
	for range n {
		v := float32(r.NormFloat64())
		switch x.dtype {
		case smoothl1.Float32:
			data = binary.LittleEndian.AppendUint32(data, uint32(op.NumberOf(v)))
		default:
			data = binary.LittleEndian.AppendUint16(data, uint16(smoothl1.ToF16(float64(v))))
		}
	}
	p := x.alloc(len(data))
	require.NoError(x.t, x.d.CopyIn(p, data, 0))
	return uint64(p)
}

// output returns memory for n elements of a size.
func (x *tail) output(n, size int) uint64 {
	p := x.alloc(n * size)
	x.outputs, x.bytes = append(x.outputs, p), append(x.bytes, n*size)
	return uint64(p)
}

// read returns the outputs, and clears them.
func (x *tail) read() (all [][]byte) {
	for i, p := range x.outputs {
		b := make([]byte, x.bytes[i])
		require.NoError(x.t, x.d.CopyOut(b, p, 0))
		require.NoError(x.t, x.d.Zero(p, uint64(len(b)), 0))
		all = append(all, b)
	}
	return all
}

var blockNumber = regexp.MustCompile(`mov\.u32\s+(%r\d+), %ctaid\.x;`)

// launch launches a kernel on blocks of one warp, with numbers from first on.
func (x *tail) launch(v kernels.Variant, blocks uint32, first uint64, words []uint64) {
	text, err := kernels.PTX(v.DType)
	if v.Rich || v.Divisor {
		text, err = kernels.RichPTX(v.DType)
	}
	require.NoError(x.t, err)
	require.NotEmpty(x.t, blockNumber.FindString(text))
	require.Less(x.t, first, uint64(1<<32))
	text = blockNumber.ReplaceAllString(text, fmt.Sprintf("$0\n\tadd.u32 $1, $1, %d;", first))
	m, err := x.d.Load(text)
	require.NoError(x.t, err)
	f, err := x.d.Function(m, v.Name())
	require.NoError(x.t, err)
	// The chunk sums are not summed, since those before the tail do not exist: with this ticket no warp is the last.
	require.NoError(x.t, x.d.CopyIn(x.ticket, []byte{100}, 0))
	require.NoError(x.t, x.d.Launch(f, sim.Linear(blocks, kernels.WarpThreads), 0, words), v.Name())
	require.NoError(x.t, x.d.Wait(0), v.Name())
	require.NoError(x.t, x.d.Unload(m))
}

// compare runs a kernel on the tail alone and as the last part of the arrays. The parameters are for the first, and whole changes them
// for the second.
func (x *tail) compare(v kernels.Variant, first uint64, p *op.Params, whole func()) {
	words := p.Words
	if v.Rich || v.Divisor {
		words = p.RichWords
	}
	x.launch(v, 2, 0, words())
	want := x.read()
	whole()
	x.launch(v, 2, first, words())
	got := x.read()
	for i := range want {
		assert.NotEqual(x.t, make([]byte, len(want[i])), want[i], "%s: output %d", v.Name(), i)
		require.Equal(x.t, want[i], got[i], "%s: output %d", v.Name(), i)
	}
}

// back returns the address of element 0 of an array of which an element is at p.
func back(p, element uint64, size int) uint64 { return p - element*uint64(size) }

// parameters are those of any loss.
func (x *tail) parameters() *op.Params {
	x.ticket = x.alloc(1 << 16)
	return &op.Params{Threshold: op.NumberOf(float32(1)), Inverse: op.NumberOf(float32(1)), Outer: op.NumberOf(float32(1)),
		Norm: op.NumberOf(float32(0.5)), G: op.NumberOf(float32(3)), Divisor: 1, Tickets: uint64(x.ticket), Value: uint64(x.alloc(8))}
}

// skips are the numbers of elements before the tail. Of the last, the number of chunks is 2^31.
var skips = []uint64{1 << 33, 1 << 42}

// largeTypes are the element types that are tested.
func largeTypes() []smoothl1.DType {
	if testing.Short() {
		return []smoothl1.DType{smoothl1.Float32}
	}
	return []smoothl1.DType{smoothl1.Float32, smoothl1.Float16}
}

func TestLargePlainArrays(t *testing.T) {
	for _, dtype := range largeTypes() {
		for _, skipped := range skips {
			for _, v := range kernels.Of(dtype) {
				if v.Divide {
					continue
				}
				const n = 3*op.Chunk + 77
				x := newTail(t, dtype, skipped, n)
				p, size := x.parameters(), dtype.Size()
				arrays := []*uint64{&p.Pred, &p.Target}
				p.N, p.Pred, p.Target = n, x.input(n, 1), x.input(n, 2)
				if v.Elementwise {
					p.Upstream = x.input(n, 3)
					arrays = append(arrays, &p.Upstream)
				}
				if v.Pass == kernels.ForwardTerms {
					p.Terms = x.output(n, size)
					arrays = append(arrays, &p.Terms)
				}
				if v.Pass.Differentiates() {
					p.GradPred, p.GradTarget = x.output(n, size), x.output(n, size)
					arrays = append(arrays, &p.GradPred, &p.GradTarget)
				}
				if v.Pass.Reduces() {
					p.Sums = x.output(op.Chunks(n), 8)
				}
				x.compare(v, skipped/op.Chunk, p, func() {
					p.N += skipped
					for _, a := range arrays {
						*a = back(*a, skipped, size)
					}
					p.Sums, p.Tickets = back(p.Sums, skipped/op.Chunk, 8), back(p.Tickets, skipped/op.Chunk/op.Chunk, 4)
				})
			}
		}
	}
}
