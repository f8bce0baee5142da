package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	wordLine   = regexp.MustCompile(`(?m)^\tWORD +\$0x([0-9a-f]{8})(?: // (.*))?$`)
	decodeLine = regexp.MustCompile(`(?m)^ *\S+:(\d+)\s+0x[0-9a-f]+\s+([0-9a-f]{8})\s.* // (.*?)\s*$`)
)

// Each instruction that the assembly gives as a word must be what its comment says, according to Go's disassembler.
func TestWordsAreWhatTheirCommentsSay(t *testing.T) {
	files, err := filepath.Glob("../../cpu/internal/*/*_arm64.s")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	comments := map[string]string{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		words := wordLine.FindAllStringSubmatch(string(text), -1)
		require.Len(t, words, strings.Count(string(text), "WORD"), "%s: every word has a line and a comment of its own", name)
		for _, w := range words {
			require.NotEmpty(t, w[2], "%s: %s has no comment", name, w[1])
			if other, ok := comments[w[1]]; ok {
				require.Equal(t, other, w[2], "%s: %s", name, w[1])
			}
			comments[w[1]] = w[2]
		}
	}
	for word, decoded := range disassemble(t, comments) {
		require.Equal(t, decoded, comments[word], word)
		delete(comments, word)
	}
	require.Empty(t, comments, "not decoded")
}

// disassemble returns the GNU syntax of words.
func disassemble(t *testing.T, words map[string]string) map[string]string {
	var all []string
	for w := range words {
		all = append(all, w)
	}
	sort.Strings(all)
	folder := t.TempDir()
	source, object := filepath.Join(folder, "words_arm64.s"), filepath.Join(folder, "words.o")
	text := "TEXT ·words(SB), 4, $0\n"
	for _, w := range all {
		text += fmt.Sprintf("\tWORD $0x%s\n", w)
	}
	require.NoError(t, os.WriteFile(source, []byte(text), 0o644))
	run := func(arguments ...string) string {
		c := exec.Command("go", append([]string{"tool"}, arguments...)...)
		c.Env = append(os.Environ(), "GOARCH=arm64")
		out, err := c.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	run("asm", "-p", "words", "-o", object, source)
	decoded := map[string]string{}
	for _, line := range decodeLine.FindAllStringSubmatch(run("objdump", "-gnu", object), -1) {
		decoded[line[2]] = line[3]
	}
	return decoded
}
