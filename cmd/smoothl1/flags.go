package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// nameFlag is the value of a flag that names a file, a program or a case. An empty name, such as the value of an unset shell variable,
// is an error: otherwise it would look as if the flag were absent.
type nameFlag string

func (f *nameFlag) String() string { return string(*f) }

// Type implements pflag.Value.
func (f *nameFlag) Type() string { return "string" }

// Set implements pflag.Value.
func (f *nameFlag) Set(text string) error {
	if text == "" {
		return errors.New("is empty")
	}
	*f = nameFlag(text)
	return nil
}

// addName adds a flag that names something. short is its one-letter form, or "".
func addName(c *cobra.Command, to *string, name, short, use string) {
	c.Flags().VarP((*nameFlag)(to), name, short, use)
}

// flagError replaces a parser's error by one that says what the flag accepts.
func flagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	if e := new(smoothl1.ArgError); errors.As(err, &e) { // of a type's own parser
		return fmt.Errorf("invalid argument %q for \"--%s\" flag: %w", invalid.GetValue(), invalid.GetFlag().Name, e.Err)
	}
	wanted, ok := map[string]string{
		"int":      "a whole number",
		"intSlice": "whole numbers with commas between them",
		"uint64":   "a whole number, 0 or more",
		"duration": "a time such as 90s, 5m or 1h30m",
		"bool":     "true or false",
	}[invalid.GetFlag().Value.Type()]
	switch {
	case !ok:
		return err
	case errors.Is(err, strconv.ErrRange):
		wanted += ", within 64 bits"
	}
	return fmt.Errorf("invalid argument %q for \"--%s\" flag: want %s", invalid.GetValue(), invalid.GetFlag().Name, wanted)
}

// fieldError returns the text of an error in a field of a case, without the operation and argument of a type's own parser: the field
// names them.
func fieldError(err error) string {
	if e := new(smoothl1.ArgError); errors.As(err, &e) && e.Op == "UnmarshalText" {
		return strings.Replace(err.Error(), e.Error(), e.Err.Error(), 1)
	}
	return err.Error()
}

// floatFlag is the value of a numeric flag.
type floatFlag float64

func (f *floatFlag) String() string { return strconv.FormatFloat(float64(*f), 'g', -1, 64) }

// Type implements pflag.Value.
func (f *floatFlag) Type() string { return "float64" }

// Set implements pflag.Value.
func (f *floatFlag) Set(text string) error {
	x, err := difftest.ParseFloat(text)
	if err == nil {
		*f = floatFlag(x)
	}
	return err
}

// listFlag is the value of a flag that takes a comma-separated list. If the flag is given twice, the lists are joined.
type listFlag[T any] struct {
	to    *[]T
	kind  string
	parse func(text string) (T, error)
	set   bool
}

func (f *listFlag[T]) String() string {
	if f.to == nil {
		return "[]"
	}
	return strings.ReplaceAll(fmt.Sprint(*f.to), " ", ",")
}

// Type implements pflag.Value.
func (f *listFlag[T]) Type() string { return f.kind }

// Set implements pflag.Value.
func (f *listFlag[T]) Set(text string) error {
	var all []T
	for part := range strings.SplitSeq(text, ",") {
		x, err := f.parse(part)
		if err != nil {
			return err
		}
		all = append(all, x)
	}
	if f.set {
		all = append(*f.to, all...)
	}
	*f.to, f.set = all, true
	return nil
}

// addFloat adds a numeric flag.
func addFloat(c *cobra.Command, to *float64, name string, standard float64, use string) {
	*to = standard
	c.Flags().Var((*floatFlag)(to), name, use)
}

// addFloats adds a flag that takes one or more numbers.
func addFloats(c *cobra.Command, to *[]float64, name string, standard float64, use string) {
	*to = []float64{standard}
	c.Flags().Var(&listFlag[float64]{to: to, kind: "float64Slice", parse: difftest.ParseFloat}, name, use)
}

// addTypes adds a flag that takes one or more element types.
func addTypes(c *cobra.Command, to *[]smoothl1.DType, name, use string) {
	*to = []smoothl1.DType{smoothl1.Float32}
	c.Flags().Var(&listFlag[smoothl1.DType]{to: to, kind: "strings", parse: func(text string) (t smoothl1.DType, err error) {
		err = t.Set(text)
		return t, err
	}}, name, use)
}
