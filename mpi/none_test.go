//go:build !cgo || !linux

package mpi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInitWithoutMPI(t *testing.T) {
	for range 2 {
		_, err := Init(Multiple)
		require.ErrorIs(t, err, ErrUnavailable)
		require.ErrorContains(t, err, "Init")
	}
	require.ErrorIs(t, Finalize(), ErrState)
	require.False(t, CUDAAware())
}
