//go:build !linux

package measure

import "errors"

// shared is memory that another process can map too, which is not supported on this system.
type shared struct{ bytes []byte }

func newShared(int) (*shared, error) { return nil, errors.ErrUnsupported }

func (s *shared) path() string { return "" }

func (s *shared) close() error { return nil }
