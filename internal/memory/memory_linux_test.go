package memory

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/testkit"
)

// TestAddressSpace fills the address space of a process in which it is limited, as by ulimit -v, until there is an error. It
// repeats that with the previous allocations as garbage, which must not cause an error.
func TestAddressSpace(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector has to have its own memory")
	}
	if os.Getenv("MEMORY_TEST_CHILD") == "" {
		child := exec.Command(testkit.Self(t), "-test.run=^TestAddressSpace$", "-test.v")
		child.Env = append(os.Environ(), "MEMORY_TEST_CHILD=1")
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS")
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	const size = 256 << 20
	limit := syscall.Rlimit{Cur: m.Sys + 4*size, Max: m.Sys + 4*size}
	if addressed, ok := fields(os.DirFS("/"), "proc/self/status", kib)["VmSize"]; ok {
		limit = syscall.Rlimit{Cur: addressed + 6*size, Max: addressed + 6*size}
	}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_AS, &limit))
	for range 4 {
		var kept [][]byte
		for {
			x, err := Make[byte](size)
			if err != nil {
				require.ErrorContains(t, err, "it needs 268435456 bytes of memory: ")
				break
			}
			kept = append(kept, x)
		}
		require.GreaterOrEqual(t, len(kept), 4)
		require.Less(t, len(kept), 7)
		runtime.KeepAlive(kept)
	}
}

// TestUntouched allocates memory without touching it: free memory must decrease by the same amount.
func TestUntouched(t *testing.T) {
	_, before := limits()
	if before < 4*gib || before == unknown {
		t.Skip("little memory")
	}
	x, err := Make[byte](1 << 30)
	require.NoError(t, err)
	_, after := limits()
	require.InDelta(t, float64(before-gib), float64(after), gib/2)
	runtime.KeepAlive(x)
}
