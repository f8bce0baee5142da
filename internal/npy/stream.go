package npy

import (
	"fmt"
	"io"
)

// stream is an array whose elements are read sequentially.
type stream struct {
	r   io.Reader
	at  int   // next element
	err error // first error
}

// Stream begins to read a .npy file from r, which may be a pipe. ReadAt reads its elements on demand, in
// order and only once; r must end after the last. Values, and ReadAt of a file in Fortran order, load all elements. Close
// leaves r open. Errors refer to it by name.
func Stream(name string, r io.Reader) (*Array, error) {
	l, err := readLayout(name, r)
	if err == nil && l.count == 0 {
		err = l.checkEnd(name, r)
	}
	if err != nil {
		return nil, err
	}
	return &Array{name: name, layout: l, stream: &stream{r: r}}, nil
}

// next reads elements, beginning with first, into dst.
func (s *stream) next(name string, l layout, dst []byte, first int) error {
	size := l.DType.Size()
	switch {
	case s.err != nil:
		return s.err
	case first != s.at:
		return fmt.Errorf("npy: %s: read of element %d of a stream, but element %d is next", name, first, s.at)
	case len(dst) == 0:
		return nil
	}
	n, err := io.ReadFull(s.r, dst)
	s.at += len(dst) / size
	switch {
	case isEOF(err):
		s.err = l.checkSize(name, l.offset+int64(first*size+n))
	case err != nil:
		s.err = readError(name, err)
	case s.at == l.count:
		s.err = l.checkEnd(name, s.r)
	}
	if s.err == nil && l.bigEndian != bigEndianHost {
		swapBytes(dst, size)
	}
	return s.err
}

// rest loads all elements. None must have been read before.
func (s *stream) rest(name string, l layout) (values []byte, err error) {
	switch {
	case s.err != nil:
		return nil, s.err
	case s.at > 0:
		return nil, fmt.Errorf("npy: %s: read of all elements of a stream, but element %d is next", name, s.at)
	case l.count == 0: // Stream has checked the end
		return alignedBytes(0), nil
	}
	values, s.err = readRest(name, s.r, l)
	return values, s.err
}
