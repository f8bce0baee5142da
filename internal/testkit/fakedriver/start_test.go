//go:build cuda && linux && amd64 && cgo

package fakedriver_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/cu"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/cuda"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/fakedriver"
)

const envReport = "SMOOTHL1_REPORT"

// report is executed by the test binary in a process of its own, because the driver library is loaded at program start.
func report() {
	err := cuda.Available()
	var e *driver.Error
	fmt.Println("available:", err)
	fmt.Println("unavailable:", errors.Is(err, cuda.ErrUnavailable), "driver's:", errors.As(err, &e))
	lib, err := cuda.Describe()
	fmt.Println("library:", filepath.Base(lib.Path), lib.Version, err)
	n, err := cuda.Count()
	fmt.Println("count:", n, err)
	opened, err := cuda.Open(0)
	fmt.Printf("open: %v, unavailable: %v\n", err, errors.Is(err, cuda.ErrUnavailable))
	fmt.Println("cuInit:", fakedriver.Init())
	_, err = cu.NumDevices()
	fmt.Println("cu:", err)
	if n == 0 {
		d, err := gpu.Open()
		fmt.Println("gpu:", d, err)
		_, err = gpu.Open(gpu.CUDA(0))
		fmt.Println("CUDA(0):", err, errors.Is(err, smoothl1.ErrNoCUDA))
		return
	}
	fmt.Println("pinned:", driver.PinnedOf(opened) != nil)
	s, err := opened.NewStream()
	if err == nil {
		if err = opened.(driver.Capturer).BeginCapture(s); err == nil {
			_, err = opened.(driver.Capturer).EndCapture(s)
		}
	}
	fmt.Println("graph:", err, opened.Wait(s), opened.Close())
}

// start runs report with the given environment and returns the lines of its output.
func start(t *testing.T, env ...string) []string {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), envReport+"=1", "GORACE=atexit_sleep_ms=0"), env...)
	out, err := c.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func TestStart(t *testing.T) {
	empty := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(empty, "libcuda.so.1"), nil, 0o755))
	other := t.TempDir()
	source := filepath.Join(other, "other.c")
	require.NoError(t, os.WriteFile(source, []byte("int other;\n"), 0o644))
	out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", filepath.Join(other, "libcuda.so.1"), source).CombinedOutput()
	require.NoErrorf(t, err, "%s", out)

	for _, test := range []struct {
		name   string
		env    []string
		reason string // in Available, Count and Open
		driver bool   // it is a *driver.Error
		lib    string
		cuInit int
		cu     string // cu's own error of a call that needs the driver
	}{
		{"no device", []string{"FAKE_CUDA_INIT=100"}, "CUDA_ERROR_NO_DEVICE (100) from cuInit: no CUDA-capable device is detected; the driver library is /", true,
			"libcuda.so.1 12020", 100, "NotInitialized"},
		{"devices hidden", []string{"FAKE_CUDA_INIT=100", "CUDA_VISIBLE_DEVICES=7"}, "; CUDA_VISIBLE_DEVICES is '7'", true, "libcuda.so.1 12020", 100, "NotInitialized"},
		{"stub", []string{"FAKE_CUDA_INIT=34"}, "CUDA_ERROR_STUB_LIBRARY (34) from cuInit: the libcuda.so.1 that was loaded is the CUDA toolkit's stub", true,
			"libcuda.so.1 12020", 34, "NotInitialized"},
		{"a code that nobody knows", []string{"FAKE_CUDA_INIT=12345"}, "CUDA error (12345) from cuInit; the driver library is /", true, "libcuda.so.1 12020", 12345, "NotInitialized"},
		{"no library", []string{"LD_LIBRARY_PATH=" + empty}, "cannot load the CUDA driver: ", false, ". 0 cannot load the CUDA driver: ", 100, "NoDevice"},
		{"another library", []string{"LD_LIBRARY_PATH=" + other}, "/libcuda.so.1 has no function cuInit and ", false,
			"libcuda.so.1 0 <nil>", 100, "NotFound"},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := start(t, test.env...)
			require.Len(t, lines, 9)
			assert.Contains(t, lines[0], test.reason)
			assert.Equal(t, fmt.Sprintf("unavailable: true driver's: %v", test.driver), lines[1])
			assert.Contains(t, lines[2], "library: "+test.lib)
			assert.Contains(t, lines[3], "count: 0 ")
			assert.Contains(t, lines[3], test.reason)
			assert.Contains(t, lines[4], test.reason)
			assert.Contains(t, lines[4], ", unavailable: true")
			assert.Equal(t, fmt.Sprintf("cuInit: %d", test.cuInit), lines[5], "it tells the truth once the program runs")
			assert.Equal(t, "cu: "+test.cu, lines[6])
		})
	}

	lines := start(t, "FAKE_CUDA_DEVICES=0")
	require.Len(t, lines, 9)
	assert.Regexp(t, `^open: the driver /.*/libcuda\.so\.1 has no device, unavailable: true$`, lines[4])
	lines[4] = ""
	assert.Contains(t, lines[7], " has no device <nil>")
	assert.Contains(t, lines[8], " has no device true")
	assert.Equal(t, []string{"available: <nil>", "unavailable: false driver's: false", "library: libcuda.so.1 12020 <nil>", "count: 0 <nil>", "", "cuInit: 0", "cu: <nil>"}, lines[:7])
}

