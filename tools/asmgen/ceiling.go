package main

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// ceiling is a loop that only moves memory, to measure the speed of memory.
type ceiling struct {
	kind      string // read: two arrays; copy: one to another; combine: two to a third
	set       string
	streaming bool // stores bypass the caches
	prefetch  bool // prefetches distance bytes ahead
}

func (c ceiling) function() string {
	name := c.kind
	if c.streaming {
		name += "Streaming"
	}
	if c.prefetch {
		name += "Prefetched"
	}
	return name + c.set
}

func ceilings(set string) (all []ceiling) {
	for _, kind := range []string{"read", "copy", "combine"} {
		for _, streaming := range []bool{false, true} {
			for _, prefetch := range []bool{false, true} {
				if kind != "read" || !streaming {
					all = append(all, ceiling{kind, set, streaming, prefetch})
				}
			}
		}
	}
	return all
}

// generateCeilings writes the loops of package ceiling.
func generateCeilings(_ string, files output) error {
	c := build.NewContext()
	var table strings.Builder
	for _, set := range []string{"AVX2", "AVX512"} {
		for _, loop := range ceilings(set) {
			loop.write(c)
			fmt.Fprintf(&table, "\t{%s, isa.%s, %t, %t, %s},\n", strings.ToUpper(loop.kind[:1])+loop.kind[1:], set, loop.streaming, loop.prefetch, loop.function())
		}
	}
	writeChain(c)
	f, err := c.Result()
	if err != nil {
		return err
	}
	if err := pass.Compile.Execute(f); err != nil {
		return err
	}
	if files["bench/ceiling/loops_amd64.s"], err = printer.NewGoAsm(config).Print(f); err != nil {
		return err
	}
	stubs, err := printer.NewStubs(printer.Config{Name: config.Name, Pkg: "ceiling"}).Print(f)
	if err != nil {
		return err
	}
	const head = "package ceiling\n"
	files["bench/ceiling/loops_amd64.go"] = []byte(strings.Replace(string(stubs), head,
		head+"\nimport \"github.com/smoothl1/smoothl1/internal/isa\"\n\nvar loops = []loop{\n"+table.String()+"}\n", 1))
	return nil
}

func (l ceiling) write(c *build.Context) {
	e := &emitter{Context: c, spec: spec{set: l.set}}
	const unrolled = 256 // bytes of each array per iteration
	width, r := 32, []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7}
	if l.set == "AVX512" {
		width, r = 64, []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3}
	}
	c.Function(l.function())
	c.Attributes(attr.NOSPLIT)
	c.Pragma("noescape")
	c.SignatureExpr("func(to, a, b *byte, n, distance int)")
	what := map[string]string{"read": "reads n bytes of a and of b", "copy": "copies n bytes from a to to", "combine": "reads n bytes of a and of b, and writes n bytes to to"}[l.kind]
	if l.streaming {
		what += ", past the caches"
	}
	if l.prefetch {
		what += ", and prefetches distance bytes ahead"
	}
	c.Doc(fmt.Sprintf("%s %s.", l.function(), what), "n is a multiple of 256.")
	arrays := []struct {
		name string
		base reg.Register
	}{{"to", out}, {"a", pred}, {"b", target}}
	for _, a := range arrays {
		c.Load(c.Param(a.name), a.base)
	}
	c.Load(c.Param("n"), loops)
	if l.prefetch {
		c.Load(c.Param("distance"), count)
	}
	c.XORQ(at, at)
	c.SHRQ(operand.U8(log2(unrolled)), loops)
	c.JZ(ref("done"))
	c.Label("loop")
	if l.prefetch {
		c.LEAQ(operand.Mem{Base: at, Index: count, Scale: 1}, stores)
		for line := 0; line < unrolled; line += 64 {
			c.PREFETCHT0(operand.Mem{Base: pred, Index: stores, Scale: 1, Disp: line})
			if l.kind != "copy" {
				c.PREFETCHT0(operand.Mem{Base: target, Index: stores, Scale: 1, Disp: line})
			}
		}
	}
	for i, z := range r {
		e.p("VMOVU", index(pred, i*width), z)
		if l.kind != "copy" {
			if l.set == "AVX512" {
				c.VPORD(index(target, i*width), z, z)
			} else {
				c.VPOR(index(target, i*width), z, z)
			}
		}
		switch {
		case l.kind == "read":
		case l.streaming:
			e.p("VMOVNT", z, index(out, i*width))
		default:
			e.p("VMOVU", z, index(out, i*width))
		}
	}
	c.ADDQ(operand.U32(unrolled), at)
	c.DECQ(loops)
	c.JNZ(ref("loop"))
	c.Label("done")
	if l.streaming {
		c.SFENCE()
	}
	c.VZEROUPPER()
	c.RET()
}

// chained is the number of multiplications in an iteration of the chain.
const chained = 16

// writeChain writes a loop whose time is that of its multiplications, of which each waits for the last one.
func writeChain(c *build.Context) {
	c.Function("chain")
	c.Attributes(attr.NOSPLIT)
	c.SignatureExpr("func(n int)")
	c.Doc(fmt.Sprintf("chain multiplies %d n times, each time waiting for the last product.", chained), "n is positive.")
	c.Load(c.Param("n"), loops)
	c.MOVQ(operand.U32(3), at)
	c.Label("loop")
	for range chained {
		c.IMULQ(at, at)
	}
	c.DECQ(loops)
	c.JNZ(ref("loop"))
	c.RET()
}
