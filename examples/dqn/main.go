// Command dqn is the loss of a step of deep Q-learning with a prioritised replay buffer, in one launch: the network gives a value for each
// action, the index names the action that was taken, the weight corrects for the sampling of the buffer, and |d|, the temporal-difference
// error, is the new priority of each transition.
//
//	go run ./examples/dqn
package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

func main() {
	dev, err := gpu.Open() // the GPU, or else the CPU
	if err == nil {
		fmt.Println("device:", dev)
		err = errors.Join(run(dev, os.Stdout), dev.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dqn:", err)
		os.Exit(1)
	}
}

const (
	batch   = 32
	actions = 6
	steps   = 60
	rate    = 16
)

var loss = smoothl1.Loss{Kind: smoothl1.Huber, Beta: 1, Reduction: smoothl1.Mean} // PyTorch's HuberLoss, as most DQN programs use

// A sample is a batch of transitions.
type sample struct {
	values  []float32 // batch × actions: what the network says
	action  []int32   // taken in each transition
	returns []float32 // reward and discounted value of the next state
	weight  []float32 // importance of each transition
}

// draw returns a made-up batch.
func draw() (s sample) {
	r := rand.New(rand.NewPCG(3, 4))
	s.values = make([]float32, batch*actions)
	for i := range s.values {
		s.values[i] = float32(r.NormFloat64())
	}
	for range batch {
		s.action = append(s.action, int32(r.IntN(actions)))
		s.returns = append(s.returns, 3*float32(r.NormFloat64()))
		s.weight = append(s.weight, 1/float32(1+r.IntN(4)))
	}
	return s
}

// args uploads the batch. With an index, values and their gradient have a column for each action, all else one column.
func (s *sample) args(dev *gpu.Device) (a *gpu.Args[float32], err error) {
	values, err1 := gpu.Upload(dev, s.values)
	returns, err2 := gpu.Upload(dev, s.returns)
	action, err3 := gpu.Upload(dev, s.action)
	weight, err4 := gpu.Upload(dev, s.weight)
	grad, err5 := gpu.Alloc[float32](dev, batch*actions)
	priority, err6 := gpu.Alloc[float32](dev, batch)
	return &gpu.Args[float32]{
		Pred: values, Target: returns, Index: action, Weight: weight, GradPred: grad, Abs: priority,
		Shape: &smoothl1.Shape{Rows: batch, Cols: actions},
	}, errors.Join(err1, err2, err3, err4, err5, err6)
}

func run(dev *gpu.Device, out io.Writer) error {
	s := draw()
	a, err := s.args(dev)
	if err != nil {
		return err
	}
	crit, err := gpu.NewSmoothL1[float32](dev, loss)
	if err != nil {
		return err
	}
	grad, priority := make([]float32, batch*actions), make([]float32, batch)
	for step := range steps + 1 {
		if err := crit.Run(a); err != nil {
			return err
		}
		value, err := crit.Value() // an action out of range would be reported here
		if err != nil {
			return err
		}
		if err := errors.Join(a.GradPred.Download(grad), a.Abs.Download(priority)); err != nil {
			return err
		}
		if step%20 == 0 {
			fmt.Fprintf(out, "step %2d: loss %.6f, highest priority %.4f\n", step, value, highest(priority))
		}
		for i, g := range grad { // a network would propagate the gradient; +0 for the actions not taken
			s.values[i] -= rate * g
		}
		if err := a.Pred.Set(s.values); err != nil {
			return err
		}
	}
	return nil
}

func highest(x []float32) (m float32) {
	for _, v := range x {
		m = max(m, v)
	}
	return m
}
