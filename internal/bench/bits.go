package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/difftest"
	"github.com/smoothl1/smoothl1/internal/files"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// A BitsRow compares one array of PyTorch's results with ours, bit for bit; any NaN equals any NaN.
type BitsRow struct {
	Contender string             `json:"contender"`
	DType     smoothl1.DType     `json:"dtype"`
	Kind      smoothl1.Kind      `json:"kind"`
	Beta      float64            `json:"beta"`
	Reduction smoothl1.Reduction `json:"reduction"`
	Data      string             `json:"data"` // what the inputs are, as package difftest names it
	What      string             `json:"what"` // "terms", "grad_pred" or "grad_target"
	Elements  int                `json:"elements"`
	Different int                `json:"different"`
	ZeroSigns int                `json:"zero_signs"` // of the different ones, zeros of the other sign
	MaxULPs   uint64             `json:"max_ulps"`   // between any two; of the largest uint64 between NaN and a number
	First     string             `json:"first,omitempty"`
}

// bitsLosses are compared, each with every reduction.
var bitsLosses = []smoothl1.Loss{
	{Beta: 1}, {Beta: 0.1}, {Beta: 1.0 / 9}, {Beta: 0}, {Kind: smoothl1.Huber, Beta: 1}, {Kind: smoothl1.Huber, Beta: 0.3},
}

// compareBits has PyTorch compute losses and gradients of arrays of n elements and compares them with the device's.
func compareBits(ctx context.Context, p *peer, dev *gpu.Device, n int) (rows []BitsRow, err error) {
	dir, remove, err := files.TempDir()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	for _, data := range []difftest.Data{difftest.Normal, difftest.Kinks, difftest.Special} {
		for _, l := range bitsLosses {
			for _, l.Reduction = range []smoothl1.Reduction{smoothl1.Mean, smoothl1.Sum, smoothl1.None} {
				contenders := []string{Eager}
				if p.PyTorch.Compiles == "" && l.Reduction == smoothl1.Mean && data == difftest.Normal {
					contenders = append(contenders, Compiled)
				}
				for _, contender := range contenders {
					if err := ctx.Err(); err != nil {
						return rows, err
					}
					c := difftest.Case{N: n, Data: data, Loss: l, Seed: 11, Elementwise: l.Reduction == smoothl1.None}
					more, err := bitsOf[float32](p, dev, dir, contender, c)
					if err == nil {
						rows = append(rows, more...)
						c.DType = smoothl1.Float64
						more, err = bitsOf[float64](p, dev, dir, contender, c)
					}
					if err != nil {
						return rows, fmt.Errorf("%s, %v: %w", contender, l, err)
					}
					rows = append(rows, more...)
				}
			}
		}
	}
	return rows, nil
}

func bitsOf[T smoothl1.Float](p *peer, dev *gpu.Device, dir, contender string, c difftest.Case) (rows []BitsRow, err error) {
	in := difftest.Generate[T](c)
	h := npy.Header{DType: npy.Float32, Shape: []int{c.N}}
	if smoothl1.DTypeOf[T]() == smoothl1.Float64 {
		h.DType = npy.Float64
	}
	for name, x := range map[string][]T{"pred": in.Pred, "target": in.Target, "upstream": in.Upstream} {
		if x != nil {
			if err := writeAll(filepath.Join(dir, name+".npy"), h, x); err != nil {
				return nil, err
			}
		}
	}
	if err := p.ask(nil, map[string]any{"do": "bits", "directory": dir, "contender": contender, "kind": c.Loss.Kind.String(), "beta": c.Loss.Beta,
		"reduction": c.Loss.Reduction.String()}); err != nil {
		return nil, err
	}
	c.Op, c.Grads, c.Upstream = difftest.Backward, difftest.GradPred|difftest.GradTarget, 1
	mine, err := difftest.ComputeOn(dev, c, in)
	if err != nil {
		return nil, err
	}
	all := map[string][]T{"grad_pred": mine.GradPred, "grad_target": mine.GradTarget}
	if c.Loss.Reduction == smoothl1.None {
		c.Op = difftest.ForwardTerms
		terms, err := difftest.ComputeOn(dev, c, in)
		if err != nil {
			return nil, err
		}
		all["loss"] = terms.Terms
	}
	for _, name := range []string{"loss", "grad_pred", "grad_target"} {
		if all[name] == nil {
			continue
		}
		theirs, err := readAll[T](filepath.Join(dir, name+".npy"))
		if err != nil {
			return nil, err
		}
		row := BitsRow{Contender: contender, DType: c.DType, Kind: c.Loss.Kind, Beta: c.Loss.Beta, Reduction: c.Loss.Reduction, Data: c.Data.String(), What: name}
		if name == "loss" {
			row.What = "terms"
		}
		if err := compareRow(&row, all[name], theirs, in); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func compareRow[T smoothl1.Float](row *BitsRow, ours, theirs []T, in difftest.Inputs[T]) error {
	if len(ours) != len(theirs) {
		return fmt.Errorf("%s: PyTorch gave %d elements, not %d", row.What, len(theirs), len(ours))
	}
	row.Elements = len(ours)
	for i := range ours {
		if difftest.SameBits(ours[i], theirs[i]) {
			continue
		}
		row.Different++
		if ours[i] == 0 && theirs[i] == 0 {
			row.ZeroSigns++
			continue
		}
		row.MaxULPs = max(row.MaxULPs, difftest.ULPs(ours[i], theirs[i]))
		if row.First == "" {
			row.First = fmt.Sprintf("element %d: pred %v, target %v: ours %v, PyTorch's %v", i, in.Pred[i], in.Target[i], ours[i], theirs[i])
		}
	}
	return nil
}

// writeAll writes an array to a file that nobody looks at before it is there.
func writeAll[T smoothl1.Float](path string, h npy.Header, x []T) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return npy.Write(path, f, h, x)
}

func readAll[T smoothl1.Float](path string) (x []T, err error) {
	a, err := npy.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	x = make([]T, a.Len())
	return x, npy.ReadAt(a, x, 0)
}
