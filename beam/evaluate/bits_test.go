package evaluate

import (
	"context"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// sample is a matrix and the Config of its shards, cut anew for each array.
type sample[T smoothl1.Float] struct {
	rows, cols           int
	pred, target, weight []T
	mask                 []uint8
	groups               []int64
	config               Config
}

// newSample makes 21007 elements, in blocks of the first level of the sum. A masked element is NaN.
func newSample[T smoothl1.Float](t *testing.T) *sample[T] {
	rng := rand.New(rand.NewPCG(1, 2))
	const rows, cols, n = 3001, 7, 3001 * 7
	s := &sample[T]{rows: rows, cols: cols, pred: fill[T](rng, n), target: fill[T](rng, n), weight: fill[T](rng, n),
		mask: make([]uint8, n), groups: make([]int64, n)}
	nan := make([]T, 1)
	require.NoError(t, smoothl1.Convert(nan, []float64{math.NaN()}))
	for i := range n {
		s.mask[i], s.groups[i] = uint8(rng.IntN(3)), int64(rng.IntN(5))-2
		if s.mask[i] == 0 {
			s.pred[i] = nan[0]
		}
	}
	d := npyType(smoothl1.DTypeOf[T]())
	s.config = Config{
		Pred: write(t, s.pred, cols, d, cuts(rng, rows, 5)...), Target: write(t, s.target, cols, d, cuts(rng, rows, 3)...),
		Weight: write(t, s.weight, cols, d, cuts(rng, rows, 2)...), Mask: write(t, s.mask, cols, npy.Uint8),
		Loss: smoothl1.Loss{Beta: 0.5}, block: cpu.Chunk, BFloat16: d == npy.Uint16,
	}
	return s
}

func (s *sample[T]) args() cpu.Args[T] {
	return cpu.Args[T]{Pred: s.pred, Target: s.target, Weight: s.weight, Mask: s.mask, Divisor: s.config.Divisor}
}

// Every type has a reduction and a divisor of its own, so that each occurs.
func TestBits(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testBits[float32](t, smoothl1.Loss{Beta: 0.5}, smoothl1.DivideByWeights()) })
	t.Run("float64", func(t *testing.T) { testBits[float64](t, smoothl1.Loss{}, smoothl1.Divisor{}) })
	t.Run("float16", func(t *testing.T) {
		testBits[smoothl1.F16](t, smoothl1.Loss{Kind: smoothl1.Huber, Beta: 0.7}, smoothl1.DivideByKept())
	})
	t.Run("bfloat16", func(t *testing.T) {
		testBits[smoothl1.BF16](t, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, smoothl1.Divisor{})
	})
}

func testBits[T smoothl1.Float](t *testing.T, l smoothl1.Loss, d smoothl1.Divisor) {
	s := newSample[T](t)
	s.config.Loss, s.config.Divisor = l, d

	o, err := evaluateIn(t, s.config, whole)
	require.NoError(t, err)
	require.Len(t, o.results, 1)
	require.Equal(t, bits(loss(t, l, s.args())), bits(o.results[0].Loss))

	o, err = evaluateIn(t, s.config, byRow)
	require.NoError(t, err)
	a := s.args()
	a.ByRow, a.Losses, a.Shape = true, make([]float64, s.rows), &smoothl1.Shape{Rows: s.rows, Cols: s.cols}
	loss(t, l, a)
	require.Equal(t, bits(a.Losses...), bits(o.losses(t)...))

	c := s.config
	c.Groups = write(t, s.groups, s.cols, npy.Int64, 17, 2000)
	o, err = evaluateIn(t, c, byGroup)
	require.NoError(t, err)
	require.Equal(t, bits(loss(t, l, s.args())), bits(o.results[0].Loss))
	require.Len(t, o.groups, 5)
	for _, g := range o.groups {
		s.checkGroup(t, g)
	}
}

