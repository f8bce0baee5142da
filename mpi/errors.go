package mpi

import (
	"errors"
	"fmt"
)

// Reasons for refusing an operation, beside those of package smoothl1, to be tested with errors.Is.
var (
	ErrUnavailable = errors.New("this program was built without MPI, which needs linux and cgo")
	ErrState       = errors.New("not possible in this state of MPI")
	ErrRank        = errors.New("not a rank of the communicator")
	ErrWorld       = errors.New("not possible for the communicator of all ranks")
)

// An Error is an error that the MPI library returned for an operation.
type Error struct {
	Op         string // the operation: "Allreduce"
	Comm       string // the communicator: "world"
	Rank, Size int    // the rank that reports it, and the number of ranks; both 0 if there is no communicator yet
	Code       int    // the library's code
	Text       string // the library's description, from MPI_Error_string
}

// Error returns "mpi: Allreduce on world, rank 1 of 4: MPI_ERR_TRUNCATE: message truncated".
func (e *Error) Error() string {
	switch {
	case e == nil:
		return "mpi: no error"
	case e.Size == 0:
		return fmt.Sprintf("mpi: %s: %s", e.Op, e.Text)
	}
	return fmt.Sprintf("mpi: %s on %s, rank %d of %d: %s", e.Op, e.Comm, e.Rank, e.Size, e.Text)
}
