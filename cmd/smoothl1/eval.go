package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1"
)

func newEval() *cobra.Command {
	job := evaluation{scale: 1}
	var device deviceFlag
	var asJSON bool
	c := &cobra.Command{
		Use:   "eval PRED.npy TARGET.npy",
		Short: "Compute the loss of two arrays, and its gradients",
		Long: `eval computes the loss of two NumPy files of float32 or float64, of the same shape and type, and prints it: a float64, with
enough digits to read the same bits back.

With --reduction mean or sum, --out writes the loss as a float64 array without dimensions. With --reduction none, --out writes
the loss of each element, and nothing is printed. These losses, and gradients, have the shape and type of the arrays.

Files may be larger than memory: they are read, computed and written in pieces, and the result has the same bits as if computed
at once. (Files in Fortran order are read into memory.) The output files appear together, when everything has been computed.

PRED, TARGET and the files of flags may be pipes, /dev/fd/N, or - for standard input or output. These are read and written
piece by piece. If an array goes to standard output, the loss is printed on standard error.`,
		Example: `  smoothl1 eval pred.npy target.npy
  smoothl1 eval pred.npy target.npy --beta 0.1 --reduction sum --json
  smoothl1 eval pred.npy target.npy --loss huber --beta 1.35 --grad-pred grad.npy
  smoothl1 eval pred.npy target.npy --reduction none --out losses.npy --device cuda
  generate | smoothl1 eval - target.npy --grad-pred - | consume`,
		Args:              twoFiles,
		ValidArgsFunction: cobra.FixedCompletions([]string{"npy"}, cobra.ShellCompDirectiveFilterFileExt),
	}
	f := c.Flags()
	f.TextVar(&job.loss.Kind, "loss", smoothl1.SmoothL1, "`KIND` of loss: smooth_l1, which is L1 with --beta 0, or huber")
	addFloat(c, &job.loss.Beta, "beta", 1, "where the loss changes from quadratic to linear (Huber: delta); 0: the L1 loss")
	f.TextVar(&job.loss.Reduction, "reduction", smoothl1.Mean, "`HOW` the losses of the elements are combined: mean, sum or none")
	addName(c, &job.upstream, "upstream", "", "`FILE.npy` with an upstream gradient for each element, of the arrays' shape and type")
	addFloat(c, &job.scale, "scale", 1, "upstream gradient, one number for all elements")
	addName(c, &job.out, "out", "", "write the loss to this `FILE.npy`")
	addName(c, &job.gradPred, "grad-pred", "", "write the gradient with respect to pred to this `FILE.npy`")
	addName(c, &job.gradTarget, "grad-target", "", "write the gradient with respect to target to this `FILE.npy`")
	f.BoolVar(&asJSON, "json", false, "print the loss, its parameters and the device as a JSON object")
	addDevice(c, &device, "auto", "where to compute: auto (CUDA, or else the CPU), cpu, cuda, cuda:N, sim")
	complete(c, "loss", "smooth_l1", "huber")
	complete(c, "reduction", "mean", "sum", "none")
	for _, name := range []string{"upstream", "out", "grad-pred", "grad-target"} {
		if err := c.MarkFlagFilename(name, "npy"); err != nil {
			panic(err)
		}
	}
	c.RunE = func(c *cobra.Command, arguments []string) error {
		job.pred, job.target = arguments[0], arguments[1]
		if err := job.check(f.Changed("scale")); err != nil {
			return err
		}
		dev, err := device.open()
		if err != nil {
			return err
		}
		defer closeDevice(dev)
		bar := newProgress(c.ErrOrStderr())
		defer bar.end()
		result, err := job.run(c.Context(), dev, bar, c.OutOrStdout())
		if err != nil {
			return err
		}
		bar.end()
		return result.print(printTo(c, job.outputs()...), asJSON)
	}
	return c
}

func twoFiles(_ *cobra.Command, arguments []string) error {
	if len(arguments) != 2 {
		return usagef("want two files, PRED.npy and TARGET.npy, got %d", len(arguments))
	}
	return nil
}

// check rejects flags that exclude or need each other, and finds the files.
func (e *evaluation) check(scaled bool) error {
	gradients := e.gradPred != "" || e.gradTarget != ""
	switch {
	case e.upstream != "" && scaled:
		return usagef("--upstream and --scale exclude each other")
	case (e.upstream != "" || scaled) && !gradients:
		return usagef("an upstream gradient scales the gradients, but none is requested: name a file with --grad-pred or --grad-target")
	case e.loss.Reduction == smoothl1.None && e.out == "" && !gradients:
		return usagef("--reduction none computes a loss for each element: name a file for them with --out")
	}
	return e.find()
}

// evaluated is the result of an evaluation.
type evaluated struct {
	Loss      *number            `json:"loss"` // null without reduction
	Kind      smoothl1.Kind      `json:"kind"`
	Beta      float64            `json:"beta"`
	Reduction smoothl1.Reduction `json:"reduction"`
	Count     int                `json:"count"`
	DType     smoothl1.DType     `json:"dtype"`
	Shape     []int              `json:"shape"`
	Device    string             `json:"device"`
}

func (e *evaluated) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, e)
	}
	if e.Loss == nil {
		return nil
	}
	_, err := fmt.Fprintln(w, strconv.FormatFloat(float64(*e.Loss), 'g', -1, 64))
	return err
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
