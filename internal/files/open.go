package files

import (
	"fmt"
	"io"
	"os"
)

// Open opens a place for sequential reading. Opening a named pipe blocks until it has a writer.
func (p Place) Open() (io.ReadCloser, error) {
	f, done, err := p.open(os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("read %v: %w", p, bare(err))
	}
	return &reader{f, done}, nil
}

func (p Place) open(mode int) (*os.File, func() error, error) {
	if n, ok := p.Descriptor(); ok {
		return descriptor(n)
	}
	f, err := os.OpenFile(p.path, mode, 0)
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}

type reader struct {
	io.Reader
	close func() error
}

func (r *reader) Close() error { return r.close() }
