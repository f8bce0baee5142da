//go:build cuda && linux && amd64 && cgo

package cuda

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	var a, b table[string]
	require.Nil(t, a.get(1))
	h := a.add("first")
	require.NotZero(t, h)
	assert.Nil(t, b.get(h), "a handle is good for one table")
	assert.NotEqual(t, h, b.add("other"))

	// take waits for both users and admits no new one.
	one, two := a.get(h), a.get(h)
	require.Equal(t, "first", one.value)
	taken := make(chan string)
	go func() {
		value, _ := a.take(h)
		taken <- value
	}()
	require.Eventually(t, func() bool {
		e := a.get(h)
		if e != nil {
			e.users.Done()
		}
		return e == nil
	}, 10*time.Second, time.Millisecond)
	one.users.Done()
	select {
	case <-taken:
		t.Fatal("taken out while in use")
	case <-time.After(20 * time.Millisecond):
	}
	two.users.Done()
	require.Equal(t, "first", <-taken)
	_, ok := a.take(h)
	assert.False(t, ok)

	a.put(7, "seventh")
	a.put(8, "eighth")
	assert.Equal(t, map[uint64]string{7: "seventh", 8: "eighth"}, a.drain())
	assert.Nil(t, a.get(7))
	assert.Empty(t, a.drain())
}
