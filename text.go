package smoothl1

import (
	"fmt"
	"slices"
	"strings"
)

// The names of the constants of each enumeration, in order, as String prints and UnmarshalText reads them.
var (
	kinds      = []string{"smooth_l1", "huber"}
	reductions = []string{"mean", "sum", "none"}
)

// dtypeNames returns the names of the element types.
func dtypeNames() (names []string) {
	for _, t := range dtypes {
		names = append(names, t.name)
	}
	return names
}

func (k Kind) valid() bool      { return int(k) < len(kinds) }
func (r Reduction) valid() bool { return int(r) < len(reductions) }
func (t DType) valid() bool     { return int(t) < len(dtypes) }

// String returns "smooth_l1" or "huber".
func (k Kind) String() string { return name("Kind", kinds, uint8(k)) }

// String returns "mean", "sum" or "none".
func (r Reduction) String() string { return name("Reduction", reductions, uint8(r)) }

// String returns the name, such as "float32" or "bfloat16".
func (t DType) String() string {
	if t.valid() {
		return dtypes[t].name
	}
	return name("DType", nil, uint8(t))
}

// MarshalText implements encoding.TextMarshaler. An invalid kind is an error wrapping ErrKind.
func (k Kind) MarshalText() ([]byte, error) { return marshal("kind", kinds, uint8(k), ErrKind) }

// MarshalText implements encoding.TextMarshaler. An invalid reduction is an error wrapping ErrReduction.
func (r Reduction) MarshalText() ([]byte, error) {
	return marshal("reduction", reductions, uint8(r), ErrReduction)
}

// MarshalText implements encoding.TextMarshaler. An invalid type is an error wrapping ErrDType.
func (t DType) MarshalText() ([]byte, error) {
	return marshal("dtype", dtypeNames(), uint8(t), ErrDType)
}

// UnmarshalText implements encoding.TextUnmarshaler for the names that String returns. Any other text is an error wrapping
// ErrKind and leaves k unchanged.
func (k *Kind) UnmarshalText(text []byte) error { return unmarshal("kind", kinds, text, k, ErrKind) }

// UnmarshalText implements encoding.TextUnmarshaler for the names that String returns. Any other text is an error wrapping
// ErrReduction and leaves r unchanged.
func (r *Reduction) UnmarshalText(text []byte) error {
	return unmarshal("reduction", reductions, text, r, ErrReduction)
}

// UnmarshalText implements encoding.TextUnmarshaler for the names that String returns. Any other text is an error wrapping
// ErrDType and leaves t unchanged.
func (t *DType) UnmarshalText(text []byte) error {
	return unmarshal("dtype", dtypeNames(), text, t, ErrDType)
}

// Set implements flag.Value. It accepts the same names as UnmarshalText.
func (k *Kind) Set(s string) error { return k.UnmarshalText([]byte(s)) }

// Set implements flag.Value. It accepts the same names as UnmarshalText.
func (r *Reduction) Set(s string) error { return r.UnmarshalText([]byte(s)) }

// Set implements flag.Value. It accepts the same names as UnmarshalText.
func (t *DType) Set(s string) error { return t.UnmarshalText([]byte(s)) }

func name(typ string, names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("%s(%d)", typ, i)
}

func marshal(arg string, names []string, i uint8, reason error) ([]byte, error) {
	if int(i) >= len(names) {
		return nil, NewArgError("MarshalText", arg, i, reason)
	}
	return []byte(names[i]), nil
}

func unmarshal[E ~uint8](arg string, names []string, text []byte, to *E, reason error) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return NewArgError("UnmarshalText", arg, fmt.Sprintf("%q", text), fmt.Errorf("%w: want %s", reason, strings.Join(names, ", ")))
	}
	*to = E(i)
	return nil
}
