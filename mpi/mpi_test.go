package mpi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTexts(t *testing.T) {
	require.Equal(t, "MPI_THREAD_FUNNELED", Funneled.String())
	require.Equal(t, "Level(-1)", Level(-1).String())
	require.Equal(t, "mpi: no error", (*Error)(nil).Error())
	require.EqualError(t, &Error{Op: "Init", Text: "broken"}, "mpi: Init: broken")
}
