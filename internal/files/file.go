package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// File is an output that is being written. It belongs to one goroutine.
type File struct {
	w         io.Writer
	name      string
	ctx       context.Context
	file      *os.File     // nil for a stream
	path      string       // final path
	temporary string       // path until the commit
	close     func() error // nil once closed
	done      bool         // committed or discarded
}

// Create opens a place for writing. A regular file is written under a temporary name, .smoothl1-*.tmp, in the same folder, with the
// permissions of the file that it replaces; Commit renames it. Replacing a write-protected file is an error. Anything
// other than a regular file is opened directly; opening a named pipe blocks until it has a reader.
func (p Place) Create(ctx context.Context) (*File, error) {
	f, err := p.create(ctx)
	if err != nil {
		return nil, fmt.Errorf("write %v: %w", p, bare(err))
	}
	f.name, f.ctx = p.String(), ctx
	return f, nil
}

// Stream writes to w, which is left open.
func Stream(ctx context.Context, name string, w io.Writer) *File {
	return &File{w: w, name: name, ctx: ctx, close: func() error { return nil }}
}

func (p Place) create(ctx context.Context) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.Streamed() {
		f, done, err := p.open(os.O_WRONLY)
		if err != nil {
			return nil, err
		}
		return &File{w: f, close: done}, nil
	}
	if p.Regular() { // check for write protection, which a rename would ignore
		f, err := os.OpenFile(p.path, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		f.Close()
	}
	temporary := filepath.Join(filepath.Dir(p.path), fmt.Sprintf(".smoothl1-%016x.tmp", rand.Uint64()))
	var file *os.File
	err := left.add(temporary, func() (err error) { // os.CreateTemp would use mode 0600, whatever the umask
		file, err = os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		return err
	})
	if err != nil {
		return nil, err
	}
	f := &File{w: file, file: file, close: file.Close, path: p.path, temporary: temporary}
	if p.Regular() {
		if err := f.permit(p.info.Mode().Perm()); err != nil {
			return nil, errors.Join(err, f.discard())
		}
	}
	return f, nil
}

// permit sets the file's permissions if they differ: not every file system can change them.
func (f *File) permit(mode fs.FileMode) error {
	info, err := f.file.Stat()
	if err == nil && info.Mode().Perm() != mode {
		err = f.file.Chmod(mode)
	}
	return err
}

// Name returns the name of the place.
func (f *File) Name() string { return f.name }

// Write implements io.Writer.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		err = bare(err)
	}
	return n, err
}

// error wraps an error of writing this file.
func (f *File) error(err error) error { return fmt.Errorf("write %s: %w", f.name, bare(err)) }

// finish syncs the file to disk and closes it.
func (f *File) finish() error {
	if f.done {
		return errors.New("already committed or closed")
	}
	err := f.ctx.Err()
	if err == nil && f.file != nil {
		err = f.file.Sync()
	}
	return Also(err, f.shut())
}

func (f *File) shut() error {
	if f.close == nil {
		return nil
	}
	defer func() { f.close = nil }()
	return f.close()
}

// Close ends the writing. It removes a file that was not committed; what was written to a stream stays written. After Commit it
// does nothing.
func (f *File) Close() error {
	if f.done {
		return nil
	}
	if err := f.discard(); err != nil {
		return f.error(err)
	}
	return nil
}

func (f *File) discard() error {
	f.done = true
	err := f.shut()
	if f.temporary == "" {
		return err
	}
	// The file is discarded, so an error of closing it does not matter.
	if err := left.remove(f.temporary); err != nil {
		return fmt.Errorf("its temporary file %s is still there: %w", f.temporary, bare(err))
	}
	return nil
}

// Also joins two errors, either of which may be nil, on one line.
func Also(err, then error) error {
	switch {
	case err == nil:
		return then
	case then == nil:
		return err
	}
	return fmt.Errorf("%w; %w", err, then)
}
