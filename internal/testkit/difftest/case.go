// Package difftest holds the implementations of the loss to the same bits: one table of cases, one comparator, and a column
// for each implementation.
package difftest

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1"
)

// A Case is one operation on generated arrays. It is all that is needed to make the failure again: see String and Parse.
type Case struct {
	Op    Op
	DType smoothl1.DType
	Loss  smoothl1.Loss
	N     int
	Data  Data   // what the arrays are filled with
	Seed  uint64 // of the arrays
	// Upstream is the upstream gradient as a number; Elementwise asks for one per element instead.
	Upstream    float64
	Elementwise bool
	Grads       Grads
	Count       int // what a mean is taken over; 0: N
	// Shift moves the arrays off their aligned place: each by 0 to 3 elements, the k-th by the k-th decimal digit of Shift,
	// from the right. The arrays are pred, target, an elementwise upstream, and the outputs.
	Shift   int
	Blocks  int  // limit of the blocks of a launch; 0: none
	InPlace bool // the first output is the very array of pred
	Exact   bool // on a device, each array is an allocation of its own, without guard zones: a read past its end shows
}

// Op is an operation of a case.
type Op uint8

// The operations.
const (
	ForwardTerms Op = iota
	Forward
	Backward
	ForwardBackward
)

// Grads says which gradients are asked for.
type Grads uint8

// The gradients.
const (
	GradPred Grads = 1 << iota
	GradTarget
)

// Ops are all operations.
var Ops = []Op{ForwardTerms, Forward, Backward, ForwardBackward}

var opNames = []string{"forward_terms", "forward", "backward", "forward_backward"}

func (o Op) String() string { return opNames[o] }

// HasValue says whether the operation gives a reduced loss.
func (o Op) HasValue() bool { return o == Forward || o == ForwardBackward }

// HasGradients says whether the operation gives gradients.
func (o Op) HasGradients() bool { return o == Backward || o == ForwardBackward }

// String returns the case as text, which Parse reads.
func (c Case) String() string {
	var b strings.Builder
	put := func(key string, value any) { fmt.Fprintf(&b, "%s=%v,", key, value) }
	put("op", c.Op)
	put("dtype", c.DType)
	put("loss", c.Loss.Kind)
	put("beta", strconv.FormatFloat(c.Loss.Beta, 'g', -1, 64))
	put("reduction", c.Loss.Reduction)
	put("n", c.N)
	put("data", c.Data)
	put("seed", c.Seed)
	if c.Op.HasGradients() {
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
	return strings.TrimSuffix(b.String(), ",")
}

// Parse reads what String returns.
func Parse(text string) (c Case, err error) {
	for _, field := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return c, fmt.Errorf("difftest: case field %q: want key=value", field)
		}
		switch key {
		case "op":
			err = fmt.Errorf("no such operation")
			for i, name := range opNames {
				if name == value {
					c.Op, err = Op(i), nil
				}
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
		case "data":
			c.Data, err = parseData(value)
		case "seed":
			c.Seed, err = strconv.ParseUint(value, 10, 64)
		case "grads":
			var g uint64
			g, err = strconv.ParseUint(value, 10, 2)
			c.Grads = Grads(g)
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
		default:
			err = fmt.Errorf("no such key")
		}
		if err != nil {
			return c, fmt.Errorf("difftest: case field %q: %w", field, err)
		}
	}
	return c, nil
}

// Check refuses a case that cannot be computed, or not in a reasonable time.
func (c Case) Check() error {
	switch {
	case c.N < 0 || c.N > 1<<28:
		return fmt.Errorf("difftest: n=%d: want 0 to %d", c.N, 1<<28)
	case c.Count < 0 || c.Shift < 0 || c.Blocks < 0 || c.Blocks > math.MaxInt32:
		return fmt.Errorf("difftest: count=%d, shift=%d, blocks=%d: must not be negative", c.Count, c.Shift, c.Blocks)
	case c.Op.HasGradients() && c.Grads == 0:
		return fmt.Errorf("difftest: grads=0: an operation with gradients needs one")
	case c.Op.HasValue() && c.Loss.Reduction == smoothl1.None:
		return fmt.Errorf("difftest: reduction=none: %v needs one", c.Op)
	case c.Elementwise && c.Op == ForwardBackward:
		return fmt.Errorf("difftest: elementwise: %v takes a number", c.Op)
	}
	return c.Loss.Validate(c.DType)
}

// Elements returns the elements that the operation reads and writes, over all its arrays.
func (c Case) Elements() int {
	arrays := 2
	if c.Op == ForwardTerms {
		arrays++
	}
	if c.Op.HasGradients() {
		arrays += int(c.Grads&1 + c.Grads>>1)
		if c.Elementwise {
			arrays++
		}
	}
	return arrays * c.N
}

// shiftOf returns the elements by which array k is moved.
func (c Case) shiftOf(k int) int {
	digits := c.Shift
	for range k {
		digits /= 10
	}
	return digits % 10 % 4
}

// beta is the loss's beta as the elements have it.
func beta[T smoothl1.Float](c Case) float64 { return math.Abs(float64(T(c.Loss.Beta))) }
