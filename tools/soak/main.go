// Command soak runs many training steps on a device, opening and closing ops, streams and devices on the way, and reports the use of
// memory. It exits with 1 if a loss differs from that of the first step, or if the memory has grown.
//
// usage: soak [-device cpu|sim|cuda] [-steps 1000000]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

func main() {
	device := flag.String("device", "cpu", "cpu, sim or cuda")
	steps := flag.Int("steps", 1_000_000, "how many")
	flag.Parse()
	if err := run(*device, *steps); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func open(device string) (*gpu.Device, error) {
	switch device {
	case "cpu":
		return gpu.Open(gpu.CPU())
	case "sim":
		return gpu.Open(gpu.On(sim.New()))
	case "cuda":
		return gpu.Open(gpu.CUDA(0))
	}
	return nil, fmt.Errorf("no device %q: want cpu, sim or cuda", device)
}

const (
	elements = 1000
	// perOp is the number of steps with one op, perDevice the number on one device.
	perOp, perDevice = 1000, 50_000
	// allowed is the growth of the heap that does not count as a leak: memory that the runtime has not collected yet.
	allowed = 4 << 20
)

func run(device string, steps int) error {
	if steps <= 0 {
		return fmt.Errorf("steps = %d: must be positive", steps)
	}
	bar := progressbar.NewOptions(steps, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionClearOnFinish(), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(10), // one row of 60 columns
		progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))))
	var before usage
	for done := 0; done < steps; {
		d, err := open(device)
		if err != nil {
			return err
		}
		for end := min(done+perDevice, steps); done < end; {
			n := min(perOp, end-done)
			if err := train(d, n); err != nil {
				return errors.Join(fmt.Errorf("after %d steps on %v: %w", done, d, err), d.Close())
			}
			done += n
			_ = bar.Add(n)
		}
		if before == (usage{}) { // after the first device, everything is warmed up
			before = measure()
		}
		if err := d.Close(); err != nil {
			return err
		}
	}
	after := measure()
	fmt.Printf("%s: %d steps; heap %s, then %s; resident %s, then %s; goroutines %d, then %d\n", device, steps,
		mib(before.heap), mib(after.heap), mib(before.resident), mib(after.resident), before.goroutines, after.goroutines)
	if after.heap > before.heap+allowed {
		return fmt.Errorf("the heap has grown by %s", mib(after.heap-before.heap))
	}
	if after.goroutines > before.goroutines {
		return fmt.Errorf("%d goroutines are left over", after.goroutines-before.goroutines)
	}
	return nil
}

// train runs steps with an op, a stream and buffers of its own.
func train(d *gpu.Device, steps int) (err error) {
	x := make([]float32, elements)
	for i := range x {
		x[i] = float32(i%13)*0.25 - 1
	}
	op, err1 := gpu.NewSmoothL1[float32](d, smoothl1.Loss{Beta: 0.5})
	pred, err2 := gpu.Upload(d, x)
	target, err3 := gpu.Upload(d, make([]float32, elements))
	grad, err4 := gpu.Alloc[float32](d, elements)
	stream, err5 := d.NewStream()
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, op.Close(), pred.Close(), target.Close(), grad.Close(), stream.Close())
	}()
	var first float64
	for i := range steps {
		if err := op.ForwardBackward(pred, target, grad, gpu.OnStream(stream)); err != nil {
			return err
		}
		loss, err := op.Value()
		if err != nil {
			return err
		}
		if i == 0 {
			first = loss
		}
		if loss != first || loss == 0 {
			return fmt.Errorf("step %d of the op: loss %v, the first was %v", i, loss, first)
		}
	}
	return nil
}

// usage is the process's use of resources.
type usage struct {
	heap, resident uint64 // bytes; resident is 0 if unknown
	goroutines     int
}

func measure() usage {
	runtime.GC()
	runtime.GC() // collects what finalizers have released
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{heap: m.HeapAlloc, goroutines: runtime.NumGoroutine()}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		_, rest, _ := strings.Cut(string(status), "VmRSS:")
		_, _ = fmt.Sscanf(rest, "%d", &u.resident) // in KiB
		u.resident <<= 10
	}
	return u
}

func mib(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
