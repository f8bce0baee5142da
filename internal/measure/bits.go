package measure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/files"
	"github.com/smoothl1/smoothl1/internal/op"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// A BitsRow compares one array of a peer's results with ours, bit for bit; any NaN equals any NaN.
type BitsRow struct {
	Contender string             `json:"contender"`
	DType     smoothl1.DType     `json:"dtype"`
	Kind      smoothl1.Kind      `json:"kind"`
	Beta      float64            `json:"beta"`
	Reduction smoothl1.Reduction `json:"reduction"`
	Data      string             `json:"data"` // the kind of inputs, as package difftest names it
	What      string             `json:"what"` // "terms", "grad_pred" or "grad_target"
	Elements  int                `json:"elements"`
	Different int                `json:"different"`
	ZeroSigns int                `json:"zero_signs"` // how many of the different ones are zeros of the other sign
	MaxULPs   uint64             `json:"max_ulps"`   // the largest difference; math.MaxUint64 between NaN and a number
	First     string             `json:"first,omitempty"`
}

// bitsLosses are compared, each with every reduction.
var bitsLosses = []smoothl1.Loss{
	{Beta: 1}, {Beta: 0.1}, {Beta: 0}, {Beta: 1.0 / 9}, {Kind: smoothl1.Huber, Beta: 1}, {Kind: smoothl1.Huber, Beta: 0.3},
}

// bitsOrder returns all cases, the most informative first. Each loss has all reductions, because gradients may depend on them.
func bitsOrder(n int) (all []difftest.Case) {
	for _, reductions := range [][]smoothl1.Reduction{{smoothl1.None}, {smoothl1.Mean, smoothl1.Sum}} {
		for _, data := range []difftest.Data{difftest.Normal, difftest.Special, difftest.Kinks} {
			for _, l := range bitsLosses {
				for _, l.Reduction = range reductions {
					for _, dtype := range []smoothl1.DType{smoothl1.Float32, smoothl1.Float64} {
						all = append(all, difftest.Case{N: n, DType: dtype, Data: data, Loss: l, Seed: 11, Elementwise: l.Reduction == smoothl1.None})
					}
				}
			}
		}
	}
	return all
}

// compareBits has a peer compute losses and gradients and compares them with the device's.
func (r *Result) compareBits(ctx context.Context, c *Config, p *peer, until time.Time, save func() error) (err error) {
	dir, remove, err := files.TempDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	for i, k := range bitsOrder(c.BitsSize) {
		if p.Contender == Compiled && (k.Loss.Reduction != smoothl1.Mean || k.Loss.Kind != smoothl1.SmoothL1 || k.Data != difftest.Normal) {
			continue // each case is compiled, which takes long
		}
		if past(until) {
			r.leave(c, "%s's bits from %v on: time was up", p.Contender, k)
			break
		}
		if !until.IsZero() { // do not wait for a compilation much longer than that
			p.patience = min(p.patience, time.Until(until)+time.Second)
		}
		var rows []BitsRow
		switch k.DType {
		case smoothl1.Float32:
			rows, err = bitsOf[float32](ctx, p, c.Device, dir, k)
		case smoothl1.Float64:
			rows, err = bitsOf[float64](ctx, p, c.Device, dir, k)
		default:
			err = fmt.Errorf("elements of type %v are not compared", k.DType)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if refused := refusal(""); p.gone || errors.As(err, &refused) {
			r.leave(c, "%s's bits of %v: %s", p.Contender, k, oneLine(err))
			if p.gone {
				break
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s, %v: %w", p.Contender, k, err)
		}
		r.Bits = append(r.Bits, rows...)
		if i%12 == 0 || p.Contender == Compiled {
			if err := save(); err != nil {
				return err
			}
		}
	}
	return save()
}

func bitsOf[T op.Computing](ctx context.Context, p *peer, dev *gpu.Device, dir string, c difftest.Case) (rows []BitsRow, err error) {
	in := difftest.Generate[T](c)
	for name, x := range map[string][]T{"pred": in.Pred, "target": in.Target, "upstream": in.Upstream} {
		if x != nil {
			if err := writeAll(filepath.Join(dir, name), x); err != nil {
				return nil, err
			}
		}
	}
	if err := p.ask(nil, map[string]any{"do": "bits", "directory": dir, "dtype": c.DType.String(), "kind": c.Loss.Kind.String(), "beta": c.Loss.Beta,
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
		theirs, err := readAll[T](filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		row := BitsRow{Contender: p.Contender, DType: c.DType, Kind: c.Loss.Kind, Beta: c.Loss.Beta, Reduction: c.Loss.Reduction, Data: c.Data.String(), What: name}
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

func compareRow[T op.Computing](row *BitsRow, ours, theirs []T, in difftest.Inputs[T]) error {
	if len(ours) != len(theirs) {
		return fmt.Errorf("%s: the peer gave %d elements, not %d", row.What, len(theirs), len(ours))
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
			row.First = fmt.Sprintf("element %d: pred %v, target %v: ours %v, the peer's %v", i, in.Pred[i], in.Target[i], ours[i], theirs[i])
		}
	}
	return nil
}

// Arrays are exchanged as raw bytes, so that a peer does not need NumPy.

func writeAll[T op.Computing](path string, x []T) error {
	text, err := binary.Append(nil, binary.LittleEndian, x)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

func readAll[T op.Computing](path string) (x []T, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	x = make([]T, len(text)/smoothl1.DTypeOf[T]().Size())
	_, err = binary.Decode(text, binary.LittleEndian, x)
	return x, err
}
