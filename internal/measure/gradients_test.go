package measure

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// TestGradientsOfPyTorch measures how far PyTorch's gradients on the CPU are from ours where |d| < beta, and checks that they have the
// bits of PyTorch's order of operations, n·(d/beta)·g where ours is n·d·g/beta. docs/contract.md quotes its numbers:
//
//	go test ./internal/measure -run TestGradientsOfPyTorch -v -long
func TestGradientsOfPyTorch(t *testing.T) {
	testkit.NeedsLong(t)
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	p, err := startPeer(ctx, realPython(t, ctx), "cpu", Eager, time.Minute)
	require.NoError(t, err)
	defer p.close()
	single, double := gradients[float32](t, ctx, p), gradients[float64](t, ctx, p)
	t.Logf("PyTorch %s, ULP between its gradients and ours:\nfloat32: %v\nfloat64: %v", p.Version, single, double)
	assert.LessOrEqual(t, single.normal, uint64(6), "three roundings each, of half an ULP and, by the next power of two, of one")
	assert.LessOrEqual(t, double.normal, uint64(6))
	if strings.HasPrefix(p.Version, "1.13") { // the order of other versions may be another one
		assert.Equal(t, "3 where all is normal, 227958 where something is not, 0 from its own order", single.String())
		assert.Equal(t, "3 where all is normal, 121142 where something is not, 0 from its own order", double.String())
	}
}

// apart returns the largest differences in ULP: between PyTorch's gradients and ours where all intermediate results are normal, and
// where one is subnormal; and between PyTorch's and those computed in its own order.
type apart struct{ normal, subnormal, order uint64 }

func (a apart) String() string {
	return fmt.Sprintf("%d where all is normal, %d where something is not, %d from its own order", a.normal, a.subnormal, a.order)
}

func gradients[T op.Computing](t *testing.T, ctx context.Context, p *peer) (most apart) {
	const n = 105 << 7 // a multiple of every vector length: PyTorch computes the remainder in another order
	r := rand.New(rand.NewPCG(1, 1))
	dtype, tiny := smoothl1.DTypeOf[T](), 0x1p-126
	if dtype == smoothl1.Float64 {
		tiny = 0x1p-1022
	}
	subnormal := func(x T) bool { return math.Abs(float64(x)) < tiny }
	number := func(from, to int) T { return T(math.Ldexp(1+r.Float64(), from+r.IntN(to-from))) }
	for range 20 {
		for _, reduction := range []smoothl1.Reduction{smoothl1.None, smoothl1.Mean} {
			beta := number(-20, 20)
			pred, target, upstream, ours := make([]T, n), make([]T, n), make([]T, n), make([]T, n)
			g := number(-20, 20)
			for i := range pred {
				pred[i], upstream[i] = number(math.Ilogb(tiny), math.Ilogb(float64(beta))), g
				if reduction == smoothl1.None {
					upstream[i] = number(-20, 20)
				}
			}
			dir := t.TempDir()
			for name, x := range map[string][]T{"pred": pred, "target": target, "upstream": upstream} {
				require.NoError(t, writeAll(filepath.Join(dir, name), x))
			}
			l := smoothl1.Loss{Beta: float64(beta), Reduction: reduction}
			require.NoError(t, p.ask(nil, map[string]any{"do": "bits", "directory": dir, "dtype": dtype.String(), "kind": "smooth_l1", "beta": l.Beta,
				"reduction": reduction.String(), "upstream": float64(g)}))
			theirs, err := readAll[T](filepath.Join(dir, "grad_pred"))
			require.NoError(t, err)
			require.NoError(t, cpu.Backward(l, &cpu.Args[T]{Pred: pred, Target: target, GradPred: ours, Upstream: cpu.Elements(upstream)}))
			norm := T(1)
			if reduction == smoothl1.Mean {
				norm = T(1.0 / float64(n))
			}
			for i, d := range pred {
				g := upstream[i]
				nd, q := T(norm*d), T(d/beta)
				nq := T(norm * q)
				most.order = max(most.order, difftest.ULPs(theirs[i], T(nq*g)))
				ulps := difftest.ULPs(ours[i], theirs[i])
				if subnormal(nd) || subnormal(T(nd*g)) || subnormal(q) || subnormal(nq) || subnormal(ours[i]) || subnormal(theirs[i]) {
					most.subnormal = max(most.subnormal, ulps)
				} else {
					most.normal = max(most.normal, ulps)
				}
			}
		}
	}
	return most
}
