package gpu_test

import (
	"math"
	"reflect"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
)

// A plan is a source of decisions. At its end all are 0.
type plan struct {
	bytes   []byte
	careful bool // decide on what is valid
}

// below decides on a number from 0 up to but not including n.
func (p *plan) below(n int) int {
	if len(p.bytes) == 0 {
		return 0
	}
	x := int(p.bytes[0]) % n
	p.bytes = p.bytes[1:]
	return x
}

// seldom decides whether to do something, at odds of 1 to n − 1.
func (p *plan) seldom(n int) bool { return p.below(n) == n-1 }

// kinds are those of the arenas: all arrays of a kind lie in one, in which they may overlap.
const (
	kindNumber = iota
	kindMask
	kindIndex
	kindLoss
	kinds
)

// A fuzzRole is a field of Args that is an array.
type fuzzRole struct {
	name   string
	kind   int
	output bool
	odds   int // of its presence: 1 to odds − 1; 0 for always
}

var fuzzRoles = []fuzzRole{
	{"Pred", kindNumber, false, 0}, {"Target", kindNumber, false, 0}, {"Weight", kindNumber, false, 3}, {"Mask", kindMask, false, 3},
	{"Beta", kindNumber, false, 4}, {"Upstream", kindNumber, false, 4}, {"Direction", kindNumber, false, 6}, {"Index", kindIndex, false, 5},
	{"Terms", kindNumber, true, 3}, {"Abs", kindNumber, true, 4}, {"GradPred", kindNumber, true, 2}, {"GradTarget", kindNumber, true, 3},
	{"Second", kindNumber, true, 6}, {"Losses", kindLoss, true, 6},
}

// A fuzzArray is an array in the arena of its kind.
type fuzzArray struct {
	fuzzRole
	from, to int
}

// Faults of a buffer that a slice does not have.
const (
	noFault = iota
	nilBuffer
	zeroBuffer
	closedBuffer
	otherDevice
	faultKinds
)

// A fuzzCall is a call with arbitrary arguments.
type fuzzCall struct {
	arrays []fuzzArray
	size   [kinds]int // of the arenas
	shape  *smoothl1.Shape

	byRow, noLoss, accumulatePred, accumulateTarget, number bool

	divisor smoothl1.Divisor
	actions int  // columns of pred
	stray   bool // some indices are out of range
	blocks  int  // at most, or 0
	fault   int
	faulty  string // the role that has the fault
}

// readCall decides on a call for an op with the reduction r. Three in four agree with the rules about what belongs together.
func readCall(p *plan, r smoothl1.Reduction) *fuzzCall {
	c := &fuzzCall{byRow: p.seldom(4), noLoss: p.seldom(3), number: p.seldom(4), stray: p.seldom(8)}
	c.accumulatePred, c.accumulateTarget = p.seldom(4), p.seldom(4)
	rows, cols := p.below(6), p.below(12)
	if p.seldom(8) {
		cols = 100 + p.below(100)
	} else if p.seldom(20) {
		cols = cpu.Chunk + p.below(9)
	}
	present := map[string]bool{}
	for _, role := range fuzzRoles {
		present[role.name] = role.odds == 0 || p.seldom(role.odds)
	}
	switch p.below(8) {
	case 3:
		c.divisor = smoothl1.DivideBy(float64(p.below(5)) + 0.5)
	case 4, 5:
		c.divisor = smoothl1.DivideByKept()
	case 6, 7:
		c.divisor = smoothl1.DivideByWeights()
	}
	if p.seldom(3) {
		c.divisor = c.divisor.ZeroIfEmpty()
	}
	p.careful = !p.seldom(4)
	if p.careful {
		c.agree(present, r)
	} else if p.seldom(3) {
		c.divisor = smoothl1.DivideBy(float64(p.below(2) - 1))
	}
	shaped := p.below(4) != 0
	if !shaped {
		rows = 1
	} else {
		c.shape = &smoothl1.Shape{Rows: rows, Cols: cols}
	}
	c.actions = cols
	for kind := range c.size {
		c.size[kind] = p.below(3)
	}
	for _, role := range fuzzRoles {
		if !present[role.name] {
			continue
		}
		height, width := rows, cols
		if present["Index"] && role.name != "Pred" && role.name != "GradPred" || role.name == "Index" || role.name == "Losses" {
			width = 1
		}
		view := smoothl1.View{}
		if shaped && role.name != "Index" && role.name != "Losses" {
			view = readView(p, role.output || role.name == "Pred" || role.name == "Target", height, width)
			reflect.ValueOf(c.shape).Elem().FieldByName(role.name).Set(reflect.ValueOf(view))
		}
		c.place(p, role, lengthOf(p, view, height, width))
	}
	if !p.careful {
		c.spoil(p)
	}
	c.blocks = p.below(4)
	return c
}

