package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/sim"
)

// deviceFlag is the value of --device: auto, cpu, cuda, cuda:N or sim.
type deviceFlag struct {
	name    string
	ordinal int // of cuda
}

func (f *deviceFlag) String() string { return f.name }

// Type implements pflag.Value.
func (f *deviceFlag) Type() string { return "DEVICE" }

// Set implements pflag.Value.
func (f *deviceFlag) Set(text string) error {
	name, number, numbered := strings.Cut(text, ":")
	ordinal := 0
	var err error
	switch name {
	case "auto", "cpu", "sim":
		if numbered {
			err = fmt.Errorf("only CUDA devices are numbered")
		}
	case "cuda":
		if numbered {
			u, wrong := strconv.ParseUint(number, 10, 31)
			if wrong != nil {
				err = fmt.Errorf("want cuda:N, where N is the number of a device, 0 or more")
			}
			ordinal = int(u)
		}
	default:
		err = fmt.Errorf("want auto, cpu, cuda, cuda:N or sim")
	}
	if err == nil {
		*f = deviceFlag{text, ordinal}
	}
	return err
}

// backend is the device's name without its number.
func (f *deviceFlag) backend() string {
	name, _, _ := strings.Cut(f.name, ":")
	return name
}

// Variables, so that tests can check what commands leave on their devices.
var (
	openDevice  = gpu.Open
	closeDevice = (*gpu.Device).Close
)

// open opens the device.
func (f *deviceFlag) open() (*gpu.Device, error) {
	switch f.backend() {
	case "cpu":
		return openDevice(gpu.CPU())
	case "cuda":
		return openDevice(gpu.CUDA(f.ordinal))
	case "sim":
		return openDevice(gpu.On(sim.New(sim.Fast())))
	}
	return openDevice()
}

// addDevice adds the flag --device to a command.
func addDevice(c *cobra.Command, f *deviceFlag, standard, use string) {
	f.name = standard
	c.Flags().Var(f, "device", use)
	complete(c, "device", "auto", "cpu", "cuda", "sim")
}

// complete offers values of a flag to the shell.
func complete(c *cobra.Command, flag string, values ...string) {
	// It fails only if there is no such flag, or if it has completions already: a bug, which every test would find.
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}
