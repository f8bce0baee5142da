package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFlagsSayWhatTheyWant gives every flag that takes a number, a time or a boolean an invalid value. The error names the flag and the
// value and says what the flag accepts, without the text of a parser's error.
func TestFlagsSayWhatTheyWant(t *testing.T) {
	seen := map[string]int{}
	for _, c := range newRoot().Commands() {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			switch f.Value.Type() {
			case "string", "strings": // names, which are all valid
				return
			}
			seen[f.Value.Type()]++
			for _, value := range []string{"x", "1,x", "99999999999999999999999", "1e3", "5"} {
				isNumber := strings.HasPrefix(f.Value.Type(), "float") && !strings.Contains(value, "x")
				if isNumber || value == "5" && f.Value.Type() != "duration" {
					continue
				}
				stdout, stderr, code := call(c.Name(), "--"+f.Name+"="+value)
				requireRefused(t, exitUsage, `invalid argument "`+value+`" for "--`+f.Name+`" flag: `, stdout, stderr, code)
				assert.NotRegexp(t, `strconv|parsing|time: |syntax`, stderr)
			}
		})
	}
	for _, kind := range []string{"int", "intSlice", "uint64", "duration", "bool", "float64", "float64Slice", "DEVICE"} {
		assert.Positive(t, seen[kind], kind)
	}
	stdout, stderr, code := call("bench", "--device", "cuda:x")
	requireRefused(t, exitUsage, "want cuda:N, where N is the number of a device", stdout, stderr, code)
	stdout, stderr, code = call("verify", "--cases", "99999999999999999999")
	requireRefused(t, exitUsage, "want a whole number, within 64 bits", stdout, stderr, code)
}

// TestUnknownTopics calls the commands that cobra adds with unknown arguments.
func TestUnknownTopics(t *testing.T) {
	for arguments, text := range map[string]string{
		"completion foo":    `unknown command "foo" for "smoothl1 completion"; see 'smoothl1 completion --help'`,
		"completion bash x": `unknown command "x"`,
		"help foo":          `unknown command "foo"`,
		"help eval x":       `unknown command "eval x"`,
	} {
		stdout, stderr, code := call(strings.Fields(arguments)...)
		requireRefused(t, exitUsage, text, stdout, stderr, code)
	}
	for _, arguments := range []string{"completion", "help completion bash", "help"} {
		stdout, stderr, code := call(strings.Fields(arguments)...)
		assert.Zero(t, code, stderr)
		assert.NotEmpty(t, stdout)
	}
}

// TestPicturesAreReproducible draws the same picture twice in every format.
func TestPicturesAreReproducible(t *testing.T) {
	for _, format := range pictureFormats {
		d := drawing{betas: []float64{1, 0.1}, from: -1, to: 1}
		var first bytes.Buffer
		require.NoError(t, d.draw(&first, format))
		var again bytes.Buffer
		require.NoError(t, d.draw(&again, format))
		require.True(t, bytes.Equal(first.Bytes(), again.Bytes()), format)
		for _, date := range regexp.MustCompile(`D:\d+`).FindAllString(first.String(), -1) {
			assert.Equal(t, "D:19700101000000", date)
		}
	}
}
