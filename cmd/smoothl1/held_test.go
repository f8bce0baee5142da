package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

// watched makes commands open simulated devices, whatever they ask for, and requires that they close all devices, and have released
// everything on a device before they close it.
type watched struct {
	t      *testing.T
	opened []*sim.Device
	closed int
	plan   func(*sim.Device) // plans the faults of the next device
}

func watch(t *testing.T) *watched {
	w := &watched{t: t}
	oldOpen, oldClose := openDevice, closeDevice
	t.Cleanup(func() { openDevice, closeDevice = oldOpen, oldClose })
	openDevice = func(...gpu.OpenOption) (*gpu.Device, error) {
		d := sim.New(sim.Fast())
		if w.plan != nil {
			w.plan(d)
		}
		dev, err := gpu.Open(gpu.On(d))
		if err == nil {
			w.opened = append(w.opened, d)
		}
		return dev, err
	}
	closeDevice = func(dev *gpu.Device) error {
		w.closed++
		use := dev.Usage()
		assert.Equal(t, gpu.Usage{}, use, "what a command leaves on a device")
		return dev.Close()
	}
	return w
}

// tinyPieces makes arrays of a few chunks have several pieces.
func tinyPieces(t *testing.T) {
	smallPieces(t)
	simPiece = cpu.Chunk
}

// call runs a command, checks its devices, and returns them.
func (w *watched) call(arguments ...string) (devices []*sim.Device, stderr string, code int) {
	w.t.Helper()
	w.opened, w.closed = nil, 0
	var out, text bytes.Buffer
	code = run(w.t.Context(), arguments, &out, &text)
	require.Equal(w.t, len(w.opened), w.closed, "devices opened and closed by %v: %s", arguments, &text)
	return w.opened, text.String(), code
}

// onDevices returns all commands that use devices, with files in dir.
func onDevices(t *testing.T, dir string) map[string][]string {
	n := 2*simPiece + 5
	p, q, u := save(t, dir, "p.npy", make([]float32, n), n), save(t, dir, "t.npy", make([]float32, n), n), save(t, dir, "u.npy", make([]float32, n), n)
	at := func(name string) string { return filepath.Join(dir, name) }
	eval := func(flags ...string) []string { return append([]string{"eval", p, q, "--device", "sim"}, flags...) }
	return map[string][]string{
		"eval":             eval(),
		"eval, gradients":  eval("--out", at("o.npy"), "--grad-pred", at("g.npy"), "--grad-target", at("h.npy")),
		"eval, terms":      eval("--reduction", "none", "--out", at("o.npy"), "--grad-target", at("h.npy")),
		"eval, upstream":   eval("--upstream", u, "--grad-pred", at("g.npy")),
		"bench":            {"bench", "--device", "sim", "--sizes", "64", "--samples", "1", "--rotate", "1000", "-o", at("r.json")},
		"verify":           {"verify", "--device", "sim", "--cases", "2"},
		"verify, one case": {"verify", "--device", "sim", "--case", "op=forward,dtype=float32,loss=smooth_l1,beta=1,reduction=mean,n=20,data=normal,seed=1"},
		"devices":          {"devices"},
	}
}

// TestDevicesAreLeftEmpty runs every command that uses devices.
func TestDevicesAreLeftEmpty(t *testing.T) {
	tinyPieces(t)
	w := watch(t)
	for name, arguments := range onDevices(t, t.TempDir()) {
		t.Run(name, func(t *testing.T) {
			opened, stderr, code := w.call(arguments...)
			require.Zero(t, code, stderr)
			require.NotEmpty(t, opened)
		})
	}
	for _, c := range newRoot().Commands() { // those with a flag --device
		found := c.Flags().Lookup("device") == nil
		for name := range onDevices(t, t.TempDir()) {
			found = found || strings.HasPrefix(name, c.Name())
		}
		assert.True(t, found, "%s is not run here", c.Name())
	}
}

