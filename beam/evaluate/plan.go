package evaluate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

func init() {
	beam.RegisterDoFn(&planFn{})
}

// item is a piece of work: consecutive units, and the shards that hold their elements.
type item struct {
	Geometry geometry
	DType    int64 // a smoothl1.DType
	First    int64 // unit
	Units    int64
	Repeat   []int64 // by role, how many elements an entry stands for
	Shards   []shard
}

// summary is what the last steps know of the whole.
type summary struct {
	Geometry geometry
	DType    int64
	Shape    []int64 // of the concatenation
}

// planFn cuts the work.
type planFn struct {
	Settings settings
	total    beam.Counter
}

// Setup makes the counter.
func (f *planFn) Setup() { f.total = counter("total_elements") }

// ProcessElement emits the items and one summary.
func (f *planFn) ProcessElement(ctx context.Context, _ []byte, shards func(*shard) bool, items func(item), sum func(summary)) error {
	var all [roles][]shard
	for s := (shard{}); shards(&s); s = (shard{}) {
		all[s.Role] = append(all[s.Role], s)
	}
	p := &plan{settings: &f.Settings, shards: all}
	if err := p.arrange(); err != nil {
		return err
	}
	g := p.geometry
	f.total.Inc(ctx, g.Rows*g.Cols)
	planned.Add(g.Rows * g.Cols)
	sum(summary{g, int64(p.dtype), p.shape})
	p.cut(items)
	return nil
}

// plan is how the work is cut.
type plan struct {
	settings *settings
	shards   [roles][]shard
	dtype    smoothl1.DType
	shape    []int64
	repeat   [roles]int64
	geometry geometry
}

// arrange finds what the shards hold together, and checks that they fit.
func (p *plan) arrange() error {
	shapes := [roles][]int64{}
	for r, all := range p.shards {
		if !p.settings.Roles[r] {
			continue
		}
		slices.SortFunc(all, func(a, b shard) int { return int(a.Number - b.Number) })
		shape, err := concatenate(all)
		if err != nil {
			return err
		}
		shapes[r] = shape
	}
	p.shape = shapes[pred]
	if err := p.types(); err != nil {
		return err
	}
	n := len(p.shape)
	last := p.shape[n-1]
	for r, shape := range shapes {
		if shape == nil {
			continue
		}
		perRow := n > 1 && slices.Equal(shape, append(slices.Clone(p.shape[:n-1]), 1)) ||
			role(r) == groups && n > 1 && slices.Equal(shape, p.shape[:n-1])
		switch {
		case slices.Equal(shape, p.shape):
			p.repeat[r] = 1
		case perRow && role(r) != target:
			p.repeat[r] = max(1, last)
		default:
			return fmt.Errorf("evaluate: %v has the shape %v in all, from %s to %s, but pred has %v%s",
				role(r), shape, p.shards[r][0].Path, p.shards[r][len(p.shards[r])-1].Path, p.shape, allowed(role(r), p.shape))
		}
	}
	rows, cols := int64(1), product(p.shape)
	if p.settings.Mode == byRow {
		rows, cols = product(p.shape[:n-1]), last
	}
	p.geometry = newGeometry(rows, cols, p.settings.Block, p.settings.Mode)
	return nil
}

func product(shape []int64) int64 {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return n
}

// allowed describes the other shapes that an array may have.
func allowed(r role, shape []int64) string {
	n := len(shape) - 1
	switch {
	case n == 0 || r == target:
		return ""
	case r == groups:
		return fmt.Sprintf("; it may also have %v, or %v", append(slices.Clone(shape[:n]), 1), shape[:n])
	}
	return fmt.Sprintf("; it may also have %v", append(slices.Clone(shape[:n]), 1))
}

// concatenate sets the positions of the shards of an array and returns the shape of all.
func concatenate(all []shard) ([]int64, error) {
	if len(all) == 0 {
		return nil, errors.New("evaluate: an array lost its shards between two steps")
	}
	first := &all[0]
	shape := slices.Clone(first.Shape)
	shape[0] = 0
	var entries int64
	for i := range all {
		s := &all[i]
		switch {
		case s.Number != int64(i):
			return nil, s.errorf("is shard %d, but %d is next: a shard was lost or doubled between two steps", s.Number, i)
		case s.DType != first.DType:
			return nil, s.errorf("holds %v, but %s holds %v", s.dtype(), first.Path, first.dtype())
		case !slices.Equal(s.Shape[1:], shape[1:]):
			return nil, s.errorf("has the shape %v, but %s has %v: they must be equal but for the first dimension", s.Shape, first.Path, first.Shape)
		}
		s.First = entries
		entries += s.Entries
		if shape[0] += s.Shape[0]; entries < 0 || shape[0] < 0 {
			return nil, s.errorf("too many elements in all")
		}
	}
	return shape, nil
}

// types finds the element type and checks those of all arrays.
func (p *plan) types() error {
	of := func(r role) *shard { return &p.shards[r][0] }
	t := of(pred).dtype()
	switch {
	case t == npy.Float16:
		p.dtype = smoothl1.Float16
	case t == npy.Float32:
		p.dtype = smoothl1.Float32
	case t == npy.Float64:
		p.dtype = smoothl1.Float64
	case t == npy.Uint16 && p.settings.BFloat16:
		p.dtype = smoothl1.BFloat16
	case t == npy.Uint16:
		return of(pred).errorf("holds uint16: say if these are bit patterns of bfloat16 numbers")
	default:
		return of(pred).errorf("holds %v, want float16, float32 or float64", t)
	}
	if p.settings.BFloat16 && p.dtype != smoothl1.BFloat16 {
		return of(pred).errorf("holds %v, but bit patterns of bfloat16 are in uint16", t)
	}
	for r := range role(roles) {
		if !p.settings.Roles[r] {
			continue
		}
		u := of(r).dtype()
		switch float := u == npy.Float16 || u == npy.Float32 || u == npy.Float64; {
		case (r == target || r == weight) && u != t:
			return of(r).errorf("holds %v, but pred holds %v: convert it with NumPy's astype", u, t)
		case (r == mask || r == groups) && float:
			return of(r).errorf("holds %v, want integers", u)
		}
	}
	return p.settings.Loss.Validate(p.dtype)
}
