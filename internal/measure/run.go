package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// Config says what a run measures.
type Config struct {
	Device *gpu.Device
	// Driver is the driver under Device, with which the ceilings of a GPU are launched. It may be nil for a CUDA device, which is then
	// opened once more; others have no ceilings then.
	Driver    driver.Device
	Workloads []Workload
	// Sweeps are sizes whose time is measured on several geometries. Geometry imposes one on Device, which was opened on a difftest.Modified
	// with this pointer.
	Sweeps   []int
	Geometry *difftest.Geometry
	Samples  int
	Locals   []func(Workload) []Call // other contenders in this process, on the CPU
	Python   string                  // the python3 that has the contenders' libraries; "": no contenders in Python
	BitsSize int                     // elements of the arrays on which peers' bits are compared with ours; 0: no comparison
	Commit   string
	// Rotate is the least memory, in bytes, that buffers rotate through; 0: more than four times the device's cache.
	Rotate uint64
	// GuestsEvery is n to measure peers, which are slow, only in every nth round; 0: in each.
	GuestsEvery int
	// For limits the time of the run. Groups that have not begun by then are left out; 0: no limit.
	For time.Duration
	// Spread divides the time among the groups: each is measured for as many rounds as fit into its part.
	Spread bool
	// Patience is how long a peer may take to answer, which may include a compilation; 0: two minutes.
	Patience time.Duration
	// Walk is the number of bytes that are read before each call of one thread on small arrays on the CPU, to measure it from cold caches as
	// well; 0: it is not measured.
	Walk uint64
	// Save, if not nil, is called with the result each time that it has grown.
	Save func(*Result) error
	// Report, if not nil, is called for each group when it is done, and for everything that is left out.
	Report func(line string)
}

// Run measures all workloads. If ctx is done, it returns the error of ctx.
func Run(ctx context.Context, c Config) (*Result, error) {
	r, err := run(ctx, c)
	if ctx.Err() != nil {
		return nil, ctx.Err() // rather than that of a peer, which ctx ended too
	}
	return r, err
}

func run(ctx context.Context, c Config) (_ *Result, failed error) {
	begin := time.Now()
	r := &Result{Device: describe(c.Device), Commit: c.Commit, Date: begin.UTC().Format(time.RFC3339), Go: runtime.Version(),
		Samples: c.Samples, Rotating: c.Rotate, Walked: c.Walk}
	if r.Rotating == 0 {
		r.Rotating = 4*r.Device.CacheBytes + 1
	}
	var clock *clock
	if len(c.Workloads)+len(c.Sweeps) > 0 {
		var err error
		if clock, err = newClock(c.Device); err != nil {
			return nil, err
		}
		defer clock.close()
	}
	ceilings := r.loadCeilings(&c)
	defer func() { failed = errors.Join(failed, ceilings.close()) }()
	var until time.Time
	if c.For > 0 {
		until = begin.Add(c.For)
	}
	begun := r.startPeers(ctx, &c)
	defer func() {
		for _, s := range begun {
			if <-s.done; s.peer != nil {
				_ = s.peer.close()
			}
		}
	}()
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
	var peers []*peer
	for _, s := range begun { // while one is compared, others go on compiling
		p := r.met(&c, s)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if p == nil {
			continue
		}
		peers = append(peers, p)
		if c.BitsSize > 0 && p.Bits {
			if err := r.compareBits(ctx, &c, p, until, save); err != nil {
				return nil, err
			}
		}
	}
	if len(r.Bits) > 0 {
		c.report(BitsSummary(r.Bits))
	}
	for i := 0; i < len(c.Workloads); {
		same := i + 1 // workloads on the same arrays
		for same < len(c.Workloads) && c.Workloads[same].layout() == c.Workloads[i].layout() {
			same++
		}
		var err error
		switch t := c.Workloads[i].DType; t {
		case smoothl1.Float32:
			err = measure[float32](ctx, &c, r, clock, ceilings, peers, until, c.Workloads[i:same], c.Workloads[i:])
		case smoothl1.Float64:
			err = measure[float64](ctx, &c, r, clock, ceilings, peers, until, c.Workloads[i:same], c.Workloads[i:])
		case smoothl1.Float16:
			err = measure[smoothl1.F16](ctx, &c, r, clock, ceilings, peers, until, c.Workloads[i:same], c.Workloads[i:])
		case smoothl1.BFloat16:
			err = measure[smoothl1.BF16](ctx, &c, r, clock, ceilings, peers, until, c.Workloads[i:same], c.Workloads[i:])
		default:
			err = fmt.Errorf("measure: elements of type %v are not measured", t)
		}
		if err == nil {
			err = save()
		}
		if err != nil {
			return nil, err
		}
		i = same
	}
	for _, n := range c.Sweeps {
		if err := r.sweep(ctx, &c, clock, until, n); err != nil {
			return nil, err
		}
		if err := save(); err != nil {
			return nil, err
		}
	}
	r.Device.LoadAfter = load()
	return r, save()
}

