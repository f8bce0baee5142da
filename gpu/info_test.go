package gpu

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
