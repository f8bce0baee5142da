package main

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
)

// scalar is a back end that executes the steps on one element. Masks are numbers too, 1 or 0.
type scalar map[value]float32

func (at scalar) run(steps []step) (stored, added float32) {
	bits := math.Float32bits
	mask := func(b bool) float32 {
		if b {
			return 1
		}
		return 0
	}
	compute := func(s step, operands []value) float32 {
		in := make([]float32, 3)
		for i, o := range operands {
			x, ok := at[o]
			if !ok {
				panic(fmt.Sprintf("%s reads %s, which has not been written", s.name, o))
			}
			in[i] = x
		}
		switch p, q, r := in[0], in[1], in[2]; s.do {
		case doSub:
			return p - q
		case doMul:
			return p * q
		case doDiv:
			return p / q
		case doAbs:
			return math.Float32frombits(bits(p) &^ bits(q))
		case doXor:
			return math.Float32frombits(bits(p) ^ bits(q))
		case doFlipSign:
			return math.Float32frombits(bits(p) ^ bits(q)&bits(r))
		case doLess:
			return mask((p < q) != s.inverse)
		case doGreater:
			return mask(p > q)
		case doMask:
			return mask(bits(p) != 0)
		case doSelect:
			if p != 0 {
				return q
			}
			return r
		case doKeep:
			if p != 0 {
				return q
			}
		case doDistance:
			return math.Float32frombits(bits(p-q) &^ (1 << 31))
		case doFarther:
			return mask(math.Abs(float64(p)) > math.Abs(float64(q)))
		case doAddUp:
			added = p
		case doStore:
			stored = p
		}
		return 0
	}
	for _, s := range steps {
		x := float32(0)
		switch {
		case s.made == nil && s.do == doSelect && s.inverse: // the mask is the complement
			x = compute(s, []value{s.of[0], s.of[2], s.of[1]})
		case s.made == nil:
			x = compute(s, s.of)
		case at[s.of[0]] != 0:
			x = compute(*s.made, s.of[2:])
		default:
			x = at[s.of[1]]
		}
		for _, v := range s.spoils() {
			delete(at, v)
		}
		if s.to != "" {
			at[s.to] = x
		}
	}
	return stored, added
}

// plans returns the steps of a kernel in their original order, and as each back end arranges them.
func plans(t *testing.T, s spec) map[string][]step {
	all := map[string][]step{"listed": formula(s)}
	for name, set := range map[string]struct {
		steps []step
		order schedule
		at    places
	}{"AVX2": {formula(s), schedule256, places256[1]}, "AVX512": {merge(formula(s)), schedule512, places512[1]}} {
		if name == "AVX2" && s.further() {
			continue
		}
		groups, err := set.order.arrange(set.steps)
		require.NoError(t, err, "%s %s", name, s.function())
		require.NoError(t, checkPlaces(groups, set.at), "%s %s", name, s.function())
		all[name] = slices.Concat(groups...)
	}
	n := &neon{spec: s, steps: neonSteps(s)}
	require.NoError(t, n.assign(), "NEON %s", s.function())
	all["NEON"] = n.steps
	return all
}

