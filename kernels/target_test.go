package kernels

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
)

// A text for another target differs in its .target directive only, and a device of that compute capability loads it.
func TestTargets(t *testing.T) {
	all := Targets()
	require.True(t, slices.IsSortedFunc(all, func(a, b Target) int { return int(b - a) }), "the newest first: %v", all)
	oldest := all[len(all)-1]
	assert.Equal(t, "sm_50", oldest.String())
	for _, s := range sources(t) {
		assert.Contains(t, s.text, "\n.version "+ISA+"\n", s.name)
		assert.Equal(t, s.text, oldest.Text(s.text), s.name)
		lines := strings.Split(s.text, "\n")
		for _, target := range all {
			text := target.Text(s.text)
			for i, line := range strings.Split(text, "\n") {
				if regexp.MustCompile(`^\.target`).MatchString(line) {
					require.Equal(t, ".target "+target.String(), line)
				} else {
					require.Equal(t, lines[i], line, "%s, line %d", s.name, i+1)
				}
			}
			assert.Equal(t, s.text, oldest.Text(text), "and back")
			for _, c := range []int{50, 75, 120} {
				d := sim.New(sim.ComputeCapability(c/10, c%10))
				_, err := d.Load(text)
				assert.Equal(t, target.RunsOn(c/10, c%10), err == nil, "%s for %v on %d: %v", s.name, target, c, err)
				require.NoError(t, d.Close())
			}
		}
	}
	all[0] = 0
	assert.NotZero(t, Targets()[0], "the list is a copy")
	for _, text := range []string{"", "no directive", "\n.target sm_50"} {
		assert.Equal(t, text, Target(75).Text(text))
	}
}
