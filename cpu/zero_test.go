package cpu_test

import (
	"testing"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/testkit"
)

func TestNilAndZeroValues(t *testing.T) {
	testkit.Zero(t, ".", new(cpu.Args[float32]), new(cpu.Upstream[float64]), cpu.Chunks, cpu.Number[float32], cpu.Elements[float64],
		cpu.RefRun[float32], cpu.RefForwardTerms[float32], cpu.RefForward[float64], cpu.RefBackward[float32], cpu.RefForwardBackward[float64],
		cpu.ForwardTerms[float64], cpu.Forward[float32], cpu.Backward[float64], cpu.ForwardBackward[float32], cpu.Run[float64], cpu.InstructionSet, cpu.Finish,
		new(cpu.TuningReport), new(cpu.Tuned), new(cpu.Cache), cpu.Tuning, cpu.SetTuning)
}
