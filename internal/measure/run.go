package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

// Config says what a run measures.
type Config struct {
	Device    *gpu.Device
	Workloads []Workload
	Samples   int
	Python    string // the python3 with PyTorch; "": without it
	BitsSize  int    // elements of the arrays on which PyTorch's bits are compared with ours; 0: they are not
	Commit    string
	// Rotate is the least memory, in bytes, that buffers rotate through; 0: more than four times the device's cache.
	Rotate uint64
	// For is how long it may take: what is not done then is left out, but for a group that is being measured; 0: as long as it takes.
	For time.Duration
	// Patience is how long PyTorch may take over an answer, which is compiling now and then; 0: two minutes.
	Patience time.Duration
	// Save is given the result each time that there is more of it; nil: only Run returns it.
	Save func(*Result) error
	// Report is told of each group when it is done, and of what is left out; nil: nobody is.
	Report func(line string)
}

// Run measures. When ctx ends, its error is returned.
func Run(ctx context.Context, c Config) (*Result, error) {
	r, err := run(ctx, c)
	if ctx.Err() != nil {
		return nil, ctx.Err() // and not that PyTorch, which it ended too, does not answer
	}
	return r, err
}

func run(ctx context.Context, c Config) (*Result, error) {
	begin := time.Now()
	r := &Result{Device: describe(c.Device), Commit: c.Commit, Date: begin.UTC().Format(time.RFC3339), Go: runtime.Version(),
		Samples: c.Samples, Rotating: c.Rotate}
	if r.Rotating == 0 {
		r.Rotating = 4*r.Device.CacheBytes + 1
	}
	var clock *clock
	if len(c.Workloads) > 0 {
		var err error
		if clock, err = newClock(c.Device); err != nil {
			return nil, err
		}
		defer clock.close()
	}
	var until time.Time
	if c.For > 0 {
		until = begin.Add(c.For)
	}
	peers, compiled, err := r.startTorch(ctx, c)
	defer func() {
		for _, p := range append(peers, compiled()) {
			if p != nil {
				_ = p.close()
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	save := func() error {
		r.Seconds = time.Since(begin).Seconds()
		if c.Save == nil {
			return nil
		}
		return c.Save(r)
	}
	if err := save(); err != nil {
		return nil, err
	}
	compare := func(peers []*peer) error {
		if c.BitsSize == 0 {
			return nil
		}
		return r.compareBits(ctx, &c, peers, until, save)
	}
	if len(peers) > 0 { // the compiler has its time while the other is compared
		err := compare(peers)
		if p := compiled(); p != nil {
			err = errors.Join(err, compare([]*peer{p}))
			peers = append(peers, p)
		}
		if err != nil {
			return nil, err
		}
		if len(r.Bits) > 0 {
			c.report(BitsSummary(r.Bits))
		}
	}
	for i := 0; i < len(c.Workloads); {
		same := i + 1 // workloads on the same arrays
		for same < len(c.Workloads) && c.Workloads[same].N() == c.Workloads[i].N() && c.Workloads[same].DType == c.Workloads[i].DType {
			same++
		}
		if c.Workloads[i].DType == smoothl1.Float32 {
			err = measure[float32](ctx, &c, r, clock, peers, until, c.Workloads[i:same])
		} else {
			err = measure[float64](ctx, &c, r, clock, peers, until, c.Workloads[i:same])
		}
		if err == nil {
			err = save()
		}
		if err != nil {
			return nil, err
		}
		i = same
	}
	return r, save()
}

func (c *Config) report(line string) {
	if c.Report != nil {
		c.Report(line)
	}
}

// leave takes down what is not measured.
func (r *Result) leave(c *Config, format string, a ...any) {
	line := fmt.Sprintf(format, a...)
	r.Left = append(r.Left, line)
	c.report("left out: " + line)
}

// measure measures workloads on the same arrays.
func measure[T smoothl1.Float](ctx context.Context, c *Config, r *Result, clock *clock, peers []*peer, until time.Time, same []Workload) (err error) {
	n := same[0].N()
	if past(until) {
		r.leave(c, "%d elements of %v: time was up", n, same[0].DType)
		return nil
	}
	what := fmt.Sprintf("%d elements of %v", n, same[0].DType)
	if need, have := rotationBytes(n, uint64(same[0].DType.Size()), r.Rotating), memory(c.Device); need > have {
		r.leave(c, "%s: they need %.1f GiB, and there are %.1f", what, float64(need)/(1<<30), float64(have)/(1<<30))
		return nil
	}
	arrays, err := newRotation[T](ctx, c.Device, n, r.Rotating)
	if errors.Is(err, smoothl1.ErrMemory) {
		r.leave(c, "%s: %v", what, err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, arrays.close()) }()
	for _, w := range same {
		g := Group{Workload: w.Name, Shape: w.Shape, N: n, DType: w.DType, Kind: w.Loss.Kind, Beta: w.Loss.Beta, Reduction: w.Loss.Reduction}
		op, err := gpu.NewSmoothL1[T](c.Device, w.Loss)
		if err != nil {
			return err
		}
		if err := check(ctx, arrays, op); err != nil {
			return errors.Join(err, op.Close())
		}
		all := ours(arrays, op, clock)
		for _, p := range peers {
			if p.gone {
				continue
			}
			if err := p.prepare(w, r.Rotating); err == nil {
				all = append(all, p.contenders(w)...)
			} else if ctx.Err() == nil {
				r.leave(c, "%s on %s: %s", p.contender, what, oneLine(err))
			}
		}
		rounds := 0
		g.Entries, rounds, err = contest(ctx, all, c.Samples, until, func(lost *contender, err error) {
			r.leave(c, "%s, %s on %s: %s", lost.entry.Contender, lost.entry.Op, what, oneLine(err))
		})
		if err := errors.Join(err, op.Close()); err != nil {
			return err
		}
		if rounds < c.Samples {
			g.Samples = rounds
		}
		r.Groups = append(r.Groups, g)
		c.report(g.String())
	}
	return nil
}

// String is the group in a line: how fast its main operation is.
func (g *Group) String() string {
	e, _ := g.Find(ForwardBackward, Ours)
	s := fmt.Sprintf("%s: %s %.1f µs, %.1f GB/s, %.2f of a copy", g.Name(), e.Op, e.DeviceNS.Median/1e3, e.GBs(), g.Share(e))
	for _, name := range []string{Eager, Compiled} {
		if theirs, ok := g.Find(ForwardBackward, name); ok {
			s += fmt.Sprintf("; %s %.2f times as long", name, theirs.DeviceNS.Median/e.DeviceNS.Median)
		}
	}
	return s
}

// Name says what is computed, on what.
func (g *Group) Name() string {
	shape := make([]string, len(g.Shape))
	for i, d := range g.Shape {
		shape[i] = strconv.Itoa(d)
	}
	name := fmt.Sprintf("%s %v %v", strings.Join(shape, "×"), g.DType, smoothl1.Loss{Kind: g.Kind, Beta: g.Beta, Reduction: g.Reduction})
	if g.Workload != "" {
		name = g.Workload + ", " + name
	}
	return name
}

// describe is the device as a result keeps it.
func describe(dev *gpu.Device) Device {
	i := dev.Info()
	d := Device{Backend: i.Backend, Name: i.Name, MemoryBytes: i.MemoryBytes, Multiprocessors: i.Multiprocessors, CacheBytes: i.L2Bytes}
	switch i.Backend {
	case "cpu":
		d.Name, d.Architecture, d.Threads = cpuName(), runtime.GOARCH, runtime.GOMAXPROCS(0)
		d.CacheBytes, d.MemoryBytes = lastCache(), memory(dev)
	default:
		d.Architecture = fmt.Sprintf("sm_%d%d", i.Major, i.Minor)
		if i.DriverVersion != 0 {
			d.Driver = fmt.Sprintf("CUDA %d.%d", i.DriverVersion/1000, i.DriverVersion%1000/10)
		}
	}
	if d.CacheBytes == 0 && i.Backend != "sim" {
		d.CacheBytes = 64 << 20 // it does not say: more than most have
	}
	return d
}

// memory is what the arrays may take.
func memory(dev *gpu.Device) uint64 {
	if dev.Backend() != "cpu" {
		return dev.Info().MemoryBytes / 10 * 9
	}
	if available := field("/proc/meminfo", "MemAvailable"); available != "" {
		if kilobytes, err := strconv.ParseUint(strings.TrimSuffix(available, " kB"), 10, 64); err == nil {
			return kilobytes << 10 / 2
		}
	}
	return 1 << 30 // the system does not say
}

func cpuName() string {
	if name := field("/proc/cpuinfo", "model name"); name != "" {
		return name
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}

// field returns the value of the first line "key: value" of a file, "" if there is none.
func field(path, key string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// lastCache returns the bytes of the largest cache of the first processor, 0 where the system does not say.
func lastCache() (largest uint64) {
	for i := range 8 {
		text, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu0/cache/index%d/size", i))
		if err != nil {
			break
		}
		var kilobytes uint64
		if _, err := fmt.Sscanf(string(text), "%dK", &kilobytes); err == nil {
			largest = max(largest, kilobytes<<10)
		}
	}
	return largest
}
