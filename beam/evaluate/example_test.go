package evaluate_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/beam/evaluate"
	"github.com/smoothl1/smoothl1/internal/npy"
)

func init() {
	beam.RegisterFunction(printResult)
	beam.RegisterFunction(printGroup)
}

func printResult(r evaluate.Result) { fmt.Println(r.Loss, "of", r.Elements, "elements") }

func printGroup(g evaluate.Group) {
	lines = append(lines, fmt.Sprintf("group %d: %v of %d", g.Key, g.Loss, g.Kept))
}

var lines []string // groups come in no particular order

// shards writes the example's files: pred is 0 to 5 in three rows and two shards, target is 0, and the groups of the rows are 7, 7 and 9.
func shards() (dir string) {
	dir, err := os.MkdirTemp("", "shards")
	if err != nil {
		log.Fatal(err)
	}
	write := func(name string, rows int, x ...float32) {
		h := npy.Header{DType: npy.Float32, Shape: []int{rows, len(x) / rows}}
		if err := npy.WriteFile(context.Background(), filepath.Join(dir, name), h, x); err != nil {
			log.Fatal(err)
		}
	}
	write("pred-00000-of-00002.npy", 1, 0, 1)
	write("pred-00001-of-00002.npy", 2, 2, 3, 4, 5)
	write("target.npy", 3, 0, 0, 0, 0, 0, 0)
	h := npy.Header{DType: npy.Int32, Shape: []int{3}}
	if err := npy.WriteFile(context.Background(), filepath.Join(dir, "class.npy"), h, []int32{7, 7, 9}); err != nil {
		log.Fatal(err)
	}
	return dir
}

func ExampleLoss() {
	dir := shards()
	defer os.RemoveAll(dir)
	p, s := beam.NewPipelineWithRoot()
	result, err := evaluate.Loss(s, evaluate.Config{
		Pred:   evaluate.Shards{filepath.Join(dir, "pred-*.npy")},
		Target: evaluate.Shards{filepath.Join(dir, "target.npy")},
		Loss:   smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum},
	})
	if err != nil {
		log.Fatal(err)
	}
	beam.ParDo0(s, printResult, result)
	if _, err := prism.Execute(context.Background(), p); err != nil { // or beamx.Run, which asks the flag --runner
		log.Fatal(err)
	}
	// Output: 12.5 of 6 elements
}

func ExampleGroups() {
	dir := shards()
	defer os.RemoveAll(dir)
	p, s := beam.NewPipelineWithRoot()
	groups, _, err := evaluate.Groups(s, evaluate.Config{
		Pred:   evaluate.Shards{filepath.Join(dir, "pred-*.npy")},
		Target: evaluate.Shards{filepath.Join(dir, "target.npy")},
		Groups: evaluate.Shards{filepath.Join(dir, "class.npy")}, // one for each row
		Loss:   smoothl1.Loss{Beta: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	beam.ParDo0(s, printGroup, groups)
	if _, err := prism.Execute(context.Background(), p); err != nil {
		log.Fatal(err)
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	// Output:
	// group 7: 1.125 of 4
	// group 9: 4 of 2
}

func ExampleWriteRows() {
	dir := shards()
	defer os.RemoveAll(dir)
	p, s := beam.NewPipelineWithRoot()
	rows, result, err := evaluate.Rows(s, evaluate.Config{
		Pred:   evaluate.Shards{filepath.Join(dir, "pred-*.npy")},
		Target: evaluate.Shards{filepath.Join(dir, "target.npy")},
		Loss:   smoothl1.Loss{Beta: 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := evaluate.WriteRows(s, filepath.Join(dir, "losses"), rows, result); err != nil {
		log.Fatal(err)
	}
	if _, err := prism.Execute(context.Background(), p); err != nil {
		log.Fatal(err)
	}
	written, err := filepath.Glob(filepath.Join(dir, "losses*"))
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range written {
		fmt.Println(filepath.Base(name))
	}
	// Output: losses-00000-of-00001.npy
}
