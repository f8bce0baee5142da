package main

import (
	"errors"
	"flag"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/beam/evaluate"
)

// addFlags adds the flags of the evaluation, named like those of "smoothl1 eval", and those of Beam.
func (j *job) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&j.kind, "loss", "smooth_l1", "`KIND` of loss: smooth_l1, huber, or l1, which is smooth_l1 with --beta 0")
	f.Float64Var(&j.config.Loss.Beta, "beta", 1, "where the loss changes from quadratic to linear (Huber: delta); 0: the L1 loss")
	f.Float64Var(&j.delta, "delta", 1, "another name of --beta for the Huber loss")
	f.TextVar(&j.config.Loss.Reduction, "reduction", smoothl1.Mean, "`HOW` the losses of the elements are combined: mean or sum")
	f.BoolVar(&j.rows, "rows", false, "reduce the last dimension: one loss for each row")
	f.Var(&divisorFlag{&j.config.Divisor}, "divisor", "what a mean is divided `BY`: elements, kept (elements that the mask keeps), weights (their sum), or a number")
	f.BoolVar(&j.zeroIfEmpty, "zero-if-empty", false, "make a mean whose divisor is 0 be 0 instead of NaN")
	f.StringVar(&j.dtype, "dtype", "", "bfloat16: files of uint16 hold bit patterns of that `TYPE`")
	f.StringVar(&j.weight, "weight", "", "`PATTERN` of files of weights, which multiply the losses of the elements")
	f.StringVar(&j.mask, "mask", "", "`PATTERN` of files of bools or integers: elements where it is 0 are left out")
	f.StringVar(&j.groups, "groups", "", "`PATTERN` of files of integers: the group of each element, or of each row")
	f.StringVar(&j.out, "out", "", "write the loss to this `FILE.npy`; with --rows, the losses to files that begin with it; with --groups, the groups to this file.csv")
	f.BoolVar(&j.asJSON, "json", false, "print the loss, what a mean was divided by, the parameters and the runner as a JSON object")
	f.StringVar(&j.staging, "staging", "", "`FOLDER` for the result, which the workers and this machine reach; needed for runners other than prism")
	f.BoolVar(&j.verbose, "verbose", false, "show the runner's log on standard error")
	f.BoolVar(&j.listFlags, "runner-flags", false, "list the flags of Beam's runners")
	flag.CommandLine.VisitAll(func(b *flag.Flag) {
		if f.Lookup(b.Name) != nil {
			return
		}
		p := &pflag.Flag{Name: b.Name, Usage: b.Usage, Value: &beamFlag{b}, DefValue: b.DefValue, Hidden: true}
		if v, ok := b.Value.(interface{ IsBoolFlag() bool }); ok && v.IsBoolFlag() {
			p.NoOptDefVal = "true"
		}
		if b.Name == "runner" {
			p.Hidden, p.Usage = false, "`NAME` of the runner: prism, which runs in this process, universal, flink, spark or dataflow (default prism)"
		}
		f.AddFlag(p)
	})
}

// beamFlag is a flag of Beam. It is set through package flag, because Beam asks that which flags were given.
type beamFlag struct{ *flag.Flag }

func (f *beamFlag) String() string { return f.Value.String() }

// Type implements pflag.Value.
func (f *beamFlag) Type() string { return "string" }

// Set implements pflag.Value.
func (f *beamFlag) Set(text string) error { return flag.Set(f.Name, text) }

// listRunnerFlags lists the flags of Beam.
func listRunnerFlags(w io.Writer) error {
	var text strings.Builder
	flag.CommandLine.SetOutput(&text)
	flag.PrintDefaults()
	_, err := io.WriteString(w, text.String())
	return err
}

// divisorFlag is the value of --divisor.
type divisorFlag struct{ to *smoothl1.Divisor }

func (f *divisorFlag) String() string { return f.to.String() }

// Type implements pflag.Value.
func (f *divisorFlag) Type() string { return "float64 or name" }

