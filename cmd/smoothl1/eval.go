package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1"
)

func newEval() *cobra.Command {
	var job evaluation
	var device deviceFlag
	var asJSON bool
	c := &cobra.Command{
		Use:   "eval PRED.npy TARGET.npy",
		Short: "Compute the loss of two arrays, and its gradients",
		Long: `eval computes the loss of two NumPy files of the same shape and prints it: a float64, with enough digits to read the same bits
back.

With --reduction mean or sum, --out writes the loss as a float64 array without dimensions. With --reduction none, --out writes
the loss of each element, and nothing is printed. With --rows, the last dimension is reduced: there is one loss for each row of it,
which --out writes, or which are printed one a line. What has a number for each element has the shape and type of the arrays.

The files of --weight, --mask, --beta-file, --upstream, --direction and --accumulate-... have the shape of the arrays, or 1 in place
of any dimension, or lack the first ones: they are repeated as NumPy does. With --broadcast, TARGET and PRED may be repeated too. Under
--rows, an --upstream that lacks dimensions has one number for each row. With --index, PRED has a row of columns, of which the index
chooses one, where the other files have one number, with or without a last dimension of 1.

Arrays are float16, float32 or float64. With --dtype bfloat16, files of uint16 hold bit patterns, and so do those that are written.
Numbers of another type than that of PRED and TARGET, or of the type that NumPy promotes the two to (float64 for integers), are
converted, and a line says so; one at the end says how many have become infinite or 0 by that. Types of 16 bits are computed in
float32, and results rounded once when they are written.

Files may be larger than memory: they are read, computed and written in pieces, and the result has the same bits as if computed
at once. (Files in Fortran order are read into memory.) The output files appear together, when everything has been computed: a run that
fails or is interrupted leaves those that were there, and what has gone to a pipe. On a device two pieces are under way at a time, so that
reading and writing overlap with its copies and kernels.

PRED, TARGET and the files of flags may be pipes, /dev/fd/N, or - for standard input or output. These are read and written
piece by piece; but what a pipe delivers is kept in memory if it is repeated or needed twice, as a mask is for gradients with --divisor
kept. If an array goes to standard output, the loss is printed on standard error.`,
		Example: `  smoothl1 eval pred.npy target.npy
  smoothl1 eval pred.npy target.npy --beta 0.1 --reduction sum --json
  smoothl1 eval pred.npy target.npy --loss huber --delta 1.35 --grad-pred grad.npy
  smoothl1 eval pred.npy target.npy --reduction none --out losses.npy --device cuda
  smoothl1 eval boxes.npy target.npy --mask positive.npy --weight weight.npy --divisor kept --grad-pred grad.npy
  smoothl1 eval q.npy return.npy --index action.npy --weight priority.npy --abs errors.npy --grad-pred grad.npy
  smoothl1 eval pred.npy target.npy --rows --out losses.npy
  generate | smoothl1 eval - target.npy --grad-pred - | consume`,
		Args:              twoFiles,
		ValidArgsFunction: cobra.FixedCompletions([]string{"npy"}, cobra.ShellCompDirectiveFilterFileExt),
	}
	f := c.Flags()
	f.Var(&job.kind, "loss", "`KIND` of loss: smooth_l1, huber, or l1, which is smooth_l1 with --beta 0")
	addFloat(c, &job.loss.Beta, "beta", 1, "where the loss changes from quadratic to linear (Huber: delta); 0: the L1 loss")
	addFloat(c, &job.delta, "delta", 1, "another name of --beta for the Huber loss")
	f.TextVar(&job.loss.Reduction, "reduction", smoothl1.Mean, "`HOW` the losses of the elements are combined: mean, sum or none")
	f.BoolVar(&job.rows, "rows", false, "reduce the last dimension: one loss for each row")
	f.Var(&job.divisor, "divisor", "what a mean is divided `BY`: elements, kept (elements that the mask keeps), weights (their sum), or a number")
	f.BoolVar(&job.zeroIfEmpty, "zero-if-empty", false, "make a mean whose divisor is 0 be 0 instead of NaN, and so its gradients")
	addFloat(c, &job.scale, "scale", 1, "upstream gradient, one number for all elements")
	f.BoolVar(&job.broadcast, "broadcast", false, "repeat PRED and TARGET where they have a dimension of 1")
	f.Var(&job.dtype, "dtype", "`TYPE` of the arrays: float16, bfloat16, float32 or float64; else that of the files")
	job.addFiles(c)
	f.BoolVar(&asJSON, "json", false, "print the loss, what a mean was divided by, the parameters and the device as a JSON object")
	addDevice(c, &device, "auto", "where to compute: auto (CUDA, or else the CPU), cpu, cuda, cuda:N, sim")
	complete(c, "loss", "smooth_l1", "huber", "l1")
	complete(c, "reduction", "mean", "sum", "none")
	complete(c, "divisor", "elements", "kept", "weights")
	complete(c, "dtype", typeNames()...)
	c.RunE = func(c *cobra.Command, arguments []string) error {
		job.in[inPred].name, job.in[inTarget].name = arguments[0], arguments[1]
		if err := job.check(f.Changed); err != nil {
			return err
		}
		job.keeps = asJSON || !job.rows || !job.writes(outLoss)
		job.counted = asJSON && job.loss.Reduction == smoothl1.Mean
		dev, err := device.open()
		if err != nil {
			return err
		}
		defer closeDevice(dev)
		bar := newProgress(c.ErrOrStderr())
		defer bar.end()
		result, err := job.run(c.Context(), dev, bar, c.OutOrStdout(), c.ErrOrStderr())
		if err != nil {
			return err
		}
		bar.end()
		return result.print(printTo(c, job.places()...), asJSON)
	}
	return c
}

