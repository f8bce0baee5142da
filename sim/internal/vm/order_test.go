package vm

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim/internal/ptx"
)

// namePart holds the modifiers that are part of an instruction's name: ptxas requires them first, and in the order of the manual.
var namePart = map[string][]string{
	"mul": {"lo", "hi", "wide"}, "mad": {"lo", "hi", "wide"}, "madc": {"lo", "hi"}, "mul24": {"lo", "hi"}, "mad24": {"lo", "hi"},
	"dp2a": {"lo", "hi"}, "shf": {"l", "r"}, "div": {"full"}, "cvt": {"pack"}, "cvta": {"to"},
	"bar": {"cta", "red", "arrive", "warp"}, "barrier": {"cta", "red", "arrive"},
}

// orderings calls f for every order of an instruction's modifiers that has the same meaning: all orders in which the parts of its
// name are first and its types keep their order.
func orderings(op string, mods []string, f func([]string)) {
	var types, others []string
	n := 0
	for n < len(mods) && slices.Contains(namePart[op], mods[n]) {
		n++
	}
	for _, m := range mods[n:] {
		if _, ok := ptx.TypeNamed(m); ok {
			types = append(types, m)
		} else {
			others = append(others, m)
		}
	}
	var grow func(done, types, others []string)
	grow = func(done, types, others []string) {
		if len(types)+len(others) == 0 {
			f(done)
		}
		if len(types) > 0 {
			grow(append(slices.Clone(done), types[0]), types[1:], others)
		}
		for i, m := range others {
			grow(append(slices.Clone(done), m), types, slices.Delete(slices.Clone(others), i, i+1))
		}
	}
	grow(mods[:n:n], types, others)
}

// Modifiers may be in any order that ptxas accepts, and in no other.
func TestModifierOrder(t *testing.T) {
	file, err := os.Open("testdata/grammar.txt")
	require.NoError(t, err)
	defer file.Close()
	var taken, refused []string
	seen := map[string]bool{}
	parts := regexp.MustCompile(`^(@!?%\w+ )?(\w+)\.([\w.:]+)(.*)$`)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		inst, ok := strings.CutPrefix(lines.Text(), "yes\t")
		p := parts.FindStringSubmatch(inst)
		if !ok || p == nil || seen[p[2]+p[3]] {
			continue
		}
		seen[p[2]+p[3]] = true
		mods := strings.Split(p[3], ".")
		write := func(mods []string) string { return p[1] + p[2] + "." + strings.Join(mods, ".") + p[4] }
		orderings(p[2], mods, func(mods []string) { taken = append(taken, write(mods)) })
		for i := range mods[1:] {
			if slices.Contains(namePart[p[2]], mods[i]) {
				swapped := slices.Clone(mods)
				swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
				refused = append(refused, write(swapped))
			}
		}
	}
	assert.Greater(t, len(taken), 10000)
	for list := range slices.Chunk(taken, 250) {
		_, err := loadText(grammarHead + strings.Join(list, ";\n") + grammarTail)
		assert.NoError(t, err)
	}
	for _, inst := range refused {
		_, err := loadText(grammarHead + inst + grammarTail)
		assert.Error(t, err, inst)
	}
	t.Logf("%d orders taken, %d refused", len(taken), len(refused))
	if !*askPtxas {
		return
	}
	path := filepath.Join(t.TempDir(), "x.ptx")
	ptxas := func(list []string) string {
		require.NoError(t, os.WriteFile(path, []byte(grammarHead+strings.Join(list, ";\n")+grammarTail), 0o600))
		log, _ := exec.Command("ptxas", "-arch=sm_90", path, "-o", os.DevNull).CombinedOutput()
		return string(log)
	}
	for list := range slices.Chunk(taken, 250) {
		assert.NotContains(t, ptxas(list), "error")
	}
	log := ptxas(refused)
	for i, inst := range refused {
		assert.Contains(t, log, fmt.Sprintf("line %d; error", strings.Count(grammarHead, "\n")+1+i), inst)
	}
}
