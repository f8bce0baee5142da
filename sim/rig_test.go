package sim_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

// ways returns options of devices that differ in everything that a kernel must not depend on: the order of blocks, warps and lanes, the
// number of resident blocks, one goroutine or many, strict or fast.
func ways() [][]sim.Option {
	if testing.Short() {
		return [][]sim.Option{{sim.Seed(1)}, {sim.Seed(2), sim.Fast()}}
	}
	return [][]sim.Option{
		{sim.Seed(1)},
		{sim.Seed(2), sim.Fast(), sim.Serial()},
		{sim.Seed(3), sim.Multiprocessors(1), sim.BlocksPerMultiprocessor(1)},
		{sim.Seed(4), sim.Fast(), sim.Multiprocessors(16)},
		{sim.Seed(5), sim.Multiprocessors(2), sim.BlocksPerMultiprocessor(32)},
		{sim.Seed(6), sim.Fast(), sim.BlocksPerMultiprocessor(2)},
	}
}

// everywhere runs a test on a new device for each of the ways.
func everywhere(t *testing.T, test func(t *testing.T, d *sim.Device)) {
	t.Helper()
	for i, options := range ways() {
		t.Run(fmt.Sprintf("way=%d", i), func(t *testing.T) { test(t, device(t, options...)) })
	}
}

// device opens a device and closes it after the test. Its step limit makes an endless loop fail rather than hang.
func device(t testing.TB, options ...sim.Option) *sim.Device {
	d := sim.New(append([]sim.Option{sim.StepLimit(1 << 24)}, options...)...)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// body returns a module of one kernel k(out u64, n u32) with registers of all types.
func body(instructions string) string {
	return `.version 7.8
.target sm_80
.address_size 64
.visible .entry k(.param .u64 out, .param .u32 n)
{
.reg .pred %p<20>; .reg .b16 %h<20>; .reg .b32 %r<40>; .reg .b64 %rd<20>; .reg .f32 %f<20>; .reg .f64 %fd<20>;
` + strings.TrimSpace(instructions) + "\nret;\n}\n"
}

// prologue sets %r0 to the thread's number in the grid, %rd0 to the kernel's first argument, and %rd1 to the address of the thread's
// own 32-bit word there.
const prologue = `
mov.u32 %r0, %ctaid.x;
mov.u32 %r1, %ntid.x;
mov.u32 %r2, %tid.x;
mad.lo.u32 %r0, %r0, %r1, %r2;
ld.param.u64 %rd0, [out];
mul.wide.u32 %rd1, %r0, 4;
add.u64 %rd1, %rd0, %rd1;
`

var askPtxas = flag.Bool("ptxas", false, "ask ptxas whether it takes the hand-written kernels too")

// assembled returns a text, after checking with the flag -ptxas that ptxas accepts it.
func assembled(t testing.TB, ptx string) string {
	t.Helper()
	if *askPtxas {
		path := filepath.Join(t.TempDir(), "k.ptx")
		require.NoError(t, os.WriteFile(path, []byte(ptx), 0o600))
		log, err := exec.Command("ptxas", "-arch=sm_90", path, "-o", os.DevNull).CombinedOutput()
		require.NoErrorf(t, err, "%s\n%s", log, ptx)
	}
	return ptx
}

// kernel loads a text and finds a kernel of it.
func kernel(t testing.TB, d *sim.Device, ptx, name string) sim.Function {
	t.Helper()
	m, err := d.Load(assembled(t, ptx))
	require.NoError(t, err)
	f, err := d.Function(m, name)
	require.NoError(t, err)
	return f
}

// shipped returns the text of the project's kernels for an element type.
func shipped(t testing.TB, dtype smoothl1.DType) string {
	t.Helper()
	text, err := kernels.PTX(dtype)
	require.NoError(t, err)
	return text
}

// launch runs a kernel on the default stream.
func launch(t testing.TB, d *sim.Device, f sim.Function, g sim.Geometry, args ...uint64) {
	t.Helper()
	require.NoError(t, d.Launch(f, g, 0, args))
}

// upload allocates memory that holds values, a slice of numbers.
func upload(t testing.TB, d *sim.Device, values any) uint64 {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, binary.Write(&b, binary.LittleEndian, values))
	p, err := d.Alloc(uint64(b.Len()))
	require.NoError(t, err)
	require.NoError(t, d.CopyIn(p, b.Bytes(), 0))
	return uint64(p)
}

// room allocates memory for n numbers of a type, and fills it with bytes 0xa5.
func room[T any](t testing.TB, d *sim.Device, n int) uint64 {
	t.Helper()
	var v T
	return upload(t, d, bytes.Repeat([]byte{0xa5}, n*binary.Size(v)))
}

// download copies n numbers from the device.
func download[T any](t testing.TB, d *sim.Device, p uint64, n int) []T {
	t.Helper()
	values := make([]T, n)
	b := make([]byte, binary.Size(values))
	require.NoError(t, d.CopyOut(b, sim.Ptr(p), 0))
	require.NoError(t, binary.Read(bytes.NewReader(b), binary.LittleEndian, values))
	return values
}

// run runs the kernel k of a body with one 32-bit word for each thread and returns the words.
func run(t testing.TB, d *sim.Device, ptx string, blocks, threads int, n uint32) []uint32 {
	t.Helper()
	out := room[uint32](t, d, blocks*threads)
	launch(t, d, kernel(t, d, ptx, "k"), sim.Linear(uint32(blocks), uint32(threads)), out, uint64(n))
	return download[uint32](t, d, out, blocks*threads)
}

const untouched = 0xa5a5a5a5

// mix is a hash, for test data without a pattern.
func mix(v uint32) uint32 {
	v ^= v >> 16
	v *= 0x7feb352d
	v ^= v >> 15
	v *= 0x846ca68b
	return v ^ v>>16
}
