package vm

import (
	"bufio"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

var askPtxas = flag.Bool("ptxas", false, "ask ptxas whether it still judges testdata/grammar.txt as the file says")

const (
	grammarHead = `.version 7.8
.target sm_90
.address_size 64
.global .align 8 .u32 gv[4];
.shared .align 8 .u32 sv[4];
.const .align 8 .u32 cv[4];
.func fn() { ret; }
.func (.reg .b32 o) fn1(.reg .b32 i) { mov.b32 o, i; ret; }
.visible .entry k(.param .u32 kp)
{
.reg .pred %p<10>; .reg .b16 %h<10>; .reg .b32 %r<10>; .reg .b64 %q<10>; .reg .f32 %f<10>; .reg .f64 %d<10>;
TS: .branchtargets L, M;
`
	grammarTail = ";\nL:\nM:\nret;\n}\n"
)

// loadText parses and decodes a text, and allocates its variables.
func loadText(text string) (*Module, error) {
	m, err := ptx.Parse(text)
	if err != nil {
		return nil, err
	}
	next := uint64(1) << 36
	return Load(m, true, func(name string, bytes, align uint64) (*Region, error) {
		r := &Region{Base: next, Data: make([]byte, bytes), Name: name}
		next += (bytes + 4095) &^ 4095
		return r, nil
	})
}

// The decoder accepts what ptxas accepts, except for what it reports as unsupported, and rejects what ptxas rejects.
func TestGrammar(t *testing.T) {
	file, err := os.Open("testdata/grammar.txt")
	require.NoError(t, err)
	defer file.Close()
	counts := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		verdict, inst, ok := strings.Cut(lines.Text(), "\t")
		require.True(t, ok, lines.Text())
		counts[verdict]++
		text := grammarHead + inst + grammarTail
		_, err := loadText(text)
		if verdict == "yes" {
			assert.NoError(t, err, inst)
		} else if assert.Error(t, err, inst) {
			var bad *ptx.Error
			require.ErrorAs(t, err, &bad)
			if bad.Instruction != "" {
				assert.Equal(t, 13, bad.Line, inst)
			}
		}
		if *askPtxas {
			path := filepath.Join(t.TempDir(), "x.ptx")
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			err := exec.Command("ptxas", "-arch=sm_90", path, "-o", os.DevNull).Run()
			assert.Equal(t, verdict != "no", err == nil, "ptxas on %s", inst)
		}
	}
	assert.Greater(t, counts["yes"], 2000)
	assert.Greater(t, counts["no"], 1000)
	t.Logf("%d instructions that both take, %d that both refuse, %d that only ptxas takes", counts["yes"], counts["no"], counts["not"])
}
