package main

import (
	"runtime"

	"github.com/smoothl1/smoothl1/bench/ceiling"
	"github.com/smoothl1/smoothl1/internal/measure"
)

func init() { contenders = append(contenders, ceilings) }

// ceilings returns calls that move memory as the operations do, but compute nothing. Arrays of other types are moved as float32s.
func ceilings(w measure.Workload) (all []measure.Call) {
	if n := w.N() * w.DType.Size() / 4; n%ceiling.Granule != 0 || n < 1024 {
		return nil
	}
	for _, l := range ceiling.Loops(runtime.GOMAXPROCS(0)) {
		all = append(all, measure.Call{Op: string(l.Kind), Contender: l.Name, Run: func(pred, target, out []float32) error {
			l.Run(out, pred, target)
			return nil
		}})
	}
	return all
}