// library returns the fake library and its symbols.
func library(t *testing.T) ([]byte, []elf.Symbol) {
	t.Helper()
	whole, err := os.ReadFile(filepath.Join(os.Getenv("LD_LIBRARY_PATH"), "libcuda.so.1"))
	require.NoError(t, err)
	file, err := elf.NewFile(bytes.NewReader(whole))
	require.NoError(t, err)
	symbols, err := file.DynamicSymbols()
	require.NoError(t, err)
	return whole, symbols
}

// without returns the path of a copy of a library in which functions have other names.
func without(t *testing.T, whole []byte, functions ...string) string {
	t.Helper()
	for _, name := range functions {
		whole = bytes.ReplaceAll(whole, []byte("\x00"+name+"\x00"), []byte("\x00xx"+name[2:]+"\x00"))
	}
	path := filepath.Join(t.TempDir(), "libcuda.so.1")
	require.NoError(t, os.WriteFile(path, whole, 0o755))
	return path
}

// TestMissingForGraphs uses libraries that lack a function for graphs: all else works. Of the two functions that instantiate, one is enough.
func TestMissingForGraphs(t *testing.T) {
	whole, symbols := library(t)
	report := func(functions ...string) (path string, lines []string) {
		path = without(t, whole, functions...)
		lines = start(t, "LD_LIBRARY_PATH="+filepath.Dir(path))
		require.Len(t, lines, 9)
		assert.Equal(t, []string{"available: <nil>", "pinned: true"}, []string{lines[0], lines[7]})
		return path, lines
	}
	const with, plain = "cuGraphInstantiateWithFlags", "cuGraphInstantiate"
	lacking := [][]string{{with, plain}}
	for _, s := range symbols {
		if (strings.Contains(s.Name, "Graph") || strings.Contains(s.Name, "Captur")) && strings.HasPrefix(s.Name, "cu") && s.Name != with && s.Name != plain {
			lacking = append(lacking, []string{s.Name})
		}
	}
	require.Len(t, lacking, 7)
	for _, functions := range lacking {
		path, lines := report(functions...)
		assert.Equal(t, fmt.Sprintf("graph: CUDA_ERROR_NOT_SUPPORTED (801) from cuStreamBeginCapture: the driver %s has no function %s, which graphs need <nil> <nil>",
			path, functions[len(functions)-1]), lines[8])
	}
	for _, function := range []string{with, plain} {
		_, lines := report(function)
		assert.Equal(t, "graph: <nil> <nil> <nil>", lines[8], function)
	}
}

// abilities are the functions that a driver library may lack, and whether it then still has page-locked memory.
var abilities = map[string]bool{"cuMemHostAlloc": false, "cuMemHostGetDevicePointer_v2": false, "cuMemFreeHost": false, "cuMemGetInfo_v2": true}

// TestMissingNeeded uses libraries that lack one function that package cuda calls. They are copies of the fake one, each with one
// function renamed.
func TestMissingNeeded(t *testing.T) {
	whole, symbols := library(t)
	seen, optional := 0, 0
	for _, s := range symbols {
		switch {
		case s.Section == elf.SHN_UNDEF || !strings.HasPrefix(s.Name, "cu"):
			continue
		case strings.Contains(s.Name, "Graph") || strings.Contains(s.Name, "Captur"): // see TestMissingForGraphs
			continue
		case s.Name == "cuCtxGetCurrent" || s.Name == "cuCtxSetCurrent": // tests call these, as another library would
			continue
		}
		lacking := without(t, whole, s.Name)
		lines := start(t, "LD_LIBRARY_PATH="+filepath.Dir(lacking))
		if pinned, ok := abilities[s.Name]; ok {
			optional++
			assert.Equal(t, []string{"available: <nil>", "unavailable: false driver's: false"}, lines[:2], s.Name)
			assert.Equal(t, fmt.Sprint("pinned: ", pinned), lines[7], s.Name)
			continue
		}
		seen++
		reason := "cannot load the CUDA driver: " + lacking + " has no function " + s.Name
		require.Len(t, lines, 9, s.Name)
		assert.Equal(t, []string{"available: " + reason, "unavailable: true driver's: false"}, lines[:2], s.Name)
		assert.Equal(t, []string{"count: 0 " + reason, "open: " + reason + ", unavailable: true"}, lines[3:5], s.Name)
		assert.Contains(t, lines[7], "gpu: CPU (", s.Name)
		assert.Contains(t, lines[7], reason+" <nil>")
		assert.Equal(t, "CUDA(0): gpu: Open: CUDA device 0: CUDA is not available: "+reason+" true", lines[8])
	}
	require.Greater(t, seen, 20)
	require.Equal(t, len(abilities), optional)
}

// TestMissingFunction uses a driver that lacks a function that only cu refers to.
func TestMissingFunction(t *testing.T) {
	clean(t)
	_, err := cu.MakeGraph()
	require.EqualError(t, err, "NotFound")
}
