package gpu

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// picky is a stub of another compute capability and driver, which refuses the texts for some targets with a code.
type picky struct {
	*stub
	major, minor, version int
	code                  int
	refused               []string
	loads                 []string // as that of the stub, with those that are refused
}

func (p *picky) Info() driver.Info {
	return driver.Info{Backend: "stub", Name: "nothing", Major: p.major, Minor: p.minor, Multiprocessors: 4, DriverVersion: p.version}
}

func (p *picky) Load(text string) (driver.Module, error) {
	p.loads = append(p.loads, text)
	for _, target := range p.refused {
		if strings.Contains(text, "\n.target "+target+"\n") {
			return 0, &driver.Error{Call: "cuModuleLoadDataEx", Code: p.code, Name: "CUDA_ERROR_OF_A_TEST", Detail: "no " + target}
		}
	}
	return p.stub.Load(text)
}

// The kernels are loaded for the newest target that the device can run and the driver takes. Only the probe is tried for several.
func TestTargetOfTheKernels(t *testing.T) {
	for _, c := range []struct {
		major, minor int
		refused      []string
		probes       int
		want         string
	}{
		{5, 0, nil, 1, "sm_50"}, {7, 0, nil, 1, "sm_50"}, {7, 5, nil, 1, "sm_75"}, {9, 0, nil, 1, "sm_75"}, {12, 0, nil, 1, "sm_75"},
		{9, 0, []string{"sm_50"}, 1, "sm_75"}, {9, 0, []string{"sm_75"}, 2, "sm_50"}, {7, 0, []string{"sm_75"}, 1, "sm_50"},
		{0, 0, nil, 1, "sm_50"}, // a device that does not say
	} {
		for _, code := range []int{driver.CodeNoBinaryForGPU, driver.CodeInvalidPTX, driver.CodeNoJITCompiler, driver.CodeUnsupportedPTX, driver.CodeJITDisabled} {
			s := &picky{stub: newStub(), major: c.major, minor: c.minor, version: 13000, code: code, refused: c.refused}
			d, err := Open(On(s))
			require.NoError(t, err, c)
			assert.Equal(t, c.want, d.Target())
			assert.Contains(t, d.String(), "driver for CUDA 13.0, kernels for "+c.want+")")
			require.Len(t, s.loads, c.probes)
			s.loads = nil
			crit := newOp[float32](t, d, smoothl1.Loss{Beta: 1})
			require.NoError(t, crit.Close())
			require.Len(t, s.loads, 1)
			assert.True(t, strings.Contains(s.loads[0], "\n.target "+c.want+"\n"), c) // the text is too long for a message
			require.NoError(t, d.Close())
		}
	}
	d, err := Open(CPU())
	require.NoError(t, err)
	assert.Empty(t, d.Target())
	require.NoError(t, d.Close())
}

// The error of a driver that takes no text has what it said to each, its version, and the version that it takes.
func TestNoTextIsTaken(t *testing.T) {
	s := &picky{stub: newStub(), major: 8, minor: 6, version: 11040, code: driver.CodeUnsupportedPTX, refused: []string{"sm_50", "sm_75"}}
	_, err := Open(On(s))
	require.EqualError(t, err, "gpu: load the kernels: the driver takes none of the kernels' PTX texts: "+
		"for sm_75: CUDA_ERROR_OF_A_TEST (222) from cuModuleLoadDataEx: no sm_75; for sm_50: CUDA_ERROR_OF_A_TEST (222) from cuModuleLoadDataEx: no sm_50; "+
		"they are of PTX ISA 7.8, which needs a driver for CUDA 11.8 (R520) or newer, and this one is for CUDA 11.4")
	var e *DeviceError
	require.ErrorAs(t, err, &e)
	assert.Equal(t, driver.CodeUnsupportedPTX, e.Code)
	assert.Equal(t, nothingAlive, s.alive())
	assert.Equal(t, 1, s.closes, "Open releases what it cannot use")

	// A device that can run neither is offered the oldest; a driver need not say its version.
	s = &picky{stub: newStub(), major: 3, minor: 5, code: driver.CodeInvalidPTX, refused: []string{"sm_50"}}
	_, err = Open(On(s))
	require.EqualError(t, err, "gpu: load the kernels: the driver takes none of the kernels' PTX texts: "+
		"for sm_50: CUDA_ERROR_OF_A_TEST (218) from cuModuleLoadDataEx: no sm_50; they are of PTX ISA 7.8, which needs a driver for CUDA 11.8 (R520) or newer")
	assert.Equal(t, 1, s.closes)
}

// An error that does not concern the text is reported at once.
func TestOtherErrorsOfTheProbe(t *testing.T) {
	for _, code := range []int{driver.CodeOutOfMemory, driver.CodeInvalidContext, driver.CodeUnknown, driver.CodeInvalidValue} {
		s := &picky{stub: newStub(), major: 9, version: 12040, code: code, refused: []string{"sm_75"}}
		_, err := Open(On(s))
		require.ErrorContains(t, err, "gpu: load a probe: CUDA_ERROR_OF_A_TEST")
		assert.Len(t, s.loads, 1)
		assert.Equal(t, 1, s.closes)
	}
}

// Devices of different compute capabilities compute the same bits, from the texts for different targets.
func TestBitsOfEveryTarget(t *testing.T) {
	x := make([]float32, 5000)
	for i := range x {
		x[i] = float32(i%37) / 7
	}
	var values []float64
	var grads [][]float32
	for capability, want := range map[[2]int]string{{5, 0}: "sm_50", {7, 5}: "sm_75", {12, 0}: "sm_75"} {
		d, err := Open(On(sim.New(sim.ComputeCapability(capability[0], capability[1]))))
		require.NoError(t, err)
		assert.Equal(t, want, d.Target())
		pred, err := Upload(d, x)
		require.NoError(t, err)
		target, err := Upload(d, make([]float32, len(x)))
		require.NoError(t, err)
		grad, err := Alloc[float32](d, len(x))
		require.NoError(t, err)
		crit := newOp[float32](t, d, smoothl1.Loss{Beta: 0.3})
		require.NoError(t, crit.ForwardBackward(pred, target, grad))
		value, err := crit.Value()
		require.NoError(t, err)
		got := make([]float32, len(x))
		require.NoError(t, grad.Download(got))
		values, grads = append(values, value), append(grads, got)
		require.NoError(t, d.Close())
	}
	assert.Equal(t, values[0], values[1])
	assert.Equal(t, values[0], values[2])
	assert.Equal(t, grads[0], grads[1])
	assert.Equal(t, grads[0], grads[2])
	_, err := Open(On(sim.New(sim.ComputeCapability(3, 5))))
	require.ErrorContains(t, err, "for sm_50: CUDA_ERROR_INVALID_PTX (218)")
	require.ErrorContains(t, err, "the device has compute capability 3.5")
}
