package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLint checks the warnings for files that break rules, and for one that is not a Dockerfile.
func TestLint(t *testing.T) {
	for text, want := range map[string][]string{
		"FROM debian:12 AS base\nRUN make\n": nil,
		"from debian:12 AS Base\nMAINTAINER me\nENV KEY value\nWORKDIR work\nRUN echo $MISSING\nCMD make\nENTRYPOINT [\"a\"]\nCMD [\"b\"]\nENV TOKEN_PASSWORD=x\n": {
			"StageNameCasing", "MaintainerDeprecated", "LegacyKeyValueFormat", "JSONArgsRecommended", "MultipleInstructionsDisallowed", "SecretsUsedInArgOrEnv",
		},
		"FROM debian:12\nCOPY --from=nowhere a b\nFETCH x\n": {"unknown instruction: FETCH"},
		"":             {"the Dockerfile cannot be empty"},
		"FROM $BASE\n": {"base name ($BASE) should not be blank"},
		"RUN true\n":   {"no build stage in current context"},
		"FROM a:1 AS x\nFROM b:1 AS x\nRUN true\n": {"DuplicateStageName"},
	} {
		complaints, err := lint(t.Context(), "Dockerfile", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Join(complaints, "\n")
		if (want == nil) != (complaints == nil) {
			t.Errorf("%q: got %q, want %q", text, complaints, want)
		}
		for _, w := range want {
			if !strings.Contains(all, w) {
				t.Errorf("%q: no %q in %q", text, w, complaints)
			}
		}
	}
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	for file, text := range map[string]string{good: "FROM debian:12\nRUN true\n", bad: "FROM debian:12\nMAINTAINER me\n"} {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		files []string
		code  int
		text  string
	}{
		{nil, 2, "usage: dockerlint FILE...\n"},
		{[]string{good}, 0, ""},
		{[]string{good, bad}, 1, bad + ":2: MaintainerDeprecated: "},
		{[]string{filepath.Join(dir, "none")}, 1, "no such file"},
	} {
		var out strings.Builder
		if code := run(c.files, &out); code != c.code || !strings.Contains(out.String(), c.text) {
			t.Errorf("%q: exit %d, %q; want %d, %q", c.files, code, out.String(), c.code, c.text)
		}
	}
}
