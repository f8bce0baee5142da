package ptx

// Type is a fundamental type of PTX.
type Type uint8

const (
	NoType Type = iota
	Pred
	B8
	B16
	B32
	B64
	B128
	U8
	U16
	U32
	U64
	S8
	S16
	S32
	S64
	F16
	BF16
	F16x2
	BF16x2
	F32
	TF32
	F64
	U16x2
	S16x2
)

var typeNames = [...]string{
	NoType: "none", Pred: "pred", B8: "b8", B16: "b16", B32: "b32", B64: "b64", B128: "b128",
	U8: "u8", U16: "u16", U32: "u32", U64: "u64", S8: "s8", S16: "s16", S32: "s32", S64: "s64",
	F16: "f16", BF16: "bf16", F16x2: "f16x2", BF16x2: "bf16x2", F32: "f32", TF32: "tf32", F64: "f64",
	U16x2: "u16x2", S16x2: "s16x2",
}

var typeByName = func() map[string]Type {
	m := map[string]Type{}
	for t := Pred; int(t) < len(typeNames); t++ {
		m[typeNames[t]] = t
	}
	return m
}()

// TypeNamed returns the type with a name, given without the dot.
func TypeNamed(name string) (Type, bool) {
	t, ok := typeByName[name]
	return t, ok
}

func (t Type) String() string { return "." + typeNames[t] }

// Bits returns the width of a value in bits; a predicate has one.
func (t Type) Bits() int {
	switch t {
	case Pred:
		return 1
	case B8, U8, S8:
		return 8
	case B16, U16, S16, F16, BF16:
		return 16
	case B32, U32, S32, F16x2, BF16x2, F32, TF32, U16x2, S16x2:
		return 32
	case B64, U64, S64, F64:
		return 64
	case B128:
		return 128
	}
	return 0
}

// Bytes returns the width of a value in memory.
func (t Type) Bytes() int { return t.Bits() / 8 }

// Signed reports whether a type is a signed integer.
func (t Type) Signed() bool { return t >= S8 && t <= S64 || t == S16x2 }

// Unsigned reports whether a type is an unsigned integer.
func (t Type) Unsigned() bool { return t >= U8 && t <= U64 || t == U16x2 }

// Untyped reports whether a type is plain bits.
func (t Type) Untyped() bool { return t >= B8 && t <= B128 }

// Integer reports whether a type is a signed or unsigned integer.
func (t Type) Integer() bool { return t.Signed() || t.Unsigned() }

// Float reports whether a type is a floating-point type, packed or not.
func (t Type) Float() bool { return t >= F16 && t <= F64 }

// Space is a state space.
type Space uint8

const (
	Generic Space = iota // no space given: the address determines it
	Global
	Shared
	Const
	Local
	Param
	RegSpace
)

var spaceNames = [...]string{Generic: "generic", Global: "global", Shared: "shared", Const: "const", Local: "local", Param: "param", RegSpace: "reg"}

func (s Space) String() string { return spaceNames[s] }

// SpaceNamed returns the state space with a name, given without the dot.
func SpaceNamed(name string) (Space, bool) {
	switch name {
	case "global":
		return Global, true
	case "shared", "shared::cta":
		return Shared, true
	case "const":
		return Const, true
	case "local":
		return Local, true
	case "param", "param::entry", "param::func":
		return Param, true
	}
	return Generic, false
}
