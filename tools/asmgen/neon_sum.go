package main

// sumRows writes the rest of a stage that adds up. The lanes, which start at +0, are in registers, 32 at a time.
func (g *neonStager) sumRows() {
	const block = 32
	rows, left, first, end := aLoops, aInChunk, aFree, aLanes
	current := map[string]xreg{} // the addresses in the current row
	next := xreg(len(g.bases))
	for _, p := range g.params {
		current[p.name] = next
		next++
	}
	if next > aLoops {
		panic(g.stage.name + " has too many arrays")
	}
	var lanes group
	for range block / 2 {
		lanes = append(lanes, g.register())
	}
	bytes := func(p param) int { return map[kind]int{elements: g.spec.size(), bytes8: 1}[p.kind] }
	g.size = 4
	if g.has("mask") {
		g.size = 2
	}
	bases := g.bases
	g.op("MOVD", 0, first)
	g.op("MOVD", laneCount, end)
	g.label("block")
	for _, v := range lanes {
		g.op("VEOR", v.b(), v.b(), v.b())
	}
	for _, p := range g.params {
		at := bases[p.name].String()
		if shift := log2(bytes(p)); shift > 0 {
			g.op("LSL", shift, first, left)
			g.op("ADD", left, at, current[p.name])
		} else {
			g.op("ADD", first, at, current[p.name])
		}
	}
	g.op("MOVD", rows, left)
	g.label("row")
	g.bases = current
	for done := 0; done < block; done += g.size * g.width() {
		g.groups = 0
		g.addGroup(lanes[done/2:])
	}
	g.bases = bases
	for _, p := range g.params {
		g.op("ADD", (laneCount-block)*bytes(p), current[p.name], current[p.name])
	}
	g.op("SUBS", 1, left, left)
	g.op("BNE", "row")
	g.whole(false, bases["lanes"], lanes)
	g.op("ADD", block, first, first)
	g.op("CMP", end, first)
	g.op("BLT", "block")
	g.op("RET")
}

// addGroup computes a group of vectors, and adds it to the lanes.
func (g *neonStager) addGroup(lanes group) {
	x := g.get("x")
	if g.has("w") {
		g.floats("fmul", x, x, g.get("w"))
	}
	if g.has("mask") {
		g.bitwise("VAND", x, x, g.masks())
	}
	if g.has("dst") {
		g.put("dst", x)
	}
	if g.double {
		for i, v := range x {
			g.float("fadd", true, lanes[i], lanes[i], v)
		}
		return
	}
	t := g.group()
	for i, v := range x {
		g.convert("fcvtl2", t[i], v)
	}
	for _, v := range x {
		g.convert("fcvtl", v, v)
	}
	for i := range x {
		g.float("fadd", true, lanes[2*i], lanes[2*i], x[i])
		g.float("fadd", true, lanes[2*i+1], lanes[2*i+1], t[i])
	}
}

// emitNEONFold writes the function that folds 128 lanes by halves.
func emitNEONFold(a *arm64) {
	a.begin("foldNEON", "(lanes unsafe.Pointer) (sum float64)", 0, 16)
	a.op("MOVD", "lanes+0(FP)", aLanes)
	(&neon{arm64: a}).fold()
	a.op("FMOVD", "F0", "sum+8(FP)")
	a.op("RET")
}

// emitNEONCount writes the function that counts the bytes of a mask that are not 0, in whole blocks of 64.
func emitNEONCount(a *arm64) {
	const base, n, kept, some xreg = 0, 1, 2, 3
	a.begin("countNEON", "(mask unsafe.Pointer, n int) (kept int)", 0, 24)
	a.op("MOVD", "mask+0(FP)", base)
	a.op("MOVD", "n+8(FP)", n)
	a.op("MOVD", 0, kept)
	a.op("VEOR", vreg(4).b(), vreg(4).b(), vreg(4).b())
	a.label("loop")
	a.transfer(true, base, 32, 0, 2, 3)
	a.transfer(true, base, 0, 64, 0, 1)
	for v := range vreg(4) {
		a.op("VCMTST", v.b(), v.b(), v.b()) // −1 for a byte that is not 0
	}
	a.op("VADD", vreg(1).b(), vreg(0).b(), vreg(0).b())
	a.op("VADD", vreg(3).b(), vreg(2).b(), vreg(2).b())
	a.op("VADD", vreg(2).b(), vreg(0).b(), vreg(0).b())
	a.op("VSUB", vreg(0).b(), vreg(4).b(), vreg(0).b())
	a.op("VUADDLV", vreg(0).b(), vreg(0))
	a.op("VMOV", "V0.H[0]", some)
	a.op("ADD", some, kept, kept)
	a.op("SUBS", 64, n, n)
	a.op("BNE", "loop")
	a.op("MOVD", kept, "kept+16(FP)")
	a.op("RET")
}
