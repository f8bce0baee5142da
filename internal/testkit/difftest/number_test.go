package difftest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestParseFloat checks that no number silently becomes 0 or infinite.
func TestParseFloat(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "-0.00e7": 0, "0x0.0p-9999": 0, "0x00p5": 0, "5e-324": 5e-324, "3e-324": 5e-324,
		"1e-46": 1e-46, "0x1p-1074": 5e-324, "0x1.8p1": 3} {
		x, err := ParseFloat(text)
		require.NoError(t, err, text)
		require.Equal(t, want, x, text)
	}
	for _, text := range []string{"1e-400", "-1E-400", "0.0000001e-400", "2e-324", "0x1p-1080", "-0X.Ap-2000", "0xep-2000"} {
		_, err := ParseFloat(text)
		require.EqualError(t, err, text+" is too small for a float64, whose smallest positive number is 5e-324")
		_, err = Parse("op=backward,beta=" + text)
		require.ErrorContains(t, err, `case field "beta=`+text+`": `)
		_, err = Parse("op=backward,upstream=" + text)
		require.ErrorContains(t, err, `case field "upstream=`+text+`": `)
	}
	_, err := ParseFloat("1e400")
	require.EqualError(t, err, "1e400 is too large for a float64")
	_, err = ParseFloat("many")
	require.EqualError(t, err, `"many" is not a number`)
}
