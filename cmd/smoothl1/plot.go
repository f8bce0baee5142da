package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1"
)

// drawing holds the arguments of plot.
type drawing struct {
	kind     smoothl1.Kind
	betas    []float64
	betaFlag string  // the flag that they come from
	from, to float64 // of pred − target
	gradient bool
}

func newPlot() *cobra.Command {
	var d drawing
	var to picture
	var loss lossFlag
	var huber bool
	var deltas []float64
	c := &cobra.Command{
		Use:   "plot -o FILE.svg",
		Short: "Draw the loss, or its gradient, for one or more betas",
		Long: `plot draws the loss of one element over pred − target, or with --gradient its derivative, with a curve for each beta. It marks
the critical points, where the loss changes from quadratic to linear. The ending of the file's name, .svg, .png or .pdf, or else
--format, determines the format.`,
		Example: `  smoothl1 plot -o curve.svg
  smoothl1 plot --beta 1,0.1,0.01 -o curves.svg
  smoothl1 plot --beta 1,0.1,0.01 --gradient -o gradients.png
  smoothl1 plot --loss huber --delta 0.5,1,2 --from -4 --to 4 -o huber.pdf
  smoothl1 plot --format png -o - | display`,
		Args:              usage(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			given := c.Flags().Changed
			switch {
			case huber && given("loss"):
				return usagef("--huber is another name of --loss huber: give one")
			case huber:
				loss.kind = smoothl1.Huber
			}
			if err := d.setLoss(loss, deltas, given); err != nil {
				return err
			}
			place, format, err := to.find()
			if err != nil {
				return err
			}
			if err := d.check(); err != nil {
				return err
			}
			var picture bytes.Buffer
			if err := d.draw(&picture, format); err != nil {
				return err
			}
			return writeFile(c.Context(), place, c.OutOrStdout(), picture.Bytes())
		},
	}
	f := c.Flags()
	f.Var(&loss, "loss", "`KIND` of loss: smooth_l1, huber, or l1, which is smooth_l1 with --beta 0")
	addFloats(c, &d.betas, "beta", 1, "where the loss changes from quadratic to linear (Huber: delta): one `NUMBER`, or several with commas")
	addFloats(c, &deltas, "delta", 1, "another name of --beta for the Huber loss")
	addFloat(c, &d.from, "from", -1, "left end, in pred − target")
	addFloat(c, &d.to, "to", 1, "right end, in pred − target")
	f.BoolVar(&d.gradient, "gradient", false, "draw the gradient with respect to pred")
	f.BoolVar(&huber, "huber", false, "another name of --loss huber")
	addPicture(c, &to)
	for _, name := range []string{"beta", "delta", "from", "to"} {
		complete(c, name)
	}
	complete(c, "loss", "smooth_l1", "huber", "l1")
	return c
}

// setLoss sets the loss and its betas.
func (d *drawing) setLoss(loss lossFlag, deltas []float64, given func(flag string) bool) error {
	if err := loss.check(given); err != nil {
		return err
	}
	d.kind, d.betaFlag = loss.kind, "beta"
	switch {
	case loss.l1:
		d.betas = []float64{0}
	case given("delta"):
		d.betas, d.betaFlag = deltas, "delta"
	}
	return nil
}

// check rejects what cannot be drawn.
func (d *drawing) check() error {
	switch {
	case !(d.from < d.to) || max(-d.from, d.to) > largestPlace || d.to-d.from < 1/largestPlace: // NaN too
		return usagef("--from %v --to %v: want two numbers from %g to %g, the first at least %g below the second", d.from, d.to, -largestPlace, largestPlace, 1/largestPlace)
	case !resolved(d.from, d.to):
		return usagef("--from %v --to %v: too close together: float64 has too few numbers between them for a picture", d.from, d.to)
	case len(d.betas) == 0 || len(d.betas) > len(palette):
		return usagef("--%s has %d numbers: want 1 to %d", d.betaFlag, len(d.betas), len(palette))
	}
	for i, beta := range d.betas {
		if slices.Contains(d.betas[:i], beta) {
			return usagef("--%s: %v is given twice", d.betaFlag, beta)
		}
		if err := d.loss(beta).Validate(smoothl1.Float64); err != nil {
			return err
		}
	}
	return nil
}

// largestPlace is the largest coordinate that is drawn. Its square and that of its reciprocal are well within float64's range.
const largestPlace = 1e100

func (d *drawing) loss(beta float64) smoothl1.Loss {
	return smoothl1.Loss{Kind: d.kind, Beta: beta, Reduction: smoothl1.None}
}

// label names a curve in the legend.
func (d *drawing) label(beta float64) string {
	switch {
	case d.kind == smoothl1.Huber:
		return fmt.Sprintf("δ = %v", beta)
	case beta == 0:
		return "β = 0 (L1)"
	}
	return fmt.Sprintf("β = %v", beta)
}
