package op

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParams(t *testing.T) {
	p := Params{N: 1, Threshold: NumberOf(float32(-2)), Inverse: NumberOf(-2.0), Divisor: 3, GradTarget: 4}
	words := p.Words()
	require.Len(t, words, 17)
	require.Len(t, p.RichWords(), int(unsafe.Sizeof(p))/8)
	assert.Same(t, &words[0], &p.RichWords()[0])
	assert.Equal(t, []uint64{1, uint64(math.Float32bits(-2)), math.Float64bits(-2)}, words[:3])
	assert.Equal(t, math.Float64bits(3), words[unsafe.Offsetof(p.Divisor)/8])
	assert.EqualValues(t, 4, words[len(words)-1])
	p.N = 5
	assert.EqualValues(t, 5, words[0])
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		p.Norm = NumberOf(float32(p.N))
		words = p.Words()
	}))
}

func TestPass(t *testing.T) {
	for p, want := range map[Pass]string{Terms: "forward_terms", Forward: "forward", Backward: "backward", ForwardBackward: "forward_backward", Passes: "Pass(4)", 255: "Pass(255)"} {
		assert.Equal(t, want, p.String())
	}
}
