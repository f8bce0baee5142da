package op

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

const (
	testN    = 3*Chunk + 5
	testSize = 4
)

// placed is an array of a call under test.
type placed struct {
	at uint64
	n  int
}

func (p placed) bytes(r Role) uint64 { return uint64(p.n) * uint64(r.Size(testSize)) }

// A form is a kind of call under test.
type form uint8

const (
	leanForm    form = iota // no shape, and only what lean code has
	wholeForm               // all arrays but an index
	indexedForm             // all arrays
	byRowForm
	forms = iota
)

func (f form) String() string { return [forms]string{"lean", "whole", "indexed", "by row"}[f] }

// has reports whether calls of the pass have an array of the role.
func (f form) has(p Pass, r Role) bool {
	return r.UsedBy(p) && (f != leanForm || lean.Has(r)) && (r != RoleIndex || f == indexedForm) && (r != RoleLosses || f == byRowForm)
}

// rows and columns of the form; with an index, of pred.
func (f form) dims() (rows, cols int) {
	switch f {
	case indexedForm:
		return testN, 3
	case byRowForm:
		return 5, testN / 5
	}
	return 1, testN
}

func (f form) length(r Role) int {
	rows, cols := f.dims()
	switch {
	case r == RoleChunkSums && f == byRowForm:
		return rows * Chunks(cols)
	case r == RoleChunkSums:
		return Chunks(testN)
	case r == RoleLosses || f == indexedForm && r != RolePred && r != RoleGradPred:
		return rows
	}
	return rows * cols
}

// callOf returns a valid call of the pass with all arrays that it may have, far apart.
func (f form) callOf(p Pass) (arrays map[Role]placed) {
	arrays = map[Role]placed{}
	for r := range Role(Roles) {
		if f.has(p, r) {
			arrays[r] = placed{uint64(r+1) << 32, f.length(r)}
		}
	}
	return arrays
}

// check returns the error of a call of the pass with the arrays.
func (f form) check(p Pass, arrays map[Role]placed, change func(*Call)) error {
	c := Call{Elementwise: ElementwiseOfCPU, ByRow: f == byRowForm}
	c.Reset(smoothl1.Mean, smoothl1.Divisor{}, arrays[RolePred].n, smoothl1.Float32)
	if f != leanForm {
		rows, cols := f.dims()
		if err := c.SetShape("Op", &smoothl1.Shape{Rows: rows, Cols: cols}, c.N, f == indexedForm, new(Views)); err != nil {
			return err
		}
	}
	for r, a := range arrays {
		c.Has |= c.Put(r, a.at, a.n)
	}
	if change != nil {
		change(&c)
	}
	return c.Check("Op", p)
}

// eachRole calls f for every form of call, pass and array that it may have.
func eachRole(t *testing.T, test func(t *testing.T, f form, p Pass, r Role)) {
	for f := range form(forms) {
		for p := range Pass(Passes) {
			for r := range Role(Roles) {
				if f.has(p, r) {
					t.Run(fmt.Sprintf("%v/%v/%v", f, p, r), func(t *testing.T) { test(t, f, p, r) })
				}
			}
		}
	}
}

func refused(t *testing.T, err error, reason error, arg string) {
	t.Helper()
	var e *smoothl1.ArgError
	require.ErrorAs(t, err, &e)
	assert.ErrorIs(t, err, reason)
	assert.Equal(t, []string{"Op", arg}, []string{e.Op, e.Arg})
	assert.NotContains(t, fmt.Sprint(e.Value), arg, "says which, and not only what")
}

func TestSoundCalls(t *testing.T) {
	for f := range form(forms) {
		for p := range Pass(Passes) {
			require.NoError(t, f.check(p, f.callOf(p), nil), "%v %v", f, p)
		}
	}
	// The number of chunk sums is not the length of pred.
	for _, n := range []int{0, 1, Chunk - 1, Chunk, Chunk + 1} {
		c := Call{N: n, Size: 8}
		c.Has = c.Put(RolePred, 0, n) | c.Put(RoleTarget, 1<<32, n) | c.Put(RoleChunkSums, 2<<32, Chunks(n))
		assert.NoError(t, c.Check("Op", Forward))
	}
}

// TestEveryArrayIsMissed leaves out each array. Optional arrays may be absent, and so may all but one output of a pass that has no loss.
func TestEveryArrayIsMissed(t *testing.T) {
	eachRole(t, func(t *testing.T, f form, p Pass, r Role) {
		arrays := f.callOf(p)
		delete(arrays, r)
		err := f.check(p, arrays, nil)
		switch {
		case r == RolePred || r == RoleTarget:
			refused(t, err, smoothl1.ErrNil, r.String())
		case r == RoleDirection, r == RoleLosses, r == RoleTerms && p == Terms && f == leanForm:
			refused(t, err, smoothl1.ErrNil, r.String())
		default:
			require.NoError(t, err)
		}
	})
	for f := range form(forms) {
		for p, outputs := range map[Pass]Set[Role]{Terms: perTerm, Backward: derived, ForwardBackward: derived} {
			name := "gradPred and gradTarget"
			if p == Terms {
				name = "terms"
			}
			arrays := f.callOf(p)
			for r := range arrays {
				if outputs.Has(r) {
					delete(arrays, r)
				}
			}
			refused(t, f.check(p, arrays, nil), smoothl1.ErrNil, name)
			for r := range Role(Roles) {
				if outputs.Has(r) && f.has(p, r) {
					arrays[r] = placed{1 << 40, f.length(r)}
					require.NoError(t, f.check(p, arrays, nil), "%v of %v suffices", r, p)
					delete(arrays, r)
				}
			}
		}
	}
}

