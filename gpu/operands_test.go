package gpu

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/sim"
)

// fieldsOfTheCPU are the fields of cpu.Args that Args lacks, with the reason.
var fieldsOfTheCPU = map[string]string{
	"ChunkSums": "an op keeps them on the device: see SmoothL1.ChunkSums",
}

func TestArgsAreThoseOfTheCPU(t *testing.T) {
	var here, there []string
	for _, x := range reflect.VisibleFields(reflect.TypeFor[Args[float32]]()) {
		here = append(here, x.Name)
	}
	for _, x := range reflect.VisibleFields(reflect.TypeFor[cpu.Args[float32]]()) {
		if fieldsOfTheCPU[x.Name] == "" {
			there = append(there, x.Name)
		}
	}
	assert.Equal(t, there, here)
}

// roles are the names of the fields of Args that are buffers, and of the elementwise upstream gradient.
var roles = func() (names []string) {
	for _, x := range reflect.VisibleFields(reflect.TypeFor[Args[float32]]()) {
		if x.Type == reflect.TypeFor[*Buffer[float32]]() || x.Type == reflect.TypeFor[Upstream[float32]]() {
			names = append(names, x.Name)
		}
	}
	return names
}()

var outputRoles = []string{"Terms", "GradPred", "GradTarget"}

// set puts a buffer in a field.
func set(a *Args[float32], role string, b *Buffer[float32]) {
	if role == "Upstream" {
		a.Upstream = Elements(b)
		return
	}
	reflect.ValueOf(a).Elem().FieldByName(role).Set(reflect.ValueOf(b))
}

// sound returns the arguments of a valid call with a buffer in the role and in the others that it requires, all made by alloc.
func sound(role string, alloc func() *Buffer[float32]) *Args[float32] {
	a := &Args[float32]{Pred: alloc(), Target: alloc(), NoLoss: true}
	if role == "Terms" {
		a.Terms = alloc()
	} else {
		a.GradPred = alloc()
		set(a, role, alloc())
	}
	return a
}

// small returns the name of a role in errors.
func small(role string) string { return strings.ToLower(role[:1]) + role[1:] }

func TestRoles(t *testing.T) {
	assert.Equal(t, []string{"Pred", "Target", "Upstream", "Terms", "GradPred", "GradTarget"}, roles)
}

// TestEveryOperandIsChecked passes every kind of unusable buffer in every role.
func TestEveryOperandIsChecked(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		other := openCPUFor(t)
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		alloc := func() *Buffer[float32] { return newFour[float32](t, d, 10).pred }
		for _, role := range roles {
			require.NoError(t, op.Run(sound(role, alloc)), role)
			bad := func(b *Buffer[float32], reason error, value any) {
				t.Helper()
				a := sound(role, alloc)
				set(a, role, b)
				refused(t, op.Run(a), reason, "Run", small(role), value)
			}
			bad(&Buffer[float32]{}, smoothl1.ErrZero, "Buffer{}")
			bad(newFour[float32](t, other, 10).pred, smoothl1.ErrDevice, "buffer of "+other.String())
			closed := alloc()
			require.NoError(t, closed.Close())
			bad(closed, smoothl1.ErrClosed, closed)
			parent := alloc()
			part, err := parent.Slice(0, 10)
			require.NoError(t, err)
			partOfPart, err := part.Slice(0, 10)
			require.NoError(t, err)
			require.NoError(t, parent.Close())
			bad(part, smoothl1.ErrClosed, part)
			bad(partOfPart, smoothl1.ErrClosed, partOfPart)
			wrong := alloc()
			wrong.dtype = smoothl1.Float64 // otherwise prevented by the compiler
			bad(wrong, smoothl1.ErrDType, "of float64")
			a := sound(role, alloc)
			short, err := alloc().Slice(0, 9)
			require.NoError(t, err)
			set(a, role, short)
			if role == "Pred" {
				refused(t, op.Run(a), smoothl1.ErrLength, "Run", "len(target)", 10)
			} else {
				refused(t, op.Run(a), smoothl1.ErrLength, "Run", "len("+small(role)+")", 9)
			}
		}
	})
}

