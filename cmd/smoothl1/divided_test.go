package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/internal/npy"
)

// TestEvalDividedBy checks what a mean was divided by.
func TestEvalDividedBy(t *testing.T) {
	dir := small(t)
	save(t, dir, "empty.npy", []float32{}, 0, 3)
	save(t, dir, "thin.npy", []float32{}, 2, 0)
	test := func(line, want string) {
		stdout, stderr, code := call(append([]string{"eval", "--json"}, strings.Fields(strings.ReplaceAll(line, "@", dir+"/"))...)...)
		require.Zero(t, code, stderr)
		_, stdout, _ = strings.Cut(stdout, `"reduction":`)
		require.True(t, strings.HasPrefix(stdout, want+`,"count":`), "%s: %s", line, stdout)
	}
	for _, device := range []string{"cpu", "sim"} {
		for _, c := range []struct{ flags, want, rows string }{
			{"", `"mean","divided_by":6`, "[3,3]"},
			{"--divisor=2.5", `"mean","divisor":"2.5","divided_by":2.5`, "[2.5,2.5]"},
			{"--mask=@m.npy", `"mean","divided_by":6`, "[3,3]"},
			{"--mask=@m.npy --divisor=kept", `"mean","divisor":"kept","divided_by":3`, "[1,2]"},
			{"--mask=@none.npy --divisor=kept", `"mean","divisor":"kept","divided_by":0`, "[0,0]"},
			{"--mask=@m.npy --weight=@column.npy --divisor=weights", `"mean","divisor":"weights","divided_by":4`, "[1,3]"},
			{"--weight=@p.npy --divisor=weights --grad-pred=@g.npy", `"mean","divisor":"weights","divided_by":21`, "[6,15]"},
			{"--reduction=sum", `"sum"`, ""},
			{"--reduction=none --out=@o.npy", `"none"`, "no rows"},
		} {
			line := "@p.npy @t.npy --device=" + device + " " + c.flags
			test(line, c.want)
			if c.rows == "no rows" {
				continue
			}
			before, _, _ := strings.Cut(c.want, `"divided_by":`)
			if c.rows != "" {
				before += `"divided_by":` + c.rows
			}
			test(line+" --rows", before+`,"rows":true`)
		}
	}
	test("@empty.npy @empty.npy", `"mean","divided_by":0`)
	test("@empty.npy @empty.npy --rows", `"mean","divided_by":[],"rows":true`)
	test("@thin.npy @thin.npy --rows", `"mean","divided_by":[0,0],"rows":true`)
	test("@thin.npy @thin.npy --rows --weight=@one.npy --divisor=weights", `"mean","divisor":"weights","divided_by":[0,0],"rows":true`)

	smallPieces(t)
	cols := piece + 1
	x, mask := make([]float64, 2*cols), make([]uint8, 2*cols)
	for i := range x {
		x[i], mask[i] = 0.25, uint8(i/cols)
	}
	save(t, dir, "x.npy", x, 2, cols)
	saveAs(t, dir, "second.npy", npy.Bool, mask, 2, cols)
	test("@x.npy @x.npy --rows", `"mean","divided_by":[16385,16385],"rows":true`)
	test("@x.npy @x.npy --rows --mask=@second.npy --divisor=kept", `"mean","divisor":"kept","divided_by":[0,16385],"rows":true`)
	test("@x.npy @x.npy --rows --weight=@x.npy --divisor=weights --grad-pred=@g.npy", `"mean","divisor":"weights","divided_by":[4096.25,4096.25],"rows":true`)
}
