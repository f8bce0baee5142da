package main

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"

	"github.com/smoothl1/smoothl1"
)

func anyRoom([]plot.Tick) bool { return true }

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{-1.03, 1.03, "−1 −0.5 0 0.5 1"},
		{-0.04, 1.04, "0 0.2 0.4 0.6 0.8 1"},
		{-4.1, 4.1, "−4 −3 −2 −1 0 1 2 3 4"},
		{0, 5e-7, "0 1e-07 2e-07 3e-07 4e-07 5e-07"},
		{-3e8, 3e8, "−3e+08 −2e+08 −1e+08 0 1e+08 2e+08 3e+08"},
		{-0.00011, 0.00011, "−0.0001 −0.00005 0 0.00005 0.0001"},
		{1e5, 1e5 + 0.001, "0 0.0002 0.0004 0.0006 0.0008 0.001 − 100000"},
		{-1e5 - 0.001, -1e5, "−0.001 −0.0008 −0.0006 −0.0004 −0.0002 0 + 100000"},
		{1e15, 1e15 + 512, "0 100 200 300 400 500 − 1e+15"},
		{4.9892e-101, 5.0108e-101, "4.99e-101 4.995e-101 5e-101 5.005e-101 5.01e-101"},
	} {
		s := newScale(c.low, c.high, anyRoom)
		var labels []string
		for _, tick := range s.ticks {
			labels = append(labels, tick.Label)
		}
		assert.Equal(t, c.want, strings.Join(labels, " ")+s.base)
	}
}

// requireTicks requires that the ticks of a scale increase and are few, and that each label plus the base is its tick's value.
func requireTicks(t *testing.T, s scale, low, high float64) {
	t.Helper()
	require.GreaterOrEqual(t, len(s.ticks), 2, "from %v to %v", low, high)
	require.LessOrEqual(t, len(s.ticks), maxTicks)
	require.Less(t, len(s.base), 30)
	seen := map[string]bool{}
	for i, tick := range s.ticks {
		require.True(t, tick.Value >= low && tick.Value <= high)
		require.True(t, i == 0 || tick.Value > s.ticks[i-1].Value, "from %v to %v: %v", low, high, s.ticks)
		require.False(t, seen[tick.Label], "from %v to %v: %v", low, high, s.ticks)
		seen[tick.Label] = true
		v := exact(t, tick.Label)
		if s.base != "" {
			v.Sub(v, exact(t, strings.ReplaceAll(s.base, " ", "")))
		}
		nearest, _ := v.Float64()
		require.Equal(t, tick.Value, nearest, "%q%s", tick.Label, s.base)
	}
}

func exact(t *testing.T, label string) *big.Rat {
	v, ok := new(big.Rat).SetString(strings.ReplaceAll(strings.TrimSpace(label), "−", "-"))
	require.True(t, ok, "%q", label)
	return v
}

// TestRanges draws random ranges, or checks that they are rejected.
func TestRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 17))
	drawn, refused := 0, 0
	for range 700 {
		d := drawing{kind: smoothl1.SmoothL1, gradient: r.IntN(3) == 0, from: sometimes(r), betas: []float64{math.Abs(sometimes(r))}}
		switch r.IntN(3) {
		case 0:
			d.to = sometimes(r)
		case 1: // close together
			d.to = d.from + math.Abs(d.from)*math.Pow(10, -16*r.Float64())
		case 2:
			d.from, d.to = -math.Abs(d.from), math.Abs(d.from)*r.Float64()
		}
		if r.IntN(2) == 0 { // beta in the picture, or beside it
			d.betas = append(d.betas, math.Abs(d.from)*r.Float64(), math.Abs(d.to))
			d.betas = slices.DeleteFunc(d.betas, func(beta float64) bool { return math.IsInf(beta, 0) || math.IsNaN(beta) })
		}
		if err := d.check(); err != nil {
			refused++
			continue
		}
		drawn++
		p := pictureOf(t, d)
		var curves []curve
		for _, beta := range d.betas {
			c, err := d.curve(beta)
			require.NoError(t, err)
			curves = append(curves, c)
			for _, xy := range c.points {
				if math.IsNaN(xy.Y) || math.IsInf(xy.Y, 0) {
					require.Failf(t, "a point is not finite", "%+v", d)
				}
			}
		}
		low, high := d.heights(curves)
		requireTicks(t, newScale(low, high, anyRoom), low, high)
		requireTicks(t, newScale(d.from, d.to, anyRoom), d.from, d.to)
		requireApart(t, d, p)
		requireLegend(t, d, p)
	}
	require.Greater(t, drawn, 300)
	require.Greater(t, refused, 70)
}

// sometimes returns a number of any size.
func sometimes(r *rand.Rand) float64 {
	switch r.IntN(4) {
	case 0:
		return float64(r.IntN(21) - 10)
	case 1:
		return math.Pow(10, float64(r.IntN(220)-110)) * (r.Float64() - 0.5)
	case 2:
		return math.Float64frombits(r.Uint64()&^(0x7ff<<52) | uint64(r.IntN(2047))<<52)
	}
	return math.Round((r.Float64()-0.5)*2000) / 100
}

// requireApart requires that no texts overlap, and that none is outside the picture.
func requireApart(t *testing.T, d drawing, p drawn) {
	t.Helper()
	for i, a := range p.texts {
		require.True(t, a.box.Min.X >= 0 && a.box.Min.Y >= 0 && a.box.Max.X <= p.size.X && a.box.Max.Y <= p.size.Y, "%+v: %q at %v", d, a.text, a.box)
		for _, b := range p.texts[:i] {
			apart := a.box.Max.X < b.box.Min.X || b.box.Max.X < a.box.Min.X || a.box.Max.Y < b.box.Min.Y || b.box.Max.Y < a.box.Min.Y
			require.True(t, apart, "%+v: %q on %q, %v, %v", d, a.text, b.text, a.box, b.box)
		}
	}
}
