package sass

import "strings"

// A Class says which units of a multiprocessor execute an instruction.
type Class int

// The classes. Instructions of Other, branches and those of the uniform datapath above all, take an issue slot and no unit that is modelled.
const (
	FP32 Class = iota
	FP64
	Special // reciprocals, conversions from and to 64 or 16 bits, the check before a division
	ALU     // integer arithmetic, logic, comparisons, selections, moves
	Memory  // loads and stores of all memories, atomics
	Shuffle
	Other
	Classes
)

func (c Class) String() string {
	return [...]string{"FP32", "FP64", "special", "ALU", "memory", "shuffle", "other"}[c]
}

// classes by mnemonic, up to the first point. An instruction that is not listed is of Other.
var classes = map[string]Class{}

func init() {
	for class, list := range map[Class]string{
		FP32:    "FADD FMUL FFMA FADD32I FMUL32I HADD2 HMUL2 HFMA2 IMAD",
		FP64:    "DADD DMUL DFMA DSETP",
		Special: "MUFU FCHK F2F F2I I2F I2I FRND",
		ALU: "IADD IADD3 LEA LOP3 LOP SHF SHL SHR SEL FSEL FSETP ISETP FMNMX IMNMX MOV MOV32I PRMT CS2R P2R R2P PLOP3 IABS FSET ICMP FLO POPC " +
			"BFE BFI VOTE F2FP FCMP VABSDIFF PSETP",
		Memory:  "LDG STG LD ST LDS STS LDL STL LDC ATOM ATOMG ATOMS RED MEMBAR",
		Shuffle: "SHFL",
	} {
		for _, op := range strings.Fields(list) {
			classes[op] = class
		}
	}
}

// Class returns the instruction's class.
func (in Instruction) Class() Class {
	op, _, _ := strings.Cut(in.Op, ".")
	if c, ok := classes[op]; ok {
		return c
	}
	return Other
}

// A Mix is a number of instructions of each class.
type Mix [Classes]float64

// Count counts the instructions.
func Count(code []Instruction, indexes []int) (m Mix) {
	for _, i := range indexes {
		m[code[i].Class()]++
	}
	return m
}

// Total returns the number of instructions, each of which takes an issue slot.
func (m Mix) Total() (n float64) {
	for _, x := range m {
		n += x
	}
	return n
}

// Plus returns the mix with another one, times a factor, added.
func (m Mix) Plus(other Mix, factor float64) Mix {
	for c, x := range other {
		m[c] += factor * x
	}
	return m
}
