package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/bench/internal/results"
	"github.com/smoothl1/smoothl1/gpu"
)

func newMemoryFor(t *testing.T, n int) *memory {
	m, err := newMemory(n)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.close()) })
	return m
}

// stand is a program in the place of Python, which does what the shell script says.
func stand(t *testing.T, script string) string {
	path := filepath.Join(t.TempDir(), "python")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755))
	return path
}

func TestMissingPackagesAreNamed(t *testing.T) {
	m := newMemoryFor(t, 64)
	_, err := startTorch(stand(t, "echo missing python3-numpy python3-torch; exit 3"), m)
	assert.ErrorContains(t, err, "the Debian packages python3-numpy python3-torch: apt-get install")
	_, err = startTorch(filepath.Join(t.TempDir(), "none"), m)
	assert.ErrorContains(t, err, "apt-get install --no-install-recommends python3-torch python3-numpy")
	_, err = startTorch(stand(t, "exit 1"), m)
	assert.ErrorContains(t, err, "no answer")
}

func TestTorchSpeaks(t *testing.T) {
	m := newMemoryFor(t, 64)
	py, err := startTorch(stand(t, `echo ready 1.2.3
read line; echo ok
read line; echo 1500
read line; echo 0.25
`), m)
	require.NoError(t, err)
	assert.Equal(t, "1.2.3", py.version)
	require.NoError(t, py.prepare(64, 1))
	d, err := py.run(results.PyTorch, results.Backward, 3)
	require.NoError(t, err)
	assert.Equal(t, 1500*time.Nanosecond, d)
	v, err := py.check(results.PyTorch, results.ForwardMean)
	require.NoError(t, err)
	assert.Equal(t, 0.25, v)
	_, err = py.run(results.PyTorch, results.Backward, 3)
	require.Error(t, err, "it has ended")
	require.NoError(t, py.close())
}

func TestArraysAreSharedAndApart(t *testing.T) {
	m := newMemoryFor(t, 1000)
	for k := range 3 {
		for i := range m.array(k, m.stride) {
			m.array(k, m.stride)[i] = float32(k + 1)
		}
	}
	text := make([]byte, 4)
	for k := range 3 {
		_, err := m.file.ReadAt(text, int64(4*k*m.stride))
		require.NoError(t, err)
		assert.Equal(t, []byte{0, 0, byte([]int{0x80, 0, 0x40}[k]), byte([]int{0x3f, 0x40, 0x40}[k])}, text)
	}
}

// A wrong result is found before anything is timed.
func TestCheckFindsAWrongPeer(t *testing.T) {
	m := newMemoryFor(t, 64)
	fill(m)
	py, err := startTorch(stand(t, `echo ready 1
while read line; do echo nan; done`), m) // leaves the array of results as it is, all zeros
	require.NoError(t, err)
	defer func() { assert.NoError(t, py.close()) }()
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	defer dev.Close()
	o, err := newOps(dev, m, 64)
	require.NoError(t, err)
	defer func() { assert.NoError(t, o.close()) }()
	assert.ErrorContains(t, o.check(py), "forward none: element 0 of pytorch is 0")
}

func TestEveryOpIsCalledDirectlyToo(t *testing.T) {
	m := newMemoryFor(t, 4096)
	fill(m)
	dev, err := gpu.Open(gpu.CPU())
	require.NoError(t, err)
	defer dev.Close()
	o, err := newOps(dev, m, 4096)
	require.NoError(t, err)
	defer func() { assert.NoError(t, o.close()) }()
	for _, op := range results.Ops {
		clear(o.o)
		require.NoError(t, o.call(op)())
		want := append([]float32{}, o.o...)
		clear(o.o)
		require.NoError(t, o.direct(op)())
		assert.Equal(t, want, o.o, op)
		assert.Equal(t, op == results.ForwardMean, o.o[0] == 0, op)
	}
}