// The formula agrees with the reference, in its original order and as scheduled.
func TestFormula(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	differences := []float32{0, float32(math.Copysign(0, -1)), 0.1, -0.1, 0.25, -0.25, 0.3, 1, -1, 3, -7.7, 1e-40, nan, inf, -inf}
	const count, norm, g = 3, float32(1 / 3.0), float32(-1.3)
	for _, l := range []struct {
		loss     smoothl1.Loss
		quotient quotient
		g        float32
	}{
		{smoothl1.Loss{Beta: 1}, one, g}, {smoothl1.Loss{Beta: 1}, unit, 1}, {smoothl1.Loss{Beta: 0.25}, mul, g},
		{smoothl1.Loss{Beta: 0.3}, div, g}, {smoothl1.Loss{}, mul, g}, {smoothl1.Loss{Kind: smoothl1.Huber, Beta: 0.3}, one, g},
	} {
		outer, divisor, isL1, beta := float32(1), float32(l.loss.Beta), float32(0), float32(l.loss.Beta)
		switch {
		case beta == 0:
			divisor, isL1 = 1, nan
		case l.loss.Kind == smoothl1.Huber:
			outer, divisor = beta, 1
		}
		for _, f := range families {
			if l.quotient == unit && (f.elementwise || f.further()) {
				continue
			}
			weight, kept, upstream := float32(1), []uint8{1}, l.g
			if f.weight {
				weight, upstream = 0.7, norm*l.g
			}
			if f.mask {
				kept = []uint8{1, 0}
			}
			s := spec{family: f, quotient: l.quotient, set: "AVX2"}
			for name, steps := range plans(t, s) {
				for i := range len(differences) * len(kept) {
					d, mask := differences[i/len(kept)], kept[i%len(kept)]
					at := scalar{vWeight: weight, vMask: float32(mask), vPred: d, vTarget: 0, vUpstream: l.g, vSign: float32(math.Copysign(0, -1)), vOneHalf: 0.5,
						vThreshold: beta, vHalf: 0.5 * beta, vInverse: 1 / divisor, vDivisor: divisor, vOuter: outer,
						vNorm: norm, vG: upstream, vSide: norm * l.g * outer, vFlip: 0, vL1: isL1}
					stored, added := at.run(steps)
					message := fmt.Sprintf("%s %s %+v d=%v mask=%d", name, s.function(), l.loss, d, mask)
					term, gradient := reference(t, l.loss, d, count, l.g, weight, f.weight, mask)
					if f.sum {
						same(t, term, added, message)
					}
					if f.terms {
						same(t, term, stored, message)
					}
					if f.gradient {
						same(t, gradient, stored, message)
					}
				}
			}
		}
	}
}

// same compares bits. All NaNs are the same.
func same(t *testing.T, want, got float32, message string) {
	if want == want || got == got {
		assert.Equal(t, math.Float32bits(want), math.Float32bits(got), message)
	}
}

// reference returns the loss term of d and its gradient, for a mean over count elements.
func reference(t *testing.T, l smoothl1.Loss, d float32, count int, g, weight float32, weighed bool, mask uint8) (term, gradient float32) {
	terms, grad := make([]float32, 1), make([]float32, 1)
	a := cpu.Args[float32]{Pred: []float32{d}, Target: []float32{0}, Mask: []uint8{mask}, Terms: terms}
	if weighed {
		a.Weight = []float32{weight}
	}
	require.NoError(t, cpu.RefForwardTerms(l, &a))
	a.Terms, a.GradPred, a.Divisor, a.Upstream = nil, grad, smoothl1.DivideBy(float64(count)), cpu.Number[float32](float64(g))
	require.NoError(t, cpu.RefBackward(l, &a))
	return terms[0], grad[0]
}

func TestSchedulesThatChangeTheFormulaAreRefused(t *testing.T) {
	steps := formula(spec{family: families[1], quotient: div})
	_, err := schedule{{"difference"}}.arrange(steps)
	assert.ErrorContains(t, err, `step "fetch" is not in the schedule`)
	for _, exchanged := range [][2]string{{"square", "parabola"}, {"tail", "term"}, {"difference", "distance"}, {"half", "square"}} {
		order := schedule{}
		for _, names := range schedule256 {
			var group []string
			for _, name := range names {
				switch name {
				case exchanged[0]:
					name = exchanged[1]
				case exchanged[1]:
					name = exchanged[0]
				}
				group = append(group, name)
			}
			order = append(order, group)
		}
		_, err := order.arrange(steps)
		assert.ErrorContains(t, err, "which it depends on", exchanged)
	}
}

func TestPlacesThatClashAreRefused(t *testing.T) {
	groups, err := schedule256.arrange(formula(spec{family: families[1], quotient: div}))
	require.NoError(t, err)
	at := places{vD: reg.Y0, vA: reg.Y1, vX: reg.Y2, vT: reg.Y2, vInside: reg.Y4}
	assert.EqualError(t, checkPlaces(groups, at), `step "square" reads x where t is`)
	at = places{vD: reg.Y0, vA: reg.Y0, vX: reg.Y2, vT: reg.Y3, vInside: operand.Op(reg.Y4)}
	assert.NoError(t, checkPlaces(groups, at), "without a gradient, nothing reads d behind a")
}
