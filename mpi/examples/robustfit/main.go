// Command robustfit fits a line with the Huber loss by gradient descent, on as many ranks as mpirun starts: a training loop to copy from. The
// coefficients have the same bits for any number of ranks. With a checkpoint, a run that was killed goes on where it was, and ends at the
// same bits.
//
// The data are Belgium's telephone calls of 1950–73 (Rousseeuw and Leroy, Robust Regression and Outlier Detection, 1987; also "phones" in R's
// MASS), six years of which were recorded in another unit, or, with -n, rows made up by a fixed rule, a tenth of them outliers.
//
//	go build -o robustfit ./examples/robustfit
//	mpirun -np 4 ./robustfit -n 200000 -checkpoint fit.ckpt
package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/mpi"
	"github.com/smoothl1/smoothl1/mpi/dataparallel"
)

// settings are what a run depends on; a checkpoint of other settings is refused.
type settings struct {
	rows        int // made up; 0 stands for the telephone calls
	delta, rate float64
}

// mostRows is the limit of -n.
const mostRows = 1 << 32

// options are how it is done.
type options struct {
	steps, every int
	checkpoint   string
	progress     bool
}

func main() {
	var s settings
	var o options
	flag.IntVar(&s.rows, "n", 0, "rows to make up; 0 stands for the telephone calls")
	flag.Float64Var(&s.delta, "delta", 12.117, "residual at which the loss becomes linear")
	flag.Float64Var(&s.rate, "rate", 0.5, "learning rate")
	flag.IntVar(&o.steps, "steps", 2000, "steps of gradient descent")
	flag.StringVar(&o.checkpoint, "checkpoint", "", "file to save the state to, and to go on from")
	flag.IntVar(&o.every, "every", 100, "steps between checkpoints")
	info, err := os.Stderr.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 // never under mpirun, which hands on a pipe
	flag.BoolVar(&o.progress, "progress", terminal, "show the progress")
	flag.Parse()
	mpi.Main(mpi.Multiple, func(world *mpi.Comm) error { return run(world, s, o) })
}

func run(world *mpi.Comm, s settings, o options) (err error) {
	if s.rows < 0 || s.rows > mostRows || o.steps < 0 || o.every <= 0 || flag.NArg() > 0 {
		return fmt.Errorf("robustfit: -n %d -steps %d -every %d %q: want numbers that are not negative, -n up to %d, -every positive, and no arguments",
			s.rows, o.steps, o.every, flag.Args(), mostRows)
	}
	if !(s.rate > 0) || math.IsInf(s.rate, 1) {
		return fmt.Errorf("robustfit: -rate %g: want a positive number", s.rate)
	}
	if err := sameFlags(world, s, o); err != nil {
		return err
	}
	x, err := load(s, world)
	if err := dataparallel.Agree(world, err); err != nil {
		return err
	}
	dev, err := open()
	if err := dataparallel.Agree(world, err); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close()) }()
	if world.Rank() == 0 {
		fmt.Printf("ranks: %d, the first on %v\n", world.Size(), dev)
	}
	now, err := resume(world, s, o)
	if err != nil {
		return err
	}
	loss, err := fit(world, dev, x, s, o, &now)
	if err != nil || world.Rank() != 0 {
		return err
	}
	intercept, slope := x.line(now.a, now.b)
	fmt.Printf("Huber (delta %g): y = %.6f %+.6f·x, mean loss %.6f\n", s.delta, intercept, slope, loss)
	fmt.Printf("bits: %x %x %x\n", intercept, slope, loss)
	return nil
}

// sameFlags returns an error, on all ranks, unless all were started with the flags of the first: with another -rate, for one, each would go
// on with coefficients of its own.
func sameFlags(world *mpi.Comm, s settings, o options) error {
	own := []uint64{uint64(s.rows), math.Float64bits(s.delta), math.Float64bits(s.rate), uint64(o.steps), uint64(o.every), uint64(min(1, len(o.checkpoint)))}
	first := slices.Clone(own)
	err := mpi.Bcast(world, first, 0)
	if err == nil && !slices.Equal(own, first) {
		err = errors.New("robustfit: started with other flags than rank 0")
	}
	return dataparallel.Agree(world, err)
}

// open opens a device: of several in a machine, the one with the number that this rank has among those of the machine.
func open() (*gpu.Device, error) {
	devices, err := gpu.Devices()
	n, local := len(devices), 0
	if err != nil || n == 0 {
		return gpu.Open() // the CPU, and why
	}
	if text := os.Getenv("OMPI_COMM_WORLD_LOCAL_RANK"); text != "" {
		if _, err := fmt.Sscan(text, &local); err != nil {
			return nil, fmt.Errorf("robustfit: OMPI_COMM_WORLD_LOCAL_RANK = %q: %w", text, err)
		}
		return gpu.Open(gpu.CUDA(local % n))
	}
	return gpu.Open()
}

// fit makes the steps that are left, and returns the mean loss of the last.
func fit(world *mpi.Comm, dev *gpu.Device, x *data, s settings, o options, now *state) (loss float64, err error) {
	crit, err := dataparallel.NewSmoothL1[float64](world, dev, smoothl1.Loss{Kind: smoothl1.Huber, Beta: s.delta})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, crit.Close()) }()
	gradient, err := dataparallel.NewGradient(world, 2)
	if err != nil {
		return 0, err
	}
	target, err1 := gpu.Upload(dev, x.y)
	pred, err2 := gpu.Alloc[float64](dev, len(x.y))
	gradPred, err3 := gpu.Alloc[float64](dev, len(x.y))
	defer func() { err = errors.Join(err, target.Close(), pred.Close(), gradPred.Close()) }()
	if err := dataparallel.Agree(world, errors.Join(err1, err2, err3)); err != nil {
		return 0, err
	}
	args := &gpu.Args[float64]{Pred: pred, Target: target, GradPred: gradPred}
	p, g := make([]float64, len(x.y)), make([]float64, len(x.y))
	partials, grad := make([]float64, 2*cpu.Chunks(len(x.y))), make([]float64, 2)
	for {
		for i := range p {
			p[i] = now.a + float64(now.b*x.z[i]) // the conversion keeps a compiler from fusing the two
		}
		err1 := pred.Set(p) // if it fails, the next call fails too: the ranks learn of it there
		if loss, err = crit.Run(args); err != nil || err1 != nil {
			return loss, errors.Join(err1, err)
		}
		if now.step == int64(o.steps) {
			return loss, nil
		}
		err1 = gradPred.Download(g)
		blockGradients(partials, g, x.z)
		if err := errors.Join(err1, gradient.Reduce(len(g), partials, grad)); err != nil {
			return loss, err
		}
		now.a -= s.rate * grad[0]
		now.b -= s.rate * grad[1]
		now.step++
		if err := save(world, s, o, now); err != nil {
			return loss, err
		}
		if o.progress && world.Rank() == 0 && (now.step%max(1, int64(o.steps/100)) == 0 || now.step == int64(o.steps)) {
			fmt.Fprintf(os.Stderr, "\rstep %d of %d, loss %.6f ", now.step, o.steps, loss)
			if now.step == int64(o.steps) {
				fmt.Fprintln(os.Stderr)
			}
		}
	}
}

// blockGradients sets partials to the gradient of intercept and slope in each block of rows.
func blockGradients(partials, g, z []float64) {
	clear(partials)
	for i := range g {
		block := partials[2*(i/cpu.Chunk):]
		block[0] += g[i]
		block[1] += float64(g[i] * z[i])
	}
}
