package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMoved(t *testing.T) {
	launch := toy.launch + toy.dram/toy.clock
	assert.InDelta(t, launch+8*1000/(125*0.8), toy.moved([]pass{{8, 0}}, 1000), 1e-9)
	assert.InDelta(t, 2*launch+8*1000/(125*0.8)+12*1000/(125*0.5), toy.moved([]pass{{8, 0}, {8, 4}}, 1000), 1e-9)
	assert.Equal(t, 35, bytesOf(compiledWeighted))
	assert.Equal(t, 22, bytesOf(ownWeighted))
	assert.Equal(t, 30, bytesOf(compiledGiven))
	assert.Equal(t, 17, bytesOf(ownWeighted[1:]))
	assert.Equal(t, 32, bytesOf(eagerBoth))
}
