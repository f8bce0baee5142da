package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

const magic = "\x93NUMPY"

// layout is the content of a file's header and the offset of its data.
type layout struct {
	Header
	count     int  // elements
	bigEndian bool // byte order of the elements
	fortran   bool // the first index varies fastest; false if that is the same as C order
	offset    int64
}

func (l layout) dataBytes() int { return l.count * l.DType.Size() }

// describe names the array for an error: "shape (2, 3) of float32".
func (l layout) describe() string { return "shape " + shapeString(l.Shape) + " of " + l.DType.String() }

// checkSize compares the size that the header implies with the size of the file.
func (l layout) checkSize(name string, have int64) error {
	need, data := int64(l.dataBytes()), have-l.offset
	switch {
	case data < need:
		return formatErrorf(name, "truncated: %s is %d bytes of data, the file has %d", l.describe(), need, data)
	case data > need:
		return formatErrorf(name, "%d trailing bytes after the %d of %s", data-need, need, l.describe())
	}
	return nil
}

// readLayout reads the header of a file and leaves r at the first byte of data.
func readLayout(name string, r io.Reader) (layout, error) {
	var start [12]byte
	n, err := io.ReadFull(r, start[:8])
	begin := string(start[:min(n, len(magic))])
	switch {
	case err != nil && !isEOF(err):
		return layout{}, readError(name, err)
	case strings.HasPrefix(begin, "PK\x03\x04"):
		return layout{}, formatErrorf(name, "a .npz or other zip archive, not a .npy file")
	case !strings.HasPrefix(magic, begin):
		return layout{}, formatErrorf(name, "not a .npy file: begins with %q, not with %q", begin, magic)
	case err != nil:
		return layout{}, truncatedHeader(name)
	}
	major, minor := start[6], start[7]
	if major < 1 || major > 3 || minor != 0 {
		return layout{}, formatErrorf(name, "format version %d.%d, none of 1.0, 2.0 and 3.0", major, minor)
	}
	prefix := 12
	if major == 1 {
		prefix = 10
	}
	if err := readHead(name, r, start[8:prefix]); err != nil {
		return layout{}, err
	}
	length := binary.LittleEndian.Uint32(start[8:]) // the upper half is zero in version 1
	if length > maxHeaderText {
		return layout{}, formatErrorf(name, "a header of %d bytes, more than NumPy's limit of %d", length, maxHeaderText)
	}
	text := make([]byte, length)
	if err := readHead(name, r, text); err != nil {
		return layout{}, err
	}
	l, err := parseHeader(text, major < 3)
	if err != nil {
		return layout{}, formatErrorf(name, "bad header: %v", err)
	}
	l.offset = int64(prefix + len(text))
	return l, nil
}

// readHead reads len(b) bytes of the header.
func readHead(name string, r io.Reader, b []byte) error {
	switch _, err := io.ReadFull(r, b); {
	case err == nil:
		return nil
	case isEOF(err):
		return truncatedHeader(name)
	default:
		return readError(name, err)
	}
}

func truncatedHeader(name string) error {
	return formatErrorf(name, "truncated: the file ends within the header")
}

func parseHeader(text []byte, python2 bool) (layout, error) {
	if !bytes.HasSuffix(text, []byte("\n")) {
		return layout{}, errors.New("it doesn't end with a newline")
	}
	f, err := parseDict(text, python2)
	if err != nil {
		return layout{}, err
	}
	l := layout{Header: Header{Shape: f.shape}}
	if l.DType, l.bigEndian, err = parseDescr(f.descr); err != nil {
		return layout{}, err
	}
	if l.count, err = l.Len(); err != nil {
		return layout{}, err
	}
	long := 0 // dimensions for which the order matters
	for _, d := range f.shape {
		if d > 1 {
			long++
		}
	}
	l.fortran = f.fortran && long > 1
	return l, nil
}

func parseDescr(descr string) (d DType, bigEndian bool, err error) {
	if strings.HasPrefix(strings.TrimLeft(descr, "|<>="), "O") {
		return 0, false, errors.New("pickled Python objects, which are never read")
	}
	if len(descr) > 1 && strings.Contains("<>|", descr[:1]) {
		for d := Float32; d.valid(); d++ {
			if descr[1:] == dtypes[d].code && (descr[0] == '|') == (dtypes[d].size == 1) { // a byte has no byte order
				return d, descr[0] == '>', nil
			}
		}
	}
	return 0, false, fmt.Errorf("the dtype %q, which is not supported", descr)
}

// encodeHeader returns a header of version 1.0, byte for byte as numpy.save writes it. The header of any valid shape fits.
func encodeHeader(h Header) []byte {
	const align, growth = 64, 21
	shape := shapeString(h.Shape)
	order := "<"
	if h.DType.Size() == 1 {
		order = "|"
	}
	text := fmt.Appendf(nil, "{'descr': '%s%s', 'fortran_order': False, 'shape': %s, }", order, dtypes[h.DType].code, shape)
	if len(h.Shape) > 0 { // NumPy leaves room for the first dimension to grow in place
		text = append(text, bytes.Repeat([]byte{' '}, growth-len(fmt.Sprint(h.Shape[0])))...)
	}
	pad := align - (10+len(text)+1)%align // like NumPy, pads by 64 if already aligned
	text = append(text, bytes.Repeat([]byte{' '}, pad)...)
	text = append(text, '\n')
	head := append([]byte(magic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(text)))
	return append(head, text...)
}
