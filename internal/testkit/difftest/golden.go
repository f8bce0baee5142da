package difftest

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/npy"
	"github.com/smoothl1/smoothl1/internal/op"
)

// golden holds results of other implementations: a JSON list of cases, and an archive of the arrays that it names.
type golden struct {
	arrays *npy.Archive
	read   map[string]any // arrays read so far, by name
	Cases  []goldenCase
	Large  []largeCase
}

// goldenCase is a case of contract.json or cases.json. Those of cases.json have Name, Op and Shape, and arrays with other names.
type goldenCase struct {
	Name      string
	Kind, Op  string
	DType     smoothl1.DType
	Count     int
	Shape     []int
	Beta      float64
	Reduction smoothl1.Reduction
	Upstream  string
	G         float64
	Sum       hexFloat
	Value     hexFloat
}

// largeCase is a case whose inputs are generated and of whose gradient only the checksum is stored.
type largeCase struct {
	Kind      smoothl1.Kind
	DType     smoothl1.DType
	Count     int
	Beta      float64
	Reduction smoothl1.Reduction
	SeedPred  uint64 `json:"seed_pred"`
	SeedTgt   uint64 `json:"seed_target"`
	G         float64
	Sum       hexFloat
	Value     hexFloat
	CRC       string `json:"crc_grad_pred"`
}

// hexFloat is a float64 that is stored as the hexadecimal digits of its bit pattern.
type hexFloat float64

func (f *hexFloat) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != 8 {
		return fmt.Errorf("difftest: %q is not the bits of a float64", text)
	}
	*f = hexFloat(math.Float64frombits(binary.BigEndian.Uint64(b)))
	return nil
}

func openGolden(dir, cases, arrays string) (*golden, error) {
	text, err := os.ReadFile(filepath.Join(dir, cases))
	if err != nil {
		return nil, err
	}
	g := &golden{read: map[string]any{}}
	if err := json.Unmarshal(text, g); err != nil {
		return nil, fmt.Errorf("difftest: %s: %w", cases, err)
	}
	if len(g.Cases) == 0 {
		return nil, fmt.Errorf("difftest: %s has no cases", cases)
	}
	g.arrays, err = npy.OpenArchive(filepath.Join(dir, arrays))
	return g, err
}

// goldenArray returns a copy of an array of the case.
func goldenArray[T smoothl1.Float](g *golden, c goldenCase, name string) (x []T, err error) {
	name = c.Name + "." + name
	if x, ok := g.read[name].([]T); ok {
		return slices.Clone(x), nil
	}
	x, err = npyArray[T](g.arrays, name)
	if err == nil {
		g.read[name] = slices.Clone(x)
	}
	return x, err
}

// generated returns n values in [-2, 2) made with splitmix64's output function, like testdata/golden/contract.py.
func generated[T op.Computing](seed uint64, n int) []T {
	x := make([]T, n)
	digits := formatOf(smoothl1.DTypeOf[T]()).digits
	for i := range x {
		z := seed + uint64(i+1)*0x9e3779b97f4a7c15
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		x[i] = T(math.Ldexp(float64(int64(z>>(64-digits))-1<<(digits-1)), 2-digits))
	}
	return x
}
