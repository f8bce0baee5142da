package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/tools/sass"
)

// toy is a device with round numbers: 10 multiprocessors of 1 GHz and 125 GB/s, of which 100 are reached by loads.
var toy = device{name: "toy", multiprocessors: 10, clock: 1, bandwidth: 125, read: 0.8, mixed: 0.5, dram: 500, l2: 200, l2Bytes: 1e6, loaded: 1000,
	launch: 1000, warps: 64, rates: rates(64, 32)}

// forward is a kernel of 128 registers with 16 loads of 16 bytes in flight, two rounds of them, whose code is loads and additions.
func forward(t *testing.T) *work {
	t.Helper()
	body := ""
	for i := range 16 {
		body += line(i, "LDG.E.128 R4, [R2.64]")
	}
	body += line(16, "FADD R8, R4, R5") + line(17, "@P0 BRA 0x0") + line(18, "LDG.E.64.STRONG.GPU R4, [R2.64]") +
		line(19, "LDG.E.64.STRONG.GPU R4, [R2.64]") + line(20, "DADD R6, R6, R4") + line(21, "@P0 BRA 0x120") + line(22, "EXIT")
	code, err := sass.Parse(body)
	require.NoError(t, err)
	w, err := workOf(kernels.Variant{DType: smoothl1.Float32, Pass: kernels.Forward}, code, 128)
	require.NoError(t, err)
	return w
}

func line(i int, text string) string {
	const digits = "0123456789abcdef"
	return "/*0" + string(digits[i/16]) + string(digits[i%16]) + "0*/ " + text + " ;\n"
}

func TestWork(t *testing.T) {
	w := forward(t)
	assert.Equal(t, 16, w.inFlight)
	assert.Equal(t, 2, w.chunk.iterations, "16 loads of 4 elements from 2 arrays are 8 of a chunk's 16 rows")
	assert.Equal(t, 32, w.fold.iterations, "2 of the 64 chunk sums of a thread")
	assert.InDelta(t, 18*2/64.0, w.body.Total(), 1e-9, "an element")
	assert.Zero(t, w.around.Total())
	_, err := workOf(w.variant, w.chunk.code[22:], 128)
	assert.Error(t, err)
}

func TestDeal(t *testing.T) {
	one := structure{resident: 16, share: 1}
	assert.Equal(t, grid{block: 1, warps: 1, busy: 4, rounds: 1, share: 1}, one.deal(toy, 4, 128))
	assert.Equal(t, grid{block: 3, warps: 3, busy: 10, rounds: 1, share: 1}, one.deal(toy, 28, 128))
	assert.Equal(t, grid{block: 8, warps: 16, busy: 10, rounds: 7, share: 1}, one.deal(toy, 1000, 128), "160 warps with 6.25 chunks each")
	assert.Equal(t, grid{block: 8, warps: 8, busy: 10, rounds: 14, share: 1}, one.deal(toy, 1000, 129), "one block at a time, for want of registers")
	four := structure{resident: 16, share: 4}
	assert.Equal(t, grid{block: 4, warps: 4, busy: 4, rounds: 1, share: 4}, four.deal(toy, 4, 128))
	assert.Equal(t, grid{block: 4, warps: 16, busy: 10, rounds: 1, share: 4}, four.deal(toy, 40, 128), "10 multiprocessors with 16 warps")
	assert.Equal(t, 1, four.deal(toy, 41, 128).share)
}

func TestCycles(t *testing.T) {
	for class, mix := range map[string]sass.Mix{
		"issue": {sass.FP32: 2, sass.ALU: 2, sass.Other: 16}, "FP64": {sass.FP64: 5}, "special": {sass.Special: 2.5, sass.FP32: 8},
	} {
		cycles, by := toy.cycles(mix)
		assert.Equal(t, class, by)
		assert.InDelta(t, 5, cycles, 1e-9, class)
	}
}

func TestPredict(t *testing.T) {
	w, s := forward(t), structure{resident: 16, share: 1}
	n := 1 << 24
	p := predict(toy, w, s, n)
	assert.Equal(t, "bandwidth", p.bound)
	assert.InDelta(t, 500+(8*float64(n)+8*8192)/100, p.bandwidth, 1e-6)
	assert.Equal(t, p.launch+p.stream+p.finish, p.total)
	// Little's law: to read 10 GB/s with a latency of 1000 ns a multiprocessor needs 10,000 bytes in flight; it has 16 warps × 16 loads × 512 bytes.
	assert.InDelta(t, 10_000, p.needed, 1e-6)
	assert.InDelta(t, 131_072, p.inFlight, 1e-6)
	starved := *w
	starved.inFlight = 1
	slow := toy
	slow.loaded = 2000
	p = predict(slow, &starved, s, n)
	assert.Equal(t, "latency", p.bound)
	assert.InDelta(t, (8*float64(n)+8*8192)/(8192/2000.0*10), p.stream, 1e-6, "8,192 bytes in flight, of the 20,000 needed")
	slow.clock, slow.dram, slow.l2 = 1e-3, 1, 0
	assert.Equal(t, "memory", predict(slow, w, s, n).bound, "16 warps execute loads more slowly than one waits for them")
	slow.mixed = 0.1
	assert.Greater(t, predict(slow, w, s, n).total, predict(toy, w, s, n).total)
}

// Of one chunk, the chain is two rounds of loads; four warps to a chunk have one.
func TestLatencyOfOneChunk(t *testing.T) {
	w := forward(t)
	quick := toy
	quick.loaded = 1
	alone := predict(quick, w, structure{resident: 16, share: 1}, chunkElements)
	assert.InDelta(t, 2*(500+64)+2*toy.l2, alone.latency, 100, "16 loads that take 4 cycles each, and the latency, twice")
	together := predict(quick, w, structure{resident: 16, share: 4}, chunkElements)
	assert.InDelta(t, 500+64+shared+2*toy.l2, together.latency, 100)
}

func TestFinish(t *testing.T) {
	w := forward(t)
	assert.InDelta(t, 4*toy.l2+w.fold.cycles(toy.timing(toy.l2), 32)+w.fold.cycles(toy.timing(toy.l2), 4)+toy.l2, predict(toy, w, built, 1<<30).finish, 1e-6, "two tickets, 2048 sums, 256 sums, the value")
	terms := *w
	terms.variant.Pass = kernels.ForwardTerms
	assert.Zero(t, predict(toy, &terms, built, 1<<20).finish)
	assert.InDelta(t, toy.l2, predict(toy, w, built, chunkElements).finish, 1e-6, "one chunk sum is the value")
}

func TestMicroseconds(t *testing.T) {
	assert.Equal(t, []float64{0, 1.23, 15600, 0.0451}, []float64{microseconds(0), microseconds(1234), microseconds(15_621_000), microseconds(45.12)})
}
