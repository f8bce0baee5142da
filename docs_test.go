package smoothl1_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGoVersions checks that the documents name the Go version that the modules require.
func TestGoVersions(t *testing.T) {
	version := func(module string) string {
		text, err := os.ReadFile(filepath.Join(module, "go.mod"))
		if os.IsNotExist(err) {
			t.Skip("no module but this one is here")
		}
		require.NoError(t, err)
		m := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindSubmatch(text)
		require.NotNil(t, m, module)
		return string(m[1])
	}
	users, developers := version("."), version("tools")
	require.Equal(t, developers, version("bench"))
	for _, file := range []string{"README.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var said []string
		for _, m := range regexp.MustCompile(`\bGo (1\.\d+)`).FindAllSubmatch(text, -1) {
			said = append(said, string(m[1]))
		}
		assert.Equal(t, []string{users, developers}, said, file)
	}
}

// TestNumbersOfCases checks that no document states the number of verify's cases, which the command itself prints.
func TestNumbersOfCases(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	for _, file := range append(files, "README.md", "CONTRIBUTING.md", "Makefile") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.NotRegexp(t, `\d[\d,]{3,} (random )?cases`, string(text), file)
	}
}

// TestLinks sees that the files that the documents link to are there.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	others, err := filepath.Glob("*/README.md") // of the modules beside this one
	require.NoError(t, err)
	links := 0
	for _, file := range append(append(files, others...), "README.md", "CONTRIBUTING.md", "CHANGELOG.md") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		text = regexp.MustCompile("(?s)```.*?```|`[^`]*`").ReplaceAll(text, nil) // code has no links
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllSubmatch(text, -1) {
			links++
			_, err := os.Stat(filepath.Join(filepath.Dir(file), string(m[1])))
			assert.NoError(t, err, file)
		}
	}
	assert.NotZero(t, links)
}
