package difftest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/internal/testkit"
)

// TestPyTorchComposed compares the reference with what PyTorch on the CPU computes from several operations: weights, masks, rows, an
// index, divisors and second derivatives.
func TestPyTorchComposed(t *testing.T) {
	testkit.NeedsLong(t)
	python := ""
	for _, name := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(t.Context(), name, "-c", "import importlib.util as i, sys; sys.exit(not(i.find_spec('torch') and i.find_spec('numpy')))").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("there is no python3 with PyTorch and NumPy")
	}
	folder := t.TempDir()
	var written []map[string]any
	var cases []Case
	var results []result
	seen := map[string]int{}
	for i := 0; len(cases) < 300; i++ {
		c := Random(*seed, i, 3000)
		if c.DType.Computing() != c.DType || c.Lean() || c.Op == Forward || !c.Shaped() || c.Loss.Beta != 0 && (c.Loss.Beta < 0.01 || c.Loss.Beta > 100) {
			continue
		}
		// What PyTorch has no names for, or other intermediate results of, near the ends of the range.
		c.Data = []Data{Normal, Quadratic}[i%2]
		c.Forms[op.RoleBeta], c.Accumulate, c.ZeroIfEmpty, c.InPlace = Absent, 0, false, false
		if c.By == ByWeights && c.DType == smoothl1.Float64 {
			c.By = ByCount // where weights nearly cancel, the order of their sum shows
		}
		if c.Forms[op.RoleTerms] == Absent {
			c.Forms[op.RoleTerms] = Dense
		}
		x, err := c.arrays()
		require.NoError(t, err)
		want, err := Reference().compute(c, x)
		require.NoError(t, err)
		name := fmt.Sprint(len(cases))
		for r := range op.Role(op.Roles) {
			if x.of[r] != nil && !r.IsOutput() {
				seen[r.String()]++
				require.NoError(t, os.WriteFile(filepath.Join(folder, name+"."+r.String()), x.matrixOf(r), 0o600))
			}
		}
		m := c.matrix()
		divisor := any(c.By.String())
		if c.By == ByCount {
			count := m.Rows * m.Cols
			if c.ByRow {
				count = m.Cols
			}
			if c.Count > 0 {
				count = c.Count
			}
			divisor = float64(count)
		}
		written = append(written, map[string]any{"name": name, "dtype": c.DType.String(), "kind": c.Loss.Kind.String(), "beta": c.Loss.Beta,
			"reduction": c.Loss.Reduction.String(), "rows": m.Rows, "cols": m.Cols, "actions": c.Actions, "by_row": c.ByRow, "divisor": divisor, "g": c.Upstream})
		cases, results = append(cases, c), append(results, want)
	}
	for _, r := range []op.Role{op.RoleWeight, op.RoleMask, op.RoleUpstream, op.RoleIndex, op.RoleDirection} {
		assert.Greater(t, seen[r.String()], 20, "%v", r)
	}
	text, err := json.Marshal(written)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "cases.json"), text, 0o600))
	out, err := exec.CommandContext(t.Context(), python, "testdata/compose.py", folder).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for i, c := range cases {
		for _, r := range []op.Role{op.RoleTerms, op.RoleGradPred, op.RoleGradTarget, op.RoleSecond} {
			if !c.has(r) {
				continue
			}
			theirs, err := os.ReadFile(filepath.Join(folder, fmt.Sprintf("%d.%v.out", i, r)))
			require.NoError(t, err)
			if c.DType == smoothl1.Float32 {
				requireNear[float32](t, results[i].matrixOf(r), theirs, r, c)
			} else {
				requireNear[float64](t, results[i].matrixOf(r), theirs, r, c)
			}
		}
	}
}

// matrixOf returns the elements of a matrix, row after row, as bytes.
func (x *Arrays) matrixOf(r op.Role) (all []byte) {
	a := x.of[r]
	size := a.dtype.Size()
	x.each(r, func(i, _, _ int) { all = append(all, a.whole[a.from+i*size:][:size]...) })
	return all
}

func requireNear[T smoothl1.Float](t *testing.T, ours, theirs []byte, r op.Role, c Case) {
	t.Helper()
	x, y := elementsOf[T](ours), elementsOf[T](theirs)
	require.Len(t, y, len(x), "%v: %v", r, c)
	most := uint64(pytorchULPs)
	if r == op.RoleTerms {
		most = 0
	}
	for i := range x {
		require.LessOrEqual(t, ULPs(x[i], y[i]), most, "%v[%d]: %v, PyTorch %v: %v", r, i, x[i], y[i], c)
	}
}
