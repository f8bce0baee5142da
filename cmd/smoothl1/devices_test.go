package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/gpu"
)

func TestDevices(t *testing.T) {
	stdout, stderr, code := call("devices")
	require.Zero(t, code, stderr)
	assert.Regexp(t, `(?m)^cpu        \w+, \w+, \d+ threads(; used by default)?$`, stdout)
	assert.Regexp(t, `(?m)^sim        a simulated CUDA device`, stdout)
	assert.Regexp(t, `(?m)^kernels    PTX ISA 7\.8 for sm_50 and newer; needs a driver for CUDA 11\.8`, stdout)
	if dev, err := gpu.Open(gpu.CUDA(0)); err == nil {
		require.NoError(t, dev.Close())
		assert.Regexp(t, `(?m)^cuda:0     .*; used by default$`, stdout)
	} else {
		assert.Regexp(t, `(?m)^cuda       not available: .+$`, stdout)
		assert.Contains(t, stdout, "threads; used by default\n")
	}

	stdout, stderr, code = call("devices", "--json")
	require.Zero(t, code, stderr)
	var found inventory
	require.NoError(t, json.Unmarshal([]byte(stdout), &found))
	assert.Equal(t, *takeInventory(), found)
	assert.Equal(t, found.Auto == "cpu", found.CUDA.Reason != "")
}

// TestDevicesOfACUDAHost prints a made-up inventory of two CUDA devices, the second one broken.
func TestDevicesOfACUDAHost(t *testing.T) {
	v := inventory{Auto: "cuda:0", CPU: cpuDevice{"amd64", "avx2", 16, "caches reported: none"}, Kernels: kernelsBuild{"8.4", "sm_90", []string{"sm_90"}, "CUDA 12.4 (R550) or newer"},
		CUDA: cudaDevices{Library: "/usr/lib/libcuda.so.1", Version: cudaVersion(12040), Devices: []cudaDevice{
			{0, "NVIDIA H100", "sm_90", "sm_75", 132, 80 << 30, 50 << 20, ""}, {Ordinal: 1, Error: "gpu: load the kernels: no\n\tlog"}}}}
	var out bytes.Buffer
	require.NoError(t, v.print(&out))
	assert.Equal(t, `driver     /usr/lib/libcuda.so.1, for CUDA 12.4
cuda:0     NVIDIA H100 (sm_90), 132 multiprocessors, 80.0 GiB, L2 cache of 50.0 MiB, kernels for sm_75; used by default
cuda:1     cannot be used: gpu: load the kernels: no; log
cpu        amd64, avx2, 16 threads
           caches reported: none
sim        a simulated CUDA device, which executes the kernels' PTX
kernels    PTX ISA 8.4 for sm_90 and newer; needs a driver for CUDA 12.4 (R550) or newer
`, out.String())

	out.Reset()
	v = inventory{AutoError: "gpu: Open: CUDA device 0: no\nluck"}
	require.NoError(t, v.print(&out))
	assert.Contains(t, out.String(), "default    cannot be opened: gpu: Open: CUDA device 0: no; luck\n")
	assert.NotContains(t, out.String(), "used by default")
}
