package gpu

import (
	"errors"
	"sync"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// A cell is where the kernels of an op write its loss: 8 bytes of page-locked host memory, so that Value only waits, and copies nothing. The
// zero value stands for the scratch, from which Value copies.
type cell struct {
	host []byte
	at   driver.Ptr
}

// cells are the cells of a device, by the page, as each allocation of page-locked memory takes a page at least.
type cells struct {
	mu      sync.Mutex
	pinned  driver.Pinned // nil: the device has no such memory
	pages   []driver.Ptr
	free    []cell
	refused error // of an allocation: it is not tried again
}

// A cell has a cache line of its own.
const (
	cellBytes = 64
	pageBytes = 4096
)

// get returns a cell, or the zero value if there is no page-locked memory.
func (c *cells) get() cell {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pinned == nil || c.refused != nil {
		return cell{}
	}
	if len(c.free) == 0 {
		host, at, err := c.pinned.AllocPinned(pageBytes)
		if err != nil {
			c.refused = err
			return cell{}
		}
		c.pages = append(c.pages, at)
		for i := 0; i < pageBytes; i += cellBytes {
			c.free = append(c.free, cell{host[i : i+8], at + driver.Ptr(i)})
		}
	}
	x := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	return x
}

// put takes a cell back, which no work uses any more.
func (c *cells) put(x cell) {
	if x.at == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free = append(c.free, x)
}

// reason returns why losses are copied, or "".
func (c *cells) reason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		return ""
	}
	return c.refused.Error()
}

// release frees all pages, for Device.Close.
func (c *cells) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, at := range c.pages {
		errs = append(errs, opError("free page-locked memory", "", pageBytes, c.pinned.FreePinned(at)))
	}
	c.pages, c.free = nil, nil
	return errors.Join(errs...)
}
