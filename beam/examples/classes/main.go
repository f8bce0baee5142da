// Command classes prints the mean loss of each class of a detector's boxes, worst first: a pipeline of its own around the transform
// evaluate.Groups. Prism's log goes to standard error.
//
//	go run ./examples/classes -pred 'pred-*.npy' -target 'target-*.npy' -class 'class-*.npy'
//
// The flags of Beam's runners, such as -runner, work as in any Beam program. The table is written by a worker: with a runner elsewhere,
// give a place that it reaches as -out.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/beam/evaluate"
)

var (
	pred   = flag.String("pred", "", "pattern of the predicted boxes: n × 4")
	target = flag.String("target", "", "pattern of the true boxes: n × 4")
	class  = flag.String("class", "", "pattern of the classes: n integers")
	beta   = flag.Float64("beta", 1.0/9, "beta of the smooth L1 loss")
	out    = flag.String("out", "classes.txt", "file for the table")
)

func init() {
	beam.RegisterDoFn(&tableFn{})
}

// tableFn writes the table.
type tableFn struct{ Path string }

// ProcessElement takes the result of the whole, and the classes as a side input.
func (f *tableFn) ProcessElement(ctx context.Context, whole evaluate.Result, classes func(*evaluate.Group) bool) error {
	var all []evaluate.Group
	for g := (evaluate.Group{}); classes(&g); {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b evaluate.Group) int { return cmp.Or(-cmp.Compare(a.Loss, b.Loss), cmp.Compare(a.Key, b.Key)) })
	var text strings.Builder
	fmt.Fprintf(&text, "class  boxes  mean loss   largest error\n")
	for _, g := range all {
		fmt.Fprintf(&text, "%5d  %5d  %-10.6g  %.6g\n", g.Key, g.Kept/4, g.Loss, g.Largest)
	}
	fmt.Fprintf(&text, "  all  %5d  %-10.6g\n", whole.Elements/4, whole.Loss)
	system, err := filesystem.New(ctx, f.Path)
	if err != nil {
		return err
	}
	defer system.Close()
	return filesystem.Write(ctx, system, f.Path, []byte(text.String()))
}

func run(ctx context.Context) error {
	p, s := beam.NewPipelineWithRoot()
	classes, whole, err := evaluate.Groups(s, evaluate.Config{
		Pred: evaluate.Shards{*pred}, Target: evaluate.Shards{*target}, Groups: evaluate.Shards{*class}, Loss: smoothl1.Loss{Beta: *beta},
	})
	if err != nil {
		return err
	}
	beam.ParDo0(s, &tableFn{*out}, whole, beam.SideInput{Input: classes})
	return beamx.Run(ctx, p)
}

func main() {
	flag.Parse()
	beam.Init() // a worker does not return from here
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "classes:", err) // not log.Fatal, since Prism makes lines of its own log of what is logged
		os.Exit(1)
	}
	fmt.Println("wrote", *out)
}
