// Command roofline writes docs/roofline.md: for each kernel the bytes that it moves and the instructions that it executes, counted on
// the simulated device, and its registers and loads in flight, from ptxas and the machine code; and the times that a model predicts. In
// docs/performance.md it writes what the model says of the goals.
//
// usage: roofline [-check] DOCS        with ptxas and cuobjdump on the PATH
//
//	roofline -predict [-ptx DIR] [-resident WARPS] [-share WARPS]
//
// With -predict it prints the predictions alone, for the PTX files of a directory if one is given, and for another structure of the launch
// if its flags are.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/ptxas"
	"github.com/smoothl1/smoothl1/tools/sass"
)

// architecture is a compute capability with the limit of warps per multiprocessor (CUDA C++ Programming Guide, technical specifications
// per compute capability). All have 65,536 registers, allocated to a warp in units of 256.
type architecture struct {
	name  string
	warps int // limit of resident warps on a multiprocessor
}

var architectures = []architecture{{"sm_60", 64}, {"sm_70", 64}, {"sm_75", 32}, {"sm_80", 64}, {"sm_86", 48}, {"sm_89", 48}, {"sm_90", 64}}

const registersOfMultiprocessor = 65536

// occupancy returns the number of resident warps on a multiprocessor, in blocks of the largest size.
func (a architecture) occupancy(registers int) int {
	perWarp := (registers*kernels.WarpThreads + 255) / 256 * 256
	blocks := min(a.warps/kernels.MaxWarps, registersOfMultiprocessor/(perWarp*kernels.MaxWarps))
	return blocks * kernels.MaxWarps
}

func main() {
	check := flag.Bool("check", false, "compare the files, do not write them")
	only := flag.Bool("predict", false, "print the predictions alone")
	dir := flag.String("ptx", "", "with -predict: read the PTX files of this directory")
	s := built
	flag.IntVar(&s.resident, "resident", s.resident, "with -predict: warps for each multiprocessor")
	flag.IntVar(&s.share, "share", s.share, "with -predict: warps that share a chunk")
	flag.Parse()
	var err error
	switch {
	case *only && flag.NArg() == 0:
		err = printPredictions(*dir, s)
	case !*only && flag.NArg() == 1:
		err = run(flag.Arg(0), *check)
	default:
		fmt.Fprintln(os.Stderr, "usage: roofline [-check] DOCS, or roofline -predict [-ptx DIR] [-resident WARPS] [-share WARPS]")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "roofline:", err)
		os.Exit(1)
	}
}

// printPredictions prints the predictions for the files of a directory, or of the tree.
func printPredictions(dir string, s structure) error {
	files, err := plainFiles(dir)
	if err != nil {
		return err
	}
	code, err := assemble(files)
	if err != nil {
		return err
	}
	works, err := worksOf(code)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	writeCounts(&b, works)
	writeTimes(&b, works, s)
	writeParts(&b, works, s)
	_, err = os.Stdout.Write(b.Bytes())
	return err
}

// What lies between these lines of docs/performance.md is generated.
const begin, end = "<!-- begin: make roofline -->\n", "<!-- end: make roofline -->\n"

func run(docs string, check bool) error {
	page, goals, err := write()
	if err != nil {
		return err
	}
	performance := filepath.Join(docs, "performance.md")
	text, err := os.ReadFile(performance)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no line %q, or no line %q after it", performance, begin, end)
	}
	for file, content := range map[string][]byte{filepath.Join(docs, "roofline.md"): page, performance: []byte(head + begin + string(goals) + end + tail)} {
		if !check {
			if err := os.WriteFile(file, content, 0o644); err != nil {
				return err
			}
			continue
		}
		committed, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !bytes.Equal(committed, content) {
			return fmt.Errorf("%s is out of date: run make roofline", file)
		}
	}
	return nil
}

// chunks of the measured arrays: 131,072 elements.
const chunks = 64

