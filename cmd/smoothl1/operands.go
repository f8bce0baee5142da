package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1/internal/files"
)

// input is an array that eval reads.
type input int

const (
	inPred input = iota
	inTarget
	inWeight
	inMask
	inBeta
	inUpstream
	inIndex
	inDirection
	inOldPred
	inOldTarget
	inputs = iota
)

// output is an array that eval writes.
type output int

const (
	outLoss output = iota
	outTerms
	outAbs
	outGradPred
	outGradTarget
	outSecond
	outputs = iota
)

// operand is how an array is named on the command line.
type operand struct{ name, use string }

var inputTable = [inputs]operand{
	inPred:      {"PRED", ""},
	inTarget:    {"TARGET", ""},
	inWeight:    {"--weight", "`FILE.npy` of weights, which multiply the losses of the elements"},
	inMask:      {"--mask", "`FILE.npy` of bools or integers: elements where it is 0 are left out, whatever the other files have there"},
	inBeta:      {"--beta-file", "`FILE.npy` with a beta (Huber: delta) for each element"},
	inUpstream:  {"--upstream", "`FILE.npy` with an upstream gradient for each element, one for all, or with --rows one for each row"},
	inIndex:     {"--index", "`FILE.npy` with an integer for each row: the column of PRED that is compared with the one target of the row"},
	inDirection: {"--direction", "`FILE.npy` with the vector that --second is the product with"},
	inOldPred:   {"--accumulate-pred", "`FILE.npy` that is added to the gradient with respect to pred"},
	inOldTarget: {"--accumulate-target", "`FILE.npy` that is added to the gradient with respect to target"},
}

var outputTable = [outputs]operand{
	outLoss:       {"--out", "write the loss to this `FILE.npy`"},
	outTerms:      {"--terms", "write the loss of each element, beside the reduced loss, to this `FILE.npy`"},
	outAbs:        {"--abs", "write |pred - target| of each element to this `FILE.npy`"},
	outGradPred:   {"--grad-pred", "write the gradient with respect to pred to this `FILE.npy`"},
	outGradTarget: {"--grad-target", "write the gradient with respect to target to this `FILE.npy`"},
	outSecond:     {"--second", "write the second derivative with respect to pred, times --direction, to this `FILE.npy`"},
}

// accumulated are the inputs that gradients are added to.
var accumulated = []struct {
	old      input
	gradient output
}{{inOldPred, outGradPred}, {inOldTarget, outGradTarget}}

func (i input) String() string  { return inputTable[i].name }
func (o output) String() string { return outputTable[o].name }

// number reports whether the input holds numbers of the type that is computed in.
func (i input) number() bool { return i != inMask && i != inIndex }

// file is an operand's name on the command line, "" if it is absent, and its place.
type file struct {
	name  string
	place files.Place
}

// addFiles adds the flags that name operands.
func (e *evaluation) addFiles(c *cobra.Command) {
	add := func(o operand, f *file) {
		flag, ok := strings.CutPrefix(o.name, "--")
		if !ok {
			return // an argument
		}
		addName(c, &f.name, flag, "", o.use)
		if err := c.MarkFlagFilename(flag, "npy"); err != nil {
			panic(err)
		}
	}
	for i, o := range inputTable {
		add(o, &e.in[i])
	}
	for i, o := range outputTable {
		add(o, &e.out[i])
	}
}

func (e *evaluation) reads(i input) bool   { return e.in[i].name != "" }
func (e *evaluation) writes(o output) bool { return e.out[o].name != "" }

// find finds the places of all files, and rejects those that would spoil each other.
func (e *evaluation) find() error {
	var in, out []named
	for i := range e.in {
		if f := &e.in[i]; f.name != "" || !strings.HasPrefix(inputTable[i].name, "--") {
			var err error
			if f.place, err = files.Input(f.name); err != nil {
				return err
			}
			in = append(in, named{inputTable[i].name, f.place})
		}
	}
	for i := range e.out {
		if f := &e.out[i]; f.name != "" {
			var err error
			if f.place, err = files.Output(f.name); err != nil {
				return err
			}
			out = append(out, named{outputTable[i].name, f.place})
		}
	}
	return checkPlaces(in, out)
}

// flagged returns the names of the files that flags name to be read, by flag.
func (e *evaluation) flagged() map[string]string {
	named := map[string]string{}
	for i, f := range e.in {
		if flag, ok := strings.CutPrefix(inputTable[i].name, "--"); ok && f.name != "" {
			named[flag] = f.name
		}
	}
	return named
}

// places returns the places that are written to.
func (e *evaluation) places() (all []files.Place) {
	for _, f := range e.out {
		all = append(all, f.place)
	}
	return all
}
