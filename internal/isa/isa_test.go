package isa

import (
	"os"
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
		{"AVX2", all, AVX512, `SMOOTHL1_CPU = "AVX2": no such instruction set, want one of generic, avx2, avx512`},
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
	for i, s := range sets { // none without those before it
		assert.Equal(t, Set(i), s)
	}
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

func TestLastLevelCache(t *testing.T) {
	cache := LastLevelCache()
	assert.GreaterOrEqual(t, cache, 256<<10)
	assert.LessOrEqual(t, cache, 1<<30)
	restore := UseCache(5)
	assert.Equal(t, 5, LastLevelCache())
	restore()
	assert.Equal(t, cache, LastLevelCache())
}
