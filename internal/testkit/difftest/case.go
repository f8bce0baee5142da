// Package difftest checks that all implementations of the loss produce the same bits. It has a table of cases, a comparator, and a column
// for each implementation.
package difftest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

// A Case is one operation on generated arrays. It suffices to reproduce a failure: see String and Parse.
type Case struct {
	Op    op.Pass
	DType smoothl1.DType
	Loss  smoothl1.Loss
	N     int    // elements, those of the matrix if there is one
	Data  Data   // contents of the arrays
	Seed  uint64 // for the contents
	// Upstream is the upstream gradient, unless Elementwise is set.
	Upstream    float64
	Elementwise bool
	Grads       Grads
	Count       int // divisor of a mean; 0: that of By
	// Shift misaligns the arrays: the k-th array by the k-th decimal digit of Shift from the right, modulo 4 or, for smaller elements, the
	// number of those in 16 bytes. See order.
	Shift   int
	Blocks  int  // limit of the blocks of a launch; 0: none
	InPlace bool // the first output is the same array as pred
	Exact   bool // on a device, each array is an allocation of its own without guard zones, so that a read past its end is an error

	// Rows and Cols are the shape; if both are 0, the call has none.
	Rows, Cols int
	// Actions is the number of columns of pred if there is an index, else 0. With an index, Cols is 1.
	Actions int
	// Wild makes the index of some rows one that pred does not have. Only a device computes such a case, and reports the index afterwards.
	Wild bool
	// Forms are the forms of the arrays. The operation decides which of pred, target, an upstream gradient and the gradients there are, and
	// loss terms are absent only from other operations than ForwardTerms, or beside Abs; a direction there is with Second.
	Forms       [op.Roles]Form
	Keep        int   // percentage of the elements that the mask keeps
	Accumulate  Grads // gradients that are added to what the arrays have
	ByRow       bool
	By          By
	ZeroIfEmpty bool
}

// By is what a mean divides by.
type By uint8

// The divisors.
const (
	ByCount By = iota // Count, or the number of elements
	ByKept
	ByWeights
)

var byNames = []string{"count", "kept", "weights"}

func (b By) String() string { return byNames[b] }

// The operations.
const (
	ForwardTerms    = op.Terms
	Forward         = op.Forward
	Backward        = op.Backward
	ForwardBackward = op.ForwardBackward
)

// Grads is a set of gradients to compute.
type Grads uint8

// The gradients.
const (
	GradPred Grads = 1 << iota
	GradTarget
)

// Ops lists all operations.
var Ops = []op.Pass{ForwardTerms, Forward, Backward, ForwardBackward}

// Shaped reports whether the call has a shape.
func (c Case) Shaped() bool { return c.Rows != 0 || c.Cols != 0 }

// order is the order of the arrays that Shift misaligns.
var order = [...]op.Role{op.RolePred, op.RoleTarget, op.RoleUpstream, op.RoleWeight, op.RoleMask, op.RoleBeta, op.RoleIndex, op.RoleDirection,
	op.RoleTerms, op.RoleAbs, op.RoleGradPred, op.RoleGradTarget, op.RoleSecond, op.RoleLosses, op.RoleChunkSums}

// has reports whether the case has an array in the role.
func (c Case) has(r op.Role) bool {
	given := c.Forms[r] != Absent
	switch r {
	case op.RolePred, op.RoleTarget:
		return true
	case op.RoleUpstream:
		return c.Elementwise && c.Op.Differentiates()
	case op.RoleIndex:
		return c.Actions > 0
	case op.RoleDirection:
		return c.has(op.RoleSecond)
	case op.RoleTerms:
		return given || c.Op == ForwardTerms && c.Forms[op.RoleAbs] == Absent
	case op.RoleGradPred:
		return c.Op.Differentiates() && c.Grads&GradPred != 0
	case op.RoleGradTarget:
		return c.Op.Differentiates() && c.Grads&GradTarget != 0
	case op.RoleSecond:
		return given && c.Op.Differentiates()
	case op.RoleLosses:
		return c.ByRow && c.Op.Reduces()
	case op.RoleChunkSums:
		return c.Op.Reduces()
	}
	return given
}

