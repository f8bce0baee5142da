package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// python is the name of a Python with NumPy, or "".
var python = sync.OnceValue(func() string {
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(name, "-c", "import numpy").Run() == nil {
			return name
		}
	}
	return ""
})

// numPy returns a function that runs Python programs in a folder. It skips the test if there is no Python with NumPy.
func numPy(t *testing.T, dir string) func(program string) string {
	if python() == "" {
		t.Skip("there is no python3 with NumPy")
	}
	return func(program string) string {
		c := exec.Command(python(), "-c", "import numpy as np\n"+program)
		c.Dir = dir
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
}

var allTypes = []npy.DType{npy.Bool, npy.Int8, npy.Int16, npy.Int32, npy.Int64, npy.Uint8, npy.Uint16, npy.Uint32, npy.Uint64, npy.Float16, npy.Float32,
	npy.Float64}

// TestTypesAsInNumPy compares the type that two arrays are computed in with the one that NumPy promotes theirs to.
func TestTypesAsInNumPy(t *testing.T) {
	var promoted map[string]string
	require.NoError(t, json.Unmarshal([]byte(numPy(t, "")(`
import json
names = 'bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64'.split()
print(json.dumps({a + ' ' + b: np.promote_types(a, b).name for a in names for b in names}))`)), &promoted))
	for _, a := range allTypes {
		for _, b := range allTypes {
			got, err := common(a, b)
			require.NoError(t, err)
			want := promoted[a.String()+" "+b.String()]
			require.NotEmpty(t, want)
			if !isFloat(a) && !isFloat(b) {
				want = "float64"
			}
			assert.Equal(t, want, got.String(), "%v and %v", a, b)
		}
	}
}

// TestShapesAsInNumPy compares the shapes that two arrays are repeated to, and the elements that are then read, with NumPy's.
func TestShapesAsInNumPy(t *testing.T) {
	var cases []struct {
		A, B, Shape []int // Shape is nil if NumPy refuses the two
		Elements    []int32
	}
	require.NoError(t, json.Unmarshal([]byte(numPy(t, "")(`
import json
r = np.random.default_rng(8)
cases = []
for i in range(600):
    full = r.choice([0, 1, 2, 2, 3, 5], r.integers(0, 6))
    a, b = [np.where(r.random(full.size) < 0.4, 1, full)[r.integers(0, 3) if full.size > 3 else 0:].tolist() for _ in range(2)]
    if i % 5 == 0 and a:
        a[r.integers(0, len(a))] = 4
    case = dict(A=a, B=b)
    try:
        case['Shape'] = np.broadcast_shapes(tuple(a), tuple(b))
        count = int(np.prod(a))
        case['Elements'] = np.broadcast_to(np.arange(count).reshape(a), case['Shape']).ravel().tolist()
    except ValueError:
        pass
    cases.append(case)
print(json.dumps(cases))`)), &cases))
	refused := 0
	for _, c := range cases {
		shape, ok := broadcast(c.A, c.B)
		require.Equal(t, c.Shape != nil, ok, "%v", c)
		if !ok {
			refused++
			continue
		}
		require.Equal(t, append([]int{}, c.Shape...), append([]int{}, shape...), "%v", c)
		v, ok := viewOf(c.A, shape)
		require.True(t, ok)
		if product(shape) > 0 {
			require.Equal(t, product(c.A) != product(shape), v.repeats(), "%v", c)
		}
		require.Equal(t, c.Elements, readAll(t, repeated(counting(product(c.A)), v, product(c.A)), product(shape), 1+len(c.A)), "%v", c)
	}
	require.Greater(t, refused, 30)
}

// counting returns a source of the numbers of the elements of an array.
func counting(count int) source[int32] {
	return func(dst []int32, first int) error {
		if first < 0 || first+len(dst) > count {
			return fmt.Errorf("elements %d to %d of %d", first, first+len(dst), count)
		}
		for i := range dst {
			dst[i] = int32(first + i)
		}
		return nil
	}
}

// readAll reads n elements in pieces.
func readAll(t *testing.T, from source[int32], n, piece int) []int32 {
	all := make([]int32, n)
	for first := 0; first < n; first += piece {
		require.NoError(t, from(all[first:min(n, first+piece)], first))
	}
	return all
}

// TestRepeatedBeyondItsWindow reads repeated arrays that are longer than the window, in order and out of order.
func TestRepeatedBeyondItsWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct{ have, want []int }{
		{[]int{buffered + 77}, []int{3, buffered + 77}},
		{[]int{3, 1, buffered - 1}, []int{3, 2, buffered - 1}},
		{[]int{2 * buffered, 1}, []int{2 * buffered, 3}},
		{[]int{7, 1, 9000, 1}, []int{7, 2, 9000, 2}},
		{[]int{1, 300, 1, 200}, []int{2, 300, 3, 200}},
	} {
		v, ok := viewOf(c.have, c.want)
		require.True(t, ok)
		count, n := product(c.have), product(c.want)
		want := make([]int32, n)
		for i := range want {
			at := 0
			for k, rest := len(c.want)-1, i; k >= 0; k-- {
				at += rest % c.want[k] * v.strides[k]
				rest /= c.want[k]
			}
			want[i] = int32(at)
		}
		from := repeated(counting(count), v, count)
		for _, piece := range []int{n, 10007, buffered} {
			require.True(t, slices.Equal(want, readAll(t, from, n, piece)), "%v in pieces of %d", c, piece)
		}
		for range 50 {
			first := rng.IntN(n)
			got := make([]int32, rng.IntN(n-first))
			require.NoError(t, from(got, first))
			require.True(t, slices.Equal(want[first:first+len(got)], got), "%v", c)
		}
	}
}

