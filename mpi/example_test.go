//go:build cgo && linux

package mpi_test

import (
	"fmt"
	"os"
	"sync"

	"github.com/smoothl1/smoothl1/mpi"
)

// started is what mpi.Main gives to a program; here the only rank, without mpirun.
var started = sync.OnceValues(func() (*mpi.Comm, error) { return mpi.Init(mpi.Multiple) })

// A program would be func main() { mpi.Main(mpi.Multiple, run) }, and started by mpirun -np 4 ./program.
func Example() {
	run := func(world *mpi.Comm) error {
		gradient := []float64{0.25, -1}
		if err := mpi.Allreduce(world, gradient); err != nil { // the sum of those of all ranks
			return err
		}
		fmt.Println(world, gradient)
		return nil
	}
	world, err := started()
	if err == nil {
		err = run(world)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output: world, rank 0 of 1 [0.25 -1]
}