// TestEveryOverlapOfBuffers makes every output begin at every element of every other array.
func TestEveryOverlapOfBuffers(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		const n = 10
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		alloc := func() *Buffer[float32] { return newFour[float32](t, d, n).pred }
		for _, out := range outputRoles {
			for _, other := range roles {
				if out == other || out == "Terms" && other != "Pred" && other != "Target" {
					continue
				}
				for shift := -n; shift <= n; shift++ {
					parent := newFour[float32](t, d, 3*n).pred
					a := sound(out, alloc)
					if other == "Terms" {
						continue
					}
					x, err := parent.Slice(n, 2*n)
					require.NoError(t, err)
					y, err := parent.Slice(n+shift, 2*n+shift)
					require.NoError(t, err)
					set(a, other, x)
					set(a, out, y)
					err = op.Run(a)
					input := other == "Pred" || other == "Target" || other == "Upstream"
					if shift == -n || shift == n || shift == 0 && input {
						require.NoError(t, err, "%s %+d from %s", out, shift, other)
					} else {
						require.ErrorIs(t, err, smoothl1.ErrOverlap, "%s %+d from %s", out, shift, other)
					}
				}
			}
		}
	})
}

// TestInPlaceOfEveryInput computes every output in place of every input, including the upstream gradient.
func TestInPlaceOfEveryInput(t *testing.T) {
	const n = cpu.Chunk + 37
	content := map[string][]float32{}
	for i, role := range []string{"Pred", "Target", "Upstream"} {
		x := make([]float32, n)
		for k := range x {
			x[k] = float32((k*(7+i))%23) - 11.5
		}
		content[role] = x
	}
	there, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer there.Close()
	for _, d := range []*Device{openCPUFor(t), there} {
		for _, reduction := range []smoothl1.Reduction{smoothl1.None, smoothl1.Mean} {
			l := smoothl1.Loss{Beta: 0.75, Reduction: reduction}
			for _, out := range outputRoles {
				for _, in := range []string{"Pred", "Target", "Upstream"} {
					if out == "Terms" && in == "Upstream" {
						continue
					}
					want := make([]float32, n)
					ref := cpu.Args[float32]{Pred: content["Pred"], Target: content["Target"]}
					reflect.ValueOf(&ref).Elem().FieldByName(out).Set(reflect.ValueOf(want))
					a := Args[float32]{NoLoss: true}
					names := []string{"Pred", "Target"}
					if in == "Upstream" {
						ref.Upstream = cpu.Elements(content[in])
						names = append(names, in)
					}
					for _, name := range names {
						b, err := Upload(d, content[name])
						require.NoError(t, err)
						set(&a, name, b)
						if name == in {
							set(&a, out, b)
						}
					}
					if out == "Terms" {
						require.NoError(t, cpu.RefForwardTerms(l, ref))
					} else {
						require.NoError(t, cpu.RefBackward(l, ref))
					}
					require.NoError(t, newOp[float32](t, d, l).Run(&a))
					got := make([]float32, n)
					require.NoError(t, reflect.ValueOf(a).FieldByName(out).Interface().(*Buffer[float32]).Download(got))
					require.Equal(t, want, got, fmt.Sprintf("%s: %s in the place of %s, %v", d.Backend(), out, in, reduction))
				}
			}
		}
	}
}

// TestExclusiveOutputs checks that outputs that no kernel computes together are refused, on the CPU as well.
func TestExclusiveOutputs(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		b := newFour[float32](t, d, 4)
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		none := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.None})
		a := Args[float32]{Pred: b.pred, Target: b.target, Terms: b.grad}
		refused(t, op.Run(&a), smoothl1.ErrCombine, "Run", "terms", "with the reduced loss")
		require.NoError(t, none.Run(&a))
		a.GradPred = b.gradTarget
		refused(t, none.Run(&a), smoothl1.ErrCombine, "Run", "terms", "with gradients")
		a = Args[float32]{Pred: b.pred, Target: b.target, GradPred: b.grad, Upstream: Elements(b.gradTarget)}
		refused(t, op.Run(&a), smoothl1.ErrCombine, "Run", "upstream", "elementwise, with the reduced loss")
		require.NoError(t, none.Run(&a))
		a.NoLoss = true
		require.NoError(t, op.Run(&a))
		a = Args[float32]{Pred: b.pred, Target: b.target, Upstream: Number[float32](1)}
		refused(t, op.Run(&a), smoothl1.ErrUnused, "Run", "upstream", "a number")
		refused(t, none.Run(&Args[float32]{Pred: b.pred, Target: b.target}), smoothl1.ErrNil, "Run", "outputs", "nil")
		for _, x := range []float64{0, -1} {
			a = Args[float32]{Pred: b.pred, Target: b.target, Divisor: smoothl1.DivideBy(x)}
			refused(t, op.Run(&a), smoothl1.ErrDivisor, "Run", "divisor", x)
		}
		sum := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum})
		a.Divisor = smoothl1.DivideBy(3)
		refused(t, sum.Run(&a), smoothl1.ErrReduction, "Run", "divisor", 3)
	})
}