func write() (page, goals []byte, err error) {
	traffic, err := difftest.MeasureTraffic(chunks)
	if err != nil {
		return nil, nil, err
	}
	files, err := ptxas.Files()
	if err != nil {
		return nil, nil, err
	}
	machine, err := assemble(files)
	if err != nil {
		return nil, nil, err
	}
	works, err := worksOf(machine)
	if err != nil {
		return nil, nil, err
	}
	registers := map[string]map[string]int{} // by architecture and kernel
	for _, a := range architectures {
		if m, ok := machine[a.name]; ok {
			registers[a.name] = m.registers
			continue
		}
		log, err := ptxas.Assemble(a.name)
		if err != nil {
			return nil, nil, err
		}
		registers[a.name] = map[string]int{}
		for _, e := range ptxas.Entries(log) {
			registers[a.name][e.Kernel] = e.Registers
		}
	}
	code := machine["sm_90"].kernels

	var b bytes.Buffer
	fmt.Fprintf(&b, `# What the kernels ask of a GPU

`+"`make roofline`"+` writes this file, and CI checks it. Nothing here was measured on a GPU: bytes, sectors and instructions are counted
on the simulated device, for %d aligned elements, the gradient of pred alone and beta 1 (_mul) or 0.1 (_div). Registers are those
that ptxas reports; loads in flight are those that the machine code for sm_90 issues before it uses the first value.

## Traffic and work

The kernels of plain arrays. Bytes per element: the least that the operation must move (floor), those that the threads access, and those of the 32-byte sectors
that they touch. In addition to its arrays, a reduction writes and reads 8 bytes for each chunk of 2048 elements. Instructions are PTX
instructions per element, counted by thread.

| kernel | floor | accessed | in sectors | instructions | of them float | loads in flight |
|---|---:|---:|---:|---:|---:|---:|
`, chunks*2048)
	for _, t := range traffic { // of the kernels of plain arrays
		k := t.Stats
		n := float64(t.Elements) * float64(k.Launches)
		piece := 16
		if t.Variant.DType.Size() == 2 {
			piece = 8
		}
		inFlight, err := loadsInFlight(code[t.Variant.Name()], piece)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", t.Variant.Name(), err)
		}
		fmt.Fprintf(&b, "| %s | %d | %.3f | %.3f | %.1f | %.1f | %d × %d bytes |\n", short(t.Variant), (t.FloorLoads+t.FloorStores)/t.Elements,
			float64(k.Global.Loads.Bytes+k.Global.Stores.Bytes)/n, 32*float64(k.Global.Loads.Sectors+k.Global.Stores.Sectors)/n,
			float64(k.Instructions.Total())/n, float64(k.Instructions["float32"]+k.Instructions["float64"])/n, inFlight, piece)
	}
	fmt.Fprintf(&b, `
## Registers and occupancy

Registers per thread, and resident warps per multiprocessor in blocks of %d threads, as far as registers limit them.

| kernel |`, kernels.MaxWarps*kernels.WarpThreads)
	for _, a := range architectures {
		fmt.Fprintf(&b, " %s |", a.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(architectures)) + "\n")
	for _, v := range kernels.All() {
		fmt.Fprintf(&b, "| %s |", short(v))
		for _, a := range architectures {
			r := registers[a.name][v.Name()]
			if r == 0 {
				return nil, nil, fmt.Errorf("ptxas -arch=%s did not report %s", a.name, v.Name())
			}
			fmt.Fprintf(&b, " %d: %d of %d |", r, a.occupancy(r), a.warps)
		}
		b.WriteString("\n")
	}
	writePredictions(&b, works, built)
	return b.Bytes(), writeGoals(works, built), nil
}

func short(v kernels.Variant) string { return strings.TrimPrefix(v.Name(), "smoothl1_") }

// loadsInFlight counts the loads of pieces, of 16 or 8 bytes, that the body loop issues before the result of one of them is read.
func loadsInFlight(code []sass.Instruction, piece int) (int, error) {
	load := fmt.Sprintf("LDG.E.%d", 8*piece)
	for _, loop := range sass.Innermost(code) {
		loaded := map[int]bool{} // registers
		loads := 0
		for _, i := range loop {
			in := code[i]
			if strings.HasPrefix(in.Op, load) && !strings.Contains(in.Op, "STRONG") { // for sm_70 it ends in .SYS
				m := regexp.MustCompile(`^R(\d+),`).FindStringSubmatch(in.Operands)
				if m == nil {
					return 0, fmt.Errorf("%s %s: not a load in cuobjdump's form", in.Op, in.Operands)
				}
				first, _ := strconv.Atoi(m[1]) // digits
				for r := range piece / 4 {
					loaded[first+r] = true
				}
				loads++
				continue
			}
			if loads > 0 && reads(in, loaded) {
				return loads, nil
			}
		}
	}
	return 0, fmt.Errorf("found no loop with loads of %d bytes", piece)
}

// reads reports whether an instruction reads one of the registers. Its first operand is the one that it writes.
func reads(in sass.Instruction, registers map[int]bool) bool {
	_, sources, _ := strings.Cut(in.Operands, ",")
	for _, m := range regexp.MustCompile(`\bR(\d+)\b`).FindAllStringSubmatch(sources, -1) {
		if r, _ := strconv.Atoi(m[1]); registers[r] {
			return true
		}
	}
	return false
}
