package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// terminal models what a user sees on a terminal.
type terminal struct {
	slave *os.File // the side that a program writes to
	done  chan struct{}
	rows  [][]rune
	wraps int
	most  string // the fullest row so far
}

// newTerminal opens a terminal with a number of columns, 0 for unknown.
func newTerminal(t *testing.T, columns int) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("this system has no pseudo-terminals")
	}
	t.Cleanup(func() { master.Close() })
	var number, unlock int32
	control(t, master, syscall.TIOCGPTN, unsafe.Pointer(&number))
	control(t, master, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	x := &terminal{done: make(chan struct{}), rows: make([][]rune, 1)}
	x.slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	x.resize(t, columns)
	go x.show(master)
	return x
}

func control(t *testing.T, f *os.File, request uintptr, argument unsafe.Pointer) {
	t.Helper()
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(argument))
	require.Zero(t, errno)
}

func (x *terminal) resize(t *testing.T, columns int) {
	t.Helper()
	size := [4]uint16{24, uint16(columns)}
	control(t, x.slave, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

// show displays what is written, as a terminal does: long lines wrap.
func (x *terminal) show(master *os.File) {
	defer close(x.done)
	column := 0
	for buffer := make([]byte, 1<<16); ; {
		n, err := master.Read(buffer)
		if err != nil {
			return // the writer has exited
		}
		columns := terminalWidth(master)
		for i, row := range x.rows {
			x.rows[i] = row[:min(len(row), columns)]
		}
		for _, r := range string(buffer[:n]) {
			last := len(x.rows) - 1
			switch {
			case r == '\r':
				column = 0
				continue
			case r == '\n', column == columns:
				x.rows, column, last = append(x.rows, nil), 0, last+1
				if r == '\n' {
					continue
				}
				x.wraps++
			}
			for len(x.rows[last]) <= column {
				x.rows[last] = append(x.rows[last], ' ')
			}
			x.rows[last][column] = r
			column++
			if row := strings.TrimSpace(string(x.rows[last])); len([]rune(row)) > len([]rune(x.most)) {
				x.most = row
			}
		}
	}
}

// requireOneRow requires that the output stayed in one row, which is empty at the end.
func (x *terminal) requireOneRow(t *testing.T) {
	t.Helper()
	require.NoError(t, x.slave.Close())
	<-x.done
	require.Zero(t, x.wraps, "the bar wraps")
	require.Len(t, x.rows, 1, "the bar scrolls")
	require.Empty(t, strings.TrimSpace(string(x.rows[0])), "the bar stays")
}

// TestProgressInOneRow draws all kinds of bars on terminals of all widths.
func TestProgressInOneRow(t *testing.T) {
	for _, columns := range []int{1, 2, 10, 20, 39, 40, 59, 60, 80, 200, 0} {
		for _, total := range []int{3, 1_000_000, math.MaxInt / 8} {
			t.Run(fmt.Sprintf("columns=%d/total=%d", columns, total), func(t *testing.T) {
				t.Parallel()
				x := newTerminal(t, columns)
				p := newProgress(x.slave)
				require.NotNil(t, p.w)
				p.start(total)
				for range 3 {
					time.Sleep(110 * time.Millisecond)
					p.add(max(1, total/4))
				}
				p.end()
				x.requireOneRow(t)
				require.True(t, columns == 1 || columns == 2 || strings.Contains(x.most, "%"), x.most)
			})
		}
	}
}

// TestProgressOnAnotherWidth resizes the terminal while a bar is shown.
func TestProgressOnAnotherWidth(t *testing.T) {
	x := newTerminal(t, 200)
	p := newProgress(x.slave)
	p.start(1000)
	for _, columns := range []int{30, 12, 100} {
		p.add(100)
		time.Sleep(110 * time.Millisecond)
		x.resize(t, columns)
	}
	p.end()
	x.requireOneRow(t)
}

// TestProgressOfCommands runs commands on narrow terminals: shorter work first, and longer work where a bar had no time to appear.
func TestProgressOfCommands(t *testing.T) {
	dir := t.TempDir()
	eval := func(exponent int) []string {
		name := fmt.Sprintf("%d.npy", exponent)
		return []string{"eval", sparse(t, dir, "p"+name, 1<<exponent), sparse(t, dir, "t"+name, 1<<exponent)}
	}
	verify := func(more ...string) []string { return append([]string{"verify", "--device", "cpu"}, more...) }
	widths := []int{20, 59}
	if testing.Short() { // under the race detector
		widths = widths[1:]
	}
	for _, columns := range widths {
		for _, attempts := range [][][]string{{eval(24), eval(27)}, {verify("--cases", "20"), verify("--cases", "300")}, {verify("--for", "300ms"), verify("--for", "5s")}} {
			shown := ""
			for _, arguments := range attempts {
				x := newTerminal(t, columns)
				c := command(arguments...)
				var stdout bytes.Buffer
				c.Stdout, c.Stderr = &stdout, x.slave
				require.NoError(t, c.Run(), stdout.String())
				x.requireOneRow(t)
				if shown = x.most; shown != "" {
					break
				}
			}
			require.Contains(t, shown, "%", attempts)
		}
	}
}

// TestProgressShows checks what is shown in rows of different widths.
func TestProgressShows(t *testing.T) {
	for _, c := range []struct {
		columns int
		want    string
		what    string
	}{
		{80, `^ *\d+% \|█+ *\| +\[\d+s:\d+s\]$`, ""},
		{20, `^ *\d+% \|█+ *\|$`, "elements"},
		{39, `^ *\d+% \|█+ *\| +\[\d+s:\d+s\]$`, "elements"},
		{60, `^ *\d+% \|█+ *\| \(\d+/1000000\) \[\d+s:\d+s\]$`, "elements"},
		{80, `^ *\d+% \|█+ *\| \(\d+/1000000, \d+ elements/s\) \[\d+s:\d+s\]$`, "elements"},
	} {
		x := newTerminal(t, c.columns)
		p := newProgress(x.slave)
		p.what = c.what
		p.start(1_000_000)
		time.Sleep(110 * time.Millisecond)
		p.add(300_000)
		require.NoError(t, x.slave.Close())
		<-x.done
		require.Regexp(t, c.want, strings.TrimRight(string(x.rows[0]), " "), "%d columns", c.columns)
	}
}
