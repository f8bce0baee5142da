package evaluate

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

func init() {
	for _, t := range []reflect.Type{reflect.TypeFor[shard](), reflect.TypeFor[item](), reflect.TypeFor[summary](),
		reflect.TypeFor[sum](), reflect.TypeFor[sums]()} {
		beam.RegisterType(t)
	}
	beam.RegisterDoFn(&collect{})
}

// sum is what is known of the elements of a block: of all that the mask keeps, or of a group.
type sum struct {
	Block   int64   // the position in the row
	Terms   float64 // the sum of the loss terms: a number of the second level of the canonical sum
	Weights float64 // the same of the weights
	Kept    int64   // the number of elements that the mask keeps
	Largest float64 // the largest |pred − target|, for groups
}

// sums are those of several blocks, by position.
type sums struct{ All []sum }

// collect is the CombineFn that makes sums of single ones. It adds nothing, so that the result does not depend on the order in which the
// runner merges them, and it keeps what comes twice, so that the last step finds out.
type collect struct{}

// CreateAccumulator returns no sums.
func (collect) CreateAccumulator() sums { return sums{} }

// AddInput adds a sum.
func (collect) AddInput(a sums, s sum) sums {
	at, _ := slices.BinarySearchFunc(a.All, s, byBlock)
	a.All = slices.Insert(a.All, at, s)
	return a
}

// MergeAccumulators merges sums.
func (collect) MergeAccumulators(a, b sums) sums {
	if len(a.All) < len(b.All) {
		a, b = b, a
	}
	a.All = append(a.All, b.All...)
	slices.SortStableFunc(a.All, byBlock)
	return a
}

// ExtractOutput returns the sums.
func (collect) ExtractOutput(a sums) sums { return a }

func byBlock(a, b sum) int { return int(a.Block - b.Block) }

// total is the result of all blocks of a row, or of a group.
type total struct {
	terms, weights float64
	kept           int64
	largest        float64
}

// add adds the sums of a row of n blocks in the order of the canonical sum. A block that comes twice is an error, and so is one that is
// missing, unless it may be: then it counts as +0.
func (a sums) add(n int64, sparse bool) (t total, err error) {
	at, terms, weights := make([]int64, len(a.All)), make([]float64, len(a.All)), make([]float64, len(a.All))
	next := int64(0)
	for i, s := range a.All {
		switch {
		case s.Block < next:
			return t, fmt.Errorf("block %d came twice", s.Block)
		case s.Block >= n:
			return t, fmt.Errorf("block %d came, but there are %d", s.Block, n)
		case s.Block > next && !sparse:
			return t, fmt.Errorf("block %d of %d is missing", next, n)
		}
		at[i], terms[i], weights[i] = s.Block, s.Terms, s.Weights
		t.kept += s.Kept
		t.largest = larger(t.largest, s.Largest)
		next = s.Block + 1
	}
	if sparse {
		t.terms, t.weights = some(slices.Clone(at), terms, n), some(at, weights, n)
		return t, nil
	}
	if next < n {
		return t, fmt.Errorf("block %d of %d is missing", next, n)
	}
	if t.terms, err = canonical(terms, n*cpu.Chunk); err != nil {
		return t, err
	}
	t.weights, err = canonical(weights, n*cpu.Chunk)
	return t, err
}

// some returns the canonical sum of n numbers of which only those at some positions, in order, are not +0. It takes as long as there are of
// these, since adding +0 to a lane, which begins with +0, changes nothing. It overwrites its arguments.
func some(at []int64, x []float64, n int64) float64 {
	for ; n > 1; n = (n + cpu.Chunk - 1) / cpu.Chunk {
		k := 0
		for i := 0; i < len(at); k++ {
			chunk := at[i] / cpu.Chunk
			var l lanes
			for ; i < len(at) && at[i]/cpu.Chunk == chunk; i++ {
				l[at[i]%cpu.Lanes] += x[i]
			}
			at[k], x[k] = chunk, l.fold()
		}
		at, x = at[:k], x[:k]
	}
	if len(x) == 0 {
		return 0
	}
	return x[0]
}

// canonical returns the canonical sum of n numbers from its chunk sums.
func canonical(chunkSums []float64, n int64) (float64, error) {
	return cpu.Finish(smoothl1.Loss{Reduction: smoothl1.Sum}, chunkSums, int(n), smoothl1.Divisor{})
}

// larger returns the larger number, or NaN if one is.
func larger(x, y float64) float64 {
	if x > y || x != x {
		return x
	}
	return y
}

// reduced returns the loss for a total of n elements, and what a mean was divided by, or 0.
func (s *settings) reduced(t total, n int64) (loss, divisor float64) {
	if s.Loss.Reduction == smoothl1.Sum {
		return t.terms, 0
	}
	switch {
	case s.Kept:
		divisor = float64(t.kept)
	case s.Weights:
		divisor = t.weights
	case s.Number > 0:
		divisor = s.Number
	default:
		divisor = float64(n)
	}
	if divisor == 0 && s.ZeroIfEmpty {
		return 0, divisor
	}
	return t.terms / divisor, divisor
}
