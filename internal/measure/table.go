package measure

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/smoothl1/smoothl1"
)

// Print writes the result as tables.
func (r *Result) Print(out io.Writer) error {
	var b strings.Builder
	d := r.Device
	fmt.Fprintf(&b, "%s (%s)", d.Name, d.Architecture)
	if d.Threads != 0 {
		fmt.Fprintf(&b, ", %d threads", d.Threads)
	}
	if d.Driver != "" {
		fmt.Fprintf(&b, ", driver for %s", d.Driver)
	}
	fmt.Fprintf(&b, "; buffers rotate through more than %.0f MiB; medians of %d, and p10 to p90\n", float64(r.Rotating)/(1<<20), r.Samples)
	if d.Backend == "sim" {
		b.WriteString("The times are those of the simulation, and say nothing about hardware.\n")
	}
	for i := range r.Groups {
		r.Groups[i].print(&b)
	}
	printSweeps(&b, r.Sweeps)
	if len(r.Bits) > 0 {
		fmt.Fprintf(&b, "\n%s\n", BitsSummary(r.Bits))
	}
	for _, l := range r.Left {
		fmt.Fprintf(&b, "left out: %s\n", l)
	}
	for _, p := range r.Peers {
		if p.Absent != "" {
			fmt.Fprintf(&b, "%s took no part: %s\n", p.Contender, p.Absent)
		}
	}
	if r.NoPeers != "" {
		fmt.Fprintf(&b, "PyTorch took no part: %s\n", r.NoPeers)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (g *Group) print(b *strings.Builder) {
	fmt.Fprintf(b, "\n%s\n", g.Name())
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "operation\tby\ton the device, µs\tp10–p90\tGB/s\tof a copy\tof its ceiling\tone call, µs\tp10–p90\t\n")
	for _, e := range g.Entries {
		share, own := "–", "–"
		if e.Op != Copy {
			share = fmt.Sprintf("%.2f", g.Share(e))
		}
		if of := g.OwnCeiling(e); !math.IsNaN(of) {
			own = fmt.Sprintf("%.3f", of)
		}
		fmt.Fprintf(t, "%s\t%s\t%.2f\t%.2f–%.2f\t%.1f\t%s\t%s\t%.2f\t%.2f–%.2f\t\n", e.Op, e.Contender, e.DeviceNS.Median/1e3, e.DeviceNS.P10/1e3, e.DeviceNS.P90/1e3,
			e.GBs(), share, own, e.NS.Median/1e3, e.NS.P10/1e3, e.NS.P90/1e3)
	}
	t.Flush()
}

// String summarizes the group in a line: the speed of a forward and backward pass, or else of its first operation.
func (g *Group) String() string {
	e, ok := g.Find(ForwardBackward, Ours)
	if !ok && len(g.Entries) > 0 {
		e = g.Entries[0]
	}
	s := fmt.Sprintf("%s: %s %.1f µs, %.1f GB/s, %.2f of a copy", g.Name(), e.Op, e.DeviceNS.Median/1e3, e.GBs(), g.Share(e))
	if of := g.OwnCeiling(e); !math.IsNaN(of) {
		s += fmt.Sprintf(", %.3f of its ceiling", of)
	}
	for _, theirs := range g.Entries {
		if theirs.Op == e.Op && theirs.Contender != e.Contender {
			s += fmt.Sprintf("; %s %.2f times as long", theirs.Contender, theirs.DeviceNS.Median/e.DeviceNS.Median)
		}
	}
	return s
}

// Name describes what is computed, and on which arrays.
func (g *Group) Name() string {
	shape := make([]string, len(g.Shape))
	for i, d := range g.Shape {
		shape[i] = strconv.Itoa(d)
	}
	name := fmt.Sprintf("%s %v %v", strings.Join(shape, "×"), g.DType, smoothl1.Loss{Kind: g.Kind, Beta: g.Beta, Reduction: g.Reduction})
	switch {
	case g.Threads == 1:
		name += ", one thread"
	case g.Threads > 1:
		name += fmt.Sprintf(", %d threads", g.Threads)
	}
	if g.Workload != "" {
		name = g.Workload + ", " + name
	}
	return name
}

// BitsSummary summarizes how peers' results compare with ours.
func BitsSummary(rows []BitsRow) string {
	type count struct{ arrays, equal, elements, different int }
	counts := map[string]*count{}
	var order []string
	for _, r := range rows {
		key := r.Contender + "'s " + map[bool]string{true: "loss terms", false: "gradients"}[r.What == "terms"]
		if r.Beta == 0 {
			key += " at beta 0"
		}
		c := counts[key]
		if c == nil {
			c = &count{}
			counts[key] = c
			order = append(order, key)
		}
		c.arrays++
		c.elements += r.Elements
		c.different += r.Different - r.ZeroSigns
		if r.Different == r.ZeroSigns {
			c.equal++
		}
	}
	var parts []string
	for _, key := range order {
		c := counts[key]
		parts = append(parts, fmt.Sprintf("%s: %d of %d arrays equal to ours bit for bit but for signs of zero, %d of %d elements differ",
			key, c.equal, c.arrays, c.different, c.elements))
	}
	return strings.Join(parts, "\n")
}
