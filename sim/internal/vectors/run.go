package vectors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/smoothl1/smoothl1/internal/driver"
)

// register returns the type of the PTX registers for operands of a type, and the type with which they are loaded and stored.
func register(typ string) (reg, mem string) {
	switch n := widths[typ]; n {
	case 1:
		return "pred", "u32"
	case 8:
		return "b16", "u8"
	default:
		return fmt.Sprintf("b%d", n), fmt.Sprintf("b%d", n)
	}
}

// PTX returns a text with a kernel for each case: v0, v1, … Thread i of a kernel takes row i. Each operand and each result takes
// 8 bytes.
func PTX(cases []Case) string {
	sm := 50
	for _, c := range cases {
		sm = max(sm, c.SM)
	}
	var b strings.Builder
	fmt.Fprintf(&b, ".version 7.8\n.target sm_%d\n.address_size 64\n", sm)
	for i, c := range cases {
		fmt.Fprintf(&b, `
.visible .entry v%d(.param .u64 pin, .param .u64 pout, .param .u32 pn)
{
	.reg .pred %%done;
	.reg .b32 %%n, %%i, %%t, %%s, %%flag;
	.reg .b64 %%in, %%out;
`, i)
		for k, t := range c.Types {
			reg, _ := register(t)
			fmt.Fprintf(&b, "\t.reg .%s %%o%d;\n", reg, k)
		}
		fmt.Fprintf(&b, `	mov.u32 %%i, %%ctaid.x;
	mov.u32 %%t, %%ntid.x;
	mov.u32 %%s, %%tid.x;
	mad.lo.u32 %%i, %%i, %%t, %%s;
	ld.param.u32 %%n, [pn];
	setp.ge.u32 %%done, %%i, %%n;
	@%%done exit;
	ld.param.u64 %%in, [pin];
	ld.param.u64 %%out, [pout];
	mad.wide.u32 %%in, %%i, %d, %%in;
	mad.wide.u32 %%out, %%i, %d, %%out;
`, 8*(len(c.Types)-c.Outs), 8*c.Outs)
		for k := c.Outs; k < len(c.Types); k++ {
			_, mem := register(c.Types[k])
			if c.Types[k] == "pred" {
				fmt.Fprintf(&b, "\tld.global.u32 %%flag, [%%in+%d];\n\tsetp.ne.u32 %%o%d, %%flag, 0;\n", 8*(k-c.Outs), k)
				continue
			}
			fmt.Fprintf(&b, "\tld.global.%s %%o%d, [%%in+%d];\n", mem, k, 8*(k-c.Outs))
		}
		for _, inst := range strings.Split(c.Inst, ";") {
			inst = strings.TrimSpace(inst)
			for k := len(c.Types) - 1; k >= 0; k-- {
				inst = strings.ReplaceAll(inst, fmt.Sprintf("$%d", k), fmt.Sprintf("%%o%d", k))
			}
			fmt.Fprintf(&b, "\t%s;\n", inst)
		}
		for k := range c.Outs {
			_, mem := register(c.Types[k])
			if c.Types[k] == "pred" {
				fmt.Fprintf(&b, "\tselp.u32 %%flag, 1, 0, %%o%d;\n\tst.global.u32 [%%out+%d], %%flag;\n", k, 8*k)
				continue
			}
			fmt.Fprintf(&b, "\tst.global.%s [%%out+%d], %%o%d;\n", mem, 8*k, k)
		}
		b.WriteString("\tret;\n}\n")
	}
	return b.String()
}

// A Mismatch is a result that differs from the vectors.
type Mismatch struct {
	Case      *Case
	Row       int
	Got, Want []uint64
}

func (m Mismatch) String() string {
	row := m.Case.Rows[m.Row]
	return fmt.Sprintf("%s of %x: got %x, want %x", m.Case.Inst, row[m.Case.Outs:], m.Got, m.Want)
}

// Run executes the cases on a device and returns the mismatches.
func Run(dev driver.Device, cases []Case) (bad []Mismatch, err error) {
	m, err := dev.Load(PTX(cases))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dev.Unload(m)) }()
	for i := range cases {
		list, err := runCase(dev, m, fmt.Sprintf("v%d", i), &cases[i])
		if err != nil {
			return bad, fmt.Errorf("%s: %w", cases[i].Inst, err)
		}
		bad = append(bad, list...)
	}
	return bad, nil
}

func runCase(dev driver.Device, m driver.Module, name string, c *Case) (bad []Mismatch, err error) {
	f, err := dev.Function(m, name)
	if err != nil {
		return nil, err
	}
	ins := len(c.Types) - c.Outs
	input := make([]byte, 8*len(c.Rows)*ins)
	for r, row := range c.Rows {
		for k, v := range row[c.Outs:] {
			binary.LittleEndian.PutUint64(input[8*(r*ins+k):], v)
		}
	}
	output := make([]byte, 8*len(c.Rows)*c.Outs)
	var buffers [2]driver.Ptr
	for i, size := range [...]int{len(input), len(output)} {
		if buffers[i], err = dev.Alloc(uint64(size)); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, dev.Free(buffers[i])) }()
	}
	if err := dev.CopyIn(buffers[0], input, 0); err != nil {
		return nil, err
	}
	if err := dev.Zero(buffers[1], uint64(len(output)), 0); err != nil {
		return nil, err
	}
	n := uint32(len(c.Rows))
	if err := dev.Launch(f, driver.Linear((n+63)/64, 64), 0, []uint64{uint64(buffers[0]), uint64(buffers[1]), uint64(n)}); err != nil {
		return nil, err
	}
	if err := dev.CopyOut(output, buffers[1], 0); err != nil {
		return nil, err
	}
	for r, row := range c.Rows {
		got := make([]uint64, c.Outs)
		same := true
		for k := range got {
			got[k] = binary.LittleEndian.Uint64(output[8*(r*c.Outs+k):])
			same = same && Same(c.Types[k], got[k], row[k])
		}
		if !same {
			bad = append(bad, Mismatch{c, r, got, row[:c.Outs]})
		}
	}
	return bad, nil
}
