// Command scaling predicts what a step of package dataparallel sends, and how long that takes, for up to 1,024 ranks. It measures nothing: it
// evaluates the cost formulas of R. Thakur, R. Rabenseifner and W. Gropp, "Optimization of Collective Communication Operations in MPICH", Int. J.
// High Performance Computing Applications 19 (2005), 49–66, in which a message of m bytes takes α + m·β.
//
//	go run ./scaling            # prints the table
//	go run ./scaling README.md  # puts it between the file's markers
package main

import (
	"fmt"
	"math"
	"os"
	"strings"
)

// The inputs.
const (
	elements   = 1 << 22   // of each rank in a step, which are rows too
	parameters = 1_000_000 // float32 in an Allreduce, float64 in a Gradient
	block      = 2048
	header     = 13 * 8
)

// A network has the two numbers of the model.
type network struct {
	name   string
	alpha  float64 // seconds
	beta   float64 // seconds a byte
	source string
}

var networks = []network{
	{"RDMA at 100 Gb/s, α = 0.9 µs, 12.4 GB/s", 0.9e-6, 1 / 12.4e9, "the [latency of an empty message](https://gist.github.com/jfgrimm/3af692a5475bdd4ed836b5a18197a209) with Open MPI, " +
		"and the [bandwidth for 4 MiB](https://gist.github.com/hppritcha/8da4436a216c9d96bf10ad9d403da03f) on an Omni-Path network, both as others measured them with the OSU benchmarks"},
	{"TCP on 100 Gb/s Ethernet, α = 20 µs, 12.5 GB/s", 20e-6, 1 / 12.5e9, "the middle of [10 to 30 µs](https://kentino.com/cs/pages/latency-dissection-where-every-microsecond-goes-in-an-ai-cluster-network) " +
		"that the kernel takes one way; and, an assumption, the line rate"},
}

// A cost is what a rank sends, in messages one after the other and in bytes.
type cost struct{ messages, bytes float64 }

func (c cost) add(d cost) cost              { return cost{c.messages + d.messages, c.bytes + d.bytes} }
func (c cost) seconds(n network) float64    { return c.messages*n.alpha + c.bytes*n.beta }
func rounds(p int) float64                  { return math.Ceil(math.Log2(float64(p))) }
func others(p int, bytes float64) float64   { return bytes * float64(p-1) / float64(p) }
func allgather(p int, total float64) cost   { return cost{rounds(p), others(p, total)} }         // Bruck
func allreduce(p int, bytes float64) cost   { return cost{2 * rounds(p), 2 * others(p, bytes)} } // Rabenseifner, without its additions
func alltoall(p int, fromEach float64) cost { return cost{float64(p - 1), others(p, fromEach)} } // pairwise

// loss is the cost of SmoothL1.Run without a divisor that has to be found out: the header and the chunk sums.
func loss(p int) cost {
	return allgather(p, header*float64(p)).add(allgather(p, 8*float64(p)*(1+elements/block)))
}

// gradient is the cost of Gradient.Reduce: the header, the partial gradients and the sums.
func gradient(p int) cost {
	return allgather(p, header*float64(p)).add(alltoall(p, 8.0*parameters*elements/block)).add(allgather(p, 8*parameters))
}

func table() string {
	var s strings.Builder
	fmt.Fprintf(&s, "Predicted, not measured, for %d elements a rank and step, and %d parameters: numbers chosen for the example.\n\n", elements, parameters)
	for _, n := range networks {
		fmt.Fprintf(&s, "- %s: %s.\n", n.name, n.source)
	}
	s.WriteString("\n| ranks | a rank sends: loss | `Allreduce` | `Gradient` |")
	for range networks {
		s.WriteString(" predicted: loss | `Allreduce` | `Gradient` |")
	}
	s.WriteString("\n|---|" + strings.Repeat("---|", 3*(1+len(networks))) + "\n| | | | |")
	for _, n := range networks {
		fmt.Fprintf(&s, " %s | | |", n.name)
	}
	s.WriteString("\n")
	for p := 2; p <= 1024; p *= 2 {
		costs := []cost{loss(p), allreduce(p, 4*parameters), gradient(p)}
		fmt.Fprintf(&s, "| %d |", p)
		for _, c := range costs {
			fmt.Fprintf(&s, " %s |", unit(c.bytes, "B", "kB", "MB", "GB"))
		}
		for _, n := range networks {
			for _, c := range costs {
				fmt.Fprintf(&s, " %s |", unit(c.seconds(n)*1e6, "µs", "ms", "s"))
			}
		}
		s.WriteString("\n")
	}
	return s.String()
}

// unit returns x with three digits and the unit that suits it; each is 1000 times the one before.
func unit(x float64, units ...string) string {
	for x >= 999.5 && len(units) > 1 {
		x, units = x/1000, units[1:]
	}
	return fmt.Sprintf("%.3g %s", x, units[0])
}

const begin, end = "<!-- scaling: made by go run ./scaling README.md -->\n", "<!-- end of scaling -->"

// insert returns the text with the table between its markers.
func insert(text string) (string, error) {
	before, rest, ok1 := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return "", fmt.Errorf("want the lines %q and %q", strings.TrimSpace(begin), end)
	}
	return before + begin + "\n" + table() + "\n" + end + after, nil
}

func run(files []string) error {
	if len(files) == 0 {
		_, err := fmt.Print(table())
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		changed, err := insert(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := os.WriteFile(file, []byte(changed), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "scaling:", err)
		os.Exit(1)
	}
}
