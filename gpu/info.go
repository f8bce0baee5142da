package gpu

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/cuda"
)

// Info describes a device. Sizes are in bytes; unknown numbers are 0.
type Info struct {
	Backend         string // "cpu", "cuda" or "sim"
	Name            string // as reported by the driver; for the CPU, GOARCH
	Ordinal         int    // number of the device in its backend
	Major, Minor    int    // compute capability
	Multiprocessors int
	MemoryBytes     uint64 // total device memory
	L2Bytes         uint64
	DriverVersion   int // CUDA version of the driver, 12040 for 12.4
}

// Info returns a description of the device. For the CPU only Backend and Name are set.
func (d *Device) Info() Info {
	switch {
	case !d.made():
		return Info{}
	case d.drv == nil:
		return infoOfCPU
	}
	return Info(d.info)
}

var infoOfCPU = Info{Backend: "cpu", Name: runtime.GOARCH}

// Devices lists the available devices: the CUDA devices by ordinal, followed by the CPU. It opens none of them. The list is valid
// even if there is an error. The error says which CUDA devices could not be queried, and why; if there is no CUDA device, it says why
// and wraps smoothl1.ErrNoCUDA.
func Devices() ([]Info, error) {
	var all []Info
	n, err := cuda.Count()
	if err == nil && n == 0 {
		_, err = cuda.Inspect(0) // its error says why
	}
	if err != nil {
		if errors.Is(err, cuda.ErrUnavailable) {
			err = fmt.Errorf("%w: %w", smoothl1.ErrNoCUDA, err)
		}
		return []Info{infoOfCPU}, fmt.Errorf("gpu: Devices: %w", err)
	}
	var errs []error
	for ordinal := range n {
		info, err := cuda.Inspect(ordinal)
		if err != nil {
			errs = append(errs, fmt.Errorf("gpu: Devices: CUDA device %d: %w", ordinal, err))
			info.Backend, info.Ordinal = "cuda", ordinal
		}
		all = append(all, Info(info))
	}
	return append(all, infoOfCPU), errors.Join(errs...)
}
