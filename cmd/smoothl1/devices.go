package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/cuda"
	"github.com/smoothl1/smoothl1/kernels"
	"github.com/smoothl1/smoothl1/sim"
)

// inventory is the output of devices.
type inventory struct {
	Auto      string       `json:"auto"` // the device used by default; "" if it cannot be opened
	AutoError string       `json:"auto_error,omitempty"`
	CUDA      cudaDevices  `json:"cuda"`
	CPU       cpuDevice    `json:"cpu"`
	SimError  string       `json:"sim_error,omitempty"` // why the simulated device cannot be used
	Kernels   kernelsBuild `json:"kernels"`
}

type cudaDevices struct {
	Library string       `json:"library,omitempty"` // the driver's
	Version string       `json:"version,omitempty"` // the newest version of CUDA that the driver supports
	Reason  string       `json:"reason,omitempty"`  // why there are no devices
	Devices []cudaDevice `json:"devices,omitempty"`
}

type cudaDevice struct {
	Ordinal         int    `json:"ordinal"`
	Name            string `json:"name,omitempty"`
	Architecture    string `json:"architecture,omitempty"` // "sm_90"
	Target          string `json:"ptx_target,omitempty"`   // of the kernels that the driver was given, "sm_75"
	Multiprocessors int    `json:"multiprocessors,omitempty"`
	MemoryBytes     uint64 `json:"memory_bytes,omitempty"`
	L2Bytes         uint64 `json:"l2_bytes,omitempty"`
	Error           string `json:"error,omitempty"` // why it cannot be used
}

type cpuDevice struct {
	Architecture   string `json:"architecture"`
	InstructionSet string `json:"instruction_set"`
	Threads        int    `json:"threads"`
	Tuning         string `json:"tuning"` // how calls on large arrays are made
}

type kernelsBuild struct {
	ISA     string   `json:"ptx_isa"`     // the version of PTX
	Target  string   `json:"ptx_target"`  // the lowest architecture
	Targets []string `json:"ptx_targets"` // all, in the order in which a driver is offered them
	Driver  string   `json:"driver"`      // the oldest that takes this version
}

func newDevices() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "devices",
		Short: "List the devices, and the one that is used by default",
		Long: `devices lists the CUDA devices and their driver, and opens each of them, which checks that the driver accepts the kernels' version
of PTX, and for which target. If there is no CUDA device, it says why. It also says which device is used by default: CUDA device 0, or else the CPU.`,
		Example:           "  smoothl1 devices\n  smoothl1 devices --json",
		Args:              usage(cobra.NoArgs),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			found := takeInventory()
			if asJSON {
				return printJSON(c.OutOrStdout(), found)
			}
			return found.print(c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print an object")
	return c
}

func takeInventory() *inventory {
	found := &inventory{
		CUDA:    takeCUDA(),
		CPU:     takeCPU(),
		Kernels: describeKernels(),
	}
	simulated := sim.New()
	if err := errors.Join(simulated.Wait(0), simulated.Close()); err != nil { // fails if SMOOTHL1_SIM_SEED is invalid
		found.SimError = err.Error()
	}
	dev, err := openDevice()
	if err != nil {
		found.AutoError = err.Error()
		return found
	}
	defer closeDevice(dev)
	found.Auto = dev.Backend()
	if found.Auto == "cuda" {
		found.Auto = fmt.Sprintf("cuda:%d", dev.Info().Ordinal)
	}
	return found
}

func takeCPU() cpuDevice {
	set, _ := cpu.InstructionSet() // the errors have been reported before any command
	tuning, _ := cpu.Tuning()
	tuning.Tuned = nil // nothing has been measured yet
	return cpuDevice{runtime.GOARCH, set, runtime.GOMAXPROCS(0), tuning.String()}
}

func takeCUDA() (c cudaDevices) {
	if library, err := cuda.Describe(); err == nil {
		c.Library, c.Version = library.Path, cudaVersion(library.Version)
	}
	n, err := cuda.Count()
	if err != nil {
		c.Reason = err.Error()
	}
	for i := range n {
		c.Devices = append(c.Devices, takeDevice(i))
	}
	return c
}

func takeDevice(ordinal int) cudaDevice {
	dev, err := openDevice(gpu.CUDA(ordinal))
	if err != nil {
		return cudaDevice{Ordinal: ordinal, Error: err.Error()}
	}
	i := dev.Info()
	d := cudaDevice{ordinal, i.Name, fmt.Sprintf("sm_%d%d", i.Major, i.Minor), dev.Target(), i.Multiprocessors, i.MemoryBytes, i.L2Bytes, ""}
	if err := closeDevice(dev); err != nil {
		d.Error = err.Error()
	}
	return d
}

// cudaVersion writes 12040 as "12.4".
func cudaVersion(v int) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d", v/1000, v%1000/10)
}

func describeKernels() kernelsBuild {
	k := kernelsBuild{ISA: kernels.ISA, Driver: fmt.Sprintf("CUDA %s (%s) or newer", cudaVersion(kernels.MinDriver), kernels.MinDriverBranch)}
	for _, t := range kernels.Targets() {
		k.Target = t.String()
		k.Targets = append(k.Targets, k.Target)
	}
	return k
}

func (v *inventory) print(out io.Writer) error {
	w := &errorWriter{w: out}
	used := func(name string) string {
		if name == v.Auto {
			return "; used by default"
		}
		return ""
	}
	if v.CUDA.Library != "" {
		w.printf("driver     %s", v.CUDA.Library)
		if v.CUDA.Version != "" {
			w.printf(", for CUDA %s", v.CUDA.Version)
		}
		w.printf("\n")
	}
	if v.CUDA.Reason != "" {
		w.printf("cuda       not available: %s\n", v.CUDA.Reason)
	}
	for _, d := range v.CUDA.Devices {
		name := fmt.Sprintf("cuda:%d", d.Ordinal)
		w.printf("%-10s ", name)
		if d.Name != "" {
			w.printf("%s (%s), %d multiprocessors, %.1f GiB, L2 cache of %.1f MiB, kernels for %s", d.Name, d.Architecture, d.Multiprocessors,
				float64(d.MemoryBytes)/(1<<30), float64(d.L2Bytes)/(1<<20), d.Target)
		}
		if d.Error != "" {
			w.printf("cannot be used: %s", oneLine(d.Error))
		}
		w.printf("%s\n", used(name))
	}
	w.printf("cpu        %s, %s, %d threads%s\n", v.CPU.Architecture, v.CPU.InstructionSet, v.CPU.Threads, used("cpu"))
	w.printf("           %s\n", v.CPU.Tuning)
	w.printf("sim        a simulated CUDA device, which executes the kernels' PTX\n")
	if v.SimError != "" {
		w.printf("           cannot be used: %s\n", v.SimError)
	}
	w.printf("kernels    PTX ISA %s for %s and newer; needs a driver for %s\n", v.Kernels.ISA, v.Kernels.Target, v.Kernels.Driver)
	if v.AutoError != "" {
		w.printf("default    cannot be opened: %s\n", oneLine(v.AutoError))
	}
	return w.err
}
