package sim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/testkit"
	"github.com/smoothl1/smoothl1/sim"
)

// soon fails a test that takes more than a minute. The tests that use it take a second if the time is linear in the size, and many
// minutes if it is quadratic; without -long, an eighth of that.
func soon(t *testing.T) {
	if testing.Short() {
		t.Skip("where everything takes many times as long, a minute says nothing")
	}
	start := time.Now()
	t.Cleanup(func() {
		if d := time.Since(start); d > time.Minute {
			t.Errorf("took %v", d)
		}
	})
}

// many is n with -long, and an eighth of it without.
func many(n int) int {
	if testkit.Long() {
		return n
	}
	return n / 8
}

// Many allocations are live at once, and are freed in random order; those that are left stay accessible.
func TestManyAllocations(t *testing.T) {
	soon(t)
	n := many(200_000)
	d := device(t, sim.Seed(1))
	p := make([]sim.Ptr, n)
	for i := range p {
		var err error
		p[i], err = d.Alloc(4)
		require.NoError(t, err)
	}
	require.Equal(t, sim.Held{Allocations: n, Bytes: 4 * uint64(n)}, d.Held())
	for i := n - 1; i > 0; i-- {
		k := int(mix(uint32(i))) % (i + 1)
		p[i], p[k] = p[k], p[i]
	}
	word := make([]byte, 4)
	for i, a := range p {
		require.NoError(t, d.Zero(a, 4, 0))
		require.NoError(t, d.Free(a))
		require.Error(t, d.Free(a))
		require.ErrorContains(t, d.CopyOut(word, a, 0), "in no allocation")
		if i+1 < n {
			require.NoError(t, d.CopyIn(p[i+1], word, 0))
		}
	}
	require.Equal(t, sim.Held{}, d.Held())
}

// repeated returns n pieces of text.
func repeated(n int, piece func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(piece(i))
	}
	return b.String()
}

// Long texts of any kind load, or are rejected, in linear time.
func TestLongTexts(t *testing.T) {
	const head = ".version 7.8\n.target sm_80\n.address_size 64\n"
	for name, c := range map[string]struct{ text, err string }{
		"variables": {text: head + repeated(many(200_000), func(i int) string { return fmt.Sprintf(".global .u32 g%d;\n", i) })},
		"addresses": {text: head + repeated(many(200_000), func(i int) string { return fmt.Sprintf(".global .u64 g%d = g%d;\n", i, i/2) })},
		"constants": {text: head + repeated(64<<10, func(i int) string { return fmt.Sprintf(".const .u8 c%d;\n", i) })},
		"kernels":   {text: head + repeated(many(50_000), func(i int) string { return fmt.Sprintf(".entry k%d() {ret;}\n", i) })},
		"dynamic shared memory": {text: head + repeated(many(40_000), func(i int) string {
			return fmt.Sprintf(".extern .shared .u8 s%d[]; .entry k%d() {ret;}\n", i, i)
		})},
		"calls": {text: head + repeated(many(40_000), func(i int) string { return fmt.Sprintf(".func f%d() {ret;}\n", i) }) +
			".entry k() {" + repeated(many(40_000), func(i int) string { return fmt.Sprintf("call f%d;\n", i) }) + "}"},
		"a name of digits": {body("mov.u32 %r0, %r" + strings.Repeat("1", 1<<20) + ";"), "register %r1111"},
		"switches": {body("T: .branchtargets E" + strings.Repeat(",E", 100_000) + ";" + strings.Repeat("brx.idx %r0, T;\n", 100_000) + "E:"),
			"more than 262144 operations"},
	} {
		t.Run(name, func(t *testing.T) {
			soon(t)
			d := device(t, sim.Seed(1))
			if _, err := d.Load(c.text); c.err != "" {
				require.ErrorContains(t, err, c.err)
			} else {
				require.NoError(t, err)
			}
		})
	}
}
