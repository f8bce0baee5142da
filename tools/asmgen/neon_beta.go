package main

func (g *neonStager) difference() group {
	d, y := g.get("pred"), g.get("target")
	return g.floats("fsub", d, d, y)
}

// second returns (norm·dir)·up.
func (g *neonStager) second() group {
	x := g.get("dir")
	g.floats("fmul", x, x, g.all("norm"))
	return g.floats("fmul", x, x, g.get("up"))
}

func (g *neonStager) termsOfBetas(huber bool) {
	a, y, b := g.get("pred"), g.get("target"), g.get("beta")
	g.floats("fabd", a, a, y)
	inner, tail := y, g.group()
	g.floats("fmul", inner, a, g.all("0.5"))
	g.floats("fmul", inner, inner, a)
	g.floats("fmul", tail, b, g.all("0.5"))
	g.floats("fsub", tail, a, tail)
	if huber {
		g.floats("fmul", tail, tail, b)
	} else {
		g.floats("fdiv", inner, inner, b)
	}
	g.putValid(g.bitwise("VBIF", inner, tail, g.floats("fcmgt", a, b, a)), b, huber)
}

func (g *neonStager) gradientOfBetas(huber bool) {
	d, b, side := g.difference(), g.get("beta"), g.get("up")
	x, m := g.group(), g.group()
	g.floats("fmul", x, d, g.all("norm"))
	g.floats("fmul", x, x, side)
	g.floats("fmul", side, side, g.all("norm"))
	if huber {
		g.floats("fmul", side, side, b)
	} else {
		g.floats("fdiv", x, x, b)
		a := g.group()
		g.bitwise("VBIT", x, g.floats("fabs", a, d), g.floats("fcmeq", m, b, g.all("zero")))
	}
	g.floats("facgt", m, d, b)
	g.bitwise("VAND", d, d, g.all("sign"))
	g.bitwise("VEOR", d, d, side)
	g.putValid(g.bitwise("VBIT", x, d, m), b, huber)
}

func (g *neonStager) secondOfBetas(huber bool) {
	d, b, x := g.difference(), g.get("beta"), g.second()
	if !huber {
		g.floats("fdiv", x, x, b)
	}
	m := g.group()
	g.bitwise("VAND", x, x, g.floats("facgt", m, b, d))
	g.bitwise("VBIF", x, d, g.floats("fcmeq", m, d, d))
	g.putValid(x, b, huber)
}

// putValid stores the elements of x whose beta is valid, and NaN for the others.
func (g *neonStager) putValid(x, b group, huber bool) {
	least := map[bool]string{false: "fcmge", true: "fcmgt"}[huber]
	m, below := g.group(), g.group()
	g.floats(least, m, b, g.all("zero"))
	g.floats("fcmgt", below, g.all("infinity"), b)
	g.bitwise("VAND", m, m, below)
	g.put("dst", g.bitwise("VBIF", x, g.all("quiet NaN"), m))
}
