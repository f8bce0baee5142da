package sim_test

import (
	"encoding/binary"
	"fmt"
	"log"
	"math"

	"github.com/smoothl1/smoothl1/sim"
)

// saxpy is a typical .ptx file of a CUDA project: y[i] = a*x[i] + y[i] for i < n, rounded once.
const saxpy = `.version 7.0
.target sm_60
.address_size 64

.visible .entry saxpy(.param .u64 x, .param .u64 y, .param .f32 a, .param .u32 n)
{
	.reg .pred %p<2>;
	.reg .b32 %r<6>;
	.reg .f32 %f<5>;
	.reg .b64 %rd<6>;

	mov.u32 %r1, %ctaid.x;
	mov.u32 %r2, %ntid.x;
	mov.u32 %r3, %tid.x;
	mad.lo.u32 %r4, %r1, %r2, %r3;
	ld.param.u32 %r5, [n];
	setp.ge.u32 %p1, %r4, %r5;
	@%p1 bra done;

	ld.param.u64 %rd1, [x];
	ld.param.u64 %rd2, [y];
	ld.param.f32 %f1, [a];
	mul.wide.u32 %rd3, %r4, 4;
	add.u64 %rd4, %rd1, %rd3;
	add.u64 %rd5, %rd2, %rd3;
	ld.global.f32 %f2, [%rd4];
	ld.global.f32 %f3, [%rd5];
	fma.rn.f32 %f4, %f1, %f2, %f3;
	st.global.f32 [%rd5], %f4;
done:
	ret;
}
`

// This example runs a kernel without a GPU. A test would compare y with the expected values, and
// leave out the seed, so that each run has a different order of blocks and warps; a fault prints the seed that replays it.
func Example() {
	dev := sim.New(sim.Seed(1))
	defer dev.Close()

	module, err := dev.Load(saxpy)
	if err != nil {
		log.Fatal(err)
	}
	kernel, err := dev.Function(module, "saxpy")
	if err != nil {
		log.Fatal(err)
	}
	x := []float32{1, 2, 3, 4, 5, 6, 7, 8}
	y := []float32{10, 20, 30, 40, 50, 60, 70, 80}
	const n = 8
	dx, err := dev.Alloc(4 * n)
	if err != nil {
		log.Fatal(err)
	}
	dy, err := dev.Alloc(4 * n)
	if err != nil {
		log.Fatal(err)
	}

	const stream = 0 // the default one
	host := make([]byte, 4*n)
	for to, values := range map[sim.Ptr][]float32{dx: x, dy: y} {
		if _, err := binary.Encode(host, binary.LittleEndian, values); err != nil {
			log.Fatal(err)
		}
		if err := dev.CopyIn(to, host, stream); err != nil {
			log.Fatal(err)
		}
	}
	a := uint64(math.Float32bits(0.5))
	if err := dev.Launch(kernel, sim.Linear(2, 4), stream, []uint64{uint64(dx), uint64(dy), a, n}); err != nil {
		log.Fatal(err)
	}
	if err := dev.CopyOut(host, dy, stream); err != nil { // waits for the kernel
		log.Fatal(err)
	}
	if _, err := binary.Decode(host, binary.LittleEndian, y); err != nil {
		log.Fatal(err)
	}
	fmt.Println(y)
	// Output: [10.5 21 31.5 42 52.5 63 73.5 84]
}

// The same kernel with an n that is larger than the arrays: the error names the thread and block that went too far, the line of the PTX,
// and the address.
func Example_fault() {
	dev := sim.New(sim.Seed(1))
	defer dev.Close()

	module, err := dev.Load(saxpy)
	if err != nil {
		log.Fatal(err)
	}
	kernel, err := dev.Function(module, "saxpy")
	if err != nil {
		log.Fatal(err)
	}
	x, err := dev.Alloc(4 * 6)
	if err != nil {
		log.Fatal(err)
	}
	if err := dev.Zero(x, 4*6, 0); err != nil {
		log.Fatal(err)
	}
	if err := dev.Launch(kernel, sim.Linear(1, 32), 0, []uint64{uint64(x), uint64(x), 0, 8}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(dev.Wait(0))
	// Output: CUDA_ERROR_ILLEGAL_ADDRESS (700) from cuStreamSynchronize: load of 4 bytes outside every allocation, 0 bytes after the one of 24 bytes at 0x1000000000, address 0x1000000018; kernel saxpy, PTX line 26: "ld.global.f32 %f2, [%rd4]", block (0,0,0), thread (6,0,0), seed 1, launch 1
}
