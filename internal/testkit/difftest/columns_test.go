package difftest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

// columns returns the implementations to compare with the reference on this machine: the fallback, with each instruction set, and gpu on
// the CPU, on simulated devices and, if there is one, on a CUDA device. It also returns the devices of the column "sim".
func columns(t *testing.T) (all []Column, simulated []*sim.Device) {
	open := func(name string, choice gpu.OpenOption) Column {
		dev, err := gpu.Open(choice)
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, dev.Close()) })
		return On(name, dev)
	}
	simulate := func(name string, ptx map[string]string) (devices []*sim.Device) {
		var sizes [len(Multiprocessors)]Column
		for i, n := range Multiprocessors {
			d := sim.New(sim.Seed(*seed))
			devices = append(devices, d)
			sizes[i] = open(name, gpu.On(Modified{Device: d, PTX: ptx, Multiprocessors: n}))
		}
		all = append(all, bySize(sizes))
		return devices
	}
	all = append(append(all, Fallback()), OtherSets()...)
	all = append(all, open("gpu on the CPU", gpu.CPU()))
	simulated = simulate("sim", nil)
	for _, folder := range strings.FieldsFunc(*ptxFolders, func(r rune) bool { return r == ',' }) {
		ptx := map[string]string{}
		for _, dtype := range kernels.DTypes() {
			replace(t, ptx, folder, dtype, kernels.File, kernels.PTX)
			replace(t, ptx, folder, dtype, kernels.RichFile, kernels.RichPTX)
		}
		simulate("sim with "+filepath.Base(folder), ptx)
	}
	if dev, err := gpu.Open(gpu.CUDA(0)); err == nil {
		require.NoError(t, dev.Close())
		all = append(all, open("CUDA", gpu.CUDA(0)))
	} else {
		require.ErrorIs(t, err, smoothl1.ErrNoCUDA, "a CUDA device that does not work is not the same as none")
	}
	if *onlyColumn != "" {
		all = slices.DeleteFunc(all, func(c Column) bool { return c.Name != *onlyColumn })
		require.NotEmptyf(t, all, "there is no column %q here", *onlyColumn)
	}
	return all, simulated
}

// replace has a device load a file of a folder in place of the one of package kernels.
func replace(t *testing.T, ptx map[string]string, folder string, dtype smoothl1.DType, file, shipped func(smoothl1.DType) (string, error)) {
	name, err := file(dtype)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	original, err := shipped(dtype)
	require.NoError(t, err)
	ptx[original] = string(text)
}

// bySize is the column of simulated devices with various numbers of multiprocessors. A case always runs on the same one, and the deepest
// sums run on the one with the most blocks.
func bySize(sizes [len(Multiprocessors)]Column) Column {
	of := func(c Case) Column {
		if c.N >= 1<<20 {
			return sizes[len(sizes)-1]
		}
		return sizes[c.Seed%uint64(len(sizes))]
	}
	return Column{sizes[0].Name, func(c Case, x *Arrays) (float64, error) { return of(c).run(c, x) }}
}

// onDevices returns the columns that execute the kernels' PTX.
func onDevices(all []Column) []Column {
	return slices.DeleteFunc(slices.Clone(all), func(c Column) bool { return !strings.HasPrefix(c.Name, "sim") && c.Name != "CUDA" })
}
