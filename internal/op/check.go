package op

import (
	"fmt"
	"math"

	"github.com/smoothl1/smoothl1"
)

// State says whether an array can be used at all, and if not, why.
type State uint8

// The states. On the CPU, a slice is always Usable.
const (
	Usable      State = iota
	Zero              // a zero value, not created by its package
	OtherDevice       // belongs to another device than the operation
	OtherDType        // has another element type
	Closed
)

var reasons = [...]error{Zero: smoothl1.ErrZero, OtherDevice: smoothl1.ErrDevice, OtherDType: smoothl1.ErrDType, Closed: smoothl1.ErrClosed}

// A Call describes one call to be checked: its arrays and what it should compute. It lives on its caller's stack, and checking it
// allocates only to report an error.
type Call struct {
	Elementwise Set[Pass] // the passes that support an elementwise upstream gradient
	Reduction   smoothl1.Reduction
	Upstream    bool // an upstream gradient is given as a number
	NoLoss      bool // omit the reduced loss
	Divisor     smoothl1.Divisor

	N     int            // number of elements of pred
	DType smoothl1.DType // of pred
	Size  int            // of an element of pred, in bytes
	Has   Found

	unusable *unusable // the first unusable array, or nil
	arrays   [Roles]array
}

// unusable is an array that cannot be used in its role, with the value that its error shows.
type unusable struct {
	role  Role
	state State
	value any
}

// Found is the set of arrays that a call has and, in its upper half, those that cannot be used: the results of Put combined with "|".
// The caller combines them in a register: updating a field of Call for each array would cost as much as the rest of the check.
type Found uint64

func (f Found) given() Set[Role] { return Set[Role](f) }
func (f Found) wrong() Set[Role] { return Set[Role](f >> 32) }

// array is the address range of an array.
type array struct{ from, to uint64 }

// overlaps reports whether two arrays share memory. An empty array, whatever its address, shares none.
func (a *array) overlaps(b *array) bool { return max(a.from, b.from) < min(a.to, b.to) }

// Put adds an array of n elements to the call in the given role.
func (c *Call) Put(r Role, address uint64, n int) Found {
	a := &c.arrays[r]
	a.from, a.to = address, address+uint64(n*r.size(c.Size))
	if n != r.lenFor(c.N) {
		return 1<<r | 1<<(32+r)
	}
	return 1 << r
}

// PutUnusable adds an array that cannot be used in its role. The error will show value.
func (c *Call) PutUnusable(r Role, s State, value any) Found {
	if c.unusable == nil || r < c.unusable.role {
		c.unusable = &unusable{r, s, value}
	}
	return 1<<r | 1<<(32+r)
}

// The passes that support an elementwise upstream gradient, in package cpu and in the kernels. Package gpu keeps to those of the
// kernels on the CPU too, so that a program that works there also works on a GPU.
const (
	ElementwiseOfCPU     = differentiating
	ElementwiseOfKernels = Set[Pass](1 << Backward)
)

// Choose returns the pass that computes the outputs of the call: the terms or gradients that it has arrays for, and the reduced loss
// unless the reduction is None or NoLoss is set. Arguments that the pass would not use are refused too. As everywhere here, name is the
// operation's name for errors.
func (c *Call) Choose(name string) (Pass, error) {
	given := c.Has.given()
	terms, grads, loss := given.Has(RoleTerms), given&gradients != 0, c.Reduction != smoothl1.None && !c.NoLoss
	var p Pass
	switch {
	case terms && grads:
		return 0, smoothl1.NewArgError(name, "terms", "with gradients", smoothl1.ErrCombine)
	case terms && loss:
		return 0, smoothl1.NewArgError(name, "terms", "with the reduced loss", fmt.Errorf("%w; set NoLoss to omit the loss", smoothl1.ErrCombine))
	case terms:
		p = Terms
	case grads && loss:
		p = ForwardBackward
	case grads:
		p = Backward
	case loss:
		p = Forward
	default:
		return 0, smoothl1.NewArgError(name, "outputs", "nil", fmt.Errorf("%w: no terms, gradients or reduced loss requested", smoothl1.ErrNil))
	}
	unused := func(arg string, value any) error {
		return smoothl1.NewArgError(name, arg, value, fmt.Errorf("%w: %s", smoothl1.ErrUnused, p.gives()))
	}
	if extra := given &^ used[p]; extra != 0 {
		return 0, unused(extra.first().String(), "given")
	}
	if c.Upstream && !p.Differentiates() {
		return 0, unused("upstream", "a number")
	}
	if p == Terms && !c.Divisor.IsZero() {
		return 0, unused("divisor", c.Divisor)
	}
	return p, nil
}

