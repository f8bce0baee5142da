package evaluate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
)

func init() {
	beam.RegisterDoFn(&listFn{}) // by reflection: package register would take minutes to compile, and the calls here are few and long
	beam.RegisterDoFn(&lookFn{})
}

// listFn emits the files of all arrays, in no particular order.
type listFn struct{ Patterns [][]string }

// ProcessElement lists the files.
func (f *listFn) ProcessElement(ctx context.Context, _ []byte, emit func(shard)) error {
	for r, patterns := range f.Patterns {
		seen := map[string]bool{}
		var all []string
		for _, pattern := range patterns {
			names, err := expand(ctx, pattern)
			if err != nil {
				return fmt.Errorf("evaluate: list %v: %s: %w", role(r), pattern, err)
			}
			for _, name := range names {
				if seen[name] {
					return fmt.Errorf("evaluate: list %v: %s: %s is listed twice", role(r), pattern, name)
				}
				seen[name] = true
				all = append(all, name)
			}
		}
		for i, name := range all {
			emit(shard{Role: int64(r), Number: int64(i), Path: name})
		}
	}
	return nil
}

// expand returns the files that match a pattern, in the order of their shards.
func expand(ctx context.Context, pattern string) ([]string, error) {
	system, err := filesystem.New(ctx, pattern)
	if err != nil {
		return nil, err
	}
	defer system.Close()
	names, err := system.List(ctx, pattern)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("no file matches the pattern")
	}
	if len(names) == 1 && names[0] == pattern { // the name of a file, which may be one of several
		return names, nil
	}
	return order(names)
}

// lookFn reads the headers of files.
type lookFn struct{ shards beam.Counter }

// Setup makes the counter.
func (f *lookFn) Setup() { f.shards = counter("shards") }

// ProcessElement reads the header of a file.
func (f *lookFn) ProcessElement(ctx context.Context, s shard, emit func(shard)) error {
	if err := s.look(ctx); err != nil {
		return err
	}
	f.shards.Inc(ctx, 1)
	emit(s)
	return nil
}

// counter returns a counter of the package.
func counter(name string) beam.Counter { return beam.NewCounter("smoothl1", name) }

var done, planned atomic.Int64

// Progress returns how many elements have been evaluated in this process, and how many the pipelines that were planned in it have: for
// a runner whose workers are in the process that starts the pipeline, such as Prism. Others show the counters of the package. It may be
// called from any goroutine.
func Progress() (elements, total int64) { return done.Load(), planned.Load() }