// checkGroup compares a group with the loss under a mask that leaves out everything else.
func (s *sample[T]) checkGroup(t *testing.T, g Group) {
	a := s.args()
	a.Mask = make([]uint8, len(s.mask))
	var kept int64
	for i := range a.Mask {
		if s.groups[i] == g.Key && s.mask[i] != 0 {
			a.Mask[i] = 1
			kept++
		}
	}
	require.Equal(t, kept, g.Kept)
	a.Abs = make([]T, len(a.Mask))
	if l := s.config.Loss; l.Reduction == smoothl1.Mean && a.Divisor.IsZero() {
		a.Divisor = smoothl1.DivideByKept()
	}
	require.Equal(t, bits(loss(t, s.config.Loss, a)), bits(g.Loss))
	sum := s.config.Loss
	sum.Reduction, a.Divisor = smoothl1.Sum, smoothl1.Divisor{}
	require.Equal(t, bits(loss(t, sum, a)), bits(g.Sum))
	largest := float64(0)
	for i := range a.Mask { // from exact numbers: 16 bits cannot hold every difference
		var d [2]float64
		require.NoError(t, smoothl1.Convert(d[:1], s.pred[i:i+1]))
		require.NoError(t, smoothl1.Convert(d[1:], s.target[i:i+1]))
		x := d[0] - d[1]
		if smoothl1.DTypeOf[T]().Computing() == smoothl1.Float32 {
			x = float64(float32(d[0]) - float32(d[1]))
		}
		if a.Mask[i] != 0 {
			largest = max(largest, math.Abs(x))
		}
	}
	require.Equal(t, largest, g.Largest)
}

// Rows longer than a block are reduced by blocks, and one number for each row is repeated, also in files that are read from beginning to end.
func TestLongRowsAndOneWeightForEach(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const rows, cols = 5, 2*cpu.Chunk + 77
	p, q, w := fill[float32](rng, rows*cols), fill[float32](rng, rows*cols), fill[float32](rng, rows)
	m, keys := []uint8{1, 1, 0, 1, 1}, []int32{4, 4, 1, -1, 4}
	sequential(1<<62, nil)
	c := Config{Pred: inLate(write(t, p, cols, npy.Float32, 1, 3)), Target: write(t, q, cols, npy.Float32, 2), Weight: inLate(write(t, w, 1, npy.Float32, 4)),
		Mask: write(t, m, 1, npy.Bool, 2), Loss: smoothl1.Loss{Beta: 1}, block: cpu.Chunk}
	o, err := evaluateIn(t, c, byRow)
	require.NoError(t, err)
	losses := make([]float64, rows)
	a := cpu.Args[float32]{Pred: p, Target: q, Weight: w, Mask: m, ByRow: true, Losses: losses,
		Shape: &smoothl1.Shape{Rows: rows, Cols: cols, Weight: smoothl1.PerRow(), Mask: smoothl1.PerRow()}}
	loss(t, c.Loss, a)
	require.Equal(t, bits(losses...), bits(o.losses(t)...))

	c.Groups = write(t, keys, 1, npy.Int32)
	o, err = evaluateIn(t, c, byGroup)
	require.NoError(t, err)
	require.Len(t, o.groups, 2)
	a.Mask, a.ByRow, a.Losses, a.Divisor = []uint8{1, 1, 0, 0, 1}, false, nil, smoothl1.DivideByKept()
	require.Equal(t, bits(loss(t, c.Loss, a)), bits(o.groups[1].Loss))
	require.EqualValues(t, 3*cols, o.groups[1].Kept)
}

