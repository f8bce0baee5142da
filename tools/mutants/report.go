package main

import (
	"fmt"
	"sort"
	"time"
)

// report prints the table and reports whether every mutant was caught or is known to be equivalent.
func report(verdicts []verdict, took time.Duration) bool {
	ways := []string{differs, stopped, narrower, refused, equivalent, survived, misjudged, broken}
	counts := map[string]map[string]int{}
	for _, v := range verdicts {
		if counts[v.operator] == nil {
			counts[v.operator] = map[string]int{}
		}
		counts[v.operator][v.how]++
		counts[v.operator]["all"]++
	}
	fmt.Printf("%-28s %7s", "operator", "mutants")
	for _, w := range ways {
		fmt.Printf("  %s", w)
	}
	fmt.Println()
	total := map[string]int{}
	row := func(name string, c map[string]int) {
		fmt.Printf("%-28s %7d", name, c["all"])
		for _, w := range ways {
			fmt.Printf("  %*d", len(w), c[w])
		}
		fmt.Println()
	}
	for _, o := range operators {
		if c := counts[o.name]; c != nil {
			row(o.name, c)
			for k, n := range c {
				total[k] += n
			}
		}
	}
	row("all", total)
	sort.Slice(verdicts, func(i, j int) bool { return verdicts[i].line < verdicts[j].line })
	for _, v := range verdicts {
		if v.how == survived || v.how == refused || v.how == misjudged || v.how == broken {
			fmt.Println(v)
		}
	}
	fmt.Printf("%d mutants in %.0f s: %d caught, %d equivalent, %d survive\n", total["all"], took.Seconds(), total[differs]+total[stopped]+total[narrower]+total[refused], total[equivalent], total[survived])
	return total[survived]+total[misjudged]+total[broken] == 0
}
