package sim_test

import (
	"testing"

	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim"
)

func TestNilAndZeroValues(t *testing.T) {
	testkit.Zero(t, ".", new(sim.Device), new(sim.Error), new(sim.Option), new(sim.Stats), new(sim.KernelStats), new(sim.StaleLoads), new(sim.Instructions),
		new(sim.SpaceTraffic), new(sim.Traffic), new(sim.Coverage), new(sim.KernelCoverage), new(sim.InstructionCoverage),
		new(sim.CoverageCount), new(sim.CallKind), new(sim.Held), sim.Linear, sim.New, sim.Seed, sim.Multiprocessors,
		sim.BlocksPerMultiprocessor, sim.MemoryBytes, sim.ComputeCapability, sim.StepLimit, sim.Fast, sim.LatestLoads, sim.Serial, sim.Approximate)
}
