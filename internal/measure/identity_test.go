package measure

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIdentify(t *testing.T) {
	dir := t.TempDir()
	put := func(path, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644))
	}
	put("cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 207\nmodel name\t: Intel(R) Xeon(R)\n")
	for folder, files := range map[string][4]string{
		"index0": {"1", "Data", "48K", "0-1"}, "index1": {"2", "Unified", "2048K", "0,2"}, "index2": {"3", "Unified", "266240K", "0-3,8"}, "index3": {"3", "Unified", "", "0"},
	} {
		for i, name := range []string{"level", "type", "size", "shared_cpu_list"} {
			put(filepath.Join("cache", folder, name), files[i]+"\n")
		}
	}
	var d Device
	d.identify(filepath.Join(dir, "cpuinfo"), filepath.Join(dir, "cache"))
	assert.Equal(t, Device{Vendor: "GenuineIntel", Family: "6", Model: "207", Caches: []Cache{
		{1, "data", 48 << 10, 2}, {2, "unified", 2 << 20, 2}, {3, "unified", 260 << 20, 5}}}, d)
	put("cpuinfo", "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd40\n")
	var arm Device
	arm.identify(filepath.Join(dir, "cpuinfo"), filepath.Join(dir, "none"))
	assert.Equal(t, Device{Vendor: "0x41", Family: "8", Model: "0xd40"}, arm)
}

func TestWord(t *testing.T) {
	for name, want := range map[string]string{
		"AMD EPYC (family 26, model 2)":                                       "epyc-26-2",
		"Intel(R) Xeon(R) Processor @ 2.10GHz (family 6, model 207)":          "xeon-6-207",
		"Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz (family 6, model 143)": "xeon-platinum-8481c-6-143",
		"AMD Ryzen 9 7950X 16-Core Processor (family 25, model 97)":           "ryzen-9-7950x-25-97",
		"darwin/arm64": "darwin-arm64",
		"":             "unknown",
	} {
		assert.Equal(t, want, (&Device{Name: name}).Word())
	}
}

func TestSame(t *testing.T) {
	d := Device{Backend: "cpu", Name: "a", Threads: 2, InstructionSet: "avx2", CacheBytes: 32, LoadBefore: "1", GHz: 4}
	other := d
	other.LoadBefore, other.GHz, other.Kernel, other.Tuning = "2", 3, "6", "t"
	assert.True(t, d.Same(&other), "these are of the run")
	for name, change := range map[string]func(*Device){
		"name": func(d *Device) { d.Name = "b" }, "threads": func(d *Device) { d.Threads++ }, "set": func(d *Device) { d.InstructionSet = "avx512" },
		"last-level cache": func(d *Device) { d.CacheBytes++ },
	} {
		other := d
		change(&other)
		assert.False(t, d.Same(&other), name)
	}
	d.Caches = []Cache{{Level: 2, Bytes: 1}}
	assert.True(t, d.Same(&other), "the other does not list them")
	other.Caches = []Cache{{Level: 2, Bytes: 2}}
	assert.False(t, d.Same(&other))
	other.Caches, other.CacheBytes = []Cache{{Level: 2, Bytes: 1}}, 7
	assert.True(t, d.Same(&other), "the list says more than the size of the largest")
}

func TestFreePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpu-x.json")
	a, b := &Device{Name: "a"}, &Device{Name: "b"}
	assert.Equal(t, path, a.FreePath(path))
	require.NoError(t, (&Result{Device: *a}).Save(path))
	assert.Equal(t, path, a.FreePath(path), "a later run of the machine replaces it")
	second := filepath.Join(filepath.Dir(path), "cpu-x-2.json")
	assert.Equal(t, second, b.FreePath(path))
	require.NoError(t, (&Result{Device: *b}).Save(second))
	assert.Equal(t, second, b.FreePath(path))
	assert.Equal(t, filepath.Join(filepath.Dir(path), "cpu-x-3.json"), (&Device{Name: "c"}).FreePath(path))
}
