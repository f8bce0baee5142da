//go:build cgo && linux

package dataparallel_test

import (
	"fmt"
	"os"
	"sync"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/mpi"
	"github.com/smoothl1/smoothl1/mpi/dataparallel"
)

// started is what mpi.Main gives to a program; here the only rank, without mpirun.
var started = sync.OnceValues(func() (*mpi.Comm, error) { return mpi.Init(mpi.Multiple) })

// A program would be func main() { mpi.Main(mpi.Multiple, run) }, and started by mpirun -np 4 ./program.
func Example() {
	const n = 10_000
	run := func(world *mpi.Comm) error {
		dev, err := gpu.Open()
		if err != nil {
			return err
		}
		defer dev.Close()
		crit, err := dataparallel.NewSmoothL1[float32](world, dev, smoothl1.Loss{Beta: 1})
		if err != nil {
			return err
		}
		defer crit.Close()

		from, to, err := dataparallel.Shard(n, world.Rank(), world.Size())
		if err != nil {
			return err
		}
		y := make([]float32, to-from)
		for i := range y {
			y[i] = float32(from+i) / n
		}
		pred, err1 := gpu.Alloc[float32](dev, len(y))
		target, err2 := gpu.Upload(dev, y)
		grad, err3 := gpu.Alloc[float32](dev, len(y))
		err = pred.Set(make([]float32, len(y)))
		// What fails on one rank before a collective call has to fail on all.
		for _, err := range []error{err, err1, err2, err3} {
			if err := dataparallel.Agree(world, err); err != nil {
				return err
			}
		}
		loss, err := crit.Run(&gpu.Args[float32]{Pred: pred, Target: target, GradPred: grad})
		if err != nil {
			return err
		}
		if world.Rank() == 0 {
			fmt.Println(loss) // for any number of ranks
		}
		return nil
	}
	world, err := started()
	if err == nil {
		err = run(world)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output: 0.16664166750967613
}

func ExampleShard() {
	for rank := range 3 {
		from, to, _ := dataparallel.Shard(10_000, rank, 3)
		fmt.Println(from, to)
	}
	// Output:
	// 0 4096
	// 4096 8192
	// 8192 10000
}
