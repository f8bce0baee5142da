//go:build cuda && linux && amd64 && cgo

package fakedriver_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/cuda"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/devicetest"
	"github.com/smoothl1/smoothl1/internal/testkit/fakedriver"
)

func TestMain(m *testing.M) {
	if os.Getenv(envReport) != "" {
		report()
		return
	}
	os.Exit(fakedriver.Run(m))
}

// clean forgets earlier calls, and at the end of the test wants everything closed, each thread's contexts as they were, and
// no call with something that does not exist.
func clean(t *testing.T) {
	t.Helper()
	fakedriver.Reset()
	require.Zero(t, fakedriver.Alive(), "left by an earlier test")
	t.Cleanup(func() {
		require.Zero(t, fakedriver.Alive())
		require.Zero(t, fakedriver.Depth())
		require.Zero(t, fakedriver.Misuse())
	})
}

func TestDevice(t *testing.T) {
	clean(t)
	open := func() (driver.Device, error) { return cuda.Open(0) }
	devicetest.Run(t, open)
	t.Run("Fault", func(t *testing.T) { devicetest.Fault(t, open, true) })
}
