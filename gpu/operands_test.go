package gpu

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/driver"
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

// A buffer is a Buffer of any type.
type buffer interface {
	fmt.Stringer
	Close() error
	arrayOf() *array
}

// roles are the names of the fields of Args that are buffers, and of the elementwise upstream gradient.
var roles = func() (names []string) {
	for _, x := range reflect.VisibleFields(reflect.TypeFor[Args[float32]]()) {
		if x.Type.Implements(reflect.TypeFor[buffer]()) || x.Type == reflect.TypeFor[Upstream[float32]]() {
			names = append(names, x.Name)
		}
	}
	return names
}()

var (
	outputRoles = []string{"Terms", "Abs", "GradPred", "GradTarget", "Second", "Losses"}
	inputRoles  = []string{"Pred", "Target", "Weight", "Mask", "Beta", "Index", "Upstream", "Direction"}
)

// set puts a buffer, which may be nil, in a field.
func set(a *Args[float32], role string, b buffer) {
	if role == "Upstream" {
		a.Upstream = Elements(b.(*Buffer[float32]))
		return
	}
	reflect.ValueOf(a).Elem().FieldByName(role).Set(reflect.ValueOf(b))
}

// allocFor allocates a buffer of the type of the role.
func allocFor(t testing.TB, d *Device, role string, n int) (b buffer) {
	var err error
	switch role {
	case "Mask":
		b, err = Alloc[uint8](d, n)
	case "Index":
		b, err = Alloc[int32](d, n)
	case "Losses":
		b, err = Alloc[float64](d, n)
	default:
		b, err = Alloc[float32](d, n)
	}
	require.NoError(t, err)
	return b
}

// part returns a slice of a buffer.
func part(t testing.TB, b buffer, i, j int) (p buffer) {
	t.Helper()
	var err error
	switch b := b.(type) {
	case *Buffer[float32]:
		p, err = b.Slice(i, j)
	case *Buffer[float64]:
		p, err = b.Slice(i, j)
	case *Buffer[uint8]:
		p, err = b.Slice(i, j)
	case *Buffer[int32]:
		p, err = b.Slice(i, j)
	}
	require.NoError(t, err)
	return p
}

// sound returns the arguments of a valid call with buffers of n elements in the roles and in those that they require.
func sound(t testing.TB, d *Device, n int, roles ...string) *Args[float32] {
	a := &Args[float32]{NoLoss: true}
	put := func(roles ...string) {
		for _, role := range roles {
			set(a, role, allocFor(t, d, role, n))
		}
	}
	put("Pred", "Target")
	put(roles...)
	switch derived := a.GradPred != nil || a.GradTarget != nil; {
	case a.Direction != nil && a.Second == nil:
		put("Second")
	case a.Second != nil && a.Direction == nil:
		put("Direction")
	case !derived && a.Second == nil && (a.Upstream.elements != nil || a.Losses == nil && a.Terms == nil && a.Abs == nil):
		put("GradPred")
	}
	if a.Losses != nil {
		a.NoLoss, a.ByRow = false, true
	}
	if a.Index != nil || a.Losses != nil {
		a.Shape = &smoothl1.Shape{Rows: n, Cols: 1}
	}
	return a
}

// small returns the name of a role in errors.
func small(role string) string { return strings.ToLower(role[:1]) + role[1:] }

func TestRoles(t *testing.T) {
	assert.ElementsMatch(t, append(slices.Clone(inputRoles), outputRoles...), roles)
}

// TestEveryOperandIsChecked passes every kind of unusable buffer in every role.
func TestEveryOperandIsChecked(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		other := openCPUFor(t)
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		for _, role := range roles {
			alloc := func() buffer { return allocFor(t, d, role, 10) }
			require.NoError(t, op.Run(sound(t, d, 10, role)), role)
			bad := func(b buffer, reason error, value any) {
				t.Helper()
				a := sound(t, d, 10, role)
				set(a, role, b)
				refused(t, op.Run(a), reason, "Run", small(role), value)
			}
			bad(reflect.New(reflect.TypeOf(alloc()).Elem()).Interface().(buffer), smoothl1.ErrZero, "Buffer{}")
			bad(allocFor(t, other, role, 10), smoothl1.ErrDevice, "buffer of "+other.String())
			closed := alloc()
			require.NoError(t, closed.Close())
			bad(closed, smoothl1.ErrClosed, closed)
			parent := alloc()
			half := part(t, parent, 0, 10)
			quarter := part(t, half, 0, 10)
			require.NoError(t, parent.Close())
			bad(half, smoothl1.ErrClosed, half)
			bad(quarter, smoothl1.ErrClosed, quarter)
			wrong := alloc()
			wrong.arrayOf().dtype = smoothl1.BFloat16 // otherwise prevented by the compiler
			bad(wrong, smoothl1.ErrDType, "of bfloat16")
			a := sound(t, d, 10, role)
			set(a, role, part(t, alloc(), 0, 9))
			if role == "Pred" {
				refused(t, op.Run(a), smoothl1.ErrLength, "Run", "len(target)", 10)
			} else {
				refused(t, op.Run(a), smoothl1.ErrLength, "Run", "len("+small(role)+")", 9)
			}
		}
	})
}

