package evaluate

import (
	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

// Loss returns the reduced loss of all elements: a PCollection of one Result. It has the bits that cpu.Run gives for the concatenated arrays.
//
// The error is a *smoothl1.ArgError for a Config that no files would suit; nothing has then been added to the pipeline. What is wrong with
// the files fails the pipeline when it runs.
func Loss(s beam.Scope, c Config) (beam.PCollection, error) {
	r, err := evaluate(s, c, "Loss", whole)
	return r.result, err
}

// Groups returns a Group for each number that occurs in c.Groups where the mask keeps an element, in no particular order, and the Result
// of the whole. The sum of a group has the bits of the sum of the whole with a mask that leaves out all other elements.
//
// A worker's memory grows with the number of groups that occur in a block of 2048² elements. The errors are those of Loss.
func Groups(s beam.Scope, c Config) (groups, result beam.PCollection, err error) {
	r, err := evaluate(s, c, "Groups", byGroup)
	return r.groups, r.result, err
}

// Rows returns the losses of the rows, as cpu.Run with ByRow gives them: a PCollection of RowLosses, in no particular order, which
// WriteRows writes to files. A row is what the last dimension has; an array of one dimension is one row. The Result that comes
// with it has no loss. The errors are those of Loss.
func Rows(s beam.Scope, c Config) (rows, result beam.PCollection, err error) {
	r, err := evaluate(s, c, "Rows", byRow)
	return r.rows, r.result, err
}

type collections struct{ result, rows, groups beam.PCollection }

// evaluate adds the pipeline:
//
//	list → look (headers) → plan → Reshuffle → read (blocks) → collect → finish
func evaluate(s beam.Scope, c Config, op string, m mode) (r collections, err error) {
	set, err := c.check(op, s, m)
	if err != nil {
		return r, err
	}
	s = s.Scope("smoothl1.evaluate." + op)
	patterns := make([][]string, roles)
	for r, p := range c.shards() {
		patterns[r] = p
	}
	start := beam.Impulse(s)
	listed := beam.Reshuffle(s, beam.ParDo(s, &listFn{patterns}, start))
	shards := beam.ParDo(s, &lookFn{}, listed)
	items, sum := beam.ParDo2(s, &planFn{Settings: set}, start, beam.SideInput{Input: shards})
	blocks, ofGroups, short := beam.ParDo3(s, &readFn{Settings: set}, beam.Reshuffle(s, items))
	collected := beam.CombinePerKey(s, &collect{}, blocks)
	r.result = beam.ParDo(s, &wholeFn{set}, sum, beam.SideInput{Input: collected})
	switch m {
	case byRow:
		long := beam.ParDo(s, &rowFn{set}, collected, beam.SideInput{Input: sum})
		r.rows = beam.Flatten(s, short, long)
	case byGroup:
		r.groups = beam.ParDo(s, &groupFn{set}, beam.CombinePerKey(s, &collect{}, ofGroups), beam.SideInput{Input: sum})
	}
	return r, nil
}
