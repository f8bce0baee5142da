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

// clean resets the counts of calls and, at the end of the test, requires that everything is closed, that the context stack is empty, and
// that no call had an invalid handle or address.
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
