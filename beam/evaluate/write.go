package evaluate

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
)

func init() {
	beam.RegisterType(reflect.TypeFor[output]())
	beam.RegisterDoFn(&cutFn{})
	beam.RegisterDoFn(&beginFn{})
	beam.RegisterDoFn(&writeFn{})
	beam.RegisterDoFn(&renameFn{})
}

// rowsOfFile is about how many losses a file has: what a worker holds in memory.
const rowsOfFile = 1 << 22

// output is a file that has been written under a temporary name.
type output struct {
	Number int64
	Path   string
}

// cutting says how losses are divided among files.
type cutting struct {
	Prefix string
	Most   int64 // losses of a file, at most but for one with a single index of the first dimension
}

// shape returns the shape of the losses of rows, with how many of them have the same index of the first dimension.
func (c *cutting) shape(r *Result) (shape []int64, stride int64) {
	shape = r.Shape[:len(r.Shape)-1]
	if len(shape) == 0 {
		return shape, 1
	}
	return shape, product(shape[1:])
}

// rows returns the number of rows of a file, a multiple of the stride.
func (c *cutting) rows(r *Result) int64 {
	_, stride := c.shape(r)
	return max(1, c.Most/max(1, stride)) * max(1, stride)
}

// files returns the number of files: at least one.
func (c *cutting) files(r *Result) int64 {
	shape, _ := c.shape(r)
	each := c.rows(r)
	return max(1, (product(shape)+each-1)/each)
}

func (c *cutting) path(number, files int64) string {
	return fmt.Sprintf("%s-%05d-of-%05d.npy", c.Prefix, number, files)
}

// checkOthers returns an error if there are files with the prefix that say that there is another number of them: with the new ones, they
// would not be the shards of one array.
func (c *cutting) checkOthers(ctx context.Context, files int64) error {
	system, err := filesystem.New(ctx, c.Prefix)
	if err != nil {
		return fmt.Errorf("evaluate: write %s: %w", c.Prefix, err)
	}
	defer system.Close()
	names, err := system.List(ctx, special.ReplaceAllString(c.Prefix, `\\$0`)+"-*-of-*.npy")
	if err != nil {
		return fmt.Errorf("evaluate: write %s: %w", c.Prefix, err)
	}
	for _, name := range names {
		end := fmt.Sprintf("-of-%05d.npy", files)
		if m := written.FindStringSubmatch(path.Base(name)); m != nil && m[1] == path.Base(c.Prefix) && !strings.HasSuffix(name, end) {
			return fmt.Errorf("evaluate: write %s: %s is of another number of files: remove it, or use another prefix", c.path(0, files), name)
		}
	}
	return nil
}

var (
	written = regexp.MustCompile(`^(.*)-\d{5,}-of-\d{5,}\.npy$`)
	special = regexp.MustCompile(`[*?\[\\]`) // what a pattern must quote
)

// cutFn cuts batches of losses where a file ends.
type cutFn struct{ Cutting cutting }

// ProcessElement emits the parts of a batch by file.
func (f *cutFn) ProcessElement(_ context.Context, batch RowLosses, r Result, emit func(int64, RowLosses)) error {
	each := f.Cutting.rows(&r)
	for len(batch.Losses) > 0 {
		file := batch.First / each
		n := min(int64(len(batch.Losses)), (file+1)*each-batch.First)
		emit(file, RowLosses{batch.First, batch.Losses[:n]})
		batch.First, batch.Losses = batch.First+n, batch.Losses[n:]
	}
	return nil
}

// beginFn names the files that are to be written, also those that no losses come for.
type beginFn struct{ Cutting cutting }

// ProcessElement emits an empty batch for each file.
func (f *beginFn) ProcessElement(ctx context.Context, r Result, emit func(int64, RowLosses)) error {
	if err := f.Cutting.checkOthers(ctx, f.Cutting.files(&r)); err != nil {
		return err
	}
	for file := range f.Cutting.files(&r) {
		emit(file, RowLosses{First: file * f.Cutting.rows(&r)})
	}
	return nil
}

// writeFn writes a file under a temporary name, a new one for each attempt.
type writeFn struct{ Cutting cutting }

// ProcessElement writes the losses of a file.
func (f *writeFn) ProcessElement(ctx context.Context, file int64, batches func(*RowLosses) bool, r Result, emit func(output)) error {
	c := &f.Cutting
	shape, stride := c.shape(&r)
	files, each := c.files(&r), c.rows(&r)
	name := c.path(file, files)
	begin := file * each
	end := min(begin+each, product(shape))
	var all []RowLosses
	for b := (RowLosses{}); batches(&b); b = (RowLosses{}) {
		all = append(all, b)
	}
	losses, err := join(all, begin, end)
	if err != nil {
		return fmt.Errorf("evaluate: write %s: %w", name, err)
	}
	h := npy.Header{DType: npy.Float64, Shape: []int{}}
	for i, d := range shape {
		if i == 0 {
			d = (end - begin) / max(1, stride)
			if stride == 0 {
				d = shape[0]
			}
		}
		h.Shape = append(h.Shape, int(d))
	}
	temporary := c.Prefix + "." + rand.Text() + ".tmp"
	if err := writeFile(ctx, temporary, h, losses); err != nil {
		return err
	}
	emit(output{file, temporary})
	return nil
}