// agree makes the arguments agree with each other.
func (c *fuzzCall) agree(present map[string]bool, r smoothl1.Reduction) {
	loss := r != smoothl1.None && !c.noLoss
	present["Second"] = present["Direction"]
	if !loss && !present["Terms"] && !present["Abs"] && !present["Second"] && !present["GradTarget"] {
		present["GradPred"] = true
	}
	derived := present["GradPred"] || present["GradTarget"] || present["Second"]
	c.byRow = c.byRow && r != smoothl1.None && (loss || derived)
	present["Losses"] = c.byRow && loss
	present["Upstream"] = present["Upstream"] && derived && !c.number
	c.number = c.number && derived
	c.accumulatePred = c.accumulatePred && present["GradPred"]
	c.accumulateTarget = c.accumulateTarget && present["GradTarget"]
	if r != smoothl1.Mean || !loss && !derived {
		c.divisor = smoothl1.Divisor{}
	}
	present["Mask"] = present["Mask"] || c.divisor.Kept()
	present["Weight"] = present["Weight"] || c.divisor.Weights()
}

// spoil adds what makes a call invalid.
func (c *fuzzCall) spoil(p *plan) {
	switch p.below(8) {
	case 0:
		c.fault, c.faulty = p.below(faultKinds), c.arrays[p.below(len(c.arrays))].name
		if c.fault == nilBuffer { // the others are optional
			c.faulty = "Target"
		}
	case 1:
		if c.shape != nil {
			c.shape.Rows = -1
		}
	case 2:
		if c.shape != nil && c.shape.Cols > 0 {
			c.shape.Rows = math.MaxInt
		}
	}
}

// place puts an array of n elements in its arena: most behind the others, some over another one.
func (c *fuzzCall) place(p *plan, r fuzzRole, n int) {
	at := c.size[r.kind]
	if p.seldom(8) && (!p.careful || r.output) {
		if i := p.below(max(1, len(c.arrays))); i < len(c.arrays) && c.arrays[i].kind == r.kind {
			at = c.arrays[i].from
			if !p.careful && p.seldom(3) {
				at = max(0, at+p.below(5)-2)
			}
		}
	}
	c.arrays = append(c.arrays, fuzzArray{r, at, at + n})
	c.size[r.kind] = max(c.size[r.kind], at+n+p.below(2))
}

// readView decides on a view. One that repeats elements is rare if it leads to a refusal.
func readView(p *plan, distinct bool, rows, cols int) smoothl1.View {
	form := p.below(10)
	if distinct && form < 4 && (p.careful || !p.seldom(4)) {
		form = 9
	}
	switch form {
	case 0, 1:
		return smoothl1.PerRow()
	case 2:
		return smoothl1.PerColumn()
	case 3:
		return smoothl1.Single()
	case 4: // padded
		return smoothl1.Strided(p.below(3), cols+p.below(3), 1)
	case 5: // transposed
		return smoothl1.Strided(p.below(3), 1, max(1, rows)+p.below(2))
	case 6: // backwards
		return smoothl1.Strided(max(0, rows*cols-1), -cols, -1)
	case 7:
		if p.careful {
			return smoothl1.Strided(p.below(3)+1, cols*2+1, 2)
		}
		if p.seldom(6) {
			return smoothl1.Strided(p.below(3), []int{math.MaxInt, math.MinInt, math.MaxInt/2 + 1, -1 << 62}[p.below(4)], 1)
		}
		return smoothl1.Strided(p.below(8), p.below(16)-4, p.below(8)-2)
	}
	return smoothl1.View{}
}

// lengthOf decides on the length of an array with the view: mostly one that fits.
func lengthOf(p *plan, v smoothl1.View, rows, cols int) int {
	n := v.Len(rows, cols)
	if n < 0 {
		offset, rowStride, colStride := v.Strides(cols)
		n = offset + p.below(3)
		if rows > 0 && cols > 0 {
			n++
			if rowStride > 0 && rowStride < 1<<12 {
				n += (rows - 1) * rowStride
			}
			if colStride > 0 {
				n += (cols - 1) * colStride
			}
		}
	}
	if !p.careful && p.seldom(6) {
		n += p.below(3) - 1
	}
	return max(0, n)
}

// options returns the options of the call.
func (c *fuzzCall) options() (o []gpu.Option) {
	if c.blocks > 0 {
		o = append(o, gpu.MaxBlocks(c.blocks))
	}
	return o
}
