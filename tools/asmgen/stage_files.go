package main

import (
	"bytes"
	"fmt"
	"go/format"
	"strings"

	"github.com/mmcloughlin/avo/build"
)

const stageFolder = "cpu/internal/stage"

// generateStages writes the stages in assembly, and the functions that dispatch to them.
func generateStages(_ string, files output) error {
	var stubs bytes.Buffer
	stubs.WriteString(stageHead("amd64") + "\nimport \"unsafe\"\n")
	for _, set := range []string{"AVX2", "AVX512"} {
		c := build.NewContext()
		if set == "AVX512" {
			bf16Constants(c)
		}
		for _, s := range stages {
			for _, double := range s.types() {
				s.emit(c, double, set)
				s.stub(&stubs, spec{double: double, set: set})
			}
		}
		for _, s := range sumStages {
			for _, double := range s.types() {
				s.emit(c, double, set)
				s.stub(&stubs, spec{double: double, set: set})
			}
		}
		for _, f := range []func(*stager){emitFold, emitCount} {
			f(&stager{emitter: &emitter{Context: c, spec: spec{double: true, set: set}}})
		}
		foldAndCountStubs(&stubs, set)
		if set == "AVX2" {
			for _, f := range fusedKernels() {
				f.emit(c)
				stubs.WriteString(f.stub())
			}
			emitRepeat(&stager{emitter: &emitter{Context: c, spec: spec{set: set}}})
			stubs.WriteString("\n// repeatAVX2 stores n > 0 vectors, by count > 0 shuffles in turn, of 32-bit words or of bytes. It reads 32 bytes for each.\n//\n" +
				"//go:noescape\nfunc repeatAVX2(dst, x, shuffles unsafe.Pointer, count, n int, bytes bool)\n")
		}
		var err error
		if files[fmt.Sprintf("%s/stages_%s_amd64.s", stageFolder, strings.ToLower(set))], err = finish(c); err != nil {
			return err
		}
	}
	var err error
	if files[stageFolder+"/stubs_amd64.go"], err = format.Source(stubs.Bytes()); err != nil {
		return err
	}
	for _, processor := range []string{"amd64", "arm64"} {
		if files[stageFolder+"/vectors_"+processor+".go"], err = format.Source([]byte(dispatchers(processor))); err != nil {
			return err
		}
	}
	if err := generateNEONStages(files); err != nil {
		return err
	}
	files[stageFolder+"/vectors_other.go"], err = format.Source([]byte(noDispatchers()))
	return err
}

// generateNEONStages writes the stages in assembly for arm64.
func generateNEONStages(files output) (err error) {
	a := &arm64{}
	var stubs bytes.Buffer
	stubs.WriteString(stageHead("arm64") + "\nimport \"unsafe\"\n")
	for _, s := range append(stages[:len(stages):len(stages)], sumStages...) {
		for _, double := range s.types() {
			s.emitNEON(a, double)
			s.stub(&stubs, spec{double: double, set: "NEON"})
		}
	}
	emitNEONFold(a)
	emitNEONCount(a)
	emitNEONRepeat(a)
	foldAndCountStubs(&stubs, "NEON")
	stubs.WriteString("\n// repeatNEON stores n > 0 vectors, by count > 0 shuffles in turn. It reads 32 bytes for each.\n//\n" +
		"//go:noescape\nfunc repeatNEON(dst, x, shuffles unsafe.Pointer, count, n int)\n")
	files[stageFolder+"/stages_neon_arm64.s"] = a.file()
	files[stageFolder+"/stubs_arm64.go"], err = format.Source(stubs.Bytes())
	return err
}

// foldAndCountStubs writes the declarations of the functions of emitFold and emitCount.
func foldAndCountStubs(b *bytes.Buffer, set string) {
	fmt.Fprintf(b, "\n// fold%[1]s folds 128 lanes by halves.\n//\n//go:noescape\nfunc fold%[1]s(lanes unsafe.Pointer) (sum float64)\n", set)
	fmt.Fprintf(b, "\n// count%[1]s counts the bytes that are not 0 among n, a positive multiple of 64.\n//\n//go:noescape\n"+
		"func count%[1]s(mask unsafe.Pointer, n int) (kept int)\n", set)
}

// stageHead returns what a Go file for a processor begins with.
func stageHead(processor string) string {
	return fmt.Sprintf("// %s\n\n//go:build %s && !purego\n\npackage stage\n", config.GeneratedWarning(), processor)
}

// setsOf returns the instruction sets of a processor.
func setsOf(processor string) []string {
	if processor == "arm64" {
		return []string{"NEON"}
	}
	return []string{"AVX2", "AVX512"}
}

// types returns whether the stage exists for float32 and for float64.
func (s stage) types() []bool {
	if s.single {
		return []bool{false}
	}
	return []bool{false, true}
}

// stub writes the declaration of a stage's function.
func (s stage) stub(b *bytes.Buffer, of spec) {
	what := "n is a positive multiple of the vector length."
	if s.sums() {
		what = "There are 128·n elements, n > 0."
	}
	fmt.Fprintf(b, "\n// %s is\n//\n//\tfor each element i:\n//\t\t%s\n//\n// %s\n//\n//go:noescape\nfunc %[1]s%[4]s\n",
		s.name+of.suffix(), strings.ReplaceAll(s.loop, "; ", "\n//\t\t"), what, s.signature())
}