// String returns the case as text that Parse accepts.
func (c Case) String() string {
	var b strings.Builder
	put := func(key string, value any) { fmt.Fprintf(&b, "%s=%v,", key, value) }
	put("op", c.Op)
	put("dtype", c.DType)
	put("loss", c.Loss.Kind)
	put("beta", strconv.FormatFloat(c.Loss.Beta, 'g', -1, 64))
	put("reduction", c.Loss.Reduction)
	if c.Shaped() {
		put("rows", c.Rows)
		put("cols", c.Cols)
	} else {
		put("n", c.N)
	}
	put("data", c.Data)
	put("seed", c.Seed)
	if c.Op.Differentiates() {
		put("grads", uint8(c.Grads))
		if c.Elementwise {
			put("elementwise", true)
		} else {
			put("upstream", strconv.FormatFloat(c.Upstream, 'g', -1, 64))
		}
	}
	if c.Count != 0 {
		put("count", c.Count)
	}
	if c.Shift != 0 {
		put("shift", c.Shift)
	}
	if c.Blocks != 0 {
		put("blocks", c.Blocks)
	}
	if c.InPlace {
		put("inplace", true)
	}
	if c.Exact {
		put("exact", true)
	}
	if c.Actions != 0 {
		put("actions", c.Actions)
	}
	if c.Wild {
		put("wild", true)
	}
	for r, f := range c.Forms {
		if f != Absent {
			put(op.Role(r).String(), f)
		}
	}
	if c.Forms[op.RoleMask] != Absent {
		put("keep", c.Keep)
	}
	if c.Accumulate != 0 {
		put("accumulate", uint8(c.Accumulate))
	}
	if c.ByRow {
		put("byrow", true)
	}
	if c.By != ByCount {
		put("by", c.By)
	}
	if c.ZeroIfEmpty {
		put("zeroifempty", true)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// Parse parses a case in the format of String.
func Parse(text string) (c Case, err error) {
	hasN := false
	for _, field := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return c, fmt.Errorf("difftest: case field %q: want key=value", field)
		}
		if form, failed := parseForm(value); failed == nil {
			if err := c.setForm(key, form); err != nil {
				return c, fmt.Errorf("difftest: case field %q: %w", field, err)
			}
			continue
		}
		switch key {
		case "op":
			i := slices.IndexFunc(Ops, func(p op.Pass) bool { return p.String() == value })
			if i < 0 {
				err = fmt.Errorf("unknown operation")
			} else {
				c.Op = Ops[i]
			}
		case "dtype":
			err = c.DType.Set(value)
		case "loss":
			err = c.Loss.Kind.Set(value)
		case "beta":
			c.Loss.Beta, err = ParseFloat(value)
		case "reduction":
			err = c.Loss.Reduction.Set(value)
		case "n":
			c.N, err = strconv.Atoi(value)
			hasN = true
		case "data":
			c.Data, err = parseData(value)
		case "seed":
			c.Seed, err = strconv.ParseUint(value, 10, 64)
		case "grads":
			c.Grads, err = parseGrads(value)
		case "elementwise":
			c.Elementwise, err = strconv.ParseBool(value)
		case "upstream":
			c.Upstream, err = ParseFloat(value)
		case "count":
			c.Count, err = strconv.Atoi(value)
		case "shift":
			c.Shift, err = strconv.Atoi(value)
		case "blocks":
			c.Blocks, err = strconv.Atoi(value)
		case "inplace":
			c.InPlace, err = strconv.ParseBool(value)
		case "exact":
			c.Exact, err = strconv.ParseBool(value)
		case "rows":
			c.Rows, err = strconv.Atoi(value)
			hasN = true
		case "cols":
			c.Cols, err = strconv.Atoi(value)
		case "actions":
			c.Actions, err = strconv.Atoi(value)
		case "wild":
			c.Wild, err = strconv.ParseBool(value)
		case "keep":
			c.Keep, err = strconv.Atoi(value)
		case "accumulate":
			c.Accumulate, err = parseGrads(value)
		case "byrow":
			c.ByRow, err = strconv.ParseBool(value)
		case "by":
			i := slices.Index(byNames, value)
			if i < 0 {
				err = fmt.Errorf("unknown divisor, want one of %v", byNames)
			}
			c.By = By(max(0, i))
		case "zeroifempty":
			c.ZeroIfEmpty, err = strconv.ParseBool(value)
		default:
			err = fmt.Errorf("unknown key")
		}
		if err != nil {
			return c, fmt.Errorf("difftest: case field %q: %w", field, err)
		}
	}
	if !hasN {
		return c, errors.New("difftest: case: n is missing")
	}
	if c.Shaped() && c.Cols > 0 && c.Rows < math.MaxInt/c.Cols {
		c.N = c.Rows * c.Cols
	}
	return c, nil
}

func parseGrads(text string) (Grads, error) {
	g, err := strconv.ParseUint(text, 10, 2)
	return Grads(g), err
}

// setForm sets the form of the role with that name.
func (c *Case) setForm(name string, f Form) error {
	for r := range op.Role(op.Roles) {
		if r.String() == name {
			c.Forms[r] = f
			return nil
		}
	}
	return fmt.Errorf("no such array")
}

// Check returns an error if the case cannot be computed, or not in a reasonable time.
func (c Case) Check() error {
	derivatives := c.has(op.RoleGradPred) || c.has(op.RoleGradTarget) || c.has(op.RoleSecond)
	switch {
	case c.N < 0 || c.N > 1<<28:
		return fmt.Errorf("difftest: n=%d: want 0 to %d", c.N, 1<<28)
	case c.Count < 0 || c.Shift < 0 || c.Blocks < 0 || c.Blocks > math.MaxInt32:
		return fmt.Errorf("difftest: count=%d, shift=%d, blocks=%d: must not be negative", c.Count, c.Shift, c.Blocks)
	case c.Op.Differentiates() && !derivatives:
		return fmt.Errorf("difftest: grads=0: %v needs at least one gradient", c.Op)
	case c.Op.Reduces() && c.Loss.Reduction == smoothl1.None:
		return fmt.Errorf("difftest: reduction=none: %v needs a reduction", c.Op)
	case c.Rows < 0 || c.Cols < 0 || c.Actions < 0 || c.Shaped() && (c.Cols > 0 && c.Rows > 1<<28/c.Cols || c.Rows*max(1, c.Actions) > 1<<28):
		return fmt.Errorf("difftest: rows=%d, cols=%d, actions=%d: want at most %d elements", c.Rows, c.Cols, c.Actions, 1<<28)
	case c.Actions > 0 && c.Cols != 1:
		return fmt.Errorf("difftest: cols=%d: must be 1 with actions", c.Cols)
	case c.Wild && (c.Actions == 0 || c.Op.Reduces() || c.Forms[op.RoleMask] != Absent):
		return errors.New("difftest: wild=true: needs actions, an operation without a reduced loss, and no mask")
	}
	return c.Loss.Validate(c.DType)
}

// Elements returns the number of elements that the operation reads and writes, in all its arrays.
func (c Case) Elements() int {
	total := 0
	for r := range op.Role(op.Roles) {
		if c.has(r) && r != op.RoleChunkSums {
			_, n := c.viewOf(r)
			total += n
		}
	}
	return total
}
