package main

import (
	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

// stage is a staging buffer for the pieces of one array: memory on the host, page-locked if it can be, and on the device, which on the CPU
// is the same.
type stage[E smoothl1.Element] struct {
	host   []E
	locked *gpu.HostBuffer[E] // what host is of; nil on the CPU
	room   *gpu.Buffer[E]
	piece  *gpu.Buffer[E]  // the part of room that is in use
	from   source[E]       // nil if it is only written
	to     func([]E) error // nil if it is only read
	how    []gpu.Option    // of the copies
}

func newStage[E smoothl1.Element](dev *gpu.Device, n int, how []gpu.Option) (s *stage[E], err error) {
	s = &stage[E]{how: how}
	if dev.Backend() == "cpu" {
		s.host = make([]E, n)
		s.room, err = gpu.WrapHost(dev, s.host)
		return s, err
	}
	if s.locked, err = gpu.AllocHost[E](dev, n); err != nil {
		return s, err
	}
	s.host = s.locked.Slice()
	s.room, err = gpu.Alloc[E](dev, n)
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

// upload queues the copy of the piece to the device.
func (s *stage[E]) upload() error {
	if s.from == nil || s.locked == nil {
		return nil
	}
	return s.piece.SetAsync(s.locked, s.how...)
}

// download queues the copy of the piece from the device.
func (s *stage[E]) download() error {
	if s.to == nil || s.locked == nil {
		return nil
	}
	return s.piece.DownloadAsync(s.locked, s.how...)
}

// save writes the piece, which is on the host.
func (s *stage[E]) save() error {
	if s.to == nil {
		return nil
	}
	return s.to(s.used())
}

func (s *stage[E]) close() {
	s.room.Close()
	s.locked.Close()
}

// staged is a stage of any type.
type staged interface {
	cut(n int) error
	fetch(first int) error
	upload() error
	download() error
	save() error
	close()
}
