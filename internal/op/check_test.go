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

func (p placed) bytes(r Role) uint64 { return uint64(p.n) * uint64(r.size(testSize)) }

// callOf returns a valid call of the pass with all arrays that it may have, far apart.
func callOf(p Pass) (arrays map[Role]placed) {
	arrays = map[Role]placed{}
	for r := range Role(Roles) {
		if r.UsedBy(p) {
			arrays[r] = placed{uint64(r+1) << 32, r.lenFor(testN)}
		}
	}
	return arrays
}

// check returns the error of a call of the pass with the arrays.
func check(p Pass, arrays map[Role]placed, change func(*Call)) error {
	c := Call{Elementwise: ElementwiseOfCPU, N: arrays[RolePred].n, Size: testSize}
	for r, a := range arrays {
		c.Has |= c.Put(r, a.at, a.n)
	}
	if change != nil {
		change(&c)
	}
	return c.Check("Op", p)
}

// eachRole calls f for every pass and every array that it may have.
func eachRole(t *testing.T, f func(t *testing.T, p Pass, r Role)) {
	for p := range Pass(Passes) {
		for r := range Role(Roles) {
			if r.UsedBy(p) {
				t.Run(fmt.Sprintf("%v/%v", p, r), func(t *testing.T) { f(t, p, r) })
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
	for p := range Pass(Passes) {
		require.NoError(t, check(p, callOf(p), nil), p)
	}
	// The number of chunk sums is not the length of pred.
	for _, n := range []int{0, 1, Chunk - 1, Chunk, Chunk + 1} {
		c := Call{N: n, Size: 8}
		c.Has = c.Put(RolePred, 0, n) | c.Put(RoleTarget, 1<<32, n) | c.Put(RoleChunkSums, 2<<32, Chunks(n))
		assert.NoError(t, c.Check("Op", Forward))
	}
}

// TestEveryArrayIsMissed leaves out each array. Optional arrays may be absent, and so may one of two gradients.
func TestEveryArrayIsMissed(t *testing.T) {
	eachRole(t, func(t *testing.T, p Pass, r Role) {
		arrays := callOf(p)
		delete(arrays, r)
		switch r {
		case RolePred:
			arrays[RoleTarget] = placed{1 << 40, 0}
			refused(t, check(p, map[Role]placed{RoleTarget: {}}, nil), smoothl1.ErrNil, "pred")
		case RoleTarget, RoleTerms:
			refused(t, check(p, arrays, nil), smoothl1.ErrNil, r.String())
		case RoleGradPred:
			require.NoError(t, check(p, arrays, nil))
			delete(arrays, RoleGradTarget)
			refused(t, check(p, arrays, nil), smoothl1.ErrNil, "gradPred and gradTarget")
		default:
			require.NoError(t, check(p, arrays, nil))
		}
	})
}

func TestEveryLengthIsChecked(t *testing.T) {
	eachRole(t, func(t *testing.T, p Pass, r Role) {
		for _, off := range []int{-1, 1} {
			arrays := callOf(p)
			arrays[r] = placed{arrays[r].at, arrays[r].n + off}
			wrong := r
			if r == RolePred {
				wrong = RoleTarget // whose length is then wrong
			}
			refused(t, check(p, arrays, nil), smoothl1.ErrLength, "len("+wrong.String()+")")
		}
	})
}

func TestEveryUnusableArrayIsRefused(t *testing.T) {
	for state, reason := range map[State]error{Zero: smoothl1.ErrZero, OtherDevice: smoothl1.ErrDevice, OtherDType: smoothl1.ErrDType, Closed: smoothl1.ErrClosed} {
		eachRole(t, func(t *testing.T, p Pass, r Role) {
			refused(t, check(p, callOf(p), func(c *Call) { c.Has |= c.PutUnusable(r, state, "so") }), reason, r.String())
		})
	}
}

// TestEveryOverlap tries every output at every position around another array, from just below it to just above. It restates the rule:
// an output may be in place of an input with the same number of elements, and may not overlap anything otherwise.
func TestEveryOverlap(t *testing.T) {
	eachRole(t, func(t *testing.T, p Pass, out Role) {
		if !out.IsOutput() {
			return
		}
		for other, b := range callOf(p) {
			if other == out {
				continue
			}
			size := callOf(p)[out].bytes(out)
			inPlace := out != RoleChunkSums && !other.IsOutput() && b.bytes(other) == size
			for _, c := range []struct {
				name    string
				at      uint64
				allowed bool
			}{
				{"right before", b.at - size, true},
				{"ends in the first element", b.at - size + 8, false},
				{"begins a little before", b.at - 8, false},
				{"begins with it", b.at, inPlace},
				{"begins a little behind", b.at + 8, false},
				{"begins in the last element", b.at + b.bytes(other) - 4, false},
				{"right behind", b.at + b.bytes(other), true},
			} {
				arrays := callOf(p)
				arrays[out] = placed{c.at, arrays[out].n}
				err := check(p, arrays, nil)
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

// TestSumInPlace checks that the chunk sums may not be one of the arrays, even for one float64, when they have the same length.
func TestSumInPlace(t *testing.T) {
	for _, in := range []Role{RolePred, RoleTarget, RoleUpstream} {
		c := Call{Elementwise: ElementwiseOfCPU, N: 1, Size: 8}
		for r := range Role(Roles) {
			if r.UsedBy(ForwardBackward) {
				c.Has |= c.Put(r, uint64(r+1)<<32, 1)
			}
		}
		c.Has |= c.Put(RoleChunkSums, uint64(in+1)<<32, 1)
		refused(t, c.Check("Op", ForwardBackward), smoothl1.ErrOverlap, "chunkSums")
	}
}

func TestEmptyArraysMayLieAnywhere(t *testing.T) {
	for p := range Pass(Passes) {
		arrays := callOf(p)
		for r := range arrays {
			arrays[r] = placed{1 << 20, 0}
		}
		assert.NoError(t, check(p, arrays, nil), p)
	}
}

func TestWishesAreChecked(t *testing.T) {
	for p := range Pass(Passes) {
		err := check(p, callOf(p), func(c *Call) { c.Reduction = smoothl1.None })
		if p.Reduces() {
			refused(t, err, smoothl1.ErrReduction, "reduction")
		} else {
			assert.NoError(t, err)
		}
		for _, x := range []float64{0, -1} {
			err = check(p, callOf(p), func(c *Call) { c.Divisor = smoothl1.DivideBy(x) })
			if p == Terms {
				assert.NoError(t, err, "nothing is divided")
			} else {
				refused(t, err, smoothl1.ErrDivisor, "divisor")
			}
		}
		for _, x := range []struct {
			t       smoothl1.DType
			divisor float64
			fits    bool
		}{
			{smoothl1.Float32, 1e-38, true}, {smoothl1.Float32, 1e-39, false}, {smoothl1.Float32, 1e45, true}, {smoothl1.Float32, 1e46, false},
			{smoothl1.Float64, 1e-308, true}, {smoothl1.Float64, 1e-309, false}, {smoothl1.Float64, 1e308, true},
		} {
			err = check(p, callOf(p), func(c *Call) { c.DType, c.Divisor = x.t, smoothl1.DivideBy(x.divisor) })
			if x.fits || !p.Differentiates() {
				assert.NoError(t, err, "%v %v", p, x)
			} else {
				refused(t, err, smoothl1.ErrDivisor, "divisor")
			}
		}
		err = check(p, callOf(p), func(c *Call) { c.Reduction, c.Divisor = smoothl1.Sum, smoothl1.DivideBy(3) })
		if p == Terms {
			assert.NoError(t, err)
		} else {
			refused(t, err, smoothl1.ErrReduction, "divisor")
		}
		err = check(p, callOf(p), func(c *Call) { c.Elementwise = ElementwiseOfKernels })
		if p == ForwardBackward {
			refused(t, err, smoothl1.ErrCombine, "upstream")
		} else {
			assert.NoError(t, err, p)
		}
	}
}

// TestEveryChoice tries all combinations of arguments.
func TestEveryChoice(t *testing.T) {
	for given := range Set[Role](1 << Roles) {
		for _, noLoss := range []bool{false, true} {
			for _, number := range []bool{false, true} {
				for _, reduction := range []smoothl1.Reduction{smoothl1.Mean, smoothl1.Sum, smoothl1.None} {
					for _, d := range []smoothl1.Divisor{{}, smoothl1.DivideBy(2)} {
						c := Call{NoLoss: noLoss, Upstream: number, Reduction: reduction, Divisor: d, Has: Found(given)}
						p, err := c.Choose("Op")
						terms, gradients := given.Has(RoleTerms), given.Has(RoleGradPred) || given.Has(RoleGradTarget)
						loss := reduction != smoothl1.None && !noLoss
						want := map[[3]bool]Pass{{true, false, false}: Terms, {false, true, false}: Backward, {false, false, true}: Forward, {false, true, true}: ForwardBackward}
						pass, can := want[[3]bool{terms, gradients, loss}]
						useless := !gradients && (given.Has(RoleUpstream) || number) || !loss && given.Has(RoleChunkSums) || terms && !d.IsZero()
						if can && !useless {
							require.NoError(t, err)
							require.Equal(t, pass, p)
							continue
						}
						reason := smoothl1.ErrUnused
						switch {
						case !terms && !gradients && !loss:
							reason = smoothl1.ErrNil
						case !can:
							reason = smoothl1.ErrCombine
						}
						require.ErrorIs(t, err, reason, "%b %v %v %v %v", given, noLoss, number, reduction, d)
					}
				}
			}
		}
	}
}

// Of several unusable arrays, put in any order, the error shows the one with the lowest role.
func TestTheFirstUnusableArrayIsShown(t *testing.T) {
	for _, order := range [][]Role{{RolePred, RoleTarget}, {RoleTarget, RolePred}} {
		err := check(Forward, callOf(Forward), func(c *Call) {
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
