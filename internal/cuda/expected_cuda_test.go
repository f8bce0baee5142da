//go:build cuda && linux && amd64 && cgo

package cuda_test

// The error of Available on a machine without a CUDA device: the driver finds no device, does not find its kernel module, or is the
// toolkit's stub, or there is no driver.
const expected = `^CUDA_ERROR_\w+ \(\d+\) from cuInit: .+; the driver library is /.*libcuda\.so|^cannot load the CUDA driver: (/.*/)?libcuda\.so\.1: `