// Set implements pflag.Value.
func (f *divisorFlag) Set(text string) error {
	switch text {
	case "elements":
		*f.to = smoothl1.Divisor{}
	case "kept":
		*f.to = smoothl1.DivideByKept()
	case "weights":
		*f.to = smoothl1.DivideByWeights()
	default:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || !(x > 0) || math.IsInf(x, 1) {
			return errors.New("want elements, kept, weights or a positive, finite number")
		}
		*f.to = smoothl1.DivideBy(x)
	}
	return nil
}

// check checks the flags and completes the config.
func (j *job) check(given func(flag string) bool, arguments []string) error {
	for _, name := range []string{"weight", "mask", "groups", "out", "staging"} {
		if given(name) && *map[string]*string{"weight": &j.weight, "mask": &j.mask, "groups": &j.groups, "out": &j.out, "staging": &j.staging}[name] == "" {
			return usagef("--%s is empty", name)
		}
	}
	if slices.Contains(append(arguments, j.weight, j.mask, j.groups, j.out), "-") {
		return usagef("- is not a file: workers cannot read this command's standard input or write to its output")
	}
	c := &j.config
	c.Pred, c.Target, c.Weight, c.Mask, c.Groups = patterns(arguments[0]), patterns(arguments[1]), patterns(j.weight), patterns(j.mask), patterns(j.groups)
	switch j.kind {
	case "l1":
		if given("beta") || given("delta") {
			return usagef("--beta, --delta and --loss l1 exclude each other: that loss has no beta")
		}
		c.Loss.Beta = 0
	default:
		if err := c.Loss.Kind.UnmarshalText([]byte(j.kind)); err != nil {
			return usagef("--loss %s: want smooth_l1, huber or l1", j.kind)
		}
	}
	switch {
	case given("delta") && c.Loss.Kind != smoothl1.Huber:
		return usagef("--delta is for --loss huber: that of %v is --beta", c.Loss.Kind)
	case given("delta") && given("beta"):
		return usagef("--beta and --delta are the same: give one")
	case given("delta"):
		c.Loss.Beta = j.delta
	}
	switch {
	case j.dtype != "" && j.dtype != "bfloat16":
		return usagef("--dtype %s: want bfloat16, which is the only type that files do not name", j.dtype)
	case c.Loss.Reduction == smoothl1.None:
		return usagef("--reduction none: want mean or sum")
	case c.Loss.Reduction != smoothl1.Mean && (given("divisor") || j.zeroIfEmpty):
		return usagef("--divisor and --zero-if-empty are for a mean, and the reduction is %v", c.Loss.Reduction)
	case c.Divisor.Kept() && j.mask == "":
		return usagef("--divisor kept is the number of elements that a mask keeps: name its files with --mask")
	case c.Divisor.Weights() && j.weight == "":
		return usagef("--divisor weights is the sum of the weights: name their files with --weight")
	case j.rows && j.groups != "":
		return usagef("--rows and --groups exclude each other")
	case j.rows && j.out == "":
		return usagef("--rows computes a loss for each row: name files for them with --out")
	case !slices.Contains(known, j.runner()):
		return usagef("--runner %s: want prism, universal, flink, spark or dataflow", j.runner())
	case flag.Lookup("async").Value.String() == "true":
		return usagef("--async: the command waits for the result, which it prints")
	case j.staging == "" && !j.inProcess():
		return usagef("--runner %s: name a folder that its workers and this machine reach, with --staging", j.runner())
	}
	c.BFloat16 = j.dtype == "bfloat16"
	if j.zeroIfEmpty {
		c.Divisor = c.Divisor.ZeroIfEmpty()
	}
	return nil
}

// known are Beam's names of the runners. Beam ends the process for a name that it does not know.
var known = []string{"prism", "PrismRunner", "universal", "portable", "PortableRunner", "flink", "FlinkRunner", "spark", "SparkRunner",
	"dataflow", "DataflowRunner"}

// patterns splits a list of patterns at its commas.
func patterns(text string) evaluate.Shards {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// runner returns the name of the runner.
func (j *job) runner() string {
	if *runners.Runner == "" {
		return "prism"
	}
	return *runners.Runner
}

// inProcess reports whether the workers run in this process.
func (j *job) inProcess() bool {
	r := j.runner()
	return r == "prism" || r == "PrismRunner"
}
