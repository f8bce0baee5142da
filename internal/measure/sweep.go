package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// A Sweep is the time of an operation on arrays of float32 of one size, on several geometries.
type Sweep struct {
	Op      string   `json:"op"`
	N       int      `json:"n"`
	Bytes   int      `json:"bytes"`
	Samples int      `json:"samples"`
	At      []Placed `json:"at"`
}

// Placed is the time on a geometry. The zero Geometry is the one that package gpu chooses.
type Placed struct {
	difftest.Geometry
	DeviceNS Times `json:"device_ns"`
}

// SweepSizes are the sizes of a sweep, the most informative first.
var SweepSizes = []int{1 << 28, 128 * 4096, 1 << 16, 1 << 20, 1 << 24}

// mostCompared is the number of elements up to which gradients are compared on every geometry. For larger arrays the loss is, which depends
// on every element, too.
const mostCompared = 1 << 20

// Chosen returns the time on the geometry that package gpu chooses.
func (s *Sweep) Chosen() Times {
	for _, p := range s.At {
		if p.Geometry == (difftest.Geometry{}) {
			return p.DeviceNS
		}
	}
	return Times{}
}

// Best returns the fastest of the other geometries.
func (s *Sweep) Best() (best Placed) {
	for _, p := range s.At {
		if p.Geometry != (difftest.Geometry{}) && (best == Placed{} || p.DeviceNS.Median < best.DeviceNS.Median) {
			best = p
		}
	}
	return best
}

// String names the best geometry.
func (s *Sweep) String() string {
	best := s.Best()
	return fmt.Sprintf("%s of %d elements: %.1f µs on %v, the best, %.1f µs as launched", s.Op, s.N, best.DeviceNS.Median/1e3, best.Geometry,
		s.Chosen().Median/1e3)
}

// sweep measures the forward pass, and both passes, of n elements on each geometry, interleaved. It first checks the results on each.
func (r *Result) sweep(ctx context.Context, c *Config, clock *clock, until time.Time, n int) (err error) {
	w := Workload{Shape: []int{n}, Loss: smoothl1.Loss{Beta: 1, Reduction: smoothl1.Mean}, Ops: []string{ForwardReduced, ForwardBackward}}
	what := fmt.Sprintf("the geometries on %d elements", n)
	if !r.has(c, w.layout(), until, what) {
		return nil
	}
	arrays, err := newRotation[float32](ctx, c.Device, w.layout(), r.Rotating)
	if errors.Is(err, smoothl1.ErrMemory) {
		r.leave(c, "%s: %v", what, err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, arrays.close()) }()
	crit, err := gpu.NewSmoothL1[float32](c.Device, w.Loss)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, crit.Close()) }()
	defer func() { *c.Geometry = difftest.Geometry{} }()
	all := append([]difftest.Geometry{{}}, difftest.Geometries()...)
	const callsEach = 12 // to check the results, to find out how many calls take long enough, and to take three samples or more
	if late, err := outlasts(c, r, until, what, callsEach*len(all)*len(w.Ops), arrays, w, crit); late || err != nil {
		return err
	}
	if err := checkGeometries(ctx, c, arrays, w, crit, all); err != nil {
		return err
	}
	sweeps := make([]Sweep, len(w.operations()))
	var contenders []*contender
	for i, o := range w.operations() {
		sweeps[i] = Sweep{Op: o.name, N: n, Bytes: o.bytes(w)}
		for _, g := range all {
			e := Entry{Op: o.name, Contender: g.String(), Bytes: o.bytes(w)}
			contenders = append(contenders, arrays.contender(clock, e, func(s set[float32]) (func() error, error) {
				call, err := bind(&o, crit, w, s)
				return func() error {
					*c.Geometry = g
					return call()
				}, err
			}, c.Device.Wait))
		}
	}
	entries, rounds, err := contest(ctx, contenders, c.Samples, func() time.Time { return until }, nil)
	if err != nil {
		return err
	}
	for i, e := range entries {
		s := &sweeps[i/len(all)]
		s.Samples = rounds
		s.At = append(s.At, Placed{all[i%len(all)], e.DeviceNS})
	}
	for i := range sweeps {
		r.Sweeps = append(r.Sweeps, sweeps[i])
		c.report(sweeps[i].String())
	}
	return nil
}

// checkGeometries compares the results on each geometry with those of package cpu, bit for bit.
func checkGeometries(ctx context.Context, c *Config, arrays *rotation[float32], w Workload, crit *gpu.SmoothL1[float32], all []difftest.Geometry) error {
	expected, err := arrays.expectAll(ctx, w, 0)
	if err != nil {
		return err
	}
	s, err := arrays.at(0)
	if err != nil {
		return err
	}
	for _, g := range all {
		for _, o := range w.operations() {
			// Leave other results where the last ones were.
			*c.Geometry = difftest.Geometry{}
			if err := errors.Join(crit.Forward(s.target, s.target), s.out.CopyFrom(s.pred)); err != nil {
				return err
			}
			*c.Geometry = g
			o.gradient = o.gradient && (w.N() <= mostCompared || g == difftest.Geometry{})
			if err := checkOne(ctx, &o, w, crit, s, expected[o.form]); err != nil {
				return fmt.Errorf("wrong answer: %s of %d elements on %v: %w", o.name, w.N(), g, err)
			}
		}
	}
	return nil
}

// printSweeps writes a table for each sweep: the times of blocks of as many warps in a row.
func printSweeps(out io.Writer, sweeps []Sweep) {
	for i := range sweeps {
		s := &sweeps[i]
		fmt.Fprintf(out, "\n%v\n", s)
		t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		blocks := s.Blocks()
		fmt.Fprint(t, "warps of a block\t")
		for _, b := range blocks {
			fmt.Fprintf(t, "%d × multiprocessors, µs\t", b)
		}
		fmt.Fprintln(t)
		for _, warps := range s.Warps() {
			fmt.Fprintf(t, "%d\t", warps)
			for _, b := range blocks {
				fmt.Fprintf(t, "%s\t", s.cell(difftest.Geometry{Warps: warps, Blocks: b}))
			}
			fmt.Fprintln(t)
		}
		t.Flush()
	}
}

func (s *Sweep) cell(g difftest.Geometry) string {
	if t, ok := s.Time(g); ok {
		return fmt.Sprintf("%.2f", t.Median/1e3)
	}
	return "–"
}

// Time returns the time on a geometry.
func (s *Sweep) Time(g difftest.Geometry) (Times, bool) {
	i := slices.IndexFunc(s.At, func(p Placed) bool { return p.Geometry == g })
	if i < 0 {
		return Times{}, false
	}
	return s.At[i].DeviceNS, true
}

// Warps returns the numbers of warps of a block, ascending.
func (s *Sweep) Warps() []int { return s.distinct(func(g difftest.Geometry) int { return g.Warps }) }

// Blocks returns the numbers of blocks for each multiprocessor, ascending.
func (s *Sweep) Blocks() []int { return s.distinct(func(g difftest.Geometry) int { return g.Blocks }) }

func (s *Sweep) distinct(of func(difftest.Geometry) int) (all []int) {
	for _, p := range s.At {
		if n := of(p.Geometry); n > 0 {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// SweepSummary names the best geometry of each sweep.
func SweepSummary(sweeps []Sweep) string {
	var lines []string
	for i := range sweeps {
		lines = append(lines, sweeps[i].String())
	}
	return strings.Join(lines, "; ")
}
