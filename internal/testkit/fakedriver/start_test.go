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
	_, err = cuda.Open(0)
	fmt.Printf("open: %v, unavailable: %v\n", err, errors.Is(err, cuda.ErrUnavailable))
	fmt.Println("cuInit:", fakedriver.Init())
	_, err = cu.NumDevices()
	fmt.Println("cu:", err)
	if n == 0 {
		d, err := gpu.Open()
		fmt.Println("gpu:", d, err)
		_, err = gpu.Open(gpu.CUDA(0))
		fmt.Println("CUDA(0):", err, errors.Is(err, smoothl1.ErrNoCUDA))
	}
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

// TestMissingNeeded uses libraries that lack one function that package cuda calls. They are copies of the fake one, each with one
// function renamed.
func TestMissingNeeded(t *testing.T) {
	library := filepath.Join(os.Getenv("LD_LIBRARY_PATH"), "libcuda.so.1")
	whole, err := os.ReadFile(library)
	require.NoError(t, err)
	file, err := elf.NewFile(bytes.NewReader(whole))
	require.NoError(t, err)
	symbols, err := file.DynamicSymbols()
	require.NoError(t, err)
	seen := 0
	for _, s := range symbols {
		switch {
		case s.Section == elf.SHN_UNDEF || !strings.HasPrefix(s.Name, "cu"):
			continue
		case s.Name == "cuCtxGetCurrent" || s.Name == "cuCtxSetCurrent": // tests call these, as another library would
			continue
		}
		seen++
		lacking := filepath.Join(t.TempDir(), "libcuda.so.1")
		require.NoError(t, os.WriteFile(lacking, bytes.ReplaceAll(whole, []byte("\x00"+s.Name+"\x00"), []byte("\x00xx"+s.Name[2:]+"\x00")), 0o755))
		lines := start(t, "LD_LIBRARY_PATH="+filepath.Dir(lacking))
		reason := "cannot load the CUDA driver: " + lacking + " has no function " + s.Name
		require.Len(t, lines, 9, s.Name)
		assert.Equal(t, []string{"available: " + reason, "unavailable: true driver's: false"}, lines[:2], s.Name)
		assert.Equal(t, []string{"count: 0 " + reason, "open: " + reason + ", unavailable: true"}, lines[3:5], s.Name)
		assert.Contains(t, lines[7], "gpu: CPU (", s.Name)
		assert.Contains(t, lines[7], reason+" <nil>")
		assert.Equal(t, "CUDA(0): gpu: Open: CUDA device 0: CUDA is not available: "+reason+" true", lines[8])
	}
	require.Greater(t, seen, 20)
}

// TestMissingFunction uses a driver that lacks a function that only cu refers to.
func TestMissingFunction(t *testing.T) {
	clean(t)
	_, err := cu.MakeGraph()
	require.EqualError(t, err, "NotFound")
}
