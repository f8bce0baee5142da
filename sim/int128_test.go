package sim_test

import (
	"math/big"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// nvcc's division of 128-bit integers gives what math/big does. testdata/udiv128.cu says how its PTX was made.
func TestInt128Division(t *testing.T) {
	text, err := os.ReadFile("testdata/udiv128.ptx")
	require.NoError(t, err)
	const n = 2048
	// Words of 0, of ones, of a few bits and of many, so that quotients of every length come up, and remainders of 0.
	words := make([][2][2]uint64, n) // a, b; the low half first
	for i := range words {
		for k := range 4 {
			h := uint64(mix(uint32(8*i+2*k)))<<32 | uint64(mix(uint32(8*i+2*k+1)))
			words[i][k/2][k%2] = [...]uint64{h, 0, ^uint64(0), h >> (h & 63), h << (h & 63), h >> 32}[mix(uint32(4*i+k)+1<<20)%6]
		}
		if words[i][1] == [2]uint64{} {
			words[i][1][0] = 1
		}
	}
	number := func(v [2]uint64) *big.Int {
		b := new(big.Int).SetUint64(v[1])
		return b.Add(b.Lsh(b, 64), new(big.Int).SetUint64(v[0]))
	}
	var a, b [n][2]uint64
	for i := range n {
		a[i], b[i] = words[i][0], words[i][1]
	}
	d := device(t, sim.Approximate()) // an approximate reciprocal is where its estimates of a digit begin
	pa, pb, q, r := upload(t, d, a), upload(t, d, b), room[[2]uint64](t, d, n), room[[2]uint64](t, d, n)
	launch(t, d, kernel(t, d, string(text), "divide"), sim.Linear(n/64, 64), pa, pb, q, r, n)
	quotients, remainders := download[[2]uint64](t, d, q, n), download[[2]uint64](t, d, r, n)
	for i := range n {
		quotient, remainder := new(big.Int).QuoRem(number(a[i]), number(b[i]), new(big.Int))
		require.Equalf(t, quotient.String(), number(quotients[i]).String(), "%v / %v", number(a[i]), number(b[i]))
		require.Equalf(t, remainder.String(), number(remainders[i]).String(), "%v %% %v", number(a[i]), number(b[i]))
	}
}
