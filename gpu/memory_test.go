package gpu

import (
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/testkit"
)

// TestMemoryOfTheCPU allocates ever more memory, doubling from what a machine may have to more than any machine has. It does so in a
// process of its own, since Go terminates a process that runs out of memory.
func TestMemoryOfTheCPU(t *testing.T) {
	if os.Getenv("GPU_TEST_CHILD") == "" {
		child := exec.Command(testkit.Self(t), "-test.run=^TestMemoryOfTheCPU$", "-test.v")
		child.Env = append(os.Environ(), "GPU_TEST_CHILD=1")
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%.2000s", out)
		require.Contains(t, string(out), "--- PASS")
		return
	}
	d := openCPUFor(t)
	refusals := 0
	for bits := strconv.IntSize - 3; bits >= strconv.IntSize/2-2; bits-- {
		n := 1<<bits - 1
		b, err := Alloc[float32](d, n)
		if err == nil {
			require.NoError(t, b.Close())
			break // the system has, or claims to have, this much
		}
		refusals++
		require.ErrorIs(t, err, smoothl1.ErrMemory)
		assert.Regexp(t, `^smoothl1: Alloc: n = `+strconv.Itoa(n)+`: out of memory: .+`, err.Error())
	}
	assert.NotZero(t, refusals)

	// Closed and unreachable buffers must not lead to an error.
	b, err := Upload(d, make([]float32, cpu.Chunk))
	require.NoError(t, err)
	require.NoError(t, b.Close())

	// A reduction without room for its chunk sums leaves the last loss as it was.
	x := make([]float32, 3)
	op := newOp[float32](t, d, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum})
	three, err := WrapHost(d, x)
	require.NoError(t, err)
	require.NoError(t, op.Forward(three, three))
	if strconv.IntSize == 64 {
		huge := &Buffer[float32]{array{dev: d, dtype: smoothl1.Float32, n: 1 << (strconv.IntSize - 14), host: three.host}} // never read
		err = op.Forward(huge, huge)
		require.ErrorIs(t, err, smoothl1.ErrMemory)
		require.ErrorContains(t, err, "smoothl1: Forward: pred = float32[1125899906842624]: ")
	}
	sums, err := op.ChunkSums(nil)
	require.NoError(t, err)
	assert.Equal(t, []float64{0}, sums)
}