func twoFiles(_ *cobra.Command, arguments []string) error {
	if len(arguments) != 2 {
		return usagef("want two files, PRED.npy and TARGET.npy, got %d", len(arguments))
	}
	return nil
}

// evaluated is the result of an evaluation.
type evaluated struct {
	Loss      losses             `json:"loss"`
	Kind      smoothl1.Kind      `json:"kind"`
	Beta      *number            `json:"beta"` // null if it is in a file
	Reduction smoothl1.Reduction `json:"reduction"`
	Divisor   string             `json:"divisor,omitempty"`
	DividedBy *losses            `json:"divided_by,omitempty"` // for a mean
	Rows      bool               `json:"rows,omitempty"`
	Count     int                `json:"count"`
	DType     smoothl1.DType     `json:"dtype"`
	Shape     []int              `json:"shape"`
	Device    string             `json:"device"`
	Files     map[string]string  `json:"files,omitempty"` // those that flags name to be read, without --
}

// losses are the reduced losses that are printed, or what they were divided by: one, one for each row, or none.
type losses struct {
	values []float64
	rows   bool
}

// MarshalJSON implements json.Marshaler: a number, a list with --rows, or null without reduction.
func (l losses) MarshalJSON() ([]byte, error) {
	list := make([]number, len(l.values))
	for i, x := range l.values {
		list[i] = number(x)
	}
	switch {
	case l.rows:
		return json.Marshal(list)
	case len(list) == 0:
		return []byte("null"), nil
	}
	return json.Marshal(list[0])
}

func (e *evaluated) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, e)
	}
	to := bufio.NewWriter(w)
	for _, x := range e.Loss.values {
		fmt.Fprintln(to, strconv.FormatFloat(x, 'g', -1, 64)) // Flush returns the error
	}
	return to.Flush()
}

// printJSON prints a value as JSON on one line.
func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", text)
	return err
}

// number is a float64 in JSON. NaN and infinities, which JSON has no numbers for, become strings that Go, Python and JavaScript parse.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	switch x := float64(n); {
	case math.IsNaN(x):
		return []byte(`"NaN"`), nil
	case math.IsInf(x, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(x, -1):
		return []byte(`"-Infinity"`), nil
	default:
		return strconv.AppendFloat(nil, x, 'g', -1, 64), nil
	}
}
