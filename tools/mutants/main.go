// Command mutants changes the PTX of the kernels, one instruction at a time and in every way that an operator applies to it, and runs
// the differential test on the simulated device until it catches the change. A mutant that survives shows a hole in the tests, unless
// it is equivalent to the original: survivors.txt lists those, each with a reason. The command fails if any other mutant survives, and
// if a listed one is caught, has no reason, or does not exist.
//
// With -update the list is updated from the drawn mutants: new survivors are added without a reason, which must be given by
// hand; mutants that are caught, or that the PTX no longer has, are removed.
//
// usage: mutants [-n 400] [-seed 1] [-operator NAME] [-kernel REGEXP] [-v] [-update] [-list FILE]
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
)

func main() {
	n := flag.Int("n", 400, "number of mutants to draw; 0: all")
	seed := flag.Uint64("seed", 1, "of the draw")
	only := flag.String("operator", "", "draw only mutants of this operator")
	kernel := flag.String("kernel", "", "draw only mutants of the kernels whose names match this regular expression")
	verbose := flag.Bool("v", false, "print the verdict of every mutant as it is known")
	update := flag.Bool("update", false, "update the list from the drawn mutants")
	list := flag.String("list", "mutants/survivors.txt", "the list of survivors")
	flag.Parse()
	if flag.NArg() != 0 {
		fmt.Fprintln(os.Stderr, "usage: mutants [-n 400] [-seed 1] [-operator NAME] [-kernel REGEXP] [-v] [-update] [-list FILE]")
		os.Exit(2)
	}
	kernels, err := regexp.Compile(*kernel)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants: -kernel:", err)
		os.Exit(2)
	}
	ok, err := run(*list, *update, *verbose, func(all []mutant) []mutant { return draw(all, *n, *seed, *only, kernels) })
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
	took   time.Duration
}

func (v verdict) String() string {
	return fmt.Sprintf("%s after %.1f s: %v: %s", v.how, v.took.Seconds(), v.mutant, strings.SplitN(v.detail, "\n", 2)[0])
}

func (m mutant) is(how, detail string) verdict { return verdict{mutant: m, how: how, detail: detail} }

// The outcomes.
const (
	differs    = "a result differs"
	stopped    = "the device stops it"
	narrower   = "accesses are narrower"
	refused    = "does not load"
	equivalent = "equivalent"
	survived   = "survives"
	misjudged  = "the list is wrong" // it is listed as equivalent, but is caught
	broken     = "fails unchanged"
)

func run(list string, update, verbose bool, draw func([]mutant) []mutant) (bool, error) {
	known, err := readSurvivors(list)
	if err != nil {
		return false, err
	}
	var everything []mutant
	texts := map[string]string{} // by kernel
	for _, t := range kernels.DTypes() {
		for _, text := range []func(smoothl1.DType) (string, error){kernels.PTX, kernels.RichPTX} {
			ptx, err := text(t)
			if err != nil {
				return false, err
			}
			of := all(ptx)
			everything = append(everything, of...)
			for _, m := range of {
				texts[m.kernel] = ptx
			}
		}
	}
	name(everything)
	mutants := draw(slices.Clone(everything))
	if len(mutants) == 0 {
		return false, fmt.Errorf("no operator fits")
	}
	fmt.Printf("%d mutants of %d\n", len(mutants), len(everything))
	trials := trials(texts)
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
				began := time.Now()
				verdicts[i] = known.judged(trials[mutants[i].kernel].of(mutants[i]))
				verdicts[i].took = time.Since(began)
				if verbose {
					fmt.Println(verdicts[i])
				}
				_ = bar.Add(1)
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	group.Wait()
	ok := report(verdicts, time.Since(start))
	if update {
		known.update(everything, verdicts)
		if err := known.write(list); err != nil {
			return false, err
		}
	}
	return ok, known.check(everything)
}

// draw picks n mutants at random, as evenly among the operators as their numbers allow, and leaves out those that are plainly the original.
func draw(list []mutant, n int, seed uint64, only string, kernel *regexp.Regexp) []mutant {
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	byOperator := map[string][]mutant{}
	for _, m := range list {
		if (only == "" || m.operator == only) && kernel.MatchString(m.kernel) {
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
			return slices.DeleteFunc(drawn, func(m mutant) bool { return m.same })
		}
	}
}