// join returns the losses of rows from begin to end.
func join(all []RowLosses, begin, end int64) ([]float64, error) {
	slices.SortStableFunc(all, func(a, b RowLosses) int { return cmp.Compare(a.First, b.First) })
	losses := make([]float64, 0, end-begin)
	for _, b := range all {
		switch next := begin + int64(len(losses)); {
		case len(b.Losses) == 0:
		case b.First > next:
			return nil, fmt.Errorf("the losses of rows %d to %d are missing", next, b.First-1)
		case b.First < next:
			return nil, fmt.Errorf("the losses of row %d came twice", b.First)
		default:
			losses = append(losses, b.Losses...)
		}
	}
	if next := begin + int64(len(losses)); next != end {
		return nil, fmt.Errorf("the losses of rows %d to %d are missing", next, end-1)
	}
	return losses, nil
}

// writeFile writes an array. If that fails, the file is removed, where the file system can do that.
func writeFile(ctx context.Context, name string, h npy.Header, losses []float64) (err error) {
	system, err := filesystem.New(ctx, name)
	if err != nil {
		return fmt.Errorf("evaluate: write %s: %w", name, err)
	}
	defer system.Close()
	w, err := system.OpenWrite(ctx, name)
	if err != nil {
		return fmt.Errorf("evaluate: write %s: %w", name, plain(err))
	}
	err = npy.Write(name, w, h, losses)
	if e := w.Close(); err == nil && e != nil {
		err = fmt.Errorf("write %s: %w", name, plain(e))
	}
	if err == nil {
		return nil
	}
	if r, ok := system.(filesystem.Remover); ok {
		_ = r.Remove(ctx, name) // the error that matters is that of the write
	}
	return fmt.Errorf("evaluate: %w", err)
}

// renameFn gives the files their names, when all have been written.
type renameFn struct{ Cutting cutting }

// ProcessElement emits the names. A retry finds files that have been renamed.
func (f *renameFn) ProcessElement(ctx context.Context, r Result, written func(*output) bool, emit func(string)) error {
	c := &f.Cutting
	system, err := filesystem.New(ctx, c.Prefix)
	if err != nil {
		return fmt.Errorf("evaluate: write %s: %w", c.Prefix, err)
	}
	defer system.Close()
	files := c.files(&r)
	temporary := make([]string, files)
	for o := (output{}); written(&o); o = (output{}) {
		if o.Number >= files || temporary[o.Number] != "" {
			return fmt.Errorf("evaluate: write %s: it came twice, or is not among %d", c.path(o.Number, files), files)
		}
		temporary[o.Number] = o.Path
	}
	if i := slices.Index(temporary, ""); i >= 0 {
		return fmt.Errorf("evaluate: write %s: it is missing", c.path(int64(i), files))
	}
	for i, from := range temporary {
		to := c.path(int64(i), files)
		err := filesystem.Rename(ctx, system, from, to)
		if errors.Is(err, fs.ErrNotExist) {
			if o, e := (&shard{Path: to}).open(ctx); e == nil {
				o.close()
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("evaluate: write %s: %w", to, plain(err))
		}
		emit(to)
	}
	return nil
}

// WriteRows writes the losses of rows, both collections being those that Rows returned, to float64 files named prefix-00000-of-00003.npy and so
// on, cut along the first dimension, of about 2^22 losses each. The prefix may be of any file system that Beam's registry opens. It returns
// the names of the files: a PCollection of strings.
//
// The files are written under temporary names, with the same prefix, and renamed when all of them are complete. A pipeline that fails
// before leaves only temporary files, and those that were there. Files with these names are replaced; files with the prefix that belong to
// another number of files fail the pipeline.
func WriteRows(s beam.Scope, prefix string, rows, result beam.PCollection) (beam.PCollection, error) {
	return writeRows(s, cutting{prefix, rowsOfFile}, rows, result)
}

func writeRows(s beam.Scope, c cutting, rows, result beam.PCollection) (beam.PCollection, error) {
	const op = "WriteRows"
	switch {
	case !s.IsValid():
		return beam.PCollection{}, smoothl1.NewArgError(op, "scope", "the zero value", smoothl1.ErrZero)
	case c.Prefix == "" || strings.HasSuffix(c.Prefix, "/"):
		return beam.PCollection{}, smoothl1.NewArgError(op, "prefix", fmt.Sprintf("%q", c.Prefix), ErrShards)
	case !holds[RowLosses](rows):
		return beam.PCollection{}, smoothl1.NewArgError(op, "rows", rows, errCollection)
	case !holds[Result](result):
		return beam.PCollection{}, smoothl1.NewArgError(op, "result", result, errCollection)
	}
	s = s.Scope("smoothl1.evaluate.WriteRows")
	one := beam.SideInput{Input: result}
	parts := beam.Flatten(s, beam.ParDo(s, &cutFn{c}, rows, one), beam.ParDo(s, &beginFn{c}, result))
	written := beam.ParDo(s, &writeFn{c}, beam.GroupByKey(s, parts), one)
	return beam.ParDo(s, &renameFn{c}, result, beam.SideInput{Input: beam.Reshuffle(s, written)}), nil
}

var errCollection = fmt.Errorf("%w: want a collection that Rows returned", smoothl1.ErrZero)

// holds reports whether c is a collection of T.
func holds[T any](c beam.PCollection) bool {
	return c.IsValid() && c.Type().Type() == reflect.TypeFor[T]()
}
