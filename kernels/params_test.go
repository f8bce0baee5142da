package kernels

import (
	_ "embed" // for the source
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

//go:embed smoothl1.cu
var source string

// fields are the fields of op.Params.
func fields(t *testing.T) (list []reflect.StructField) {
	p := reflect.TypeFor[op.Params]()
	for i := range p.NumField() {
		f := p.Field(i)
		require.EqualValues(t, 8, f.Type.Size(), f.Name)
		list = append(list, f)
	}
	return list
}

// snake returns a field's name in smoothl1.cu: grad_pred for GradPred.
func snake(name string) string {
	return strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "${1}_$2"))
}

// TestParamsAreThoseOfTheSource compares op.Params with the struct in smoothl1.cu: names, order and kinds of the fields.
func TestParamsAreThoseOfTheSource(t *testing.T) {
	_, body, ok := strings.Cut(source, "struct Params {\n")
	require.True(t, ok)
	body, _, ok = strings.Cut(body, "\n};")
	require.True(t, ok)
	kinds := map[string]reflect.Type{"u64": reflect.TypeFor[uint64](), "Number<T>": reflect.TypeFor[op.Number](), "double": reflect.TypeFor[float64]()}
	var declared []string
	for _, line := range strings.Split(body, "\n") {
		m := regexp.MustCompile(`^  (?:const )?(\w+(?:<T>)?)(\*?) (\w+);(?: +//.*)?$`).FindStringSubmatch(line)
		require.NotNil(t, m, "%q", line)
		kind := kinds[m[1]]
		if m[2] == "*" {
			kind = kinds["u64"]
		}
		require.NotNil(t, kind, "%q", line)
		declared = append(declared, fmt.Sprint(m[3], " ", kind))
	}
	var want []string
	for _, f := range fields(t) {
		want = append(want, fmt.Sprint(snake(f.Name), " ", f.Type))
	}
	assert.Equal(t, want, declared)
}

// TestParamsAreThoseOfThePTX compares op.Params with the parameter that the kernels read: its size, and the offsets and types of its
// fields.
func TestParamsAreThoseOfThePTX(t *testing.T) {
	size := int(reflect.TypeFor[op.Params]().Size())
	numbers := map[smoothl1.DType]string{smoothl1.Float32: "f32", smoothl1.Float64: "f64"}
	entry := regexp.MustCompile(`(?s)\.visible \.entry (\w+)\(\n(.*?)\n\)\n(.*?)\n}\n`)
	for _, dtype := range DTypes() {
		read := map[string]bool{}
		types := map[int]string{} // by offset
		for _, f := range fields(t) {
			switch f.Type {
			case reflect.TypeFor[op.Number]():
				types[int(f.Offset)] = numbers[dtype.Computing()]
			case reflect.TypeFor[float64]():
				types[int(f.Offset)] = "f64"
			default:
				types[int(f.Offset)] = "u64"
			}
		}
		entries := entry.FindAllStringSubmatch(ptx(t, dtype), -1)
		require.Len(t, entries, len(Of(dtype)))
		for _, e := range entries {
			name, list, body := e[1], e[2], e[3]
			require.Equal(t, fmt.Sprintf("\t.param .align 8 .b8 %s_param_0[%d]", name, size), list)
			loads := regexp.MustCompile(`ld\.param\.(\w+) +\t%\w+, \[`+name+`_param_0(?:\+(\d+))?\];`).FindAllStringSubmatch(body, -1)
			require.Equal(t, strings.Count(body, "_param_"), len(loads), "%s: parameters are loaded, and nothing else is done with them", name)
			for _, l := range loads {
				offset := 0
				if l[2] != "" {
					_, err := fmt.Sscan(l[2], &offset)
					require.NoError(t, err)
				}
				require.Equal(t, types[offset], l[1], "%s loads at offset %d", name, offset)
				read[fields(t)[offset/8].Name] = true
			}
		}
		assert.Len(t, read, len(fields(t)), "every field is read by some kernel")
	}
}

//go:embed kernels.go
var doc string

// TestParamsAreDocumented compares the list of words in the package documentation with the fields.
func TestParamsAreDocumented(t *testing.T) {
	_, list, ok := strings.Cut(doc, "\n// All kernels take")
	require.True(t, ok)
	list, _, ok = strings.Cut(list, "\n// Words 1 to 5")
	require.True(t, ok)
	var want, got []string
	for i, f := range fields(t) {
		want = append(want, fmt.Sprint(i, " ", snake(f.Name)))
	}
	for _, m := range regexp.MustCompile(`(?:\t|, ) ?(\d+ [a-z_]+)`).FindAllStringSubmatch(list, -1) {
		got = append(got, m[1])
	}
	assert.Equal(t, want, got)
}
