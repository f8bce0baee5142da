package isa

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestChoose(t *testing.T) {
	all := []Set{Generic, AVX2, AVX512}
	for _, test := range []struct {
		wanted    string
		available []Set
		want      Set
		complains string
	}{
		{"", all, AVX512, ""},
		{"", all[:2], AVX2, ""},
		{"", all[:1], Generic, ""},
		{"generic", all, Generic, ""},
		{"avx2", all, AVX2, ""},
		{"avx512", all, AVX512, ""},
		{"avx512", all[:2], AVX2, `SMOOTHL1_CPU = "avx512": this machine does not have it`},
		{"", []Set{Generic, NEON}, NEON, ""},
		{"neon", []Set{Generic, NEON}, NEON, ""},
		{"generic", []Set{Generic, NEON}, Generic, ""},
		{"neon", all, AVX512, `SMOOTHL1_CPU = "neon": this machine does not have it`},
		{"avx2", []Set{Generic, NEON}, NEON, `SMOOTHL1_CPU = "avx2": this machine does not have it`},
		{"AVX2", all, AVX512, `SMOOTHL1_CPU = "AVX2": no such instruction set, want one of generic, avx2, avx512, neon`},
	} {
		got, err := choose(test.wanted, test.available)
		assert.Equal(t, test.want, got, test.wanted)
		if test.complains == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, test.complains)
		}
	}
}

func TestCurrentIsWhatTheEnvironmentSays(t *testing.T) {
	want, err := choose(os.Getenv(Variable), Available())
	assert.Equal(t, want, Current())
	assert.Equal(t, err, Complaint())
}

func TestAvailable(t *testing.T) {
	sets := Available()
	require.NotEmpty(t, sets)
	all := map[string][]Set{"amd64": {Generic, AVX2, AVX512}, "arm64": {Generic, NEON}}[runtime.GOARCH]
	if len(all) == 0 {
		all = []Set{Generic}
	}
	require.LessOrEqual(t, len(sets), len(all))
	assert.Equal(t, all[:len(sets)], sets, "none without those before it")
	sets[0] = AVX512
	assert.Equal(t, Generic, Available()[0], "a copy")
}

func TestUse(t *testing.T) {
	before := Current()
	restore := Use(Generic)
	assert.Equal(t, Generic, Current())
	restore()
	assert.Equal(t, before, Current())
	assert.PanicsWithValue(t, "isa: Set(9) is not available", func() { Use(9) })
}

func TestCaches(t *testing.T) {
	all := Caches()
	level := 0
	for _, c := range all {
		assert.Greater(t, c.Level, level, "%+v", all)
		level = c.Level
		assert.GreaterOrEqual(t, c.Bytes, 8<<10, "%+v", c)
		assert.LessOrEqual(t, c.Bytes, 8<<30, "%+v", c)
		assert.Positive(t, c.Threads, "%+v", c)
	}
	restore := UseCaches(Cache{2, 1 << 20, 1}, Cache{3, 5 << 20, 4})
	assert.Equal(t, 5<<20, LastLevelCache())
	Caches()[0].Bytes = 0
	assert.Equal(t, 1<<20, Caches()[0].Bytes, "a copy")
	restore()
	assert.Equal(t, all, Caches())
}
