package npy

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/smoothl1/smoothl1/internal/files"
	"github.com/smoothl1/smoothl1/internal/memory"
)

// Read reads a whole .npy file from r, up to r's end. Errors refer to it by name. Memory grows with the data that r delivers, not with
// the size that the header claims. For a large file, use Open.
func Read(name string, r io.Reader) (*Array, error) {
	if known, ok := r.(interface{ Len() int }); ok { // bytes.Reader, bytes.Buffer, strings.Reader
		return read(name, r, int64(known.Len()))
	}
	return read(name, r, -1)
}

// read reads a whole file of size bytes, -1 if unknown. It does not trust the size.
func read(name string, r io.Reader, size int64) (*Array, error) {
	l, err := readLayout(name, r)
	if err == nil && size >= 0 {
		err = l.checkSize(name, size)
	}
	if err != nil {
		return nil, err
	}
	values, err := readRest(name, r, l)
	if err != nil {
		return nil, err
	}
	return &Array{name: name, layout: l, values: values}, nil
}

// readRest reads the data of an array, converts it to C order and the host's byte order, and checks that r ends there.
func readRest(name string, r io.Reader, l layout) ([]byte, error) {
	values, err := readGrowing(name, r, l)
	if err != nil {
		return nil, err
	}
	if l.bigEndian != bigEndianHost {
		swapBytes(values, l.DType.Size())
	}
	if l.fortran {
		ordered, err := makeBytes(len(values))
		if err != nil {
			return nil, l.loadError(name, err)
		}
		newReorder(l, ordered).put(values)
		values = ordered
	}
	return values, nil
}

// readGrowing reads the data of an array and checks that r ends there. It doubles its buffer as data arrive, because the header may
// claim any size.
func readGrowing(name string, r io.Reader, l layout) ([]byte, error) {
	buf, n := alignedBytes(min(l.dataBytes(), 1<<16)), 0
	for {
		m, err := io.ReadFull(r, buf[n:])
		n += m
		if isEOF(err) {
			return nil, l.checkSize(name, l.offset+int64(n))
		}
		if err != nil {
			return nil, readError(name, err)
		}
		if n == l.dataBytes() {
			break
		}
		larger, err := makeBytes(n + min(n, l.dataBytes()-n))
		if err != nil {
			return nil, l.loadError(name, err)
		}
		copy(larger, buf)
		buf = larger
	}
	return buf, l.checkEnd(name, r)
}

// checkEnd returns an error if r does not end after the data.
func (l layout) checkEnd(name string, r io.Reader) error {
	switch n, err := io.ReadFull(r, make([]byte, 1)); {
	case n > 0:
		return formatErrorf(name, "trailing bytes after the %d of %s", l.dataBytes(), l.describe())
	case !errors.Is(err, io.EOF):
		return readError(name, err)
	}
	return nil
}

// loadError returns the error for an array that does not fit into memory.
func (l layout) loadError(name string, err error) error {
	return readError(name, fmt.Errorf("%s can't be loaded: %w", l.describe(), err))
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// loadFile reads the elements of a file, whose size has been checked, into newly allocated memory, in C order and the host's byte
// order.
func loadFile(name string, f *os.File, l layout) (values []byte, release func() error, err error) {
	if err = memory.Check(uint64(l.dataBytes())); err == nil {
		values, release, err = allocate(l.dataBytes())
	}
	if err != nil {
		return nil, nil, l.loadError(name, err)
	}
	r := io.NewSectionReader(f, l.offset, int64(l.dataBytes()))
	if l.fortran {
		err = loadFortran(values, r, l)
	} else if _, err = io.ReadFull(r, values); err == nil && l.bigEndian != bigEndianHost {
		swapBytes(values, l.DType.Size())
	}
	if isEOF(err) {
		err = formatErrorf(name, "the file became shorter while it was read")
	}
	if err != nil {
		return nil, nil, files.Also(readError(name, err), release())
	}
	return values, release, nil
}

// loadFortran reads a file in Fortran order, piece by piece, and reorders it.
func loadFortran(values []byte, r io.Reader, l layout) error {
	const piece = 1 << 22
	reorder := newReorder(l, values)
	buf := alignedBytes(min(piece, len(values)))
	for left := len(values); left > 0; left -= len(buf) {
		buf = buf[:min(len(buf), left)]
		if _, err := io.ReadFull(r, buf); err != nil {
			return err
		}
		if l.bigEndian != bigEndianHost {
			swapBytes(buf, l.DType.Size())
		}
		reorder.put(buf)
	}
	return nil
}
