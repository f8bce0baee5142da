package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// npyFile returns a file of any version, with any header text and any data.
func npyFile(major byte, text string, data int) []byte {
	b := append([]byte(magic), major, 0)
	if major == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	}
	b = append(b, text...)
	return append(b, make([]byte, data)...)
}

// dict returns the text of a header with this shape.
func dict(shape string) string {
	return "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }\n"
}

// badFiles are files to reject, with the expected error.
var badFiles = []struct {
	name, reason string
	content      []byte
}{
	// the head
	{"empty", "the file ends within the header", nil},
	{"magic only", "the file ends within the header", []byte(magic)},
	{"no length", "the file ends within the header", []byte(magic + "\x01\x00\x10")},
	{"no length of version 2", "the file ends within the header", []byte(magic + "\x02\x00\x10\x00\x00")},
	{"header cut short", "the file ends within the header", npyFile(1, dict("(2,)"), 8)[:40]},
	{"magic in part", "the file ends within the header", []byte(magic[:3])},
	{"text", "not a .npy file", []byte("1.0,2.0\n3.0,4.0\n")},
	{"text of six bytes", `not a .npy file: begins with "1.0\n2\n", not with`, []byte("1.0\n2\n")},
	{"text of a byte", `not a .npy file: begins with "1", not with`, []byte("1")},
	{"magic in part, then text", `not a .npy file: begins with "\x93NUM\n"`, []byte("\x93NUM\n")},
	{"zip", "a .npz or other zip archive", []byte("PK\x03\x04 and so on and so on")},
	{"zip of its signature", "a .npz or other zip archive", []byte("PK\x03\x04")},
	{"version 0", "format version 0.0", []byte(magic + "\x00\x00\x10\x00")},
	{"version 4", "format version 4.0", npyFile(4, dict("(2,)"), 8)},
	{"version 1.1", "format version 1.1", []byte(magic + "\x01\x01\x10\x00")},
	{"header of 4 GiB", "a header of 4294967295 bytes", []byte(magic + "\x02\x00\xff\xff\xff\xff")},
	{"header over NumPy's limit", "a header of 10001 bytes", npyFile(1, dict("()")+strings.Repeat(" ", 10001-len(dict("()"))), 4)},
	{"no newline", "doesn't end with a newline", npyFile(1, strings.TrimSuffix(dict("(2,)"), "\n"), 8)},
	{"empty header", "doesn't end with a newline", npyFile(1, "", 8)},
	{"header length too short", "doesn't end with a newline", shorter(1)},
	{"header length too long", "doesn't end with a newline", shorter(-1)},

	// the dictionary
	{"blank header", "at its end: want a dictionary", npyFile(1, "   \n", 0)},
	{"no dictionary", `at character 0: want a dictionary, have "[1]\n"`, npyFile(1, "[1]\n", 0)},
	{"not closed", "at its end: want ',' or '}'", npyFile(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)\n", 8)},
	{"ends after key", "at its end: want ':'", npyFile(1, "{'descr'\n", 8)},
	{"ends after colon", "at its end: want a dtype", npyFile(1, "{'descr':\n", 8)},
	{"ends in order", "want True or False", npyFile(1, "{'fortran_order': Fals\n", 8)},
	{"ends in shape", "at its end: want a dimension", npyFile(1, "{'shape': (2,\n", 8)},
	{"empty dictionary", `no key "descr"`, npyFile(1, "{}\n", 0)},
	{"no descr", `no key "descr"`, npyFile(1, "{'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"no fortran_order", `no key "fortran_order"`, npyFile(1, "{'descr': '<f4', 'shape': (2,)}\n", 8)},
	{"no shape", `no key "shape"`, npyFile(1, "{'descr': '<f4', 'fortran_order': False}\n", 4)},
	{"shape twice", `the key "shape" twice`, npyFile(1, "{'shape': (9,), 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"descr twice", `the key "descr" twice`, npyFile(1, "{'descr': '<f8', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"unknown key", `the unknown key "strides"`, npyFile(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'strides': (4,)}\n", 8)},
	{"something after it", "want blanks to the end", npyFile(1, strings.TrimSuffix(dict("(2,)"), "\n")+"+ {}\n", 8)},
	{"NUL after it", "want blanks to the end", npyFile(1, strings.TrimSuffix(dict("(2,)"), "\n")+"\x00\n", 8)},
	{"no comma", "want ',' or '}'", npyFile(1, "{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"two commas", "want a key in quotes", npyFile(1, "{'descr': '<f4',, 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"comma first", "want a key in quotes", npyFile(1, "{, 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"key without quotes", "want a key in quotes", npyFile(1, "{descr: '<f4', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"quote not closed", "want a key in quotes", npyFile(1, "{'descr: 1\n", 8)},
	{"quotes of two kinds", "want a key in quotes", npyFile(1, "{'descr\": 1\n", 8)},
	{"escaped", "want a dtype in quotes", npyFile(1, `{'descr': '\x3cf4', 'fortran_order': False, 'shape': (2,)}`+"\n", 8)},

	// its values
	{"order 1", `want True or False, have "1, `, npyFile(1, "{'descr': '<f4', 'fortran_order': 1, 'shape': (2,)}\n", 8)},
	{"order true", "want True or False", npyFile(1, "{'descr': '<f4', 'fortran_order': true, 'shape': (2,)}\n", 8)},
	{"order Falsehood", "want ',' or '}'", npyFile(1, "{'descr': '<f4', 'fortran_order': Falsehood, 'shape': (2,)}\n", 8)},
	{"structured", "a structured dtype", npyFile(1, "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"subarrays", "a dtype of subarrays", npyFile(1, "{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (1,)}\n", 8)},
	{"no byte order", `the dtype "f4"`, npyFile(1, "{'descr': 'f4', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"the machine's byte order", `the dtype "=f4"`, npyFile(1, "{'descr': '=f4', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"byte order not applicable", `the dtype "|f4"`, npyFile(1, "{'descr': '|f4', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"byte order only", `the dtype "<"`, npyFile(1, "{'descr': '<', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"empty dtype", `the dtype ""`, npyFile(1, "{'descr': '', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"long dtype", `the dtype "<f4,<f4"`, npyFile(1, "{'descr': '<f4,<f4', 'fortran_order': False, 'shape': (1,)}\n", 8)},
	{"byte order of bytes", `the dtype "<b1"`, npyFile(1, "{'descr': '<b1', 'fortran_order': False, 'shape': (2,)}\n", 2)},
	{"byte order of integers missing", `the dtype "|i4"`, npyFile(1, "{'descr': '|i4', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"times", `the dtype "<m8"`, npyFile(1, "{'descr': '<m8', 'fortran_order': False, 'shape': (2,)}\n", 16)},
	{"bytes that are no numbers", `the dtype "|S1"`, npyFile(1, "{'descr': '|S1', 'fortran_order': False, 'shape': (2,)}\n", 2)},
	{"Python objects", "pickled Python objects", npyFile(1, "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}\n", 8)},
	{"Python 2 objects", "pickled Python objects", npyFile(1, "{'descr': '|O8', 'fortran_order': False, 'shape': (2,)}\n", 16)},
	{"shape a number", "the number 2 for a shape, not the tuple (2,)", npyFile(1, dict("(2)"), 8)},
	{"shape a bare number", "want a tuple for the shape", npyFile(1, dict("2"), 8)},
	{"shape a list", "want a tuple for the shape", npyFile(1, dict("[2]"), 8)},
	{"shape None", "want a tuple for the shape", npyFile(1, dict("None"), 8)},
	{"shape of a comma", "want a dimension", npyFile(1, dict("(,)"), 8)},
	{"shape with two commas", "want a dimension", npyFile(1, dict("(2,,)"), 8)},
	{"shape without comma", "want ',' or ')'", npyFile(1, dict("(2 3)"), 24)},
	{"shape not closed", "want a dimension, have", npyFile(1, dict("(2"), 8)},
	{"dimension a float", "want ',' or ')'", npyFile(1, dict("(2.0,)"), 8)},
	{"dimension in hexadecimal", "want ',' or ')'", npyFile(1, dict("(0x2,)"), 8)},
	{"dimension with underscore", "want ',' or ')'", npyFile(1, dict("(1_0,)"), 40)},
	{"dimension 007", "want a dimension", npyFile(1, dict("(007,)"), 28)},
	{"dimension +2", "want a dimension", npyFile(1, dict("(+2,)"), 8)},
	{"dimension True", "want a dimension", npyFile(1, dict("(True,)"), 4)},
	{"dimension quoted", "want a dimension", npyFile(1, dict("('2',)"), 8)},
	{"dimension minus", "want a dimension", npyFile(1, dict("(-,)"), 8)},
	{"Python 2 integer in version 3", "want ',' or ')'", npyFile(3, dict("(2L,)"), 8)},
	{"negative dimension", "the negative dimension -2", npyFile(1, dict("(-2,)"), 8)},
	{"two negative dimensions", "the negative dimension -2", npyFile(1, dict("(-2, -1)"), 8)},
	{"dimension of 2^64", "the dimension 18446744073709551616, which overflows", npyFile(1, dict("(18446744073709551616,)"), 0)},
	{"65 dimensions", "more than NumPy's 64 dimensions", npyFile(1, dict("("+strings.Repeat("1, ", 65)+")"), 4)},
	{"a product of 2^64", "overflows", npyFile(1, dict("(65536, 65536, 65536, 65536)"), 0)},
	{"a product of 2^64 + 4", "overflows", npyFile(1, dict("(4, 4611686018427387905)"), 16)}, // 4 elements, in 64 bits
	{"2^62 of 4 bytes", "overflows", npyFile(1, dict("(4611686018427387904,)"), 0)},          // 0 bytes, in 64 bits
	{"overflow hidden by 0", "overflows", npyFile(1, dict("(0, 4294967296, 4294967296)"), 0)},

	// the data
	{"no data", "truncated: shape (2, 3) of float32 is 24 bytes of data, the file has 0", npyFile(1, dict("(2, 3)"), 0)},
	{"a byte missing", "truncated: shape (2, 3) of float32 is 24 bytes of data, the file has 23", npyFile(1, dict("(2, 3)"), 23)},
	{"a byte too many", "trailing byte", npyFile(1, dict("(2, 3)"), 25)},
	{"data of nothing", "trailing byte", npyFile(1, dict("(0, 3)"), 1)},
	{"a number and more", "trailing byte", npyFile(1, dict("()"), 8)},
	{"no number", "truncated", npyFile(1, dict("()"), 0)},
	{"huge and not there", "truncated", npyFile(1, dict("(16777216, 16)"), 100)},
}

// shorter returns a file whose header claims that it is n bytes shorter than it is.
func shorter(n int) []byte {
	b := npyFile(1, dict("(2,)")+" ", 8)
	b[8] -= byte(n + 1)
	return b
}

func TestRefuseBadFiles(t *testing.T) {
	for _, c := range badFiles {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []io.Reader{bytes.NewReader(c.content), iotest.HalfReader(io.MultiReader(bytes.NewReader(c.content)))} {
				_, err := Read("some.npy", r)
				require.ErrorAs(t, err, new(*FormatError))
				require.ErrorContains(t, err, "npy: some.npy: ")
				require.ErrorContains(t, err, c.reason)
				require.NotContains(t, err.Error(), "\n")
			}
			path := tempFile(t, c.content)
			_, err := Open(path)
			require.ErrorAs(t, err, new(*FormatError))
			require.ErrorContains(t, err, path)
		})
	}
}

// TestReadFreely reads headers that NumPy accepts but doesn't write.
func TestReadFreely(t *testing.T) {
	for name, text := range map[string]string{
		"another order, no last comma": "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}\n",
		"double quotes":                `{"descr": "<f4", "fortran_order": False, "shape": (2, 3), }` + "\n",
		"no blanks":                    "{'descr':'<f4','fortran_order':False,'shape':(2,3)}\n",
		"many blanks":                  " { 'descr' :\t'<f4' ,\n'fortran_order' : False , 'shape' : ( 2 , 3 , ) , } \n \n",
		"Python 2 integers":            "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }\n",
		"10000 bytes":                  dict("(2, 3)") + strings.Repeat(" ", 9999-len(dict("(2, 3)"))) + "\n",
	} {
		for _, major := range []byte{1, 2, 3} {
			if major == 3 && strings.Contains(text, "L") {
				continue
			}
			a, err := Read(name, bytes.NewReader(npyFile(major, text, 24)))
			require.NoError(t, err, name)
			assert.Equal(t, Header{Float32, []int{2, 3}}, a.Header())
			path := tempFile(t, npyFile(major, text, 24)) // data that aren't aligned, too
			a, err = Open(path)
			require.NoError(t, err)
			values, err := Values[float32](a)
			require.NoError(t, err)
			assert.Equal(t, make([]float32, 6), values)
			require.NoError(t, a.Close())
		}
	}
}

// TestMemoryOfLies reads files whose headers claim much more data than there is.
func TestMemoryOfLies(t *testing.T) {
	content := npyFile(1, dict("(16777216, 16)"), 1<<20) // 1 GiB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Read("some.npy", io.MultiReader(bytes.NewReader(content)))
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "truncated")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
}

func TestReadReturnsErrorOfReader(t *testing.T) {
	broken := errors.New("the cable is broken")
	content := npyFile(1, dict("(2, 3)"), 24)
	for n := range len(content) + 1 { // also after the last byte: whether that was the end isn't known
		_, err := Read("some.npy", io.MultiReader(bytes.NewReader(content[:n]), iotest.ErrReader(broken)))
		require.ErrorIs(t, err, broken, n)
		require.ErrorContains(t, err, "npy: some.npy: ")
		require.False(t, errors.As(err, new(*FormatError)))
	}
}

func TestHeaderLen(t *testing.T) {
	for _, c := range []struct {
		h      Header
		n      int
		reason string
	}{
		{Header{Float32, nil}, 1, ""},
		{Header{Float64, []int{0}}, 0, ""},
		{Header{Float16, []int{3, 4, 5}}, 60, ""},
		{Header{Uint16, []int{3, 0, 5}}, 0, ""},
		{Header{0, []int{3}}, 0, "unknown dtype DType(0)"},
		{Header{99, []int{3}}, 0, "unknown dtype DType(99)"},
		{Header{Float32, []int{3, -1}}, 0, "negative dimension -1 in shape (3, -1)"},
		{Header{Float32, []int{0, -1}}, 0, "negative dimension -1 in shape (0, -1)"},
		{Header{Float64, []int{maxDataBytes / 8}}, maxDataBytes / 8, ""},
		{Header{Float64, []int{maxDataBytes/8 + 1}}, 0, "overflows"},
		{Header{Float64, []int{0, maxDataBytes, 2}}, 0, "overflows"},
		{Header{Float64, make([]int, 65)}, 0, "65 dimensions"},
	} {
		n, err := c.h.Len()
		if c.reason != "" {
			require.ErrorContains(t, err, c.reason)
			continue
		}
		require.NoError(t, err, fmt.Sprint(c.h))
		require.Equal(t, c.n, n)
	}
	assert.Equal(t, "float16", Float16.String())
	assert.Equal(t, 2, Float16.Size())
	assert.Equal(t, 0, DType(0).Size())
}
