package main

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

// stage is a staging buffer for the pieces of one array: memory on the host and on the device, which on the CPU is the same.
type stage[E smoothl1.Element] struct {
	host   []E
	room   *gpu.Buffer[E]
	piece  *gpu.Buffer[E] // the part of room that is in use
	shared bool
	from   source[E]       // nil if it is only written
	to     func([]E) error // nil if it is only read
}

func newStage[E smoothl1.Element](dev *gpu.Device, n int) (*stage[E], error) {
	s := &stage[E]{host: make([]E, n), shared: dev.Backend() == "cpu"}
	var err error
	if s.shared {
		s.room, err = gpu.WrapHost(dev, s.host)
	} else {
		s.room, err = gpu.Alloc[E](dev, n)
	}
	return s, err
}

// buffer returns the piece, or nil for an absent array.
func (s *stage[E]) buffer() *gpu.Buffer[E] {
	if s == nil {
		return nil
	}
	return s.piece
}

// used returns the piece on the host, or nil for an absent array.
func (s *stage[E]) used() []E {
	if s == nil {
		return nil
	}
	return s.host[:s.piece.Len()]
}

// cut makes the piece n elements long.
func (s *stage[E]) cut(n int) (err error) {
	s.piece, err = s.room.Slice(0, n)
	return err
}

// fetch reads the piece that begins with first to the host.
func (s *stage[E]) fetch(first int) error {
	if s.from == nil {
		return nil
	}
	return s.from(s.used(), first)
}

// upload copies the piece to the device.
func (s *stage[E]) upload() error {
	if s.from == nil || s.shared {
		return nil
	}
	return s.piece.Set(s.used())
}

// save writes the piece.
func (s *stage[E]) save() error {
	if s.to == nil {
		return nil
	}
	if !s.shared {
		if err := s.piece.Download(s.used()); err != nil {
			return err
		}
	}
	return s.to(s.used())
}

func (s *stage[E]) close() { s.room.Close() }

// staged is a stage of any type.
type staged interface {
	cut(n int) error
	fetch(first int) error
	upload() error
	save() error
	close()
}
