package main

// loop computes aLoops elements: four vectors at a time, then one at a time, then one element at a time.
func (n *neon) loop() {
	const unrolled = 4
	w := n.width()
	n.op("SUBS", unrolled*w, aLoops, aLoops)
	n.op("BLT", "few")
	n.label("four")
	for range unrolled / len(n.vectors) {
		n.group(n.vectors, false)
	}
	n.op("SUBS", unrolled*w, aLoops, aLoops)
	n.op("BGE", "four")
	n.label("few")
	n.op("ADDS", (unrolled-1)*w, aLoops, aLoops)
	n.op("BLT", "partial")
	n.label("one")
	n.group(n.vectors[:1], false)
	n.op("SUBS", w, aLoops, aLoops)
	n.op("BGE", "one")
	n.label("partial")
	n.op("ADD", w, aLoops, aLoops)
	n.op("CBZ", aLoops, "whole")
	n.label("element")
	n.group(n.vectors[:1], true)
	n.op("SUBS", 1, aLoops, aLoops)
	n.op("BNE", "element")
	n.label("whole")
}

// fold folds the lanes by halves, to register 0.
func (n *neon) fold() {
	const quarter = 8 * laneCount / 4 // bytes
	free := 32 - len(n.constants)
	if free < 20 {
		panic(n.function() + ": no registers to fold the lanes")
	}
	sum := func(to, temporary vreg, offset int) {
		n.transfer(true, aLanes, offset, 0, to, to+1)
		n.transfer(true, aLanes, offset+2*quarter, 0, temporary, temporary+1)
		for i := range vreg(2) {
			n.float("fadd", true, to+i, to+i, temporary+i)
		}
	}
	for i := vreg(0); i < 16; i += 2 {
		sum(i, 16, 16*int(i))
		sum(16, 18, 16*int(i)+quarter)
		for j := range vreg(2) {
			n.float("fadd", true, i+j, i+j, 16+j)
		}
	}
	for half := vreg(8); half > 0; half /= 2 {
		for i := range half {
			n.float("fadd", true, i, i, i+half)
		}
	}
	n.addPair(0, 0)
}