// Apart reports whether two arrays share no memory, by their addresses and sizes in bytes.
func Apart(a, bytesOfA, b, bytesOfB uint64) bool { return a+bytesOfA <= b || b+bytesOfB <= a }

// Check returns an error if the pass p cannot compute the call: if an array is missing, unusable, of the wrong length, or overlaps
// another. An output may be the same array as an input, such as the upstream gradient, unless its role forbids that; otherwise it must
// not share memory with any array. Arrays that the pass does not use are ignored.
//
// Check is tuned, since it accounts for much of the time of a small loss.
func (c *Call) Check(name string, p Pass) error {
	given := c.Has.given() & used[p]
	if needed[p]&^given|c.Has.wrong()&given != 0 || p.Reduces() && c.Reduction == smoothl1.None || !c.Divisor.IsZero() && p != Terms {
		if err := c.refuse(name, p); err != nil {
			return err
		}
	}
	if p.Differentiates() {
		if given&gradients == 0 {
			return smoothl1.NewArgError(name, "gradPred and gradTarget", "nil", smoothl1.ErrNil)
		}
		if given.Has(RoleUpstream) && !c.Elementwise.Has(p) {
			return smoothl1.NewArgError(name, "upstream", "elementwise, with the reduced loss",
				fmt.Errorf("%w; set NoLoss to omit the loss", smoothl1.ErrCombine))
		}
	}
	for rest := given & outputs; rest != 0; rest &= rest - 1 {
		r := rest.first()
		a := &c.arrays[r]
		for others := given &^ (rest & outputs); others != 0; others &= others - 1 {
			other := others.first()
			b := &c.arrays[other]
			if a.to <= b.from || b.to <= a.from {
				continue // the common case
			}
			if a.overlaps(b) && !(*a == *b && inPlace.Has(r) && !outputs.Has(other)) {
				return smoothl1.NewArgError(name, r.String(), "in the memory of "+other.String(), smoothl1.ErrOverlap)
			}
		}
	}
	return nil
}

// refuse returns an error if the call has a wrong reduction or divisor, or an array that is missing, unusable or of the wrong length.
func (c *Call) refuse(name string, p Pass) error {
	if p.Reduces() && c.Reduction == smoothl1.None {
		return smoothl1.NewArgError(name, "reduction", c.Reduction, fmt.Errorf("%w: there is no reduced loss", smoothl1.ErrReduction))
	}
	if missing := needed[p] &^ c.Has.given(); missing != 0 {
		return smoothl1.NewArgError(name, missing.first().String(), "nil", smoothl1.ErrNil)
	}
	if wrong := c.Has.wrong() & used[p]; wrong != 0 {
		r := wrong.first()
		if u := c.unusable; u != nil && u.role == r {
			return smoothl1.NewArgError(name, r.String(), u.value, reasons[u.state])
		}
		n := int(c.arrays[r].to-c.arrays[r].from) / r.size(c.Size)
		want := fmt.Sprintf("pred has %d", c.N)
		if r == RoleChunkSums {
			want = fmt.Sprintf("%d elements have %d", c.N, Chunks(c.N))
		}
		return smoothl1.NewArgError(name, "len("+r.String()+")", n, fmt.Errorf("%w: %s", smoothl1.ErrLength, want))
	}
	if p == Terms {
		return nil
	}
	if e, ok := c.Divisor.Validate(c.Reduction).(*smoothl1.ArgError); ok {
		return smoothl1.NewArgError(name, e.Arg, e.Value, e.Err)
	}
	if norm := normOf(c.DType, c.Divisor.Of(c.N)); p.Differentiates() && !c.Divisor.IsZero() && (norm == 0 || math.IsInf(norm, 1)) {
		return smoothl1.NewArgError(name, "divisor", c.Divisor, fmt.Errorf("%w: 1/divisor is %v in %v", smoothl1.ErrDivisor, norm, c.DType.Computing()))
	}
	return nil
}
