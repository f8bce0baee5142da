package op

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLevels(t *testing.T) {
	for chunks, want := range map[int]int{0: 0, 1: 1, 2: 3, 2048: 2049, 2049: 2052, 1 << 22: 1<<22 + 1<<11 + 1} {
		assert.Equal(t, want, Levels(chunks), chunks)
	}
}
