package gpu

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
)

func TestInfo(t *testing.T) {
	d, stub := openStub(t)
	assert.Equal(t, Info(stub.Info()), d.Info())
	assert.Positive(t, d.Info().Multiprocessors)

	d, err := Open(CPU())
	require.NoError(t, err)
	defer d.Close()
	assert.Equal(t, Info{Backend: "cpu", Name: runtime.GOARCH}, d.Info())
}

func TestDevicesOfThisMachine(t *testing.T) {
	all, err := Devices()
	require.NotEmpty(t, all)
	assert.Equal(t, Info{Backend: "cpu", Name: runtime.GOARCH}, all[len(all)-1])
	d, openErr := Open(CUDA(0))
	if openErr == nil { // a GPU
		require.NoError(t, err)
		assert.Equal(t, d.Info(), all[0])
		require.NoError(t, d.Close())
		return
	}
	assert.Len(t, all, 1)
	require.ErrorIs(t, err, smoothl1.ErrNoCUDA)
	assert.Equal(t, strings.TrimPrefix(openErr.Error(), "gpu: Open: CUDA device 0: "), strings.TrimPrefix(err.Error(), "gpu: Devices: "), "the same reason")
}
