package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachFlag visits the flags of all commands.
func eachFlag(visit func(c *cobra.Command, f *pflag.Flag)) {
	for _, c := range newRoot().Commands() {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() != "bool" {
				visit(c, f)
			}
		})
	}
}

// TestEmptyValues gives every flag an empty value, as from an unset shell variable.
func TestEmptyValues(t *testing.T) {
	seen := 0
	eachFlag(func(c *cobra.Command, f *pflag.Flag) {
		seen++
		stdout, stderr, code := call(c.Name(), "--"+f.Name, "", "a.npy", "b.npy")
		t.Run(c.Name()+" --"+f.Name, func(t *testing.T) { requireRefused(t, exitUsage, "--"+f.Name, stdout, stderr, code) })
	})
	require.Greater(t, seen, 20)
	t.Chdir(t.TempDir())
	p := save(t, ".", "p.npy", []float32{1}, 1)
	for _, arguments := range [][]string{{"", p}, {p, ""}} {
		stdout, stderr, code := call(append([]string{"eval"}, arguments...)...)
		requireRefused(t, exitFailed, `read "": not the name of a file`, stdout, stderr, code)
	}
}

// TestNumbersThatAFloat64CannotHold gives every numeric flag numbers that float64 would silently change to others.
func TestNumbersThatAFloat64CannotHold(t *testing.T) {
	seen := 0
	eachFlag(func(c *cobra.Command, f *pflag.Flag) {
		if !strings.HasPrefix(f.Value.Type(), "float") {
			return
		}
		seen++
		for _, number := range []string{"1e-400", "-1e-400", "0x1p-2000", "1e400"} {
			stdout, stderr, code := call(c.Name(), "--"+f.Name, number)
			requireRefused(t, exitUsage, `"`+number+`" for "--`+f.Name+`" flag: `+number+" is ", stdout, stderr, code)
		}
	})
	require.Equal(t, 9, seen)
	for _, field := range []string{"beta", "upstream"} {
		stdout, stderr, code := call("verify", "--device", "cpu", "--case", "op=forward,n=3,"+field+"=1e-400")
		requireRefused(t, exitUsage, field+"=1e-400", stdout, stderr, code)
	}
	dir := t.TempDir()
	p, q := save(t, dir, "p.npy", []float32{1}, 1), save(t, dir, "t.npy", []float32{1}, 1)
	for _, scale := range []string{"1e-60", "1e60"} {
		stdout, stderr, code := call("eval", p, q, "--scale", scale, "--grad-pred", filepath.Join(dir, "g.npy"))
		requireRefused(t, exitUsage, "--scale 1e", stdout, stderr, code)
		require.Contains(t, stderr, "in float32, the arrays' type")
	}
	assert.Len(t, names(t, dir), 2)
}

func TestFloats(t *testing.T) {
	var c cobra.Command
	var all []float64
	addFloats(&c, &all, "beta", 3, "")
	require.NoError(t, c.ParseFlags(nil))
	assert.Equal(t, []float64{3}, all)
	require.NoError(t, c.ParseFlags([]string{"--beta", "1,0x1p-1", "--beta=0"}))
	assert.Equal(t, []float64{1, 0.5, 0}, all)
	assert.Equal(t, "[1,0.5,0]", c.Flags().Lookup("beta").Value.String())
	require.Error(t, c.ParseFlags([]string{"--beta", "1,x"}))
	assert.Len(t, all, 3)
}
