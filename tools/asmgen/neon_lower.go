package main

import "slices"

// group computes a group of vectors, which are one element each if element is set.
func (n *neon) group(vectors []map[value]vreg, element bool) {
	of := func(v value) (all []vreg) {
		for _, at := range vectors {
			r, ok := at[v]
			if !ok {
				if r, ok = n.constants[v]; !ok {
					panic(n.function() + ": " + string(v) + " has no register")
				}
			}
			all = append(all, r)
		}
		return all
	}
	n.load(aPred, of(vPred), element)
	n.load(aTarget, of(vTarget), element)
	if n.elementwise {
		n.load(aUpstream, of(vUpstream), element)
	}
	if n.weight {
		n.load(aUpstream, of(vWeight), element)
	}
	if n.mask {
		n.loadMask(aMask, of(vMask), element)
	}
	for _, s := range n.steps {
		switch s.do {
		case doFetch:
			if !n.mask && len(vectors) > 1 {
				n.prefetch(aPred, aAhead)
				n.prefetch(aTarget, aAhead)
			}
		case doAddUp:
			n.addUp(of(s.of[0]), of(vT), of("choice"), element)
		case doStore:
			n.storeBoth(of(s.of[0]), vectors, of, element)
		default:
			operands := make([][]vreg, len(s.of))
			for i, o := range s.of {
				operands[i] = of(o)
			}
			n.lower(s, of(s.to), operands)
		}
	}
}

// lower lowers a step whose operands and result are in registers, for each vector of a group.
func (n *neon) lower(s step, to []vreg, of [][]vreg) {
	each := func(f func(to vreg, of []vreg)) {
		for i := range to {
			var operands []vreg
			for _, o := range of {
				operands = append(operands, o[i])
			}
			f(to[i], operands)
		}
	}
	float := func(name string, operands ...int) {
		each(func(to vreg, of []vreg) {
			var in []vreg
			for _, o := range operands {
				in = append(in, of[o])
			}
			n.float(name, n.double, to, in...)
		})
	}
	bits := func(name string, to, p, q vreg) { n.op(name, q.b(), p.b(), to.b()) }
	switch s.do {
	case doSub:
		float("fsub", 0, 1)
	case doMul:
		float("fmul", 0, 1)
	case doDiv:
		float("fdiv", 0, 1)
	case doDistance:
		float("fabd", 0, 1)
	case doAbs:
		float("fabs", 0)
	case doLess:
		float("fcmgt", 1, 0)
	case doGreater:
		float("fcmgt", 0, 1)
	case doFarther:
		float("facgt", 0, 1)
	case doXor:
		each(func(to vreg, of []vreg) { bits("VEOR", to, of[0], of[1]) })
	case doFlipSign:
		each(func(to vreg, of []vreg) { bits("VAND", of[1], of[1], of[2]) }) // only the sign bits are left
		each(func(to vreg, of []vreg) { bits("VEOR", to, of[0], of[1]) })
	case doMask: // it is in its register already
	case doKeep:
		each(func(to vreg, of []vreg) { bits("VAND", to, of[1], of[0]) })
	case doSelect:
		each(func(to vreg, of []vreg) {
			switch to {
			case of[2]:
				bits("VBIT", to, of[1], of[0])
			case of[1]:
				bits("VBIF", to, of[2], of[0])
			default:
				panic("NEON selects in place: " + s.name)
			}
		})
	default:
		panic("NEON has no instructions for " + s.name)
	}
}

// load loads the vectors of a group from an array, and advances its address.
func (n *neon) load(base xreg, to []vreg, element bool) {
	switch {
	case element:
		n.short(true, base, n.storedSize(), to[0])
	case n.halves == "":
		n.whole(true, base, to)
	case len(to) == 1:
		n.short(true, base, 8, to[0])
	default:
		n.whole(true, base, everySecond(to))
	}
	if n.halves == "" {
		return
	}
	names := map[string][2]string{"F16": {"fcvtl half", "fcvtl2 half"}, "BF16": {"shll", "shll2"}}[n.halves]
	for i := 1; i < len(to); i += 2 {
		n.convert(names[1], to[i], to[i-1])
	}
	for i := 0; i < len(to); i += 2 {
		n.convert(names[0], to[i], to[i])
	}
}

func everySecond(all []vreg) (some []vreg) {
	for i := 0; i < len(all); i += 2 {
		some = append(some, all[i])
	}
	return some
}