// The real blocks, of which there are two and a part, cross the second level of the sum.
func TestRealBlocks(t *testing.T) {
	const n = 2*block + 12345
	p, q, keys := make([]smoothl1.F16, n), make([]smoothl1.F16, n), make([]uint8, n)
	rng := rand.New(rand.NewPCG(9, 10))
	for i := range p { // finite numbers with exponents that differ by so much that the order of the sum matters
		p[i], q[i], keys[i] = smoothl1.F16(rng.Uint32()&0x7bff), smoothl1.F16(0x8000|rng.Uint32()&0x7bff), uint8(i>>3&(i>>13)&1) // in some chunks
	}
	c := Config{Pred: write(t, p, 1, npy.Float16, 1000001, block+1), Target: write(t, q, 1, npy.Float16), Groups: write(t, keys, 1, npy.Uint8),
		Loss: smoothl1.Loss{Beta: 0.25}}
	o, err := evaluateIn(t, c, byGroup)
	require.NoError(t, err)
	a := cpu.Args[smoothl1.F16]{Pred: p, Target: q}
	require.Equal(t, bits(loss(t, c.Loss, a)), bits(o.results[0].Loss))
	a.Mask, a.Divisor = keys, smoothl1.DivideByKept()
	require.Len(t, o.groups, 2)
	require.Equal(t, bits(loss(t, c.Loss, a)), bits(o.groups[1].Loss))
	a.Divisor = smoothl1.Divisor{}
	require.Equal(t, bits(loss(t, smoothl1.Loss{Beta: 0.25, Reduction: smoothl1.Sum}, a)), bits(o.groups[1].Sum))
}

func TestNothing(t *testing.T) {
	c := Config{Pred: write(t, []float32{}, 3, npy.Float32), Target: write(t, []float32{}, 3, npy.Float32)}
	o, err := evaluateIn(t, c, whole)
	require.NoError(t, err)
	require.Len(t, o.results, 1)
	require.True(t, math.IsNaN(o.results[0].Loss))
	c.Loss.Reduction = smoothl1.Sum
	o, err = evaluateIn(t, c, whole)
	require.NoError(t, err)
	require.Equal(t, bits(0), bits(o.results[0].Loss))
}

// Rows of nothing are means of nothing, also where the divisor needs an array.
func TestRowsOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	require.NoError(t, saved[float32]()(path, npy.Header{DType: npy.Float32, Shape: []int{3, 0}}))
	for _, w := range []Shards{{path}, write(t, []float32{1, 2, 3}, 1, npy.Float32)} {
		c := Config{Pred: Shards{path}, Target: Shards{path}, Weight: w, Divisor: smoothl1.DivideByWeights()}
		o, err := evaluateIn(t, c, byRow)
		require.NoError(t, err)
		require.Len(t, o.losses(t), 3)
		require.True(t, math.IsNaN(o.losses(t)[2]))
	}
}

func TestIntegers(t *testing.T) {
	dir := t.TempDir()
	check := func(d npy.DType, save func(path string, h npy.Header) error, want ...int64) {
		path := filepath.Join(dir, d.String())
		require.NoError(t, save(path, npy.Header{DType: d, Shape: []int{len(want)}}))
		a, err := npy.Open(path)
		require.NoError(t, err)
		defer a.Close()
		got := make([]int64, len(want))
		require.NoError(t, integers(a, got, 0))
		require.Equal(t, want, got, d)
		m := make([]uint8, len(want))
		require.NoError(t, kept(a, m, 0))
		for i, x := range want {
			require.Equal(t, x != 0, m[i] != 0, d)
		}
	}
	check(npy.Bool, saved[uint8](0, 1), 0, 1)
	check(npy.Uint8, saved[uint8](0, 255), 0, 255)
	check(npy.Int8, saved[int8](0, -128), 0, -128)
	check(npy.Uint16, saved[uint16](0, 65535), 0, 65535)
	check(npy.Int16, saved[int16](256, -32768), 256, -32768)
	check(npy.Uint32, saved[uint32](0, 1<<31), 0, 1<<31)
	check(npy.Int32, saved[int32](1<<16, -5), 1<<16, -5)
	check(npy.Uint64, saved[uint64](0, 1<<62), 0, 1<<62)
	check(npy.Int64, saved[int64](1<<32, -1), 1<<32, -1)

	path := filepath.Join(dir, "large")
	require.NoError(t, saved[uint64](1<<63)(path, npy.Header{DType: npy.Uint64, Shape: []int{1}}))
	a, err := npy.Open(path)
	require.NoError(t, err)
	defer a.Close()
	require.ErrorContains(t, integers(a, make([]int64, 1), 0), "large: holds 9223372036854775808")
}

func saved[T npy.Element](x ...T) func(path string, h npy.Header) error {
	return func(path string, h npy.Header) error { return npy.WriteFile(context.Background(), path, h, x) }
}
