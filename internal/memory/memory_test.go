package memory

import (
	"errors"
	"math"
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const kib, gib = 1 << 10, 1 << 30

// machine is a simulated host with as much memory as its fields say, which frees garbage when it is collected.
type machine struct {
	total, free, garbage, idle, space uint64
	collections                       int
}

func (m *machine) host() *host {
	return &host{
		limits: func() (uint64, uint64) { return m.total, m.free },
		reserve: func(n uint64) error {
			if n > m.space {
				return errors.New("the system says no")
			}
			return nil
		},
		collect: func() {
			m.free, m.idle, m.garbage, m.collections = m.free+m.garbage, m.idle+m.garbage, 0, m.collections+1
		},
		idle: func() uint64 { return m.idle },
	}
}

func TestRoom(t *testing.T) {
	for name, c := range map[string]struct {
		machine
		n           uint64
		err         string
		collections int
	}{
		"there is room":                     {machine{total: 8 * gib, free: 4 * gib, space: unknown}, 4 * gib, "", 0},
		"more than the machine has":         {machine{total: 8 * gib, free: 8 * gib, space: unknown}, 9 * gib, "it needs 9663676416 bytes of memory, there are 8589934592 in all", 0},
		"more than is free":                 {machine{total: 8 * gib, free: 3 * gib, space: unknown}, 4 * gib, "it needs 4294967296 bytes of memory, 3221225472 are free", 1},
		"garbage is room":                   {machine{total: 8 * gib, free: 3 * gib, garbage: gib, space: unknown}, 4 * gib, "", 1},
		"a system that does not say":        {machine{total: unknown, free: unknown, space: unknown}, 1 << 62, "", 0},
		"but says no":                       {machine{total: unknown, free: unknown, space: gib}, gib, "it needs 1073741824 bytes of memory: the system says no", 1},
		"Go has it":                         {machine{total: unknown, free: unknown, space: gib, garbage: gib}, gib, "", 1},
		"so little is not worth asking for": {machine{}, worthAsking - 1, "", 0},
	} {
		err := c.machine.host().room(c.n)
		if c.err == "" {
			assert.NoError(t, err, name)
		} else {
			assert.EqualError(t, err, c.err, name)
		}
		assert.Equal(t, c.collections, c.machine.collections, name)
	}
}

// TestSmallSizes allocates in many small pieces what is too large as a whole: that must fail too.
func TestSmallSizes(t *testing.T) {
	m := machine{total: 8 * gib, free: 4 * gib, space: unknown}
	h, asked := m.host(), 0
	limits := h.limits
	h.limits = func() (uint64, uint64) { asked++; return limits() }
	const piece = 4 << 20
	pieces := 0
	for ; pieces < 8*gib/piece && h.room(piece) == nil; pieces++ {
		m.free -= piece
	}
	assert.Equal(t, 4*gib/piece, pieces)
	assert.Less(t, asked, 40)
}

func files(text map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, content := range text {
		m[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return m
}

func TestLimits(t *testing.T) {
	const meminfo = "MemTotal:       25165824 kB\nMemFree:  1024 kB\nMemAvailable:   16777216 kB\nSwapTotal:   2097152 kB\nSwapFree:   1048576 kB\n"
	const none = "9223372036854771712\n" // no limit, in version 1
	for name, c := range map[string]struct {
		files       map[string]string
		promised    uint64
		total, free uint64
	}{
		"nothing is known": {nil, 5, unknown, unknown},
		"the machine":      {map[string]string{"proc/meminfo": meminfo}, 0, 26 * gib, 17 * gib},
		"memory of ours that was never touched is not free": {map[string]string{"proc/meminfo": meminfo,
			"proc/self/status": "Name:\tx\nRssAnon:\t 1048576 kB\nVmSwap:\t1048576 kB\n"}, 5 * gib, 26 * gib, 14 * gib},
		"nor more than nothing": {map[string]string{"proc/meminfo": meminfo, "proc/self/status": "RssAnon:\t 1 kB\n"}, 50 * gib, 26 * gib, 0},
		"other libraries' memory is touched too": {map[string]string{"proc/meminfo": meminfo,
			"proc/self/status": "RssAnon:\t 6291456 kB\n"}, 5 * gib, 26 * gib, 17 * gib},
		"ZFS": {map[string]string{"proc/meminfo": meminfo, "proc/spl/kstat/zfs/arcstats": ""}, 0, 26 * gib, 26 * gib},
		"a group of version 2": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "8589934592\n", "sys/fs/cgroup/a/b/memory.current": "6442450944\n", "sys/fs/cgroup/a/b/memory.swap.max": "0\n",
			"sys/fs/cgroup/a/b/memory.stat": "anon 1\ninactive_file 536870912\nactive_file 536870912\n"}, 0, 8 * gib, 3 * gib},
		"its parent": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
			"sys/fs/cgroup/a/memory.max": "4294967296\n", "sys/fs/cgroup/a/memory.current": "1073741824\n", "sys/fs/cgroup/a/memory.swap.max": "max\n"}, 0, 6 * gib, 5 * gib},
		"a container": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "4294967296\n",
			"sys/fs/cgroup/memory.current": "5368709120\n", "sys/fs/cgroup/memory.swap.max": "1073741824\n"}, 0, 5 * gib, gib},
		"a group of version 1": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu,memory:/a\n4:pids:/b\n0::/\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "8589934592\n", "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "6442450944\n",
			"sys/fs/cgroup/memory/a/memory.stat":         "cache 7\ntotal_inactive_file 1073741824\nhierarchical_memory_limit " + none,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": none, "sys/fs/cgroup/memory/memory.usage_in_bytes": "0\n"}, 0, 8 * gib, 3 * gib},
		"its container does not see the group": {map[string]string{"proc/self/cgroup": "5:memory:/docker/1\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "8589934592\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "1073741824\n"}, 0, 8 * gib, 7 * gib},
	} {
		total, free := limitsOf(files(c.files), c.promised)
		assert.Equal(t, [2]uint64{c.total, c.free}, [2]uint64{total, free}, name)
	}
}

func TestMake(t *testing.T) {
	x, err := Make[float64](3)
	require.NoError(t, err)
	require.Len(t, x, 3)
	big, err := Make[float32](1 << 24)
	require.NoError(t, err)
	require.Len(t, big, 1<<24)
	for _, n := range []int{math.MaxInt, math.MaxInt / 8, math.MaxInt / 16} {
		if strconv.IntSize == 32 && n < math.MaxInt/8 {
			continue // 1 GiB may be available
		}
		_, err = Make[float64](n)
		require.Error(t, err)
	}
	// Sizes that exceed the memory: without its checks, Make would end the process.
	total, _ := limits()
	for n := uint64(1) << 30; n < math.MaxInt/2; n *= 2 {
		if total != unknown && n > total {
			_, err = Make[byte](int(n))
			require.ErrorContains(t, err, strconv.FormatUint(n, 10))
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	for b.Loop() {
		if err := system.room(worthAsking); err != nil {
			b.Fatal(err)
		}
	}
}