func (c *Config) report(line string) {
	if c.Report != nil {
		c.Report(line)
	}
}

// loadCeilings returns the ceilings of a GPU, nil if there are none.
func (r *Result) loadCeilings(c *Config) *ceilings {
	if len(c.Workloads) == 0 || c.Driver == nil && c.Device.Backend() != "cuda" {
		return nil
	}
	k, err := newCeilings(c)
	if err != nil {
		r.leave(c, "the ceilings: %s", oneLine(err))
		return nil
	}
	return k
}

// leave records and reports something that is not measured.
func (r *Result) leave(c *Config, format string, a ...any) {
	line := fmt.Sprintf(format, a...)
	r.Left = append(r.Left, line)
	c.report("left out: " + line)
}

// measure measures workloads on the same arrays, the first of those that are left.
func measure[T smoothl1.Float](ctx context.Context, c *Config, r *Result, clock *clock, ceilings *ceilings, peers []*peer, until time.Time,
	same, left []Workload) (err error) {
	layout := same[0].layout()
	what := fmt.Sprintf("%d elements of %v", layout.n, layout.dtype)
	if !r.has(c, layout, until, what) {
		return nil
	}
	var drv driver.Device
	if ceilings != nil {
		drv = ceilings.drv
	}
	arrays, err := newRotationOn[T](ctx, c.Device, drv, layout, r.Rotating)
	if errors.Is(err, smoothl1.ErrMemory) {
		r.leave(c, "%s: %v", what, err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, arrays.close()) }()
	on := &ceilingsOn[T]{ceilings: ceilings, arrays: arrays, grids: map[string]driver.Geometry{}}
	for i := range same {
		if err := measureOne(ctx, c, r, clock, on, peers, until, arrays, left[i:]); err != nil {
			return err
		}
	}
	return nil
}

// measureOne measures the first of the workloads that are left, on existing arrays.
func measureOne[T smoothl1.Float](ctx context.Context, c *Config, r *Result, clock *clock, ceilings *ceilingsOn[T], peers []*peer, until time.Time,
	arrays *rotation[T], left []Workload) (err error) {
	begin, w := time.Now(), left[0]
	if w.Threads > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(w.Threads))
	}
	g := Group{Workload: w.Name, Shape: w.Shape, N: w.N(), DType: w.DType, Kind: w.Loss.Kind, Beta: w.Loss.Beta, Reduction: w.Loss.Reduction,
		Threads: w.Threads}
	crit, err := gpu.NewSmoothL1[T](c.Device, w.Loss)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, crit.Close()) }()
	expected, err := check(ctx, arrays, w, crit)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%d elements of %v", g.N, w.DType)
	if late, err := outlasts(c, r, until, what, leastCalls, arrays, w, crit); late || err != nil {
		return err
	}
	all := append(ours(arrays, w, crit, clock), locals(c, arrays, w, clock)...)
	graphs, closeGraphs, err := startReplays(ctx, c, r, what, arrays, w, crit, clock, expected[form{}])
	defer func() { err = errors.Join(err, closeGraphs()) }()
	if err != nil {
		return err
	}
	all = append(all, graphs...)
	if ceilings.ceilings != nil {
		loops, err := ceilings.contenders(ctx, w, clock, expected[form{}])
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r.leave(c, "the ceilings on %s: %s", what, oneLine(err))
		}
		all = append(all, loops...)
	}
	for _, p := range peers {
		if p.gone {
			continue
		}
		guests, err := invite(ctx, c, p, arrays, w, expected, func(o *operation, err error) {
			r.leave(c, "%s, %s on %s: %s", p.Contender, o.name, what, oneLine(err))
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r.leave(c, "%s on %s: %s", p.Contender, what, oneLine(err))
		}
		all = append(all, guests...)
	}
	all = append(all, chilled(c, w, all)...)
	expected = nil // its memory is not needed while the operations are measured
	for _, k := range all {
		if k.heat != "" {
			g.Tried++
		}
	}
	rounds := 0
	g.Entries, rounds, err = contest(ctx, all, c.Samples, func() time.Time { return c.part(until, left, time.Since(begin)) }, func(lost *contender, err error) {
		r.leave(c, "%s, %s on %s: %s", lost.entry.Contender, lost.entry.Op, what, oneLine(err))
	})
	if err != nil {
		return err
	}
	if rounds < c.Samples {
		g.Samples = rounds
	}
	r.Groups = append(r.Groups, g)
	c.report(g.String())
	return nil
}
