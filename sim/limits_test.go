package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/driver"
	"github.com/smoothl1/smoothl1/sim"
)

// A loop that never ends is named, and not who waits for it.
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

// A launch that goes on is not stopped, however much it does.
func TestLongLaunch(t *testing.T) {
	loop := body(prologue + "mov.u32 %r3, 0;\nL: add.u32 %r3, %r3, 1; setp.lt.u32 %p1, %r3, 1000; @%p1 bra L;\n st.global.u32 [%rd1], %r3;")
	for _, options := range ways() {
		d := device(t, append(options, sim.WorkLimit(200_000))...)
		out := room[uint32](t, d, 400*64)
		launch(t, d, kernel(t, d, loop, "k"), sim.Linear(400, 64), out, 0)
		require.NoError(t, d.Wait(0))
		require.Greater(t, d.Stats().Kernel("k").Steps, uint64(2_000_000))
	}
}

// Operations that take long are much work: an endless loop of them ends as soon as one of others.
func TestWork(t *testing.T) {
	const limit = 1 << 20
	for name, c := range map[string]struct {
		loop        string
		least, most uint64 // operations, of each of which 32 lanes take part in one
	}{
		"arithmetic":        {"add.u32 %r5, %r5, 1;", limit, limit * 5 / 4},
		"plain loads":       {"ld.global.u32 %r5, [%rd1];", limit / 8, limit / 3},
		"barriers":          {"bar.sync 0;", limit / 8, limit / 3},
		"shuffles":          {"shfl.sync.bfly.b32 %r3, %r0, 1, 31, -1;", limit / 8, limit / 3},
		"volatile loads":    {"ld.volatile.global.u32 %r5, [%rd1];", limit / 100, limit / 40},
		"atomics":           {"red.global.add.u32 [%rd0], 1;", limit / 100, limit / 40},
		"shared atomics":    {"red.shared.add.u32 [s], 1;", limit / 100, limit / 6},
		"fences":            {"membar.gl;", limit / 2000, limit / 500},
		"fences and stores": {"membar.gl; st.volatile.global.u32 [%rd1], %r3;", limit / 3000, limit / 500},
	} {
		t.Run(name, func(t *testing.T) {
			d := device(t, sim.Seed(1), sim.WorkLimit(limit))
			mem := upload(t, d, make([]uint32, 64))
			launch(t, d, kernel(t, d, body(".shared .b32 s;"+prologue+"setp.eq.u32 %p0, %r2, 0; @%p0 st.shared.u32 [s], 0; bar.sync 0;\nL: "+c.loop+"\nbra L;"), "k"),
				sim.Linear(1, 32), mem, 0)
			code(t, driver.CodeLaunchTimeout, d.Wait(0), "no thread has left the kernel for 1048576 units of work")
			steps := d.Stats().Kernel("k").Steps
			assert.Less(t, c.least, steps)
			assert.Less(t, steps, c.most)
		})
	}
}
