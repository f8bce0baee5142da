package gpu

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/cuda"
)

// Info is what a device says of itself. Sizes are in bytes; what is not known is 0.
type Info struct {
	Backend         string // "cpu", "cuda" or "sim"
	Name            string // as the driver names it; of the CPU its architecture
	Ordinal         int    // number of the device in its backend
	Major, Minor    int    // compute capability
	Multiprocessors int
	MemoryBytes     uint64 // total device memory
	L2Bytes         uint64
	DriverVersion   int // CUDA version of the driver, 12040 for 12.4
}

// Info describes the device. Of the CPU there are Backend and Name alone.
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

// Devices lists what Open can open: the CUDA devices in the order of their ordinals, and last the CPU, which is always there. The
// error says why a CUDA device could not be asked, or why there is none, and then wraps smoothl1.ErrNoCUDA; the list is
// as good with it. No device is opened.
func Devices() ([]Info, error) {
	var all []Info
	n, err := cuda.Count()
	if err == nil && n == 0 {
		_, err = cuda.Inspect(0) // says why
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
