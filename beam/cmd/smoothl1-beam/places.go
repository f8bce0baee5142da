package main

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"

	"github.com/smoothl1/smoothl1/beam/evaluate"
)

// checkOut returns an error if --out would replace an input. Patterns that cannot be listed are left to the pipeline.
func (j *job) checkOut(ctx context.Context) error {
	if j.out == "" {
		return nil
	}
	c := &j.config
	replaces := func(name string) bool { return same(name, j.out) }
	if j.rows {
		written := regexp.MustCompile("^" + regexp.QuoteMeta(absolute(j.prefix())) + `-\d{5,}-of-\d{5,}\.npy$`)
		replaces = func(name string) bool { return written.MatchString(absolute(name)) }
	}
	for _, patterns := range []evaluate.Shards{c.Pred, c.Target, c.Weight, c.Mask, c.Groups} {
		for _, pattern := range patterns {
			for _, name := range list(ctx, pattern) {
				if replaces(name) {
					return usagef("--out %s would replace an input, %s: use another name", j.out, name)
				}
			}
		}
	}
	return nil
}

// list lists the files that match a pattern.
func list(ctx context.Context, pattern string) []string {
	system, err := filesystem.New(ctx, pattern)
	if err != nil {
		return nil
	}
	defer system.Close()
	names, _ := system.List(ctx, pattern)
	return names
}

// absolute returns the path of a local file, or any other name as it is.
func absolute(name string) string {
	if strings.Contains(name, "://") {
		return name
	}
	full, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	return full
}

// same reports whether two names are those of the same file.
func same(a, b string) bool {
	if absolute(a) == absolute(b) {
		return true
	}
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}
