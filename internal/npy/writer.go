package npy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/smoothl1/smoothl1/internal/files"
)

// Writer writes one array in pieces. It must be used by one goroutine at a time. After the first error the file is removed,
// and every later call returns that error.
type Writer struct {
	ctx    context.Context
	name   string
	header Header
	left   int // elements not yet appended
	buffer *bufio.Writer
	file   *files.File // nil if the Writer writes to an io.Writer
	swap   bool        // the host's byte order isn't the file's
	err    error
	done   bool
}

// NewWriter begins to write an array of header h to w: Append its elements, then Commit. Errors refer to it by name.
func NewWriter(name string, w io.Writer, h Header) (*Writer, error) {
	count, err := h.Len()
	if err != nil {
		return nil, fmt.Errorf("npy: write %s: %w", name, err)
	}
	h.Shape = slices.Clone(h.Shape)
	nw := &Writer{
		ctx: context.Background(), name: name, header: h, left: count,
		buffer: bufio.NewWriterSize(w, 1<<16), swap: bigEndianHost,
	}
	if _, err := nw.buffer.Write(encodeHeader(h)); err != nil {
		return nil, nw.failed(err)
	}
	return nw, nil
}

// Create begins to write the file at path, as package files does: Append its elements, then Commit; and defer Close, which removes
// a file that isn't committed. Once ctx is cancelled, Append and Commit fail. On Windows a file that is open, here or elsewhere,
// can't be replaced.
func Create(ctx context.Context, path string, h Header) (*Writer, error) {
	if _, err := h.Len(); err != nil {
		return nil, fmt.Errorf("npy: write %s: %w", path, err)
	}
	place, err := files.Output(path)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	file, err := place.Create(ctx)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	return NewFileWriter(ctx, file, h)
}

// NewFileWriter begins to write an array of header h to a file that has been created. The Writer takes ownership of the file, as in
// Create.
func NewFileWriter(ctx context.Context, file *files.File, h Header) (*Writer, error) {
	w, err := NewWriter(file.Name(), file, h)
	if err != nil {
		return nil, files.Also(err, file.Close())
	}
	w.ctx, w.file = ctx, file
	return w, nil
}

// failed records the Writer's error, removes its file, and returns the error.
func (w *Writer) failed(err error) error {
	w.err = fmt.Errorf("npy: write %s: %w", w.name, systemError(err))
	if w.file != nil {
		w.err = files.Also(w.err, w.file.Close())
	}
	return w.err
}

func (w *Writer) state() error {
	if w.err == nil && w.done {
		return fmt.Errorf("npy: write %s: already committed or closed", w.name)
	}
	return w.err
}

// Append writes the next elements, in C order.
func Append[T Element](w *Writer, values []T) error {
	if err := w.state(); err != nil {
		return err
	}
	if !holds[T](w.header.DType) {
		return w.failed(fmt.Errorf("%T given for an array of %v", *new(T), w.header.DType))
	}
	if len(values) > w.left {
		return w.failed(fmt.Errorf("%d elements given, but %d are left of shape %s", len(values), w.left, shapeString(w.header.Shape)))
	}
	for rest := bytesOf(values); len(rest) > 0; {
		if err := w.ctx.Err(); err != nil {
			return w.failed(err)
		}
		piece := rest[:min(len(rest), 1<<20)] // cancellation is checked once per piece
		rest = rest[len(piece):]
		if w.swap {
			piece = append(alignedBytes(len(piece))[:0], piece...)
			swapBytes(piece, w.header.DType.Size())
		}
		if _, err := w.buffer.Write(piece); err != nil {
			return w.failed(err)
		}
	}
	w.left -= len(values)
	return nil
}

// Commit completes one or more arrays together, as package files does: it renames no file into place before all of them
// are complete and on disk. On error it removes all of them.
func Commit(ws ...*Writer) (err error) {
	defer func() {
		for _, w := range ws {
			if err != nil && w.state() == nil {
				err = files.Also(err, w.Close())
			}
		}
	}()
	var placed []*files.File
	for _, w := range ws {
		if err := w.state(); err != nil {
			return err
		}
		if err := w.complete(); err != nil {
			return w.failed(err)
		}
		if w.file != nil {
			placed = append(placed, w.file)
		}
	}
	err = files.Commit(placed...)
	for _, w := range ws {
		if err != nil {
			w.err = fmt.Errorf("npy: %w", err)
		}
		w.done = true
	}
	if err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	return nil
}

// complete checks that all elements have been appended, and flushes them.
func (w *Writer) complete() error {
	if w.left > 0 {
		return fmt.Errorf("incomplete: %d elements of shape %s are missing", w.left, shapeString(w.header.Shape))
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	return w.buffer.Flush()
}

// Close ends the Writer; a file that wasn't committed is removed. After Commit, or an error, it does nothing.
func (w *Writer) Close() error {
	if w.state() != nil {
		return nil
	}
	w.done = true
	if w.file == nil {
		return nil
	}
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	return nil
}

// Write writes a whole array to w.
func Write[T Element](name string, w io.Writer, h Header, values []T) error {
	nw, err := NewWriter(name, w, h)
	if err != nil {
		return err
	}
	return writeAll(nw, values)
}

// WriteFile writes a whole array to a file, as Create does.
func WriteFile[T Element](ctx context.Context, path string, h Header, values []T) error {
	w, err := Create(ctx, path, h)
	if err != nil {
		return err
	}
	return writeAll(w, values)
}

func writeAll[T Element](w *Writer, values []T) error {
	if err := Append(w, values); err != nil {
		return err
	}
	return Commit(w)
}
