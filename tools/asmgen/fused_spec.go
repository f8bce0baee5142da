package main

import (
	"fmt"
	"strings"
)

// fused is a kernel of package stage: the loss and gradients of whole rows of one chunk, with weights and a mask, of arrays of any storage
// type. It does what several stages do, without reading and writing the first-level cache in between.
type fused struct {
	storage  string // F32, F64, F16 or BF16
	quotient quotient
	plain    bool // without weights and mask; of halves only, since others have kernels in package core
}

func fusedKernels() (all []fused) {
	for _, storage := range []string{"F32", "F64", "F16", "BF16"} {
		for _, q := range []quotient{one, mul, div} {
			all = append(all, fused{storage, q, false})
			if storage == "F16" || storage == "BF16" {
				all = append(all, fused{storage, q, true})
			}
		}
	}
	return all
}

func (f fused) function() string {
	return map[bool]string{false: "fused", true: "fusedPlain"}[f.plain] + string(f.quotient) + f.storage + "AVX2"
}

// bytes returns the size of a stored element.
func (f fused) bytes() int {
	return map[string]int{"F32": 4, "F64": 8, "F16": 2, "BF16": 2}[f.storage]
}

// fusedPointers are the first fields of Fused, words, and fusedNumbers those after them, of the computing type.
var (
	fusedPointers = []string{"Pred", "Target", "Weight", "Mask", "Out", "Negated", "Lanes", "Rows", "Stores"}
	fusedNumbers  = []string{"Threshold", "Half", "Outer", "Divisor", "Inverse", "Norm", "G", "L1", "Flip", "Side"}
)

// stub returns the declaration of the kernel's function.
func (f fused) stub() string {
	over := map[quotient]string{one: "", mul: "*p.Inverse", div: "/p.Divisor"}[f.quotient]
	outer := map[quotient]string{one: "p.Outer*"}[f.quotient]
	middle := map[quotient]string{mul: "p.L1 ? |d| xor p.Flip : "}[f.quotient] + "((p.Norm*d)*u)" + over
	lines := []string{
		"\tfor each element i of p.Rows·128:",
		"\t\td = pred[i] - target[i]; a = |d|; u = p.G*weight[i]",
		"\t\tterm = a < p.Threshold ? ((0.5*a)*a)" + over + " : " + outer + "(a - p.Half)",
		"\t\tgradient = a > p.Threshold ? " + outer + "(p.Norm*u), negated where d < 0 : " + middle,
		"\t\tlane[i mod 128] += mask[i] != 0 ? float64(term*weight[i]) : +0",
		"\t\tout[i], negated[i] = mask[i] != 0 ? gradient, -gradient : +0",
	}
	if f.plain {
		lines[1] = "\t\td = pred[i] - target[i]; a = |d|; u = p.G"
		lines[3] = "\t\tgradient = a > p.Threshold ? p.Side, negated where d < 0 : " + middle
		lines[4], lines[5] = "\t\tlane[i mod 128] += float64(term)", "\t\tout[i], negated[i] = gradient, -gradient"
	}
	return fmt.Sprintf("\n// %s is\n//\n//%s\n//\n//go:noescape\nfunc %[1]s(p unsafe.Pointer)\n", f.function(), strings.Join(lines, "\n//"))
}