// TestIntegersAreRoundedOnce compares the conversion of integers with math/big's, and with NumPy's.
func TestIntegersAreRoundedOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	numbers := []uint64{0, 1, 1<<53 + 1, 1<<63 - 1, 1 << 63, 1<<64 - 1, 0x8080000000000001, 0x8080000000000000, 0x8180000000000000, 0x8180000000000001, 0x0101000000000001}
	for range 5000 {
		numbers = append(numbers, rng.Uint64()>>rng.IntN(64))
		shift := rng.IntN(48) // near a midway point of bfloat16
		numbers = append(numbers, uint64(257+2*rng.IntN(127))<<shift+uint64(rng.IntN(3))-1)
	}
	for _, x := range numbers {
		for _, negative := range []bool{false, true} {
			exact := new(big.Float).SetPrec(64).SetUint64(x)
			var f32 [1]float32
			var f64 [1]float64
			var half [1]smoothl1.F16
			var brain [1]smoothl1.BF16
			if negative {
				exact.SetInt64(int64(x))
				y := []int64{int64(x)}
				require.NoError(t, errors.Join(integers(f32[:], y), integers(f64[:], y), integers(half[:], y), integers(brain[:], y)))
			} else {
				y := []uint64{x}
				require.NoError(t, errors.Join(integers(f32[:], y), integers(f64[:], y), integers(half[:], y), integers(brain[:], y)))
			}
			want32, _ := exact.Float32()
			want64, _ := exact.Float64()
			require.Equal(t, want32, f32[0], exact)
			require.Equal(t, want64, f64[0], exact)
			short, _ := new(big.Float).SetPrec(8).Set(exact).Float32()
			require.Equal(t, short, brain[0].Float32(), exact)
			if a, _ := new(big.Float).Abs(exact).Float64(); a < 65520 {
				short, _ := new(big.Float).SetPrec(11).Set(exact).Float32()
				require.Equal(t, short, half[0].Float32(), exact)
			} else {
				require.True(t, math.IsInf(float64(half[0].Float32()), 0), exact)
			}
		}
	}
}
