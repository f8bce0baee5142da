package npy

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/smoothl1/smoothl1/internal/files"
)

// Array is an array that was opened or read. Its methods, and Values and ReadAt, may be called from any goroutine; Close does not
// wait for calls in progress.
type Array struct {
	name   string
	layout layout

	mu      sync.Mutex
	closed  bool
	file    *os.File     // nil for an array that was read as a whole or is a stream
	stream  *stream      // nil for an array that is not a stream
	values  []byte       // the elements in C order and the host's byte order; nil until fetched
	release func() error // frees values
}

// Open opens a .npy file and checks its header and size; it does not read the elements. The path
// must lead to a regular file. The file must not be changed before Close: if it is truncated, ReadAt returns an error,
// and accessing the result of Values may crash the process, as with any mapped file.
func Open(path string) (*Array, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	l, err := readLayout(path, f)
	if err == nil {
		err = l.checkSize(path, size)
	}
	if err != nil {
		return nil, files.Also(err, f.Close())
	}
	return &Array{name: path, layout: l, file: f}, nil
}

// openRegular opens a regular file for reading and returns its size.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path) // before opening, which blocks on a pipe and may have side effects on a device
	if err == nil {
		err = checkRegular(path, info)
	}
	if err != nil {
		return nil, 0, readError(path, err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return nil, 0, readError(path, err)
	}
	if info, err = f.Stat(); err == nil {
		err = checkRegular(path, info)
	}
	if err != nil {
		return nil, 0, files.Also(readError(path, err), f.Close())
	}
	return f, info.Size(), nil
}

func checkRegular(path string, info os.FileInfo) error {
	switch {
	case info.IsDir():
		return formatErrorf(path, "a folder, not a file")
	case !info.Mode().IsRegular():
		return formatErrorf(path, "not a regular file (%v)", info.Mode().Type())
	}
	return nil
}

// readError adds the file's name to an error, unless that is a FormatError, which has it.
func readError(name string, err error) error {
	if format := (*FormatError)(nil); errors.As(err, &format) {
		return err
	}
	return fmt.Errorf("npy: %s: %w", name, systemError(err))
}

// systemError strips what os adds to an error: the operation and the name of the file, which may be one that the user never gave.
func systemError(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	if e := (*os.LinkError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Name returns the path or name with which the array was opened or read.
func (a *Array) Name() string { return a.name }

// Header returns the type and the shape of the array.
func (a *Array) Header() Header {
	return Header{a.layout.DType, slices.Clone(a.layout.Shape)}
}

// Len returns the number of elements.
func (a *Array) Len() int { return a.layout.count }

// Close releases the file and the elements: slices returned by Values must no longer be used. A second Close does nothing.
func (a *Array) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.release != nil {
		err = files.Also(err, a.release())
	}
	if a.file != nil {
		err = files.Also(err, a.file.Close())
	}
	a.closed, a.file, a.stream, a.values, a.release = true, nil, nil, nil, nil
	if err != nil {
		return readError(a.name, err)
	}
	return nil
}

// Values returns all elements in C order. The slice is read-only and valid until the array is closed. A file in the machine's byte
// order and C order with aligned data is mapped, if the system supports that; any other is loaded, once. Loading a file larger than the
// free memory is an error if the system reports free memory (Linux).
func Values[T Element](a *Array) ([]T, error) {
	if err := a.checkType(holds[T](a.layout.DType), *new(T)); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.fetch(); err != nil {
		return nil, err
	}
	return elementsOf[T](a.values), nil
}

// Load reads all elements of a stream into memory, none of which must have been read before, so that ReadAt can read them in any order.
// For any other array it does nothing that ReadAt would need.
func (a *Array) Load() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stream == nil && !a.closed {
		return nil
	}
	return a.fetch()
}

// ReadAt copies len(dst) elements, beginning with element first in C order, to dst. It reads only these from the file, which may
// be of any size; but a file in Fortran order is loaded as a whole, as by Values. From a stream, elements must be read
// in order.
func ReadAt[T Element](a *Array, dst []T, first int) error {
	if err := a.checkType(holds[T](a.layout.DType), *new(T)); err != nil {
		return err
	}
	if first < 0 || first > a.Len() || len(dst) > a.Len()-first {
		return fmt.Errorf("npy: %s: read of elements %d to %d of %d", a.name, first, first+len(dst), a.Len())
	}
	if streamed, err := a.readStream(bytesOf(dst), first); streamed {
		return err
	}
	file, values, err := a.source()
	if err != nil || len(dst) == 0 {
		return err
	}
	size := a.layout.DType.Size()
	if values != nil && (file == nil || a.layout.fortran) { // don't read from a mapping, where a fault is not an error but a crash
		copy(bytesOf(dst), values[first*size:])
		return nil
	}
	if n, err := file.ReadAt(bytesOf(dst), a.layout.offset+int64(first)*int64(size)); n < len(dst)*size {
		return readError(a.name, fmt.Errorf("the file became shorter, or can't be read: %w", systemError(err)))
	}
	if a.layout.bigEndian != bigEndianHost {
		swapBytes(bytesOf(dst), size)
	}
	return nil
}

// readStream reads elements, beginning with first, of a stream that has not been loaded. It reports false for any other array.
func (a *Array) readStream(dst []byte, first int) (bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.layout.fortran || a.stream == nil || a.values != nil {
		return false, nil
	}
	return true, a.stream.next(a.name, a.layout, dst, first)
}

// source returns what ReadAt reads from: the file, or the values if the file isn't in C order.
func (a *Array) source() (*os.File, []byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.closed || a.layout.fortran {
		err = a.fetch()
	}
	return a.file, a.values, err
}

func (a *Array) checkType(ok bool, value any) error {
	if !ok {
		return fmt.Errorf("npy: %s: holds %v, not %T", a.name, a.layout.DType, value)
	}
	return nil
}

// fetch sets a.values if they are not set. The caller holds a.mu.
func (a *Array) fetch() error {
	if a.closed {
		return fmt.Errorf("npy: %s: %w", a.name, os.ErrClosed)
	}
	if a.values != nil {
		return nil
	}
	l := a.layout
	if a.stream != nil {
		values, err := a.stream.rest(a.name, l)
		a.values = values
		return err
	}
	if l.bigEndian == bigEndianHost && !l.fortran && l.offset%int64(l.DType.Size()) == 0 {
		if m, release, err := mapFile(a.file, int(l.offset)+l.dataBytes()); err == nil {
			a.values, a.release = m[l.offset:], release
			return nil
		}
	}
	values, release, err := loadFile(a.name, a.file, l)
	if err != nil {
		return err
	}
	a.values, a.release = values, release
	return nil
}
