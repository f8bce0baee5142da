package kernels

import (
	_ "embed" // for the source
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

//go:embed smoothl1.cu
var source string

// entriesOf reads the entry points that a PTX text declares, with the types of their parameters.
func entriesOf(ptx string) map[string][]string {
	entries := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?s)\.visible \.entry (\w+)\(\n(.*?)\n\)`).FindAllStringSubmatch(ptx, -1) {
		var types []string
		for i, line := range strings.Split(m[2], "\n") {
			p := regexp.MustCompile(`^\t\.param \.(\w+) ` + m[1] + fmt.Sprintf(`_param_%d,?$`, i)).FindStringSubmatch(line)
			if p == nil {
				types = append(types, "unread: "+line)
				continue
			}
			types = append(types, p[1])
		}
		entries[m[1]] = types
	}
	return entries
}

func TestEntriesAreThoseOfThePTX(t *testing.T) {
	declared := entriesOf(PTX)
	require.Len(t, declared, Entries)
	require.Len(t, All(), Entries)
	for i, e := range All() {
		require.Equal(t, i, e.Index())
		types, ok := declared[e.Name()]
		if !assert.Truef(t, ok, "the PTX has no entry %s", e.Name()) {
			continue
		}
		var want []string
		for _, p := range e.Params() {
			want = append(want, p.Type)
		}
		assert.Equal(t, want, types, e.Name())
	}
}

func TestParamNamesAreThoseOfTheSource(t *testing.T) {
	// The order of two addresses cannot be read from the PTX, whose parameters have numbers only.
	declared := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)smoothl1_(\w+)_##type##_##quotient\((.*?)\) \{`).FindAllStringSubmatch(source, -1) {
		var names []string
		for _, p := range strings.Split(strings.ReplaceAll(m[2], "\\", ""), ",") {
			words := strings.Fields(strings.ReplaceAll(p, "*", "* "))
			names = append(names, words[len(words)-1])
		}
		declared[m[1]] = strings.Join(names, " ")
	}
	require.Len(t, declared, int(opCount))
	for _, e := range All() {
		var names []string
		for _, p := range e.Params() {
			names = append(names, p.Name)
		}
		assert.Equal(t, declared[opNames[e.Op]], strings.Join(names, " "), e.Name())
	}
}