// TestEveryOverlapOfBuffers makes every output begin at every byte that is aligned to both of every other array.
func TestEveryOverlapOfBuffers(t *testing.T) {
	both(t, func(t *testing.T, d *Device) {
		const n = 10
		op := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
		for _, out := range outputRoles {
			for _, other := range roles {
				if out == other {
					continue
				}
				a := sound(t, d, n, out, other)
				x := allocFor(t, d, other, n)
				size := x.arrayOf().dtype.Size()
				parent := allocFor(t, d, out, 6*n)
				step := parent.arrayOf().dtype.Size()
				for shift := -n * step; shift <= n*size; shift += max(step, size) {
					at, whole := x.arrayOf(), parent.arrayOf()
					at.parent = whole
					if whole.host != nil {
						at.host = unsafe.Add(whole.host, 2*n*step-shift)
					} else {
						at.ptr = whole.ptr + driver.Ptr(2*n*step-shift)
					}
					set(a, other, x)
					set(a, out, part(t, parent, 2*n, 3*n))
					err := op.Run(a)
					inPlace := shift == 0 && slices.Contains(inputRoles, other) && size == step && a.Index == nil && out != "Losses"
					if shift == -n*step || shift == n*size || inPlace {
						require.NoError(t, err, "%s at %+d bytes from %s", out, shift, other)
					} else {
						require.ErrorIs(t, err, smoothl1.ErrOverlap, "%s at %+d bytes from %s", out, shift, other)
					}
				}
			}
		}
	})
}

// TestInPlaceOfEveryInput computes every output in place of every input of its type, and nothing else.
func TestInPlaceOfEveryInput(t *testing.T) {
	const n = cpu.Chunk + 37
	inputs := []string{"Pred", "Target", "Weight", "Beta", "Upstream", "Direction"}
	content := map[string][]float32{}
	for i, role := range inputs {
		x := make([]float32, n)
		for k := range x {
			x[k] = float32((k*(7+i))%23)*0.25 - 2.5
		}
		content[role] = x
	}
	there, err := Open(On(sim.New(sim.Seed(1))))
	require.NoError(t, err)
	defer there.Close()
	for _, d := range []*Device{openCPUFor(t), there} {
		for _, reduction := range []smoothl1.Reduction{smoothl1.None, smoothl1.Mean} {
			l := smoothl1.Loss{Beta: 0.75, Reduction: reduction}
			op := newOp[float32](t, d, l)
			for _, out := range outputRoles[:len(outputRoles)-1] {
				for _, in := range inputs {
					perTerm := out == "Terms" || out == "Abs"
					if perTerm && (in == "Upstream" || in == "Direction") || in == "Direction" && out != "Second" {
						continue // not read
					}
					want := make([]float32, n)
					ref := cpu.Args[float32]{NoLoss: true}
					field := func(name string) reflect.Value { return reflect.ValueOf(&ref).Elem().FieldByName(name) }
					field(out).Set(reflect.ValueOf(want))
					a := Args[float32]{NoLoss: true}
					names := []string{"Pred", "Target"}
					if !slices.Contains(names, in) {
						names = append(names, in)
					}
					if out == "Second" && in != "Direction" {
						names = append(names, "Direction")
					}
					for _, name := range names {
						if name == "Upstream" {
							ref.Upstream = cpu.Elements(content[name])
						} else {
							field(name).Set(reflect.ValueOf(content[name]))
						}
						b, err := Upload(d, content[name])
						require.NoError(t, err)
						set(&a, name, b)
						if name == in {
							set(&a, out, b)
						}
					}
					_, err := cpu.RefRun(l, &ref)
					require.NoError(t, err)
					require.NoError(t, op.Run(&a))
					got := make([]float32, n)
					require.NoError(t, reflect.ValueOf(a).FieldByName(out).Interface().(*Buffer[float32]).Download(got))
					for i := range want {
						require.Equal(t, math.Float32bits(want[i])|canonical(want[i]), math.Float32bits(got[i])|canonical(got[i]),
							"%s: %s in the place of %s, %v, element %d", d.Backend(), out, in, reduction, i)
					}
				}
			}
		}
	}
}

// canonical returns the bits to set in a NaN, so that any two are equal.
func canonical(x float32) uint32 {
	if x != x {
		return math.MaxUint32
	}
	return 0
}