// TestDevicesAreLeftEmptyAfterErrors has each of the calls of a device fail in turn.
func TestDevicesAreLeftEmptyAfterErrors(t *testing.T) {
	tinyPieces(t)
	kinds := map[string]sim.CallKind{"alloc": sim.AllocCall, "copy": sim.CopyCall, "load": sim.LoadCall, "launch": sim.LaunchCall, "wait": sim.WaitCall, "event": sim.EventCall, "stream": sim.StreamCall}
	w := watch(t)
	dir := t.TempDir()
	all := onDevices(t, dir)
	for _, name := range []string{"eval, gradients", "eval, terms", "eval, upstream", "bench", "devices"} {
		arguments := all[name]
		before := names(t, dir)
		w.plan = nil
		devices, stderr, code := w.call(arguments...)
		require.Zero(t, code, stderr)
		files := names(t, dir)
		failed := 0
		for kind, k := range kinds {
			calls := devices[0].Calls(k)
			for n := uint64(1); n <= calls; n += 1 + n/2 { // the first calls, and fewer of the later ones, which repeat
				w.plan = func(d *sim.Device) { d.FailNext(k, int(n), false) }
				_, stderr, code := w.call(arguments...)
				if code == 0 {
					continue // the call was that of closing the device, or was repeated
				}
				failed++
				require.Equal(t, exitFailed, code, fmt.Sprint(name, kind, n))
				require.Regexp(t, `smoothl1: [^\n]+\n$`, stderr)
				require.Subset(t, files, names(t, dir), "nothing but its outputs")
			}
		}
		if name != "devices" { // devices reports the error and goes on
			assert.Greater(t, failed, 5, name)
		}
		require.Subset(t, names(t, dir), before)
	}
}

// TestBadFilesLeaveDevicesEmpty makes evaluations fail because of their files, at the beginning and half-way.
func TestBadFilesLeaveDevicesEmpty(t *testing.T) {
	tinyPieces(t)
	w := watch(t)
	dir := t.TempDir()
	n := 2*simPiece + 5
	p, small := save(t, dir, "p.npy", make([]float32, n), n), save(t, dir, "s.npy", []float32{1}, 1)
	before := names(t, dir)
	for _, arguments := range [][]string{
		{p, small}, {p, filepath.Join(dir, "none.npy")}, {p, p, "--scale", "1e300", "--grad-pred", filepath.Join(dir, "g.npy")},
		{p, p, "--grad-pred", filepath.Join(dir, "no folder", "g.npy")}, {p, p, "--beta", "1e-300"},
		{p, p, "--reduction", "none", "--out", "/dev/full"},
	} {
		_, stderr, code := w.call(append([]string{"eval", "--device", "sim"}, arguments...)...)
		require.NotZero(t, code, "%v: %s", arguments, stderr)
		require.Equal(t, before, names(t, dir))
	}
}

// TestEvalThroughPageableMemory refuses page-locked memory: a line says so, and the results are the same.
func TestEvalThroughPageableMemory(t *testing.T) {
	tinyPieces(t)
	w := watch(t)
	dir := t.TempDir()
	x := make([]float32, 3*simPiece+5)
	for i := range x {
		x[i] = float32(i % 13)
	}
	p, q := save(t, dir, "p.npy", x, len(x)), save(t, dir, "t.npy", make([]float32, len(x)), len(x))
	grad := filepath.Join(dir, "g.npy")
	var want []float32
	for _, refused := range []bool{false, true} {
		w.plan = nil
		if refused {
			w.plan = func(d *sim.Device) { d.FailNext(sim.PinnedCall, 3, false) }
		}
		_, stderr, code := w.call("eval", p, q, "--device", "sim", "--grad-pred", grad)
		require.Zero(t, code, stderr)
		got := load[float32](t, grad, len(x))
		if !refused {
			require.Empty(t, stderr)
			want = got
			continue
		}
		require.Regexp(t, `^smoothl1: arrays are copied through pageable memory, which takes longer: gpu: allocate page-locked memory \(\d+ bytes\): CUDA_ERROR_OUT_OF_MEMORY \(2\) from cuMemHostAlloc[^\n]*\n$`, stderr)
		require.NoError(t, same(want, got))
	}
}

// TestEvalFactorsOfAllPieces hands over a norm as a factor of the upstream gradient, which the pieces of both lanes must have.
func TestEvalFactorsOfAllPieces(t *testing.T) {
	tinyPieces(t)
	dir := t.TempDir()
	n := 3*simPiece + 5
	x, weights := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i], weights[i] = float32(i%13), -1
	}
	p, q, u := save(t, dir, "p.npy", x, n), save(t, dir, "t.npy", make([]float32, n), n), save(t, dir, "w.npy", weights, n)
	var want []float32
	for _, device := range []string{"cpu", "sim"} {
		grad := filepath.Join(dir, device+".npy")
		_, stderr, code := call("eval", p, q, "--device", device, "--weight", u, "--divisor", "weights", "--grad-pred", grad)
		require.Zero(t, code, stderr)
		got := load[float32](t, grad, n)
		if want == nil {
			want = got
		}
		require.NoError(t, same(want, got), device)
	}
}
