package memory

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestUseHugePages looks in the kernel's list of mappings for the flag "hg" on all whole huge pages of a slice.
func TestUseHugePages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("the kernel has no transparent huge pages")
	}
	if testing.Short() {
		t.Skip("an emulator need not pass the advice on")
	}
	x, err := Make[float32](5 << 20)
	require.NoError(t, err)
	UseHugePages(x)
	text, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	begin := uintptr(unsafe.Pointer(&x[0]))
	from, to := (begin+hugePage-1)&^(hugePage-1), (begin+uintptr(4*len(x)))&^(hugePage-1)
	advised := uintptr(0)
	for _, m := range regexp.MustCompile(`(?m)^([0-9a-f]+)-([0-9a-f]+) [^:]{4} (?s:.*?)^VmFlags: (.*)$`).FindAllStringSubmatch(string(text), -1) {
		low, err := strconv.ParseUint(m[1], 16, 64)
		require.NoError(t, err)
		high, err := strconv.ParseUint(m[2], 16, 64)
		require.NoError(t, err)
		if l, h := max(from, uintptr(low)), min(to, uintptr(high)); l < h && strings.Contains(" "+m[3]+" ", " hg ") {
			advised += h - l
		}
	}
	assert.Equal(t, to-from, advised, fmt.Sprintf("of %x to %x", from, to))
	UseHugePages(x[:1000])
	UseHugePages([]struct{}{{}})
	UseHugePages[float64](nil)
}
