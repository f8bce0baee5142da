// Package npy reads and writes NumPy's .npy files, and reads .npz archives. It is strict: a file is either read as NumPy reads
// it, or rejected with an error that names the file and says what is wrong with it.
//
// Elements are floating-point numbers (float16, and the uint16 bit patterns of bfloat16, as uint16), integers and bools (as the bytes 0
// and 1). The package reads format versions 1 to 3, either byte order, and C and Fortran order; it always returns elements in C
// order and the machine's byte order. It writes files byte for byte as numpy.save does.
//
// An array is read in one of four ways:
//
//   - [Read] and [Archive.Read] read a whole array into memory;
//   - [Open], then [Values], returns the elements of a file as one slice, mapped rather than read if the file's layout is the
//     machine's;
//   - [Open], then [ReadAt], copies any range of a file, so that a file of any size can be processed in pieces;
//   - [Stream], then [ReadAt], reads a pipe once from beginning to end.
//
// An array is written by [Write] or [WriteFile], or in pieces: [NewWriter] or [Create], then [Append], then [Commit]. A file is
// written under a temporary name in the same folder and renamed when it is complete, so that there is always either the old
// file or the whole new one (see package files). Output isn't mapped: on a full disk a write returns an error, but an access to a
// mapped page would crash the process.
package npy

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Element is the Go type of an array's elements. Float16 and uint16 arrays have uint16 elements, bool and uint8 arrays uint8 elements.
type Element interface {
	~float32 | ~float64 | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

// DType is the type of an array's elements in the file.
type DType uint8

const (
	Float32 DType = iota + 1
	Float64
	Float16 // handled as bit patterns in a uint16
	Uint16
	Bool // handled as bytes
	Uint8
	Uint32
	Uint64
	Int8
	Int16
	Int32
	Int64
)

var dtypes = [...]struct {
	code string // without the byte order, as in NumPy's descr
	name string
	size int
	kind reflect.Kind // of the Element
}{
	Float32: {"f4", "float32", 4, reflect.Float32},
	Float64: {"f8", "float64", 8, reflect.Float64},
	Float16: {"f2", "float16", 2, reflect.Uint16},
	Uint16:  {"u2", "uint16", 2, reflect.Uint16},
	Bool:    {"b1", "bool", 1, reflect.Uint8},
	Uint8:   {"u1", "uint8", 1, reflect.Uint8},
	Uint32:  {"u4", "uint32", 4, reflect.Uint32},
	Uint64:  {"u8", "uint64", 8, reflect.Uint64},
	Int8:    {"i1", "int8", 1, reflect.Int8},
	Int16:   {"i2", "int16", 2, reflect.Int16},
	Int32:   {"i4", "int32", 4, reflect.Int32},
	Int64:   {"i8", "int64", 8, reflect.Int64},
}

func (d DType) valid() bool { return d >= Float32 && d <= Int64 }

// String returns NumPy's name of the type: "float32".
func (d DType) String() string {
	if !d.valid() {
		return fmt.Sprintf("DType(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Size returns the size of an element in bytes, or 0 for an unknown DType.
func (d DType) Size() int {
	if !d.valid() {
		return 0
	}
	return dtypes[d].size
}

// holds reports whether T is the Go type of elements of d.
func holds[T Element](d DType) bool {
	return d.valid() && dtypes[d].kind == reflect.TypeFor[T]().Kind()
}

// Header describes an array: the type of its elements and its shape. An empty Shape means a single number; dimensions may be 0.
type Header struct {
	DType DType
	Shape []int
}

// Len returns the number of elements. It returns an error for an unknown DType and for a shape that is invalid in NumPy: one with a
// negative dimension, more than 64 dimensions, or a size in bytes that overflows an int (ignoring dimensions of 0, as in NumPy).
func (h Header) Len() (int, error) {
	if !h.DType.valid() {
		return 0, fmt.Errorf("unknown dtype %v", h.DType)
	}
	if len(h.Shape) > maxDims {
		return 0, fmt.Errorf("%d dimensions, more than NumPy's %d", len(h.Shape), maxDims)
	}
	limit := maxDataBytes / h.DType.Size()
	count, empty := 1, false
	for _, d := range h.Shape {
		switch {
		case d < 0:
			return 0, fmt.Errorf("negative dimension %d in shape %s", d, shapeString(h.Shape))
		case d == 0:
			empty = true
		case count > limit/d:
			return 0, fmt.Errorf("shape %s of %v overflows", shapeString(h.Shape), h.DType)
		default:
			count *= d
		}
	}
	if empty {
		count = 0
	}
	return count, nil
}

const (
	maxDims       = 64 // in NumPy 2; earlier versions have 32
	maxHeaderText = 10000
	maxDataBytes  = math.MaxInt - 2*maxHeaderText // so that the sum of header and data never overflows
)

// shapeString writes a shape as Python's repr does: (), (3,), (3, 4).
func shapeString(shape []int) string {
	var b strings.Builder
	b.WriteByte('(')
	for i, d := range shape {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(d))
	}
	if len(shape) == 1 {
		b.WriteByte(',')
	}
	b.WriteByte(')')
	return b.String()
}

// FormatError is the error for a file that could be read but has the wrong content: it isn't a .npy file, is damaged,
// or holds something that this package doesn't support.
type FormatError struct {
	Name   string // of the file; of an array in an archive "archive.npz: name"
	Reason string
}

func (e *FormatError) Error() string { return "npy: " + e.Name + ": " + e.Reason }

func formatErrorf(name, format string, args ...any) error {
	return &FormatError{name, fmt.Sprintf(format, args...)}
}
