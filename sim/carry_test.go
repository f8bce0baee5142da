package sim_test

import (
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// nvcc's division of 128-bit integers gives the same results as math/big. testdata/udiv128.cu says how its PTX was made.
func TestInt128Division(t *testing.T) {
	text, err := os.ReadFile("testdata/udiv128.ptx")
	require.NoError(t, err)
	const n = 2048
	// Words of zeros, of ones, of a few bits and of many, so that there are quotients of every length, and remainders of 0.
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
	d := device(t, sim.Approximate()) // the division estimates digits with an approximate reciprocal
	pa, pb, q, r := upload(t, d, a), upload(t, d, b), room[[2]uint64](t, d, n), room[[2]uint64](t, d, n)
	launch(t, d, kernel(t, d, string(text), "divide"), sim.Linear(n/64, 64), pa, pb, q, r, n)
	quotients, remainders := download[[2]uint64](t, d, q, n), download[[2]uint64](t, d, r, n)
	for i := range n {
		quotient, remainder := new(big.Int).QuoRem(number(a[i]), number(b[i]), new(big.Int))
		require.Equalf(t, quotient.String(), number(quotients[i]).String(), "%v / %v", number(a[i]), number(b[i]))
		require.Equalf(t, remainder.String(), number(remainders[i]).String(), "%v %% %v", number(a[i]), number(b[i]))
	}
}

// The carry flag set by an addition or subtraction of constants, and passed through another one, is the one to which ptxas folds it:
// the code that ptxas generates stores the zero register or another one. With the flag -ptxas, the test runs ptxas.
func TestFoldedCarries(t *testing.T) {
	for first, flag := range map[string]uint32{
		"add.cc.u32 %r3, 5, 3": 0, "add.cc.u32 %r3, 0xffffffff, 3": 1, "sub.cc.u32 %r3, 5, 3": 1, "sub.cc.u32 %r3, 3, 5": 0, "sub.cc.u32 %r3, 5, 5": 1,
	} {
		for _, second := range []string{"", "addc.cc.u32 %r3, 0xffffffff, 0;", "subc.cc.u32 %r3, 7, 7;", "subc.cc.u32 %r3, 7, 7; addc.cc.u32 %r3, 0, 0xffffffff;"} {
			inst := fmt.Sprintf("%s; %s addc.u32 %%r4, 0, 0;", first, second)
			text := body("ld.param.u64 %rd1, [out];" + inst + "st.global.u32 [%rd1], %r4;")
			require.Equal(t, flag, run(t, device(t), text, 1, 1, 0)[0], inst)
			if !*askPtxas {
				continue
			}
			path := filepath.Join(t.TempDir(), "k")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			require.NoError(t, exec.Command("ptxas", "-arch=sm_80", path, "-o", path+".cubin").Run())
			code, err := exec.Command("cuobjdump", "-sass", path+".cubin").Output()
			require.NoError(t, err)
			store := regexp.MustCompile(`STG\.E \[R\d+\.64\], (R\w+)`).FindSubmatch(code)
			require.NotNil(t, store, "%s", code)
			require.Equal(t, flag == 0, string(store[1]) == "RZ", "%s\n%s", inst, code)
		}
	}
}
