package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/beam/evaluate"
	"github.com/smoothl1/smoothl1/internal/npy"
)

// printed is the result as JSON, with the names of "smoothl1 eval --json".
type printed struct {
	Loss      *number            `json:"loss"` // null with --rows
	Kind      smoothl1.Kind      `json:"kind"`
	Beta      number             `json:"beta"`
	Reduction smoothl1.Reduction `json:"reduction"`
	Divisor   string             `json:"divisor,omitempty"`
	DividedBy *number            `json:"divided_by,omitempty"`
	Rows      bool               `json:"rows,omitempty"`
	Count     int64              `json:"count"`
	DType     string             `json:"dtype"`
	Shape     []int64            `json:"shape"`
	Runner    string             `json:"runner"`
	Files     map[string]string  `json:"files,omitempty"`
	Written   []string           `json:"written,omitempty"`
	Groups    []group            `json:"groups,omitempty"`
}

// group is a group as JSON.
type group struct {
	Group   int64  `json:"group"`
	Count   int64  `json:"count"`
	Sum     number `json:"sum"`
	Loss    number `json:"loss"`
	Largest number `json:"largest"`
}

// print prints the result.
func (j *job) print(w io.Writer, r *record) error {
	if j.asJSON {
		text, err := json.Marshal(j.printed(r))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", text)
		return err
	}
	to := bufio.NewWriter(w)
	switch {
	case j.rows:
	case j.groups != "":
		for _, g := range r.Groups {
			fmt.Fprintln(to, strings.Join(columns(g), "\t")) // Flush returns the error
		}
	default:
		fmt.Fprintln(to, format(r.Result.Loss))
	}
	return to.Flush()
}

func (j *job) printed(r *record) *printed {
	l, d := j.config.Loss, j.config.Divisor
	p := &printed{
		Kind: l.Kind, Beta: number(l.Beta), Reduction: l.Reduction, Rows: j.rows, Count: r.Result.Elements, DType: r.Result.DType,
		Shape: r.Result.Shape, Runner: j.runner(), Written: r.Files, Files: map[string]string{},
	}
	if !d.IsZero() {
		p.Divisor = d.String()
	}
	if !j.rows {
		p.Loss = (*number)(&r.Result.Loss)
		if l.Reduction == smoothl1.Mean {
			p.DividedBy = (*number)(&r.Result.DividedBy)
		}
	}
	for flag, pattern := range map[string]string{"weight": j.weight, "mask": j.mask, "groups": j.groups} {
		if pattern != "" {
			p.Files[flag] = pattern
		}
	}
	for _, g := range r.Groups {
		p.Groups = append(p.Groups, group{g.Key, g.Kept, number(g.Sum), number(g.Loss), number(g.Largest)})
	}
	return p
}

// write writes the file of --out, but for the losses of rows, which the workers write.
func (j *job) write(ctx context.Context, r *record) error {
	var b bytes.Buffer
	switch {
	case j.out == "" || j.rows:
		return nil
	case j.groups != "":
		b.WriteString("group,count,sum,loss,largest\n")
		for _, g := range r.Groups {
			b.WriteString(strings.Join(columns(g), ",") + "\n")
		}
	default:
		if err := npy.Write(j.out, &b, npy.Header{DType: npy.Float64, Shape: []int{}}, []float64{r.Result.Loss}); err != nil {
			return err
		}
	}
	return replace(ctx, j.out, b.Bytes())
}

// columns returns what is printed of a group.
func columns(g evaluate.Group) []string {
	return []string{strconv.FormatInt(g.Key, 10), strconv.FormatInt(g.Kept, 10), format(g.Sum), format(g.Loss), format(g.Largest)}
}

func format(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// number is a float64 in JSON. NaN and infinities become strings, as "smoothl1 eval" has them.
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