// dispatchers returns Go functions that call the stages in assembly, for a processor.
func dispatchers(processor string) string {
	var b bytes.Buffer
	b.WriteString(stageHead(processor) + "\nimport (\n\"unsafe\"\n\n" +
		"\"github.com/smoothl1/smoothl1/cpu/internal/core\"\n\"github.com/smoothl1/smoothl1/internal/isa\"\n)\n")
	sets := setsOf(processor)
	for _, s := range append(stages[:len(stages):len(stages)], sumStages...) {
		fmt.Fprintf(&b, "\n%s", s.dispatcherDoc())
		var names []string
		for _, p := range s.params {
			names = append(names, p.name)
		}
		if s.sums() {
			names = append(names, "lanes")
		}
		names = append(names, "n")
		if s.streaming {
			names = append(names, "streaming")
		}
		call := "(" + strings.Join(names, ", ") + ")"
		b.WriteString("switch isa.Current() {\n")
		for _, set := range sets {
			fmt.Fprintf(&b, "case isa.%s:\n", set)
			for _, double := range s.types() {
				of := spec{double: double, set: set}
				if len(s.types()) == 2 {
					fmt.Fprintf(&b, "if unsafe.Sizeof(T(0)) == %d {\n", of.size())
				}
				if !s.sums() {
					fmt.Fprintf(&b, "n &^= %d\n", of.width()-1)
				}
				fmt.Fprintf(&b, "if n > 0 {\n%s%s%s\n}\nreturn n\n", s.name, of.suffix(), call)
				if len(s.types()) == 2 {
					b.WriteString("}\n")
				}
			}
		}
		b.WriteString("}\nreturn 0\n}\n")
	}
	b.WriteString("\n// foldVectors folds 128 lanes by halves, or returns false.\n" +
		"func foldVectors(lanes unsafe.Pointer) (float64, bool) {\nswitch isa.Current() {\n")
	for _, set := range sets {
		fmt.Fprintf(&b, "case isa.%[1]s:\nreturn fold%[1]s(lanes), true\n", set)
	}
	b.WriteString("}\nreturn 0, false\n}\n\n// countVectors counts the bytes that are not 0 among the first done of n.\n" +
		"func countVectors(mask unsafe.Pointer, n int) (kept, done int) {\nn &^= 63\nif n > 0 {\nswitch isa.Current() {\n")
	for _, set := range sets {
		fmt.Fprintf(&b, "case isa.%[1]s:\nreturn count%[1]s(mask, n), n\n", set)
	}
	b.WriteString("}\n}\nreturn 0, 0\n}\n")
	repeat := "repeatNEON(dst, x, shuffles, count, n)"
	if processor == "amd64" {
		b.WriteString(fusedDispatcher())
		repeat = "repeatAVX2(dst, x, shuffles, count, n, bytes)"
	} else {
		b.WriteString(noFused)
	}
	fmt.Fprintf(&b, `
// byteShuffles says that the shuffles of all elements are of bytes.
const byteShuffles = %t

// repeats reports whether there is a repeat in assembly.
func repeats() bool { return isa.Current() != isa.Generic }

func repeat(dst, x, shuffles unsafe.Pointer, count, n int, bytes bool) {
	%s
}
`, processor != "amd64", repeat)
	return b.String()
}

// noFused is the function of what only AVX2 has, for other processors.
const noFused = `
func fusedVectors(p unsafe.Pointer, s Storage, q core.Quotient, plain bool) bool { return false }
`

// noDispatchers returns the same functions for a machine without assembly.
func noDispatchers() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// %s\n\n//go:build (!amd64 && !arm64) || purego\n\npackage stage\n\nimport (\n\"unsafe\"\n\n"+
		"\"github.com/smoothl1/smoothl1/cpu/internal/core\"\n)\n", config.GeneratedWarning())
	for _, s := range append(stages[:len(stages):len(stages)], sumStages...) {
		fmt.Fprintf(&b, "\n%sreturn 0 }\n", s.dispatcherDoc())
	}
	b.WriteString("\nfunc foldVectors(lanes unsafe.Pointer) (float64, bool) { return 0, false }\n" +
		"\nfunc countVectors(mask unsafe.Pointer, n int) (kept, done int) { return 0, 0 }\n" + noFused +
		"\nconst byteShuffles = false\n" +
		"\nfunc repeats() bool { return false }\n" +
		"\nfunc repeat(dst, x, shuffles unsafe.Pointer, count, n int, bytes bool) {}\n")
	return b.String()
}

// dispatcherDoc returns the beginning of a dispatcher.
func (s stage) dispatcherDoc() string {
	generic := "[T core.Float]"
	if s.single {
		generic = ""
	}
	what := "elements"
	if s.sums() {
		what = "rows"
	}
	name := s.name + "Vectors"
	return fmt.Sprintf("// %s computes the first %s in assembly, and returns how many.\nfunc %[1]s%[3]s%[4]s int {\n", name, what, generic, s.signature())
}

// fusedDispatcher returns the Go function that calls the fused kernels.
func fusedDispatcher() string {
	var b bytes.Buffer
	b.WriteString("\n// fusedVectors runs the kernel for the storage type and quotient, if there is one in assembly.\n" +
		"func fusedVectors(p unsafe.Pointer, s Storage, q core.Quotient, plain bool) bool {\n" +
		"if isa.Current() != isa.AVX2 {\nreturn false\n}\n" +
		"k := 2 * (core.Quotients*core.Quotient(s) + q)\nif plain {\nk++\n}\nswitch k {\n")
	for _, f := range fusedKernels() {
		one := map[bool]string{true: " + 1"}[f.plain]
		fmt.Fprintf(&b, "case 2*(core.Quotients*core.Quotient(%s)+core.%s)%s:\n%s(p)\n", f.storage, f.quotient, one, f.function())
	}
	b.WriteString("default:\nreturn false\n}\nreturn true\n}\n")
	return b.String()
}