func TestEveryLengthIsChecked(t *testing.T) {
	eachRole(t, func(t *testing.T, f form, p Pass, r Role) {
		for _, off := range []int{-1, 1} {
			arrays := f.callOf(p)
			arrays[r] = placed{arrays[r].at, arrays[r].n + off}
			wrong := r
			if r == RolePred && f == leanForm {
				wrong = RoleTarget // whose length is then wrong
			}
			refused(t, f.check(p, arrays, nil), smoothl1.ErrLength, "len("+wrong.String()+")")
		}
	})
}

func TestEveryUnusableArrayIsRefused(t *testing.T) {
	for state, reason := range map[State]error{Zero: smoothl1.ErrZero, OtherDevice: smoothl1.ErrDevice, OtherDType: smoothl1.ErrDType, Closed: smoothl1.ErrClosed} {
		eachRole(t, func(t *testing.T, f form, p Pass, r Role) {
			refused(t, f.check(p, f.callOf(p), func(c *Call) { c.Has |= c.PutUnusable(r, state, "so") }), reason, r.String())
		})
	}
}

// TestEveryOverlap tries every output at every position around another array, from just below it to just above. It restates the rule:
// an output may be in place of an input with the same elements, unless there is an index, and may not overlap anything otherwise.
func TestEveryOverlap(t *testing.T) {
	eachRole(t, func(t *testing.T, f form, p Pass, out Role) {
		if !out.IsOutput() {
			return
		}
		for other, b := range f.callOf(p) {
			if other == out {
				continue
			}
			size := f.callOf(p)[out].bytes(out)
			inPlace := out.InPlace() && !other.IsOutput() && other != RoleMask && f != indexedForm
			for _, c := range []struct {
				name    string
				at      uint64
				allowed bool
			}{
				{"right before", b.at - size, true},
				{"ends in the first element", b.at - size + uint64(other.Size(testSize)), false},
				{"begins a little before", b.at - 8, false},
				{"begins with it", b.at, inPlace},
				{"begins a little behind", b.at + 8, false},
				{"begins in the last element", b.at + b.bytes(other) - uint64(other.Size(testSize)), false},
				{"right behind", b.at + b.bytes(other), true},
			} {
				arrays := f.callOf(p)
				arrays[out] = placed{c.at, arrays[out].n}
				err := f.check(p, arrays, nil)
				if c.allowed {
					assert.NoError(t, err, "%s: %s", other, c.name)
					continue
				}
				var e *smoothl1.ArgError
				if assert.ErrorAs(t, err, &e, "%s: %s", other, c.name) {
					assert.ErrorIs(t, err, smoothl1.ErrOverlap)
					assert.ElementsMatch(t, []string{out.String(), other.String()}, []string{e.Arg, fmt.Sprint(e.Value)[len("in the memory of "):]})
				}
			}
		}
	})
}

// TestSumInPlace checks that the chunk sums and losses may not be one of the arrays, even for one float64, when they have the same length.
func TestSumInPlace(t *testing.T) {
	for _, in := range []Role{RolePred, RoleTarget, RoleWeight, RoleUpstream} {
		for _, out := range []Role{RoleLosses, RoleChunkSums} {
			c := Call{Elementwise: ElementwiseOfCPU, ByRow: true}
			c.Reset(smoothl1.Mean, smoothl1.Divisor{}, 1, smoothl1.Float64)
			require.NoError(t, c.SetShape("Op", nil, 1, false, new(Views)))
			for r := range Role(Roles) {
				if byRowForm.has(ForwardBackward, r) {
					c.Has |= c.Put(r, uint64(r+1)<<32, 1)
				}
			}
			c.Has |= c.Put(out, uint64(in+1)<<32, 1)
			refused(t, c.Check("Op", ForwardBackward), smoothl1.ErrOverlap, out.String())
		}
	}
}

func TestEmptyArraysMayLieAnywhere(t *testing.T) {
	for p := range Pass(Passes) {
		arrays := leanForm.callOf(p)
		for r := range arrays {
			arrays[r] = placed{1 << 20, 0}
		}
		assert.NoError(t, leanForm.check(p, arrays, nil), p)
	}
}

// Of several unusable arrays, put in any order, the error shows the one with the lowest role.
func TestTheFirstUnusableArrayIsShown(t *testing.T) {
	for _, order := range [][]Role{{RolePred, RoleTarget}, {RoleTarget, RolePred}} {
		err := leanForm.check(Forward, leanForm.callOf(Forward), func(c *Call) {
			for _, r := range order {
				c.Has |= c.PutUnusable(r, Closed, r)
			}
		})
		var e *smoothl1.ArgError
		require.ErrorAs(t, err, &e)
		assert.ErrorIs(t, err, smoothl1.ErrClosed)
		assert.Equal(t, []any{"pred", RolePred}, []any{e.Arg, e.Value}, order)
	}
}
