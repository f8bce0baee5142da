package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gorgonia"
)

// read returns the two columns of a CSV file with a heading.
func read(file []byte) (x, y []float64, err error) {
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil || len(records) < 3 {
		return nil, nil, fmt.Errorf("phones.csv: want a heading and two rows or more: %w", err)
	}
	for i, r := range records[1:] {
		u, err1 := strconv.ParseFloat(r[0], 64)
		v, err2 := strconv.ParseFloat(r[1], 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, nil, fmt.Errorf("phones.csv: row %d: %w", i+1, err)
		}
		x, y = append(x, u), append(y, v)
	}
	return x, y, nil
}

// trained is the outcome of a training.
type trained struct {
	fit    []float64 // at the years of the data, in millions of calls
	losses []float64 // the mean loss of each step
}

const (
	hidden       = 8    // units of the hidden layer
	rate         = 0.01 // of the solver
	decay        = 0.01 // of the weights
	middle, span = 61.5, 7.0
	unit         = 50.0 // millions of calls
)

// train fits calls = tanh(year·w1 + b1)·w2 + b2 by minimizing the mean Huber loss.
func train(years, calls []float64, delta float64, steps int) (*trained, error) {
	if steps < 1 {
		return nil, fmt.Errorf("steps = %d: want one or more", steps)
	}
	g, random := G.NewGraph(), rand.New(rand.NewPCG(1, 2))
	matrix := func(name string, rows, cols int, element func(i int) float64) *G.Node {
		x := make([]float64, rows*cols)
		for i := range x {
			x[i] = element(i)
		}
		return G.NewMatrix(g, tensor.Float64, G.WithName(name), G.WithShape(rows, cols),
			G.WithValue(tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(x))))
	}
	n := len(years)
	x := matrix("x", n, 1, func(i int) float64 { return (years[i] - middle) / span })
	target := matrix("target", n, 1, func(i int) float64 { return calls[i] / unit })
	normal := func(int) float64 { return random.NormFloat64() }
	zero := func(int) float64 { return 0 }
	w1, b1 := matrix("w1", 1, hidden, normal), matrix("b1", 1, hidden, normal)
	w2, b2 := matrix("w2", hidden, 1, zero), matrix("b2", 1, 1, zero)
	parameters := G.Nodes{w1, b1, w2, b2}

	h, err := layer(x, w1, b1)
	if err != nil {
		return nil, err
	}
	if h, err = G.Tanh(h); err != nil {
		return nil, err
	}
	pred, err := layer(h, w2, b2)
	if err != nil {
		return nil, err
	}
	loss, err := gorgonia.SmoothL1(smoothl1.Loss{Kind: smoothl1.Huber, Beta: delta / unit}, pred, target, gorgonia.ReuseMemory())
	if err != nil {
		return nil, err
	}
	if _, err := G.Grad(loss, parameters...); err != nil {
		return nil, err
	}
	machine := G.NewTapeMachine(g, G.BindDualValues(parameters...))
	solver := G.NewAdamSolver(G.WithLearnRate(rate), G.WithL2Reg(decay))
	out := &trained{}
	for range steps {
		if err := machine.RunAll(); err != nil {
			return nil, errors.Join(err, machine.Close())
		}
		value, err := gorgonia.Value(loss)
		if err != nil {
			return nil, errors.Join(err, machine.Close())
		}
		out.losses = append(out.losses, value)
		if err := solver.Step(G.NodesToValueGrads(parameters)); err != nil {
			return nil, errors.Join(err, machine.Close())
		}
		machine.Reset()
	}
	for _, v := range pred.Value().Data().([]float64) {
		out.fit = append(out.fit, v*unit)
	}
	return out, machine.Close()
}

// layer returns x·w + b, with the row b added to each row.
func layer(x, w, b *G.Node) (*G.Node, error) {
	y, err := G.Mul(x, w)
	if err != nil {
		return nil, err
	}
	return G.BroadcastAdd(y, b, nil, []byte{0})
}
