package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"

	"github.com/smoothl1/smoothl1/internal/npy"
)

// shard is a file as it was found when it was listed.
type shard struct {
	Role     int64
	Number   int64 // its position among those of the role
	Path     string
	DType    int64 // an npy.DType
	Shape    []int64
	Size     int64 // bytes
	Modified int64 // nanoseconds since 1970, 0 if unknown
	Local    bool  // can be read at any place
	First    int64 // its first entry in the concatenation
	Entries  int64
}

func (s *shard) role() role       { return role(s.Role) }
func (s *shard) dtype() npy.DType { return npy.DType(s.DType) }

// wrap adds the role to an error, which names the file.
func (s *shard) wrap(err error) error {
	text := err.Error() // of package npy, or without its prefix
	return &shardError{fmt.Sprintf("evaluate: %v: %s", s.role(), strings.TrimPrefix(text, "npy: ")), err}
}

// shardError is an error with a text of its own.
type shardError struct {
	text string
	err  error
}

func (e *shardError) Error() string { return e.text }
func (e *shardError) Unwrap() error { return e.err }

func (s *shard) errorf(format string, a ...any) error {
	return s.wrap(fmt.Errorf("%s: "+format, append([]any{s.Path}, a...)...))
}

// fortran matches the header of an array in Fortran order.
var fortran = regexp.MustCompile(`['"]fortran_order['"]\s*:\s*True`)

// look opens the file and sets what is known of it from its header and its file system.
func (s *shard) look(ctx context.Context) error {
	o, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer o.close()
	h := o.array.Header()
	longer := func(d int) bool { return d > 1 }
	if first := slices.IndexFunc(h.Shape, longer); first >= 0 && slices.ContainsFunc(h.Shape[first+1:], longer) && fortran.Match(o.head) {
		return s.errorf("is in Fortran order, in which it cannot be read piece by piece: save it in C order, as by numpy.ascontiguousarray")
	}
	if len(h.Shape) == 0 {
		return s.errorf("has no dimensions: shards are concatenated along the first")
	}
	s.DType, s.Shape = int64(h.DType), wide(h.Shape)
	s.Size, s.Modified, s.Local, s.Entries = o.size, o.modified, o.local, int64(o.array.Len())
	if need := int64(len(o.head)) + s.Entries*int64(h.DType.Size()); s.Size != need {
		return s.errorf("has %d bytes, but an array of its shape %v of %v has %d", s.Size, s.Shape, h.DType, need)
	}
	return nil
}

func wide(shape []int) []int64 {
	to := make([]int64, len(shape))
	for i, d := range shape {
		to[i] = int64(d)
	}
	return to
}

// reopen opens a file that was listed before. It returns an error if it is no longer the same.
func (s *shard) reopen(ctx context.Context) (*opened, error) {
	o, err := s.open(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: it has disappeared since it was listed", err)
	}
	if err != nil {
		return nil, err
	}
	changed := ""
	switch h := o.array.Header(); {
	case o.size != s.Size:
		changed = fmt.Sprintf("had %d bytes and has %d", s.Size, o.size)
	case o.modified != s.Modified:
		changed = "has another time of modification"
	case h.DType != s.dtype() || !slices.Equal(wide(h.Shape), s.Shape):
		changed = fmt.Sprintf("had the shape %v of %v and has %v of %v", s.Shape, s.dtype(), h.Shape, h.DType)
	}
	if changed != "" {
		o.close()
		return nil, s.errorf("has changed since it was listed: it %s", changed)
	}
	return o, nil
}

// opened is an open file.
type opened struct {
	array    *npy.Array
	head     []byte // what precedes the elements
	size     int64
	modified int64
	local    bool // array.ReadAt reads elements in any order
	closers  []io.Closer
}

// close closes the file, which has only been read from, so that no error matters.
func (o *opened) close() {
	for _, c := range slices.Backward(o.closers) {
		c.Close()
	}
}

// open opens the file and reads its header.
func (s *shard) open(ctx context.Context) (*opened, error) {
	system, err := filesystem.New(ctx, s.Path)
	if err != nil {
		return nil, s.errorf("%w", err)
	}
	o := &opened{closers: []io.Closer{system}}
	if err := s.openIn(ctx, system, o); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// openIn sets o, which the caller closes.
func (s *shard) openIn(ctx context.Context, system filesystem.Interface, o *opened) error {
	if err := o.stat(ctx, system, s.Path); err != nil {
		return s.errorf("%w", err)
	}
	r, err := system.OpenRead(ctx, s.Path)
	if err != nil {
		return s.errorf("%w", plain(err))
	}
	o.closers = append(o.closers, r)
	begin := &recorder{r: r, on: true}
	if o.array, err = npy.Stream(s.Path, begin); err != nil {
		return s.wrap(err)
	}
	o.head, begin.on = begin.head, false
	if _, ok := r.(*os.File); !ok {
		return nil
	}
	if o.array, err = npy.Open(s.Path); err != nil {
		return s.wrap(err)
	}
	o.local = true
	o.closers = append(o.closers, o.array)
	return nil
}

// stat sets the size and the time of modification, if there is one.
func (o *opened) stat(ctx context.Context, system filesystem.Interface, path string) (err error) {
	if !strings.Contains(path, "://") { // Beam's local file system leaves the file open that it asks for its size
		info, err := os.Stat(path)
		if err != nil {
			return plain(err)
		}
		if !info.Mode().IsRegular() {
			return errors.New("not a regular file")
		}
		o.size, o.modified = info.Size(), info.ModTime().UnixNano()
		return nil
	}
	if o.size, err = system.Size(ctx, path); err != nil {
		return err
	}
	if dated, ok := system.(filesystem.LastModifiedGetter); ok {
		t, err := dated.LastModified(ctx, path)
		if err != nil {
			return err
		}
		o.modified = t.UnixNano()
	}
	return nil
}

// plain removes what os adds to an error, the operation and the path.
func plain(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// recorder keeps what is read while it is on.
type recorder struct {
	r    io.Reader
	on   bool
	head []byte
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	if r.on {
		r.head = append(r.head, b[:n]...)
	}
	return n, err
}
