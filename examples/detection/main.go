// Command detection is the box regression of a detection head: a loss over the boxes that were matched with an object, in one launch. The
// mask has one byte for each box, the weight one number; the targets of unmatched boxes are NaN, which does not matter. The sum is
// divided by the number of matched boxes, as mmdetection's avg_factor does.
//
//	go run ./examples/detection
package main

import (
	"errors"
	"fmt"
	"io"
	"math"
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
		fmt.Fprintln(os.Stderr, "detection:", err)
		os.Exit(1)
	}
}

const (
	boxes  = 512
	coords = 4
	steps  = 200
	rate   = 2
)

var loss = smoothl1.Loss{Beta: 1.0 / 9, Reduction: smoothl1.Mean}

// A head is what a detector's head hands to the loss: for every box its offsets and those of the object that it was matched with, if any.
type head struct {
	pred, target []float32 // boxes × coords
	matched      []bool
	weight       []float32 // of each box
	positives    int
}

// data returns a made-up head.
func data() (h head) {
	r := rand.New(rand.NewPCG(1, 2))
	h.pred, h.target = make([]float32, boxes*coords), make([]float32, boxes*coords)
	h.matched, h.weight = make([]bool, boxes), make([]float32, boxes)
	for b := range boxes {
		h.matched[b] = r.IntN(8) == 0
		h.weight[b] = 0.5 + float32(r.IntN(4))/2
		if h.matched[b] {
			h.positives++
		}
		for c := range coords {
			i := b*coords + c
			h.pred[i], h.target[i] = float32(r.NormFloat64()), float32(math.NaN())
			if h.matched[b] {
				h.target[i] = float32(r.NormFloat64())
			}
		}
	}
	return h
}

// args uploads the head. Shape says that mask and weight have one element for each row of the matrix.
func (h *head) args(dev *gpu.Device) (a *gpu.Args[float32], err error) {
	pred, err1 := gpu.Upload(dev, h.pred)
	target, err2 := gpu.Upload(dev, h.target)
	mask, err3 := gpu.Upload(dev, smoothl1.Bytes(h.matched))
	weight, err4 := gpu.Upload(dev, h.weight)
	grad, err5 := gpu.Alloc[float32](dev, len(h.pred))
	return &gpu.Args[float32]{
		Pred: pred, Target: target, Mask: mask, Weight: weight, GradPred: grad,
		Divisor: smoothl1.DivideBy(float64(max(1, h.positives))),
		Shape:   &smoothl1.Shape{Rows: boxes, Cols: coords, Mask: smoothl1.PerRow(), Weight: smoothl1.PerRow()},
	}, errors.Join(err1, err2, err3, err4, err5)
}

func run(dev *gpu.Device, out io.Writer) error {
	h := data()
	a, err := h.args(dev)
	if err != nil {
		return err
	}
	crit, err := gpu.NewSmoothL1[float32](dev, loss)
	if err != nil {
		return err
	}
	grad := make([]float32, len(h.pred))
	for step := range steps + 1 {
		if err := crit.Run(a); err != nil { // loss and gradient in one pass
			return err
		}
		if step%50 == 0 {
			value, err := crit.Value()
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "step %3d: loss %.6f over %d of %d boxes\n", step, value, h.positives, boxes)
		}
		// A detector would pass the gradient on; here the boxes themselves descend.
		if err := a.GradPred.Download(grad); err != nil {
			return err
		}
		for i, g := range grad {
			h.pred[i] -= rate * g // +0 for unmatched boxes
		}
		if err := a.Pred.Set(h.pred); err != nil {
			return err
		}
	}
	return nil
}
