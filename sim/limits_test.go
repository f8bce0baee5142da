package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// The error blames the thread in an endless loop, not the threads that wait for it.
func TestEndlessThread(t *testing.T) {
	for name, c := range map[string]struct{ wait, loop, says string }{
		"barrier": {"bar.sync 0;", "add.u32 %r5, %r5, 1;", `"bra L"`},
		"flag":    {"bar.sync 0;", "ld.volatile.global.u32 %r5, [%rd0];", `"ld.volatile.global.u32 %r5, [%rd0]"`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, options := range ways() {
				d := device(t, append(options, sim.WorkLimit(1<<16))...)
				mem := upload(t, d, make([]uint32, 64))
				launch(t, d, kernel(t, d, body(prologue+`
					setp.eq.u32 %p0, %r2, 70;
					@%p0 bra L;
					`+c.wait+`
					bra END;
				L:	`+c.loop+`
					bra L;
				END:`), "k"), sim.Linear(1, 128), mem, 0)
				code(t, driver.CodeLaunchTimeout, d.Wait(0), "no thread has left the kernel for", "thread (70,0,0)", "StepLimit", c.says)
			}
		})
	}
}

// A launch that makes progress is not stopped, however much it does.
func TestLongLaunch(t *testing.T) {
	loop := body(prologue + "mov.u32 %r3, 0;\nL: add.u32 %r3, %r3, 1; setp.lt.u32 %p1, %r3, 1000; @%p1 bra L;\n st.global.u32 [%rd1], %r3;")
	for _, options := range ways() {
		d := device(t, append(options, sim.WorkLimit(50_000))...)
		out := room[uint32](t, d, 100*64)
		launch(t, d, kernel(t, d, loop, "k"), sim.Linear(100, 64), out, 0)
		require.NoError(t, d.Wait(0))
		require.Greater(t, d.Stats().Kernel("k").Steps, uint64(500_000))
	}
}

// endlessLoops are kinds of endless loops, with bounds on the operations, of 32 lanes each, that they execute in workTried units of work.
var endlessLoops = map[string]struct {
	loop        string
	least, most uint64
}{
	"arithmetic":        {"add.u32 %r5, %r5, 1;", workTried, workTried * 5 / 4},
	"plain loads":       {"ld.global.u32 %r5, [%rd1];", workTried / 8, workTried / 3},
	"barriers":          {"bar.sync 0;", workTried / 8, workTried / 3},
	"shuffles":          {"shfl.sync.bfly.b32 %r3, %r0, 1, 31, -1;", workTried / 8, workTried / 3},
	"volatile loads":    {"ld.volatile.global.u32 %r5, [%rd1];", workTried / 100, workTried / 40},
	"atomics":           {"red.global.add.u32 [%rd0], 1;", workTried / 100, workTried / 40},
	"shared atomics":    {"red.shared.add.u32 [s], 1;", workTried / 100, workTried / 6},
	"fences":            {"membar.gl;", workTried / 2000, workTried / 500},
	"fences and stores": {"membar.gl; st.volatile.global.u32 [%rd1], %r3;", workTried / 3000, workTried / 500},
}

const workTried = 1 << 20

func loopForEver(t testing.TB, d *sim.Device, loop string) {
	mem := upload(t, d, make([]uint32, 64))
	launch(t, d, kernel(t, d, body(".shared .b32 s;"+prologue+"setp.eq.u32 %p0, %r2, 0; @%p0 st.shared.u32 [s], 0; bar.sync 0;\nL: "+loop+"\nbra L;"), "k"),
		sim.Linear(1, 32), mem, 0)
	code(t, driver.CodeLaunchTimeout, d.Wait(0), "no thread has left the kernel for 1048576 units of work")
}

// Slow operations count as more work, so that an endless loop of them is stopped after about the same time as any other.
func TestWork(t *testing.T) {
	for name, c := range endlessLoops {
		t.Run(name, func(t *testing.T) {
			d := device(t, sim.Seed(1), sim.WorkLimit(workTried))
			loopForEver(t, d, c.loop)
			steps := d.Stats().Kernel("k").Steps
			assert.Less(t, c.least, steps)
			assert.Less(t, steps, c.most)
		})
	}
}

// BenchmarkWork measures the time of a unit of work, which is stated in StepLimit's documentation.
func BenchmarkWork(b *testing.B) {
	for name, c := range endlessLoops {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				loopForEver(b, device(b, sim.Seed(1), sim.WorkLimit(workTried)), c.loop)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/workTried, "ns/unit")
		})
	}
}
