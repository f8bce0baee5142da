package npy

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/smoothl1/smoothl1/internal/files"
)

// MaxArchiveArray is the maximum size in bytes of an array in an archive. Such arrays are unpacked into memory, and a few bytes can
// unpack to very many. Larger arrays belong in files of their own, which are mapped.
const MaxArchiveArray = 1 << 30

// Archive is an open .npz archive: a zip file of .npy files, stored or deflated, as numpy.savez and numpy.savez_compressed
// write it. Its methods may be called from any goroutine; Close does not wait for calls in progress.
type Archive struct {
	name    string
	names   []string
	members map[string]*zip.File // by name without .npy
	file    *os.File
}

// OpenArchive opens a .npz archive. The path must lead to a regular file.
func OpenArchive(path string) (*Archive, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	a, err := NewArchive(path, f, size)
	if err != nil {
		return nil, files.Also(err, f.Close())
	}
	a.file = f
	return a, nil
}

// NewArchive opens an archive of size bytes in r. Errors refer to it by name.
func NewArchive(name string, r io.ReaderAt, size int64) (*Archive, error) {
	start := make([]byte, min(max(size, 0), int64(len(magic))))
	if _, err := r.ReadAt(start, 0); err == nil && string(start) == magic {
		return nil, formatErrorf(name, "a .npy file, not a .npz archive")
	}
	z, err := zip.NewReader(io.NewSectionReader(r, 0, size), size) // the section rejects bad offsets of a damaged directory
	if err != nil {
		return nil, zipError(name, err)
	}
	a := &Archive{name: name, members: make(map[string]*zip.File, len(z.File))}
	for _, f := range z.File {
		key, isArray := strings.CutSuffix(f.Name, ".npy")
		switch {
		case !isArray:
			return nil, formatErrorf(name, "holds %q, which isn't a .npy file", f.Name)
		case a.members[key] != nil:
			return nil, formatErrorf(name, "holds %q twice", f.Name)
		}
		a.names = append(a.names, key)
		a.members[key] = f
	}
	return a, nil
}

// Names returns the names of the arrays, without .npy, in archive order.
func (a *Archive) Names() []string { return append([]string(nil), a.names...) }

// Close closes the archive's file. Arrays read before stay valid.
func (a *Archive) Close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// Read reads a whole array and verifies its checksum.
func (a *Archive) Read(name string) (*Array, error) {
	f := a.members[name]
	full := a.name + ": " + name
	if f == nil {
		return nil, fmt.Errorf("npy: %s: no array %q in this archive", a.name, name)
	}
	const encrypted = 1
	switch {
	case f.Flags&encrypted != 0:
		return nil, formatErrorf(full, "encrypted")
	case f.Method == zip.Store && f.CompressedSize64 != f.UncompressedSize64:
		return nil, formatErrorf(full, "stored uncompressed, but %d bytes are to become %d", f.CompressedSize64, f.UncompressedSize64)
	case f.UncompressedSize64 > MaxArchiveArray:
		return nil, formatErrorf(full, "%d bytes, more than the %d that are unpacked", f.UncompressedSize64, MaxArchiveArray)
	}
	r, err := f.Open()
	if err != nil {
		return nil, zipError(full, err)
	}
	defer r.Close()
	m := &memberReader{name: full, r: r, sum: crc32.NewIEEE()}
	array, err := read(full, m, int64(f.UncompressedSize64))
	if err == nil && m.sum.Sum32() != f.CRC32 { // archive/zip does not verify a checksum of 0
		return nil, zipError(full, zip.ErrChecksum)
	}
	return array, err
}

// memberReader reads a member of an archive and wraps its errors with zipError.
type memberReader struct {
	name string
	r    io.Reader
	sum  hash.Hash32
}

func (m *memberReader) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.sum.Write(b[:n])
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, zipError(m.name, err)
}

// zipError converts an error of archive/zip or compress/flate: into a FormatError if the archive is bad, or else a read error.
func zipError(name string, err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, zip.ErrFormat), errors.Is(err, zip.ErrAlgorithm), errors.Is(err, zip.ErrChecksum), errors.As(err, &corrupt):
		return formatErrorf(name, "%v", err)
	case isEOF(err):
		return formatErrorf(name, "truncated archive")
	}
	return readError(name, err)
}
