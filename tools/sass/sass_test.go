package sass

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nested is a loop over chunks around a loop with three branches, one of which leaves it, and a loop of single elements.
const nested = `Function : k
	/*0000*/ MOV R1, c[0x0][0x28] ;
	/*0010*/ @P0 BRA 0x60 ;
	/*0020*/ LDG.E.128 R4, [R2.64] ;
	/*0030*/ @!P3 BRA 0x90 ;
	/*0040*/ STG.E.128 [R6.64], R4 ;
	/*0050*/ @!P1 BRA 0x20 ;
	/*0058*/ BRA 0x90 ;
	/*0060*/ LDG.E R4, [R2.64] ;
	/*0070*/ STG.E [R6.64], R4 ;
	/*0080*/ @!P2 BRA P4, 0x60 ;
	/*0090*/ @P3 BRA 0x10 ;
	/*00a0*/ EXIT ;
	/*00b0*/ BRA 0xb0;
`

func TestInnermost(t *testing.T) {
	kernels, err := Kernels(nested)
	require.NoError(t, err)
	code := kernels["k"]
	require.Len(t, code, 13)
	var lengths []int
	for _, loop := range Innermost(code) {
		lengths = append(lengths, len(loop))
	}
	assert.ElementsMatch(t, []int{4, 3}, lengths, "neither the loop over chunks nor the padding behind the end")
}

func TestParseRefuses(t *testing.T) {
	_, err := Parse("")
	require.ErrorContains(t, err, "no code")
	_, err = Kernels(strings.ReplaceAll(nested, "0x20 ", "0x24 "))
	require.ErrorContains(t, err, "which is not an instruction")
	_, err = Parse("/*0000*/ BRA `(.L_x_1);")
	require.ErrorContains(t, err, "branches to")
}