// whole loads or stores registers, in pairs if there are more than one, and advances the address.
func (n *neon) whole(load bool, base xreg, v []vreg) {
	if len(v) == 1 {
		n.transfer(load, base, 0, 16, v[0])
		return
	}
	for i := len(v) - 2; i > 0; i -= 2 {
		n.transfer(load, base, 16*i, 0, v[i], v[i+1])
	}
	n.transfer(load, base, 0, 16*len(v), v[0], v[1])
}

// loadMask loads a byte for each element of a group, and sets the elements of the masks for those that are not 0.
func (n *neon) loadMask(base xreg, to []vreg, element bool) {
	size := n.width() * len(to)
	if element {
		size = 1
	}
	first, last := to[0], to[len(to)-1]
	n.short(true, base, size, first)
	n.op("VCMTST", first.b(), first.b(), first.b())
	sizes := []string{".B16", ".H8", ".S4"}[:log2(n.size())]
	for i, s := range sizes {
		all := first.String() + s
		if len(to) == 2 && i == len(sizes)-1 {
			n.op("VZIP2", all, all, last.String()+s)
		}
		n.op("VZIP1", all, all, all)
	}
}

// addUp adds the terms to the lanes.
func (n *neon) addUp(x, t, lane []vreg, element bool) {
	switch {
	case element:
		if !n.double {
			n.convert("fcvtl", x[0], x[0])
		}
		n.op("FMOVD", memory(aLane, 0), lane[0].f())
		n.float("fadd", true, x[0], x[0], lane[0])
		n.short(false, aLane, 8, x[0])
	case n.double:
		terms := x
		n.pairs(terms, lane)
	default:
		for i := range x {
			n.convert("fcvtl2", t[i], x[i])
		}
		for i := range x {
			n.convert("fcvtl", x[i], x[i])
		}
		var terms, lanes []vreg
		for i := range x {
			terms = append(terms, x[i], t[i])
			lanes = append(lanes, lane[i], n.spare[i%len(n.spare)])
		}
		n.pairs(terms, lanes)
	}
}

// pairs adds terms to as many vectors of lanes, for which it uses the given registers, and advances the address of the lanes.
func (n *neon) pairs(terms, lanes []vreg) {
	if len(terms) == 1 {
		n.transfer(true, aLane, 0, 0, lanes[0])
		n.float("fadd", true, terms[0], terms[0], lanes[0])
		n.transfer(false, aLane, 0, 16, terms[0])
		return
	}
	for i := 0; i < len(terms); i += 2 {
		n.transfer(true, aLane, 16*i, 0, lanes[i], lanes[i+1])
		for j := i; j < i+2; j++ {
			n.float("fadd", true, terms[j], terms[j], lanes[j])
		}
	}
	n.whole(false, aLane, terms)
}

// storeBoth writes results to Out and, if Params.Stores says so, their negatives to Negated, +0 where the mask is 0.
func (n *neon) storeBoth(x []vreg, vectors []map[value]vreg, of func(value) []vreg, element bool) {
	if n.gradient {
		t := of(vT)
		one := n.newLabel("one")
		n.op("CBZ", aStores, one)
		for i := range x {
			n.float("fneg", n.double, t[i], x[i])
		}
		if n.mask {
			for i, m := range of(vMask) {
				n.op("VAND", m.b(), t[i].b(), t[i].b())
			}
		}
		n.store(aNegated, t, of, element)
		n.label(one)
	}
	n.store(aOut, x, of, element)
}

// store writes the vectors of a group to an array, and advances its address.
func (n *neon) store(base xreg, x []vreg, of func(value) []vreg, element bool) {
	switch n.halves {
	case "F16":
		for i, v := range x {
			n.convert([]string{"fcvtn", "fcvtn2"}[i%2], x[i&^1], v)
		}
	case "BF16":
		// A half and the last bit of the result carry into the upper half. NaNs have lower halves of 0.
		last, half, odd := of(vLastBit)[0], of(vHalfBit)[0], of(vA)
		for i, v := range x {
			n.op("VCMTST", last.String()+".S4", v.String()+".S4", odd[i].String()+".S4")
		}
		for i, v := range x { // the mask is −1
			n.op("VSUB", odd[i].String()+".S4", v.String()+".S4", v.String()+".S4")
		}
		for i, v := range x {
			n.addHigh(i%2 == 1, x[i&^1], v, half)
		}
	}
	switch {
	case element:
		n.short(false, base, n.storedSize(), x[0])
	case n.halves == "":
		n.whole(false, base, x)
	case len(x) == 1:
		n.short(false, base, 8, x[0])
	default:
		n.whole(false, base, everySecond(slices.Clone(x)))
	}
}
