// Command sumfigure draws the canonical sum, from the constants of package cpu, for docs/contract.md.
//
// usage: cd tools && go run ./sumfigure >../docs/canonical-sum.svg
package main

import (
	"fmt"
	"html"
	"io"
	"os"
	"strings"

	"github.com/smoothl1/smoothl1/cpu"
)

func main() {
	if _, err := io.WriteString(os.Stdout, figure()); err != nil {
		fmt.Fprintln(os.Stderr, "sumfigure:", err)
		os.Exit(1)
	}
}

const (
	width, height = 760, 632
	left, right   = 40, 720

	ink, blue, orange, pale, grey = "#222", "#0072b2", "#d55e00", "#dbe9f4", "#999"
)

// svg collects a picture.
type svg struct{ strings.Builder }

func (s *svg) put(format string, a ...any) { fmt.Fprintf(s, format+"\n", a...) }

func (s *svg) text(x, y float64, anchor, style, text string) {
	s.put(`<text x="%g" y="%g" text-anchor="%s" %s>%s</text>`, x, y, anchor, style, html.EscapeString(text))
}

func (s *svg) box(x, y, w, h float64, fill, stroke string) {
	s.put(`<rect x="%.4g" y="%.4g" width="%.4g" height="%.4g" fill="%s" stroke="%s"/>`, x, y, w, h, fill, stroke)
}

func (s *svg) arrow(x1, y1, x2, y2 float64, colour string) {
	s.put(`<line x1="%.5g" y1="%.5g" x2="%.5g" y2="%.5g" stroke="%s" stroke-width="1.5" marker-end="url(#%s)"/>`, x1, y1, x2, y2, colour, colour[1:])
}

func (s *svg) step(y float64, number, title string) {
	s.put(`<circle cx="%d" cy="%g" r="11" fill="%s"/>`, left+11, y-5, ink)
	s.text(left+11, y-0.5, "middle", `fill="white" font-weight="bold"`, number)
	s.text(left+32, y, "start", `font-weight="bold"`, title)
}

// figure returns the SVG.
func figure() string {
	s := &svg{}
	s.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="Liberation Sans, Arial, sans-serif" font-size="13" fill="%s">`,
		width, height, width, height, ink)
	s.put(`<title>The canonical sum</title>`)
	s.put(`<defs>`)
	for _, colour := range []string{blue, orange, grey} {
		s.put(`<marker id="%s" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0L10 5L0 10z" fill="%s"/></marker>`,
			colour[1:], colour)
	}
	s.put(`</defs>`)
	s.put(`<rect width="100%%" height="100%%" fill="white"/>`)
	s.chunks()
	s.rows()
	s.fold()
	s.levels()
	s.put(`</svg>`)
	return s.String()
}

// chunks draws the array, cut into chunks.
func (s *svg) chunks() {
	s.step(32, "1", fmt.Sprintf("The terms, widened to float64, are cut into chunks of %d", cpu.Chunk))
	const y, w, h, gap = 48, 150, 30, 8
	x := float64(left)
	for i := range 3 {
		fill := "white"
		if i == 1 {
			fill = pale
		}
		s.box(x, y, w, h, fill, ink)
		s.text(x+w/2, y+20, "middle", "", fmt.Sprintf("chunk %d", i))
		x += w + gap
	}
	s.text(x+10, y+20, "middle", "", "…")
	x += 28
	s.box(x, y, 0.55*w, h, "white", ink)
	s.text(x+0.275*w, y+20, "middle", "", "the last")
	s.put(`<rect x="%g" y="%d" width="%g" height="%d" fill="white" stroke="%s" stroke-dasharray="4 3"/>`, x+0.55*w, y, 0.45*w, h, grey)
	s.text(x+0.775*w, y+20, "middle", fmt.Sprintf(`fill="%s"`, grey), "+0 …")
	s.put(`<path d="M%d %d L%d %d L%d %d L%d %d z" fill="%s" fill-opacity="0.5"/>`, left+w+gap, y+h, left+2*w+gap, y+h, right, 158, left+60, 158, pale)
}

// rows draws a chunk.
func (s *svg) rows() {
	s.step(136, "2", fmt.Sprintf("A chunk is %d rows of %d lanes; each lane adds its column, from the top, beginning with +0", cpu.Rows, cpu.Lanes))
	const x, y, w, h = left + 60, 158, right - left - 60, 160
	row, lane := float64(h)/cpu.Rows, float64(w)/cpu.Lanes
	s.box(x, y, w, h, "white", ink)
	for i := 1; i < cpu.Rows; i++ {
		s.put(`<line x1="%d" y1="%.5g" x2="%d" y2="%.5g" stroke="#ddd"/>`, x, y+float64(i)*row, x+w, y+float64(i)*row)
	}
	for j := 8; j < cpu.Lanes; j += 8 {
		s.put(`<line x1="%.5g" y1="%d" x2="%.5g" y2="%d" stroke="#eee"/>`, x+float64(j)*lane, y, x+float64(j)*lane, y+h)
	}
	const j = 40
	at := x + (j+0.5)*lane
	s.box(x+j*lane, y, lane, h, orange, "none")
	s.arrow(at, y+h+2, at, y+h+22, orange)
	s.text(x-8, y+row, "end", `font-size="11"`, "row 0")
	s.text(x-8, y+h, "end", `font-size="11"`, fmt.Sprintf("row %d", cpu.Rows-1))
	s.text(at+8, y+h+17, "start", fmt.Sprintf(`fill="%s"`, orange),
		fmt.Sprintf("lane j: +0 + x[j] + x[j+%d] + … + x[j+%d]", cpu.Lanes, cpu.Lanes*(cpu.Rows-1)))
	s.text(x, y+h+17, "start", `font-size="11"`, "lane 0")
	s.text(x+w, y+h+17, "end", `font-size="11"`, fmt.Sprintf("lane %d", cpu.Lanes-1))
}

// fold draws the folding of the lanes by halves.
func (s *svg) fold() {
	s.step(376, "3", fmt.Sprintf("The %d lanes are folded by halves to one chunk sum", cpu.Lanes))
	const x, y, h, pitch = left + 60, 392, 12, 19
	full := float64(right - left - 60)
	line := 0
	for lanes := cpu.Lanes; lanes >= 1; lanes /= 2 {
		w := full * float64(lanes) / cpu.Lanes * 0.62
		top := float64(y + line*pitch)
		s.box(x, top, max(w, 3), h, pale, blue)
		s.text(x-8, top+10, "end", `font-size="11"`, fmt.Sprint(lanes))
		if lanes > 1 {
			s.put(`<rect x="%.5g" y="%.5g" width="%.5g" height="%d" fill="%s" fill-opacity="0.35"/>`, x+w/2, top, w/2, h, blue)
			s.text(x+0.66*full, top+10, "start", `font-size="11"`, fmt.Sprintf("lane i += lane i+%d, for i < %d", lanes/2, lanes/2))
		}
		line++
	}
}

// levels describes how the chunk sums are summed.
func (s *svg) levels() {
	s.step(572, "4", "The chunk sums, in their order, are an array that is summed by the same rule, until one number is left")
	s.text(left+32, 594, "start", "", fmt.Sprintf("up to %d terms: one level; up to %s: two; up to %s: three.",
		cpu.Chunk, thousands(cpu.Chunk*cpu.Chunk), thousands(cpu.Chunk*cpu.Chunk*cpu.Chunk)))
	s.text(left+32, 613, "start", "", "A mean is that number divided by the count.")
}

// thousands writes a number with a comma every three digits.
func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
