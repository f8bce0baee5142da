package op

import (
	"fmt"

	"github.com/smoothl1/smoothl1"
)

// State is what an array is by itself, apart from the others.
type State uint8

// The states. On the CPU, a slice is always Usable.
const (
	Usable      State = iota
	Zero              // a zero value, which no function of its package made
	OtherDevice       // of another device than the operation
	OtherDType        // of another element type
	Closed
)

var reasons = [...]error{Zero: smoothl1.ErrZero, OtherDevice: smoothl1.ErrDevice, OtherDType: smoothl1.ErrDType, Closed: smoothl1.ErrClosed}

// A Call is the arrays and the wishes of one call, as the check takes them. It lives on its caller's stack, and nothing here
// allocates unless there is something to refuse.
type Call struct {
	Elementwise Set[Pass] // the passes that can be had with an upstream gradient element by element
	Reduction   smoothl1.Reduction
	Upstream    bool // an upstream gradient is given as a number
	NoLoss      bool // the reduced loss is not wanted
	Divisor     smoothl1.Divisor

	N    int // elements of pred
	Size int // bytes of an element
	Has  Found

	unusable *unusable // the first array that is; nil: none
	arrays   [Roles]array
}

// unusable is an array that cannot be used in its role, and what its error shows.
type unusable struct {
	role  Role
	state State
	value any
}

// Found is which arrays a call has, and which of them cannot be used as they are: what Put returns, put together by "|". It is
// gathered in a register: one set in memory, changed array by array, would cost as much as the rest of the check.
type Found uint64

func (f Found) given() Set[Role] { return Set[Role](f) }
func (f Found) wrong() Set[Role] { return Set[Role](f >> 32) }

// array is where an array lies.
type array struct{ from, to uint64 }

// overlaps says whether two arrays share memory. An empty one, which may lie anywhere, shares none.
func (a *array) overlaps(b *array) bool { return max(a.from, b.from) < min(a.to, b.to) }

// Put has the call have an array of n elements in a role.
func (c *Call) Put(r Role, address uint64, n int) Found {
	a := &c.arrays[r]
	a.from, a.to = address, address+uint64(n*r.size(c.Size))
	if n != r.lenFor(c.N) {
		return 1<<r | 1<<(32+r)
	}
	return 1 << r
}

// PutUnusable has the call have an array in a role that it cannot be used in. value is what the error shows of it.
func (c *Call) PutUnusable(r Role, s State, value any) Found {
	if c.unusable == nil || r < c.unusable.role {
		c.unusable = &unusable{r, s, value}
	}
	return 1<<r | 1<<(32+r)
}

// The passes that can be had with an upstream gradient element by element: of package cpu, and of the kernels, to which package
// gpu keeps on the CPU too, so that a program that works there works on a GPU.
const (
	ElementwiseOfCPU     = differentiating
	ElementwiseOfKernels = Set[Pass](1 << Backward)
)

// Choose returns the pass that computes what the call wants: the terms or gradients that it has arrays for, and the reduced loss
// unless the reduction is None or NoLoss says so. This is the one place that knows which outputs can be had together. What the
// pass would not use is refused, too. name is the operation's as the program calls it, as everywhere here.
func (c *Call) Choose(name string) (Pass, error) {
	given := c.Has.given()
	terms, grads, loss := given.Has(RoleTerms), given&gradients != 0, c.Reduction != smoothl1.None && !c.NoLoss
	var p Pass
	switch {
	case terms && grads:
		return 0, smoothl1.NewArgError(name, "terms", "beside gradients", smoothl1.ErrCombine)
	case terms && loss:
		return 0, smoothl1.NewArgError(name, "terms", "beside a reduced loss", fmt.Errorf("%w; NoLoss leaves the loss out", smoothl1.ErrCombine))
	case terms:
		p = Terms
	case grads && loss:
		p = ForwardBackward
	case grads:
		p = Backward
	case loss:
		p = Forward
	default:
		return 0, smoothl1.NewArgError(name, "outputs", "nil", fmt.Errorf("%w: neither terms nor gradients nor a reduced loss is wanted", smoothl1.ErrNil))
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

// Check refuses what the pass p cannot compute, before anything is written: an array that is missing, unusable, of the wrong
// length, or in the memory of another. An output may be the very array of an input, the upstream gradient's as well, unless its
// role forbids it, and shares memory with nothing otherwise. Arrays that the pass has no use for are not looked at.
//
// It takes a good part of the time that a small loss does.
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
			return smoothl1.NewArgError(name, "upstream", "by element",
				fmt.Errorf("%w: the reduced loss, and gradients for such an upstream; NoLoss leaves the loss out", smoothl1.ErrCombine))
		}
	}
	for rest := given & outputs; rest != 0; rest &= rest - 1 {
		r := rest.first()
		a := &c.arrays[r]
		for others := given &^ (rest & outputs); others != 0; others &= others - 1 {
			other := others.first()
			b := &c.arrays[other]
			if a.to <= b.from || b.to <= a.from {
				continue // as nearly always
			}
			if a.overlaps(b) && !(*a == *b && inPlace.Has(r) && !outputs.Has(other)) {
				return smoothl1.NewArgError(name, r.String(), "in the memory of "+other.String(), smoothl1.ErrOverlap)
			}
		}
	}
	return nil
}

// refuse returns the error of a call with a wrong reduction or divisor, or an array that is missing, unusable or of the wrong
// length; nil of one without.
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
	if e, ok := c.Divisor.Validate(c.Reduction).(*smoothl1.ArgError); ok && p != Terms {
		return smoothl1.NewArgError(name, e.Arg, e.Value, e.Err)
	}
	return nil
}
