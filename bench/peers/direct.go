package main

import (
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/measure"
)

func init() { contenders = append(contenders, direct) }

// direct returns calls of the functions of package cpu, which an op of package gpu calls on the CPU: those on pred and target alone.
func direct(w measure.Workload) (all []measure.Call) {
	loss := w.Loss
	calls := map[string]func(pred, target, out []float32) error{
		measure.ForwardNone: func(pred, target, out []float32) error {
			return cpu.ForwardTerms(loss, &cpu.Args[float32]{Pred: pred, Target: target, Terms: out})
		},
		measure.ForwardReduced: func(pred, target, _ []float32) error {
			_, err := cpu.Forward(loss, &cpu.Args[float32]{Pred: pred, Target: target})
			return err
		},
		measure.Backward: func(pred, target, out []float32) error {
			return cpu.Backward(loss, &cpu.Args[float32]{Pred: pred, Target: target, GradPred: out})
		},
		measure.ForwardBackward: func(pred, target, out []float32) error {
			_, err := cpu.ForwardBackward(loss, &cpu.Args[float32]{Pred: pred, Target: target, GradPred: out})
			return err
		},
	}
	for _, op := range w.Operations() {
		if run := calls[op]; run != nil {
			all = append(all, measure.Call{Op: op, Contender: measure.Direct, Run: run})
		}
	}
	return all
}
