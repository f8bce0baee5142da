package gpu

import (
	"github.com/smoothl1/smoothl1/internal/driver"
)

// The page-locked memory of a stub is in s.memory, as its device memory is. Copies are done at once.

func (s *stub) AllocPinned(bytes uint64) ([]byte, driver.Ptr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := driver.Ptr(s.handle())
	s.memory[p] = rawBytes(make([]float64, (bytes+7)/8))[:bytes]
	s.next += bytes &^ 0xff
	return s.memory[p], p, nil
}

func (s *stub) FreePinned(p driver.Ptr) error { return s.Free(p) }

func (s *stub) CopyInAsync(dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	return s.copyAsync("CopyInAsync", dst, src, bytes, on)
}

func (s *stub) CopyOutAsync(dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	return s.copyAsync("CopyOutAsync", dst, src, bytes, on)
}

func (s *stub) copyAsync(call string, dst, src driver.Ptr, bytes uint64, on driver.Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(call, on)
	if s.record {
		copy(s.at(dst)[:bytes], s.at(src)[:bytes])
	}
	return nil
}

func (s *stub) Await(e driver.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("Await", driver.Stream(e))
	return nil
}
