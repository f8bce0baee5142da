package vm

import "github.com/smoothl1/smoothl1/sim/internal/ptx"

// opcodes holds the decoder function of each instruction.
var opcodes map[string]func(*decoder, *ptx.Inst) error

func init() {
	opcodes = map[string]func(*decoder, *ptx.Inst) error{
		"add": decodeAdd, "sub": decodeAdd, "addc": decodeAddc, "subc": decodeAddc,
		"mul": decodeMul, "mad": decodeMul, "madc": decodeMadc, "mul24": decodeMul24, "mad24": decodeMul24,
		"fma": decodeFma, "div": decodeDiv, "rem": decodeDiv, "sad": decodeSad,
		"abs": decodeAbsNeg, "neg": decodeAbsNeg, "min": decodeMinMax, "max": decodeMinMax,
		"rcp": decodeRoot, "sqrt": decodeRoot,
		"rsqrt": decodeTranscendental, "sin": decodeTranscendental, "cos": decodeTranscendental,
		"lg2": decodeTranscendental, "ex2": decodeTranscendental, "tanh": decodeTranscendental,
		"testp": decodeTestp, "copysign": decodeCopysign,
		"popc": decodePopc, "clz": decodePopc, "bfind": decodeBfind, "brev": decodeBrev, "fns": decodeFns,
		"and": decodeLogic, "or": decodeLogic, "xor": decodeLogic, "not": decodeLogic, "cnot": decodeLogic, "lop3": decodeLop3,
		"shl": decodeShift, "shr": decodeShift, "shf": decodeShf, "bfe": decodeBfe, "bfi": decodeBfi,
		"prmt": decodePrmt, "szext": decodeSzext, "bmsk": decodeBmsk, "dp4a": decodeDp, "dp2a": decodeDp,
		"set": decodeSet, "setp": decodeSetp, "selp": decodeSelp, "slct": decodeSlct,
		"mov": decodeMov, "cvt": decodeCvt, "cvta": decodeCvta, "isspacep": decodeIsspacep,
		"ld": decodeLd, "ldu": decodeLd, "st": decodeSt, "prefetch": decodePrefetch, "prefetchu": decodePrefetch,
		"atom": decodeAtom, "red": decodeAtom, "membar": decodeFence, "fence": decodeFence,
		"shfl": decodeShfl, "vote": decodeVote, "match": decodeMatch, "redux": decodeRedux, "activemask": decodeActivemask,
		"bar": decodeBar, "barrier": decodeBar,
		"bra": decodeBra, "brx": decodeBrx, "call": decodeCall, "ret": decodeRet, "exit": decodeExit,
		"trap": decodeTrap, "nanosleep": decodeNanosleep, "pmevent": decodeNothing, "griddepcontrol": decodeNothing,
	}
}
