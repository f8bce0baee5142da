package main

import (
	"bytes"
	"fmt"
	"go/format"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// folder is the path of package core in the repository.
const folder = "cpu/internal/core"

// generateKernels writes the kernels of package core, their stubs, and the functions that dispatch to them.
func generateKernels(root string, files output) error {
	l, err := readLayout(root)
	if err != nil {
		return err
	}
	for _, of := range []spec{{set: "AVX2"}, {set: "AVX2", double: true}, {set: "AVX512"}, {set: "AVX512", double: true},
		{set: "AVX512", halves: "F16"}, {set: "AVX512", halves: "BF16"}} {
		c := build.NewContext()
		var masks operand.Mem
		if of.set == "AVX2" {
			masks = tailMasks(c)
		}
		if of.halves == "BF16" {
			bf16Constants(c)
			pairConstants(c)
		}
		all := specs(of.set, of.double, of.halves)
		for _, s := range all {
			e := &emitter{Context: c, spec: s}
			if of.set == "AVX2" {
				e.avx2(l, masks)
			} else {
				e.avx512(l)
			}
		}
		path := fmt.Sprintf("%s/kernels_%s_%s_amd64", folder, strings.ToLower(of.set), strings.ToLower(of.stored()))
		if files[path+".s"], err = finish(c); err != nil {
			return fmt.Errorf("%s.s: %w", path, err)
		}
		if files[path+".go"], err = format.Source([]byte(stubs(all))); err != nil {
			return fmt.Errorf("%s.go: %w", path, err)
		}
	}
	if err := generateNEON(l, files); err != nil {
		return err
	}
	for _, processor := range []string{"amd64", "arm64"} {
		files[folder+"/layout_"+processor+".go"], err = format.Source([]byte(head(processor) + "\nimport \"unsafe\"\n" +
			"\n// The assembly relies on these offsets of the fields of Params. With others, this does not compile.\nvar (\n" + l.assertions() + ")\n"))
		if err != nil {
			return err
		}
	}
	return nil
}

// generateNEON writes the kernels for arm64.
func generateNEON(l *layout, files output) (err error) {
	for _, of := range []spec{{}, {double: true}, {halves: "F16"}, {halves: "BF16"}} {
		a := &arm64{}
		all := specs("NEON", of.double, of.halves)
		for _, s := range all {
			if err := (&neon{arm64: a, spec: s}).emit(l); err != nil {
				return err
			}
		}
		path := fmt.Sprintf("%s/kernels_neon_%s_arm64", folder, strings.ToLower(of.stored()))
		files[path+".s"] = a.file()
		if files[path+".go"], err = format.Source([]byte(stubs(all))); err != nil {
			return fmt.Errorf("%s.go: %w", path, err)
		}
	}
	return nil
}

// tailMasks is a table in which the eight words from word 8−k on are a mask of the first k: all ones, then zeros.
func tailMasks(c *build.Context) operand.Mem {
	m := c.StaticGlobal("tailMasks")
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range 8 {
		v := uint64(0)
		if i < 4 {
			v--
		}
		c.AddDatum(8*i, operand.U64(v))
	}
	return m
}

// head returns what a Go file for a processor begins with.
func head(processor string) string {
	return fmt.Sprintf("// %s\n\n//go:build %s && !purego\n\npackage core\n", config.GeneratedWarning(), processor)
}

// stubs returns the Go side of the kernels of an instruction set and type.
func stubs(all []spec) string {
	var b bytes.Buffer
	b.WriteString(head(all[0].processor()))
	dispatcher := "call" + all[0].suffix()
	fmt.Fprintf(&b, "\n// %s runs the kernel that p selects. generic is its counterpart in Go.\n", dispatcher)
	fmt.Fprintf(&b, "func %s(p *Params[%s]) {\n\tswitch Kernels*Kernel(p.Quotient) + p.Kernel {\n", dispatcher, all[0].element())
	for _, s := range all {
		fmt.Fprintf(&b, "\tcase Kernels*Kernel(%s) + %s:\n\t\t%s(p)\n", s.quotient, s.name, s.function())
	}
	b.WriteString("\t}\n}\n")
	for _, s := range all {
		fmt.Fprintf(&b, "\n// %s is\n//\n//%s\n//\n//go:noescape\nfunc %s(p *Params[%s])\n",
			s.function(), strings.Join(s.loop(), "\n//"), s.function(), s.element())
	}
	return b.String()
}
