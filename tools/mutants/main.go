// Command mutants changes the PTX of the kernels, one instruction at a time and in every way that an operator applies to it, and runs
// the differential test on the simulated device until it catches the change. A mutant that survives shows a hole in the tests, unless
// it is equivalent to the original: survivors.txt lists those, each with a reason. The command fails if any other mutant survives, and
// if a listed one is caught, has no reason, or does not exist.
//
// With -update the list is updated from the drawn mutants: new survivors are added without a reason, which must be given by
// hand; mutants that are caught, or that the PTX no longer has, are removed.
//
// usage: mutants [-n 400] [-seed 1] [-operator NAME] [-kernel NAME] [-rich] [-v] [-update] [-list FILE]
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

func main() {
	n := flag.Int("n", 400, "number of mutants to draw; 0: all")
	seed := flag.Uint64("seed", 1, "of the draw")
	only := flag.String("operator", "", "draw only mutants of this operator")
	kernel := flag.String("kernel", "", "draw only mutants of this kernel")
	rich := flag.Bool("rich", false, "draw also from the rich kernels and those of the types of 16 bits, which takes many times as long")
	verbose := flag.Bool("v", false, "print every mutant")
	update := flag.Bool("update", false, "update the list from the drawn mutants")
	list := flag.String("list", "mutants/survivors.txt", "the list of survivors")
	flag.Parse()
	if flag.NArg() != 0 {
		fmt.Fprintln(os.Stderr, "usage: mutants [-n 400] [-seed 1] [-operator NAME] [-kernel NAME] [-rich] [-v] [-update] [-list FILE]")
		os.Exit(2)
	}
	ok, err := run(*list, *rich, *update, *verbose, func(all []mutant) []mutant { return draw(all, *n, *seed, *only, *kernel) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// verdict is the outcome of a mutant.
type verdict struct {
	mutant
	how    string // one of the outcomes below
	detail string
}

// The outcomes.
const (
	differs    = "a result differs"
	stopped    = "the device stops it"
	narrower   = "accesses are narrower"
	refused    = "does not load"
	equivalent = "equivalent"
	survived   = "survives"
	misjudged  = "the list is wrong" // it is listed as equivalent, but is caught
)

func run(list string, rich, update, verbose bool, draw func([]mutant) []mutant) (bool, error) {
	known, err := readSurvivors(list)
	if err != nil {
		return false, err
	}
	var everything []mutant
	types, texts := []smoothl1.DType{smoothl1.Float32, smoothl1.Float64}, []func(smoothl1.DType) (string, error){kernels.PTX}
	if rich {
		types, texts = kernels.DTypes(), append(texts, kernels.RichPTX)
	}
	for _, t := range types {
		for _, text := range texts {
			ptx, err := text(t)
			if err != nil {
				return false, err
			}
			everything = append(everything, all(ptx)...)
		}
	}
	name(everything)
	mutants := draw(slices.Clone(everything))
	if len(mutants) == 0 {
		return false, fmt.Errorf("no operator fits")
	}
	fmt.Printf("%d mutants of %d\n", len(mutants), len(everything))
	cases := casesByKernel()
	if err := study(mutants, cases); err != nil {
		return false, err
	}
	bar := progressbar.NewOptions(len(mutants), progressbar.OptionSetWriter(os.Stderr), progressbar.OptionClearOnFinish(), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(10), // one row of 60 columns
		progressbar.OptionSetVisibility(term.IsTerminal(int(os.Stderr.Fd()))))
	start := time.Now()
	verdicts := make([]verdict, len(mutants))
	var group sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := range next {
				verdicts[i] = known.judged(try(mutants[i].text(), mutants[i], cases[mutants[i].kernel]))
				_ = bar.Add(1)
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	group.Wait()
	ok := report(verdicts, time.Since(start), verbose)
	if update {
		known.update(everything, verdicts)
		if err := known.write(list); err != nil {
			return false, err
		}
	}
	return ok, known.check(everything)
}

// study runs the unchanged kernels of the mutants, which must pass.
func study(mutants []mutant, cases map[string][]difftest.Case) error {
	var mu sync.Mutex
	var errs []error
	var group sync.WaitGroup
	first := make(chan mutant) // the first mutant of each kernel
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for m := range first {
				if v := try(m.original, m, cases[m.kernel]); v.how != survived {
					err := fmt.Errorf("%s unchanged: %s: %s", m.kernel, v.how, v.detail)
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	seen := map[string]bool{}
	for _, m := range mutants {
		if !seen[m.kernel] {
			seen[m.kernel] = true
			first <- m
		}
	}
	close(first)
	group.Wait()
	return errors.Join(errs...)
}

// draw picks n mutants at random, as evenly among the operators as their numbers allow.
func draw(list []mutant, n int, seed uint64, only, kernel string) []mutant {
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	byOperator := map[string][]mutant{}
	for _, m := range list {
		if (only == "" || m.operator == only) && (kernel == "" || m.kernel == kernel) {
			byOperator[m.operator] = append(byOperator[m.operator], m)
		}
	}
	var drawn []mutant
	for round := 0; ; round++ {
		before := len(drawn)
		for _, o := range operators {
			if ms := byOperator[o.name]; round < len(ms) && (n == 0 || len(drawn) < n) {
				drawn = append(drawn, ms[round])
			}
		}
		if len(drawn) == before {
			return drawn
		}
	}
}

// casesByKernel returns the cases of the differential test that run each kernel.
func casesByKernel() map[string][]difftest.Case {
	cases := map[string][]difftest.Case{}
	add := func(c difftest.Case) {
		for _, v := range c.Variants() {
			cases[v.Name()] = append(cases[v.Name()], c)
		}
	}
	for _, c := range slices.Concat(difftest.Corners(), difftest.Table()) {
		add(c)
	}
	for _, c := range difftest.Levels() {
		if c.N%(256*2048) == 0 { // a multiple of as many chunk sums as a block holds
			add(c)
		}
	}
	for i := range 32000 { // a quarter of them for lean kernels of float32 and float64
		add(difftest.Random(1, i, 20_000))
	}
	return cases
}

// stepLimit ends a mutant that loops forever; no case needs a hundredth of it.
const stepLimit = 1 << 28

// try runs the cases of a kernel on a PTX text until one fails.
func try(ptx string, m mutant, cases []difftest.Case) verdict {
	// Few multiprocessors give blocks of many warps, some of them without work; many give many blocks, down to one warp each.
	for i, step := range []struct {
		multiprocessors int
		cases           []difftest.Case
	}{
		{2, aligned(m.kernel, cases)},
		{2, cases},
		{64, cases},
		{4096, ofKernel(m.kernel, slices.Concat(difftest.Deep(), difftest.Levels()))},
	} {
		device := sim.New(sim.Seed(1), sim.StepLimit(stepLimit))
		dev, err := gpu.Open(gpu.On(difftest.Modified{Device: device, PTX: map[string]string{m.original: ptx}, Multiprocessors: step.multiprocessors}))
		if err != nil {
			return verdict{m, refused, err.Error()}
		}
		column := difftest.On("mutant", dev)
		for _, c := range step.cases {
			if err := difftest.Run(c, column, difftest.Fallback()); err != nil {
				_ = dev.Close() // after a fault it fails again
				return verdict{m, wayOf(err), err.Error()}
			}
		}
		if err := dev.Close(); err != nil {
			return verdict{m, wayOf(err), err.Error()}
		}
		if i == 0 {
			if text := narrowAccess(device.Coverage(), m.kernel); text != "" {
				return verdict{m, narrower, text}
			}
		}
	}
	return verdict{m, survived, ""}
}

func ofKernel(kernel string, cases []difftest.Case) []difftest.Case {
	var list []difftest.Case
	for _, c := range cases {
		if slices.ContainsFunc(c.Variants(), func(v kernels.Variant) bool { return v.Name() == kernel }) {
			list = append(list, c)
		}
	}
	return list
}

// aligned returns the cases with aligned and dense arrays of full chunks, for which the kernels promise wide accesses.
func aligned(kernel string, cases []difftest.Case) []difftest.Case {
	var list []difftest.Case
	for _, c := range ofKernel(kernel, cases) {
		if c.N > 0 && c.N%2048 == 0 && c.N <= 4096 && c.Shift == 0 && c.Actions == 0 && slices.Max(c.Forms[:]) <= difftest.Dense {
			list = append(list, c)
		}
	}
	return list
}

// narrowAccess describes an access of a single element of the arrays, or returns "" if a kernel has made none.
func narrowAccess(c sim.Coverage, kernel string) string {
	element := regexp.MustCompile(`^(ld|st)\.global\.(f32|f64|u16|u8)`)
	for _, k := range c {
		if k.Kernel != kernel || k.Launches == 0 {
			continue
		}
		for _, i := range k.Instructions {
			// Only one thread of 32 or fewer writes the chunk sums and the loss, one at a time; all threads read a row.
			if i.Executed >= 32*k.Launches/2 && element.MatchString(i.Text) {
				return fmt.Sprintf("line %d: %s", i.Line, i.Text)
			}
		}
	}
	return ""
}

func wayOf(err error) string {
	var e *gpu.DeviceError
	if errors.As(err, &e) {
		return stopped
	}
	return differs
}
