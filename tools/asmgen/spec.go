package main

import (
	"fmt"
	"strings"
)

// spec is one kernel.
type spec struct {
	family
	quotient quotient
	double   bool   // float64
	halves   string // the stored type, if not the computing type: F16 or BF16
	set      string // AVX2, AVX512 or NEON
}

// family describes what a kernel computes.
type family struct {
	name        string // of its constant in package core
	terms       bool   // writes the loss terms
	sum         bool   // writes chunk sums
	gradient    bool   // writes gradients
	elementwise bool   // with an upstream gradient for each element
	weight      bool   // with a weight for each element, which is a factor of the upstream gradient, too
	mask        bool   // leaves out the elements where the mask is 0
}

var families = []family{
	{name: "Terms", terms: true},
	{name: "Forward", sum: true},
	{name: "Backward", gradient: true},
	{name: "BackwardElementwise", gradient: true, elementwise: true},
	{name: "ForwardBackward", sum: true, gradient: true},
	{name: "Weighed", sum: true, gradient: true, weight: true},
	{name: "Masked", sum: true, gradient: true, mask: true},
	{name: "WeighedMasked", sum: true, gradient: true, weight: true, mask: true},
}

// further reports whether the family has arrays besides those of the loss.
func (f family) further() bool { return f.weight || f.mask }

// quotient is the way in which a kernel computes the quotients of the formula.
type quotient string // its constant in package core

const (
	one  quotient = "One"  // the divisor is 1: Huber, and smooth L1 with beta 1
	mul  quotient = "Mul"  // multiplies by the inverse: smooth L1 with another power of two as beta, and L1; outer is 1
	div  quotient = "Div"  // divides: any smooth L1; outer is 1
	unit quotient = "Unit" // divisor, outer and upstream gradient are 1: the most common use of smooth L1
)

var quotients = []quotient{one, mul, div, unit}

// specs returns the kernels of an instruction set and element type, in the order of the constants of package core.
func specs(set string, double bool, halves string) []spec {
	var all []spec
	for _, f := range families {
		if halves != "" && f.elementwise || set == "AVX2" && f.further() { // package stage has the latter
			continue
		}
		for _, q := range quotients {
			// Saving a few operations matters in the passes with a sum, which have the most.
			if q != unit || f.sum && !f.further() {
				all = append(all, spec{f, q, double, halves, set})
			}
		}
	}
	return all
}

// function returns the name of the kernel's function, such as forwardBackwardDivF32AVX2.
func (s spec) function() string {
	return strings.ToLower(s.name[:1]) + s.name[1:] + string(s.quotient) + s.suffix()
}

func (s spec) suffix() string { return s.stored() + s.set }

// stored returns the name of the stored type.
func (s spec) stored() string {
	if s.halves != "" {
		return s.halves
	}
	return fmt.Sprintf("F%d", 8*s.size())
}

// processor returns the GOARCH of the instruction set.
func (s spec) processor() string {
	if s.set == "NEON" {
		return "arm64"
	}
	return "amd64"
}

// element returns the element type.
func (s spec) element() string { return fmt.Sprintf("float%d", 8*s.size()) }

func (s spec) size() int {
	if s.double {
		return 8
	}
	return 4
}

// storedSize returns the size of a stored element in bytes.
func (s spec) storedSize() int {
	if s.halves != "" {
		return 2
	}
	return s.size()
}

// bytes returns the size of a vector as stored.
func (s spec) bytes() int { return s.width() * s.storedSize() }

// loop returns pseudocode of the kernel, as the lines of a doc comment.
func (s spec) loop() []string {
	over := map[quotient]string{one: "", mul: "*p.Inverse", div: "/p.Divisor"}[s.quotient]
	outer := map[quotient]string{one: "p.Outer*"}[s.quotient]
	stored := ""
	if s.halves != "" {
		stored = ", rounded once more"
	}
	var b []string
	line := func(indent int, text ...string) {
		b = append(b, strings.Repeat("\t", indent)+strings.Join(text, ""))
	}
	depth := 2
	if s.sum {
		line(1, "for each chunk c of 2048 elements (the last may be short):")
		line(2, "lane[0:128] = +0")
		line(2, "for each element i of the chunk:")
		depth = 3
	} else {
		line(1, "for each element i:")
	}
	line(depth, "d = pred[i] - target[i]; a = |d|")
	if s.weight {
		line(depth, "u = p.G*weight[i]")
	}
	if s.sum || s.terms {
		line(depth, "term = a < p.Threshold ? ((0.5*a)*a)", over, " : ", outer, "(a - p.Half)")
	}
	if s.terms {
		line(depth, "out[i] = term", stored)
	}
	if s.gradient {
		g, side := "p.G", "p.Side"
		if s.elementwise {
			g, side = "upstream[i]", outer+"(p.Norm*upstream[i])"
		}
		middle := fmt.Sprintf("((p.Norm*d)*%s)%s", g, over)
		if s.weight {
			side, middle = outer+"u", "(d*u)"+over
		}
		switch s.quotient {
		case unit:
			middle = "p.Norm*d"
		case mul:
			middle = "p.L1 ? |d| xor p.Flip : " + middle
		}
		line(depth, "out[i] = a > p.Threshold ? ", side, ", negated where d < 0 : ", middle, stored)
		line(depth, "negated[i] = -out[i]")
	}
	if s.mask {
		line(depth, "where mask[i] is 0, out[i] and negated[i] are +0, and so is the term")
	}
	if s.sum {
		line(depth, "lane[i mod 128] += float64(term", map[bool]string{true: "*weight[i]"}[s.weight], ")")
		line(2, "sums[c] = the lanes folded by halves")
	}
	return b
}
