package main

// emitNEONRepeat writes the function that stores n vectors of 32 bytes of repeated elements. All its shuffles are of bytes.
func emitNEONRepeat(a *arm64) {
	const dst, x, first, end, n, s, next xreg = 0, 1, 2, 3, 4, 5, 6
	const size = 40 // of a shuffle
	a.begin("repeatNEON", "(dst, x, shuffles unsafe.Pointer, count, n int)", 0, 40)
	a.op("MOVD", "dst+0(FP)", dst)
	a.op("MOVD", "x+8(FP)", x)
	a.op("MOVD", "shuffles+16(FP)", first)
	a.op("MOVD", "count+24(FP)", end)
	a.op("MOVD", "n+32(FP)", n)
	a.op("MOVD", size, s)
	a.op("MADD", s, first, end, end)
	a.label("again")
	a.op("MOVD", first, s)
	a.label("loop")
	a.transfer(true, x, 0, 0, 0, 1)
	a.transfer(true, s, 0, 0, 2, 3)
	for v := vreg(2); v < 4; v++ {
		a.op("VTBL", v.b(), "[V0.B16, V1.B16]", v.b())
	}
	a.transfer(false, dst, 0, 32, 2, 3)
	a.op("MOVD", memory(s, 32), next)
	a.op("ADD", next, x, x)
	a.op("ADD", size, s, s)
	a.op("SUBS", 1, n, n)
	a.op("BEQ", "done")
	a.op("CMP", end, s)
	a.op("BNE", "loop")
	a.op("B", "again")
	a.label("done")
	a.op("RET")
}
