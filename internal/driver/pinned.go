package driver

// Pinned is an ability that a Device may have: page-locked host memory, and copies from and to it that do not wait. PinnedOf returns it.
type Pinned interface {
	// AllocPinned allocates bytes > 0 bytes of page-locked host memory. The host reads and writes it as the slice, which is aligned to
	// at least 8 bytes. Kernels read and write it at the address, which is aligned to at least 256 bytes. Its contents are undefined.
	AllocPinned(bytes uint64) ([]byte, Ptr, error)
	// FreePinned frees the memory at p once the work started before is done. The slice must not be used afterwards.
	FreePinned(p Ptr) error
	// CopyInAsync copies page-locked memory at src to device memory at dst, after the stream's earlier work. It returns before the copy
	// is done: the memory at src must not change until then.
	CopyInAsync(dst, src Ptr, bytes uint64, on Stream) error
	// CopyOutAsync copies device memory at src to page-locked memory at dst, after the stream's earlier work. It returns before the copy
	// is done: the memory at dst must not be used until then.
	CopyOutAsync(dst, src Ptr, bytes uint64, on Stream) error
	// Await returns when the work that e was last recorded after is done; at once if e was never recorded.
	Await(e Event) error
}

// PinnedOf returns the page-locked memory of d, or nil if d has none. A device that has it only sometimes, for example depending on its
// driver library, has a method Pinned that returns it or nil; for another device, its methods are those of Pinned.
func PinnedOf(d Device) Pinned {
	if s, ok := d.(interface{ Pinned() Pinned }); ok {
		return s.Pinned()
	}
	p, _ := d.(Pinned)
	return p
}

// MemoryReporter is an ability that a Device may have: it knows how much of its memory is free, by the driver's count, which includes
// other processes.
type MemoryReporter interface {
	MemoryInfo() (free, total uint64, err error)
}

// Contexted is an ability that a Device may have: code that is not of this module, on the thread that calls it, needs the device's context
// to be current.
type Contexted interface {
	// Within calls f, on a locked OS thread, with the context current, and keeps Close waiting meanwhile.
	Within(f func() error) error
}
