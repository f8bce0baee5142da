// Package vectors computes test vectors for the instructions that package sim executes, independently of sim: it uses
// math/big for everything that is rounded, and works bit by bit where the PTX manual defines it so. The vectors are kept as data
// (sim/testdata/vectors), so that a simulated device and a GPU can be compared with the same numbers.
package vectors

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Case is an instruction with rows of operands and results.
type Case struct {
	Inst  string   // "add.rn.f32 $0, $1, $2": operands by number, results first
	Types []string // of the operands
	Outs  int      // number of results among them
	SM    int      // the minimum architecture
	Rows  [][]uint64
}

// Write writes cases in the format that Read reads.
func Write(w io.Writer, comment string, cases []Case) error {
	out := bufio.NewWriter(w)
	for _, l := range strings.Split(strings.TrimSpace(comment), "\n") {
		fmt.Fprintf(out, "# %s\n", l)
	}
	for _, c := range cases {
		fmt.Fprintf(out, "\n%s\n%s : %s : sm_%d\n", c.Inst, strings.Join(c.Types[:c.Outs], " "), strings.Join(c.Types[c.Outs:], " "), c.SM)
		for _, row := range c.Rows {
			for i := c.Outs; i < len(row); i++ {
				fmt.Fprintf(out, "%x ", row[i])
			}
			out.WriteString("=")
			for _, v := range row[:c.Outs] {
				fmt.Fprintf(out, " %x", v)
			}
			out.WriteString("\n")
		}
	}
	return out.Flush()
}

// Read reads cases. In the text a row's results come last, in Rows they come first.
func Read(r io.Reader) ([]Case, error) {
	var cases []Case
	var c *Case
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		l := strings.TrimSpace(lines.Text())
		bad := func() ([]Case, error) { return nil, fmt.Errorf("vectors: line %d: %q is not understood", n, l) }
		switch {
		case strings.HasPrefix(l, "#"):
		case l == "":
			c = nil
		case c == nil:
			cases = append(cases, Case{Inst: l})
			c = &cases[len(cases)-1]
		case c.Types == nil:
			part := strings.Split(l, ":")
			if len(part) != 3 {
				return bad()
			}
			outs := strings.Fields(part[0])
			c.Outs, c.Types = len(outs), append(outs, strings.Fields(part[1])...)
			if _, err := fmt.Sscanf(strings.TrimSpace(part[2]), "sm_%d", &c.SM); err != nil {
				return bad()
			}
		default:
			ins, outs, ok := strings.Cut(l, "=")
			var row []uint64
			for _, f := range append(strings.Fields(outs), strings.Fields(ins)...) {
				v, err := strconv.ParseUint(f, 16, 64)
				if err != nil {
					return bad()
				}
				row = append(row, v)
			}
			if !ok || len(row) != len(c.Types) {
				return bad()
			}
			c.Rows = append(c.Rows, row)
		}
	}
	return cases, lines.Err()
}

// Set is a group of cases, kept in one file.
type Set struct {
	Name    string
	Comment string
	Cases   []Case
}

// All computes all vectors. It is deterministic.
func All() []Set {
	return []Set{
		{"integer", "Integer arithmetic, computed with big integers.", integers()},
		{"carry", "Sums, differences and products that hand a carry on, computed with big integers.", chains()},
		{"bits", "Logic, shifts and bit fields, computed bit by bit as the PTX manual defines them.", bitOps()},
		{"float", "Floating-point arithmetic, computed with big rationals and rounded once.", floats()},
		{"half", "Arithmetic of f16 and bf16, single and packed, computed with big rationals and rounded once.", halves()},
		{"convert", "Conversions, computed with big rationals.", conversions()},
		{"compare", "Comparisons, selections, minimum and maximum.", comparisons()},
	}
}

// widths of types in bits.
var widths = map[string]int{
	"pred": 1, "b8": 8, "u8": 8, "s8": 8, "b16": 16, "u16": 16, "s16": 16, "b32": 32, "u32": 32, "s32": 32, "b64": 64, "u64": 64, "s64": 64,
	"f16": 16, "bf16": 16, "f16x2": 32, "bf16x2": 32, "f32": 32, "f64": 64, "tf32": 32,
}

// Same reports whether two results of a type are the same: equal bits, or both NaN.
func Same(typ string, a, b uint64) bool {
	if a == b {
		return true
	}
	switch typ {
	case "f16x2", "bf16x2":
		one := strings.TrimSuffix(typ, "x2")
		return Same(one, a&0xffff, b&0xffff) && Same(one, a>>16, b>>16)
	}
	f, ok := formats[typ]
	return ok && f.isNaN(a) && f.isNaN(b)
}
