package main

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// generateCPUID writes the two functions with which package isa detects the processor's features.
func generateCPUID(_ string, files output) error {
	c := build.NewContext()
	c.Function("cpuid")
	c.Attributes(attr.NOSPLIT)
	c.Doc("cpuid executes the CPUID instruction for a leaf and subleaf.")
	c.SignatureExpr("func(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)")
	c.Load(c.Param("leaf"), reg.EAX)
	c.Load(c.Param("subleaf"), reg.ECX)
	c.CPUID()
	for _, r := range []struct {
		name string
		reg  reg.Register
	}{{"eax", reg.EAX}, {"ebx", reg.EBX}, {"ecx", reg.ECX}, {"edx", reg.EDX}} {
		c.Store(r.reg, c.Return(r.name))
	}
	c.RET()
	c.Function("xgetbv")
	c.Attributes(attr.NOSPLIT)
	c.Doc("xgetbv returns the low word of XCR0, which tells which registers the operating system saves.")
	c.SignatureExpr("func() (eax uint32)")
	c.XORL(reg.ECX, reg.ECX)
	c.XGETBV()
	c.Store(reg.EAX, c.Return("eax"))
	c.RET()

	c.ConstraintExpr("!purego")
	f, err := c.Result()
	if err != nil {
		return err
	}
	if err := pass.Compile.Execute(f); err != nil {
		return err
	}
	for path, p := range map[string]printer.Printer{
		"internal/isa/cpuid_amd64.s":  printer.NewGoAsm(config),
		"internal/isa/cpuid_amd64.go": printer.NewStubs(printer.Config{Name: config.Name, Pkg: "isa"}),
	} {
		if files[path], err = p.Print(f); err != nil {
			return err
		}
	}
	return nil
}
