package main

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/x/beamx"

	"github.com/smoothl1/smoothl1/beam/evaluate"
)

func init() {
	beam.RegisterDoFn(&recordFn{})
}

// job is a run of the command.
type job struct {
	config                             evaluate.Config
	kind, dtype                        string
	delta                              float64
	weight, mask, groups, out, staging string
	rows, zeroIfEmpty, asJSON, verbose bool
	listFlags                          bool

	mu       sync.Mutex
	leftover func() // removes temporary files
	started  bool
}

// record is what the pipeline hands over to the command.
type record struct {
	Result evaluate.Result
	Groups []evaluate.Group
	Files  []string
}

// recordFn writes the record to a file.
type recordFn struct{ Path string }

// ProcessElement writes the record.
func (f *recordFn) ProcessElement(ctx context.Context, r evaluate.Result, groups func(*evaluate.Group) bool, files func(*string) bool, emit func(string)) error {
	all := record{Result: r}
	for g := (evaluate.Group{}); groups(&g); g = (evaluate.Group{}) {
		all.Groups = append(all.Groups, g)
	}
	for name := ""; files(&name); {
		all.Files = append(all.Files, name)
	}
	slices.SortFunc(all.Groups, func(a, b evaluate.Group) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	slices.Sort(all.Files)
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&all); err != nil { // gob has NaN and infinities
		return fmt.Errorf("evaluate: write %s: %w", f.Path, err)
	}
	if err := save(ctx, f.Path, b.Bytes()); err != nil {
		return err
	}
	emit(f.Path)
	return nil
}

// save writes a file of any file system.
func save(ctx context.Context, path string, content []byte) error {
	system, err := filesystem.New(ctx, path)
	if err == nil {
		defer system.Close()
		err = filesystem.Write(ctx, system, path, content)
	}
	if err != nil {
		return fmt.Errorf("evaluate: write %s: %w", path, err)
	}
	return nil
}

// build adds everything to a pipeline; the record goes to path.
func (j *job) build(s beam.Scope, path string) (err error) {
	groups, files := beam.CreateList(s, []evaluate.Group{}), beam.CreateList(s, []string{})
	var result beam.PCollection
	switch c := j.config; {
	case j.groups != "":
		groups, result, err = evaluate.Groups(s, c)
	case j.rows:
		var rows beam.PCollection
		if rows, result, err = evaluate.Rows(s, c); err == nil {
			files, err = evaluate.WriteRows(s, j.prefix(), rows, result)
		}
	default:
		result, err = evaluate.Loss(s, c)
	}
	if err == nil {
		beam.ParDo(s, &recordFn{path}, result, beam.SideInput{Input: groups}, beam.SideInput{Input: files})
	}
	return err
}

// prefix returns what the names of files of rows begin with.
func (j *job) prefix() string { return strings.TrimSuffix(j.out, ".npy") }

// run runs the pipeline and prints its result.
func (j *job) run(ctx context.Context, stdout, stderr io.Writer) error {
	quiet(j.verbose)
	if !beam.Initialized() {
		beam.Init()
		quiet(j.verbose) // Init sets the log up
	}
	if err := j.checkOut(ctx); err != nil {
		return err
	}
	folder, path, err := j.prepare(ctx)
	defer j.remains()
	if err != nil {
		return err
	}
	defer redirect(folder)()
	p, s := beam.NewPipelineWithRoot()
	if err := j.build(s, path); err != nil {
		return err
	}
	bar := newProgress(stderr)
	_, err = beam.Run(ctx, j.runner(), p)
	bar.end()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := load(ctx, path)
	if err != nil {
		return err
	}
	if err := j.write(ctx, r); err != nil {
		return err
	}
	j.remains() // before SIGPIPE can end the process
	return j.print(stdout, r)
}

// quiet silences Beam's log, of which an error is one of many lines, unless it is wanted.
func quiet(verbose bool) {
	if verbose {
		return
	}
	log.LogLevel = "error"
	slog.SetDefault(slog.New(slog.DiscardHandler))
	log.SetLogger(&silent{})
}

// silent is a log of nothing.
type silent struct{}

// Log implements log.Logger.
func (silent) Log(context.Context, log.Severity, int, string) {}

// load reads the record.
func load(ctx context.Context, path string) (*record, error) {
	system, err := filesystem.New(ctx, path)
	if err != nil {
		return nil, err
	}
	defer system.Close()
	content, err := filesystem.Read(ctx, system, path)
	if err != nil {
		return nil, fmt.Errorf("read the result: %s: %w; do the workers and this machine both reach --staging?", path, err)
	}
	r := &record{}
	if err := gob.NewDecoder(bytes.NewReader(content)).Decode(r); err != nil {
		return nil, fmt.Errorf("read the result: %s: %w", path, err)
	}
	return r, nil
}
