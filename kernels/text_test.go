package kernels

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/smoothl1/smoothl1"
)

// Faults that no simulator shows, since it has one coherent memory, or only with thousands of multiprocessors, are held by the text.

var (
	entry       = regexp.MustCompile(`(?m)^\.visible \.entry (\w+)\(`)
	instruction = regexp.MustCompile(`(?m)^\t(?:@!?%p\d+ )?([a-z][\w.]*)[ \t]*([^;]*);`)
	plain       = regexp.MustCompile(`^ld\.global(\.v[24])?\.[fu](8|16|32|64)$`)
	cut         = regexp.MustCompile(`^cvt\.[us](8|16|32)\.[usb]64$`)
	small       = regexp.MustCompile(`^(?:min\.u64 (%rd\d+), %rd\d+, 2048|cvt\.u64\.u32 (%rd\d+), .*)$`) // makes a number that has 32 bits
	reducing    = regexp.MustCompile(`_forward(_backward)?_b?f\d+_`)
)

// textFaults returns what is wrong with the memory accesses, barriers and conversions of a PTX text.
func textFaults(ptx string) (faults []string) {
	starts := entry.FindAllStringSubmatchIndex(ptx, -1)
	for i, at := range starts {
		end := len(ptx)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		name, body := ptx[at[2]:at[3]], ptx[at[0]:end]
		fault := func(format string, args ...any) { faults = append(faults, name+": "+fmt.Sprintf(format, args...)) }
		tickets, sums := 0, 0
		bounded := map[string]bool{} // registers
		for _, m := range instruction.FindAllStringSubmatch(body, -1) {
			op, operands := m[1], strings.TrimSpace(m[2])
			word := strings.Split(op, ".")
			if m := small.FindStringSubmatch(op + " " + operands); m != nil {
				bounded[m[1]+m[2]] = true
			}
			switch word[0] {
			case "atom":
				tickets++
			case "bar", "barrier":
				// A thread count would leave out the other warps of a block, a mask threads of the warp.
				if op+" "+operands != "bar.sync 0" && op+" "+operands != "bar.warp.sync -1" {
					fault("%s %s is not the barrier of all threads", op, operands)
				}
			case "ld", "ldu":
				if word[1] == "param" || word[1] == "shared" {
					break
				}
				// Before the ticket a kernel reads inputs, which an output may overwrite in place: not through the read-only path. After
				// it, it reads what other blocks have written: from L2, for the L1 of a multiprocessor is not coherent.
				cached := strings.HasPrefix(op, "ld.global.cg.")
				switch {
				case tickets == 0 && !plain.MatchString(op):
					fault("an input is read by %s", op)
				case tickets > 0 && !cached:
					fault("chunk sums are read by %s", op)
				case tickets > 0:
					sums++
				}
			case "cvt":
				// Numbers of elements and chunks have 64 bits.
				if _, from, _ := strings.Cut(operands, ", "); cut.MatchString(op) && !bounded[from] {
					fault("%s cuts a number of 64 bits", op)
				}
			}
		}
		if reduces := reducing.MatchString(name); reduces != (tickets == 1 && sums > 0) {
			fault("%d tickets, %d reads of chunk sums", tickets, sums)
		}
	}
	return faults
}

// plainLoad returns the load of an element.
func plainLoad(dtype smoothl1.DType) string {
	if dtype.Size() == 2 {
		return "ld.global.u16"
	}
	return "ld.global.f"
}

func TestText(t *testing.T) {
	for _, s := range sources(t) {
		if s.rich {
			continue
		}
		dtype, text := s.dtype, s.text
		assert.Empty(t, textFaults(text))
		for from, to := range map[string]string{
			"bar.warp.sync \t-1;": "bar.warp.sync \t1;",
			"min.u64":             "max.u64",
			"ld.global.cg.f64":    "ld.global.ca.f64",
			"ld.global.cg.f64 ":   "ld.global.nc.f64 ",
			"ld.global.v":         "ld.global.nc.v",
			plainLoad(dtype):      "ld.global.nc.f32",
			"cvt.u64.u32 ":        "cvt.u32.u64 ",
			"atom.global.inc":     "red.global.inc",
		} {
			first, last := strings.Index(text, from), strings.LastIndex(text, from)
			assert.GreaterOrEqual(t, first, 0, from)
			for _, at := range []int{first, last} {
				assert.NotEmpty(t, textFaults(text[:at]+to+text[at+len(from):]), "%q at %d", from, at)
			}
		}
	}
}

// richFaults is textFaults for the rich kernels, in whose text the end of a reduction may stand anywhere.
func richFaults(ptx string) (faults []string) {
	starts := entry.FindAllStringSubmatchIndex(ptx, -1)
	for i, at := range starts {
		end := len(ptx)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		name := ptx[at[2]:at[3]]
		tickets, sums := 0, 0
		for _, m := range instruction.FindAllStringSubmatch(ptx[at[0]:end], -1) {
			op, operands := m[1], strings.TrimSpace(m[2])
			switch {
			case op == "atom.global.inc.u32":
				tickets++
			case strings.HasPrefix(op, "bar") && op+" "+operands != "bar.sync 0" && op+" "+operands != "bar.warp.sync -1":
				faults = append(faults, fmt.Sprintf("%s: %s %s is not a barrier of all threads", name, op, operands))
			case op == "ld.global.cg.f64":
				sums++
			case strings.HasPrefix(op, "ld.global.") && !plain.MatchString(op):
				faults = append(faults, fmt.Sprintf("%s: an input is read by %s", name, op))
			case op == "ld.global.f64" && !strings.Contains(name, "f64"):
				faults = append(faults, fmt.Sprintf("%s: a sum or a divisor is read by %s", name, op))
			}
		}
		if tickets != 1 || sums == 0 {
			faults = append(faults, fmt.Sprintf("%s: %d tickets, %d reads of chunk sums", name, tickets, sums))
		}
	}
	return faults
}

func TestRichText(t *testing.T) {
	for _, s := range sources(t) {
		if !s.rich {
			continue
		}
		assert.Empty(t, richFaults(s.text))
		for from, to := range map[string]string{
			"bar.warp.sync \t-1;": "bar.warp.sync \t1;",
			"ld.global.cg.f64":    "ld.global.ca.f64",
			"ld.global.u8":        "ld.global.nc.u8",
			"atom.global.inc":     "red.global.inc",
		} {
			at := strings.Index(s.text, from)
			assert.GreaterOrEqual(t, at, 0, from)
			assert.NotEmpty(t, richFaults(s.text[:at]+to+s.text[at+len(from):]), from)
		}
	}
}
