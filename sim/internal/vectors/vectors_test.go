package vectors_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/sim"
	"github.com/smoothl1/smoothl1/sim/internal/vectors"
)

var update = flag.Bool("update", false, "write the vectors anew")

const folder = "../../testdata/vectors"

// The files match the generator.
func TestFiles(t *testing.T) {
	for _, set := range vectors.All() {
		var b bytes.Buffer
		require.NoError(t, vectors.Write(&b, set.Comment+`
Each case: the instruction, with its operands by number, results first; the types of results : operands : the architecture
that it needs; then rows of operands = results, in hexadecimal. A result that is NaN stands for any NaN.
Made by go test ./sim/internal/vectors -update.`, set.Cases))
		path := filepath.Join(folder, set.Name+".txt")
		if *update {
			require.NoError(t, os.MkdirAll(folder, 0o755))
			require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(want, b.Bytes()), "%s does not hold what the generator computes: run with -update and look at the difference", path)
	}
}

// The simulated device matches the files.
func TestSimulatedDevice(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	require.NoError(t, err)
	require.Len(t, files, len(vectors.All()))
	instructions, rows := 0, 0
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			file, err := os.Open(path)
			require.NoError(t, err)
			defer file.Close()
			cases, err := vectors.Read(file)
			require.NoError(t, err)
			dev := sim.New()
			defer func() { assert.NoError(t, dev.Close()) }()
			bad, err := vectors.Run(dev, cases)
			require.NoError(t, err)
			for i, m := range bad {
				if i == 20 {
					t.Errorf("and %d more", len(bad)-i)
					break
				}
				t.Error(m)
			}
			for _, c := range cases {
				instructions++
				rows += len(c.Rows)
			}
		})
	}
	t.Logf("%d instructions, %d rows", instructions, rows)
}
