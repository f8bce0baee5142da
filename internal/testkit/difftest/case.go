// Package difftest checks that all implementations of the loss produce the same bits. It has a table of cases, a comparator, and a column
// for each implementation.
package difftest

import (
	"errors"
	"fmt"
	"github.com/smoothl1/smoothl1/internal/op"
	"math"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1"
)

// A Case is one operation on generated arrays. It suffices to reproduce a failure: see String and Parse.
type Case struct {
	Op    Op
	DType smoothl1.DType
	Loss  smoothl1.Loss
	N     int
	Data  Data   // contents of the arrays
	Seed  uint64 // for the contents
	// Upstream is the upstream gradient, unless Elementwise is set.
	Upstream    float64
	Elementwise bool
	Grads       Grads
	Count       int // divisor of a mean; 0: N
	// Shift misaligns the arrays by 0 to 3 elements: the k-th array by the k-th decimal digit of Shift from the right, modulo 4. The
	// arrays are pred, target, an elementwise upstream, and the outputs.
	Shift   int
	Blocks  int  // limit of the blocks of a launch; 0: none
	InPlace bool // the first output is the same array as pred
	Exact   bool // on a device, each array is an allocation of its own without guard zones, so that a read past its end is an error
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

// Grads is a set of gradients to compute.
type Grads uint8

// The gradients.
const (
	GradPred Grads = 1 << iota
	GradTarget
)

// Ops lists all operations.
var Ops = []Op{ForwardTerms, Forward, Backward, ForwardBackward}

var opNames = []string{"forward_terms", "forward", "backward", "forward_backward"}

func (o Op) String() string { return opNames[o] }

// HasValue reports whether the operation computes the reduced loss.
func (o Op) HasValue() bool { return o == Forward || o == ForwardBackward }

// HasGradients reports whether the operation computes gradients.
func (o Op) HasGradients() bool { return o == Backward || o == ForwardBackward }

// String returns the case as text that Parse accepts.
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

// Parse parses a case in the format of String.
func Parse(text string) (c Case, err error) {
	hasN := false
	for _, field := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(field, "=")
		if !ok {
			return c, fmt.Errorf("difftest: case field %q: want key=value", field)
		}
		switch key {
		case "op":
			err = fmt.Errorf("unknown operation")
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
			hasN = true
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
			err = fmt.Errorf("unknown key")
		}
		if err != nil {
			return c, fmt.Errorf("difftest: case field %q: %w", field, err)
		}
	}
	if !hasN {
		return c, errors.New("difftest: case: n is missing")
	}
	return c, nil
}

// Check returns an error if the case cannot be computed, or not in a reasonable time.
func (c Case) Check() error {
	switch {
	case c.N < 0 || c.N > 1<<28:
		return fmt.Errorf("difftest: n=%d: want 0 to %d", c.N, 1<<28)
	case c.Count < 0 || c.Shift < 0 || c.Blocks < 0 || c.Blocks > math.MaxInt32:
		return fmt.Errorf("difftest: count=%d, shift=%d, blocks=%d: must not be negative", c.Count, c.Shift, c.Blocks)
	case c.Op.HasGradients() && c.Grads == 0:
		return fmt.Errorf("difftest: grads=0: %v needs at least one gradient", c.Op)
	case c.Op.HasValue() && c.Loss.Reduction == smoothl1.None:
		return fmt.Errorf("difftest: reduction=none: %v needs a reduction", c.Op)
	case c.Elementwise && c.Op == ForwardBackward:
		return fmt.Errorf("difftest: elementwise=true: %v supports only a number as the upstream gradient", c.Op)
	}
	return c.Loss.Validate(c.DType)
}

// Elements returns the number of elements that the operation reads and writes, in all its arrays.
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

// shiftOf returns the number of elements by which array k is shifted.
func (c Case) shiftOf(k int) int {
	digits := c.Shift
	for range k {
		digits /= 10
	}
	return digits % 10 % 4
}

// beta returns the loss's beta rounded to the element type.
func beta[T op.Computing](c Case) float64 { return math.Abs(float64(T(c.Loss.Beta))) }
