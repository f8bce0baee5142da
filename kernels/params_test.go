package kernels

import (
	_ "embed" // for the source
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/internal/op"
)

//go:embed params.cuh
var declaration string

// A word is a word of op.Params.
type word struct {
	name string       // of its field: grad_pred for GradPred
	kind reflect.Type // uint64, float64 or op.Number
	at   int          // offset
}

// leanBytes is the size of the parameter of kernels of plain arrays.
var leanBytes = 8 * len(new(op.Params).Words())

// words returns the words of op.Params. Strides are two.
func words(t *testing.T) (list []word) {
	p := reflect.TypeFor[op.Params]()
	for i := range p.NumField() {
		f := p.Field(i)
		kind, count := f.Type, 1
		switch {
		case kind == reflect.TypeFor[op.Strides]():
			kind, count = reflect.TypeFor[uint64](), 2
		case kind.Kind() == reflect.Uint64 && kind != reflect.TypeFor[op.Number]():
			kind = reflect.TypeFor[uint64]()
		}
		require.EqualValues(t, 8*count, f.Type.Size(), f.Name)
		for k := range count {
			list = append(list, word{snake(f.Name), kind, int(f.Offset) + 8*k})
		}
	}
	return list
}

// snake returns a field's name in params.cuh: grad_pred for GradPred.
func snake(name string) string {
	return strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "${1}_$2"))
}

// TestParamsAreThoseOfTheSource compares op.Params with the structs in params.cuh: names, order and kinds of the fields.
func TestParamsAreThoseOfTheSource(t *testing.T) {
	kinds := map[string]reflect.Type{"u64": reflect.TypeFor[uint64](), "Number<T>": reflect.TypeFor[op.Number](), "double": reflect.TypeFor[float64](),
		"Strides": reflect.TypeFor[uint64]()}
	var declared []word
	at := 0
	for _, begin := range []string{"struct Params {\n", "struct RichParams : Params<T> {\n"} {
		_, body, ok := strings.Cut(declaration, begin)
		require.True(t, ok, begin)
		body, _, ok = strings.Cut(body, "\n};")
		require.True(t, ok)
		for _, line := range strings.Split(body, "\n") {
			m := regexp.MustCompile(`^  (?:const )?(\w+(?:<T>)?)(\*?) (\w+);(?: +//.*)?$`).FindStringSubmatch(line)
			require.NotNil(t, m, "%q", line)
			kind, count := kinds[m[1]], 1
			if m[2] == "*" {
				kind = kinds["u64"]
			}
			if m[1] == "Strides" {
				count = 2
			}
			require.NotNil(t, kind, "%q", line)
			for range count {
				declared = append(declared, word{m[3], kind, at})
				at += 8
			}
		}
		if begin == "struct Params {\n" {
			assert.Equal(t, leanBytes, at)
		}
	}
	assert.Equal(t, words(t), declared)
}

// TestParamsAreThoseOfThePTX compares op.Params with the parameters that the kernels read: their sizes, and the offsets and types of their
// fields.
func TestParamsAreThoseOfThePTX(t *testing.T) {
	numbers := map[smoothl1.DType]string{smoothl1.Float32: "f32", smoothl1.Float64: "f64"}
	entry := regexp.MustCompile(`(?s)\.visible \.entry (\w+)\(\n(.*?)\n\)\n(.*?)\n}\n`)
	read := map[smoothl1.DType]map[int]bool{} // the words that a kernel of the type reads
	for _, s := range sources(t) {
		size := leanBytes
		if s.rich {
			size = int(reflect.TypeFor[op.Params]().Size())
		}
		if read[s.dtype] == nil {
			read[s.dtype] = map[int]bool{}
		}
		types := map[int]string{} // by offset
		for _, w := range words(t) {
			switch w.kind {
			case reflect.TypeFor[op.Number]():
				types[w.at] = numbers[s.dtype.Computing()]
			case reflect.TypeFor[float64]():
				types[w.at] = "f64"
			default:
				types[w.at] = "u64"
			}
		}
		entries := entry.FindAllStringSubmatch(s.text, -1)
		require.Len(t, entries, len(s.variants))
		for _, e := range entries {
			name, list, body := e[1], e[2], e[3]
			require.Equal(t, fmt.Sprintf("\t.param .align 8 .b8 %s_param_0[%d]", name, size), list)
			// The parameter's address may be in a register.
			loads := regexp.MustCompile(`ld\.param\.(\w+) +\t%\w+, \[(?:`+name+`_param_0|%rd\d+)(?:\+(\d+))?\];`).FindAllStringSubmatch(body, -1)
			others := regexp.MustCompile(`[^\n]*_param_[^\n]*`).FindAllString(body, -1)
			for _, o := range others {
				require.Regexp(t, `ld\.param|mov\.b64 +\t%rd\d+, `+name+`_param_0;`, o, "%s: parameters are loaded, and nothing else is done with them", name)
			}
			for _, l := range loads {
				offset := 0
				if l[2] != "" {
					_, err := fmt.Sscan(l[2], &offset)
					require.NoError(t, err)
				}
				bits := (l[1] == "u32" || l[1] == "u8") && types[offset&^7] != "f64" || l[1] == "u64" && types[offset] == "f64" // such as the flags, or a number to be copied
				require.True(t, types[offset] == l[1] || bits, "%s loads %s at offset %d", name, l[1], offset)
				read[s.dtype][offset&^7] = true
			}
		}
	}
	for dtype, at := range read {
		if dtype == smoothl1.Float64 {
			at[int(unsafe.Offsetof(op.Params{}.Least))] = true // only for kernels that correct quotients
		}
		assert.Len(t, at, len(words(t)), "%v: every word is read by some kernel", dtype)
	}
}

//go:embed kernels.go
var doc string

// TestParamsAreDocumented compares the list of words in the package documentation with the fields.
func TestParamsAreDocumented(t *testing.T) {
	_, list, ok := strings.Cut(doc, "\n// All kernels take")
	require.True(t, ok)
	list, _, ok = strings.Cut(list, "\n// Words 1 to 6")
	require.True(t, ok)
	var want, got []string
	last := ""
	for i, w := range words(t) {
		if w.name != last {
			want = append(want, fmt.Sprint(i, " ", w.name))
		}
		last = w.name
	}
	for _, m := range regexp.MustCompile(`(?:\t|, ) ?(\d+ [a-z_]+)`).FindAllStringSubmatch(list, -1) {
		got = append(got, m[1])
	}
	assert.Equal(t, want, got)
}
