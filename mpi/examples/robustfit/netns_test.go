//go:build cgo && linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1/mpi/internal/ranks"
)

// A network is a bridge that connects network namespaces, each a machine to MPI.
type network struct{ names []string }

func (n *network) name(machine int) string { return n.names[machine] }

// address returns the address of a machine, from 1 up. It exists in the namespaces only.
func address(machine int) string { return fmt.Sprintf("10.99.14.%d", machine) }

// newNetwork makes a network of so many machines, and removes it after the test.
func newNetwork(t *testing.T, machines int) *network {
	n := &network{}
	for i := range machines + 1 { // the first has the bridge
		n.names = append(n.names, fmt.Sprintf("smoothl1-%d-%d", os.Getpid(), i))
	}
	if out, err := exec.Command("ip", "netns", "add", n.name(0)).CombinedOutput(); err != nil {
		t.Skipf("this machine does not let the test make network namespaces: %v %s", err, out)
	}
	t.Cleanup(func() {
		for _, name := range n.names {
			_ = exec.Command("ip", "netns", "del", name).Run()
		}
	})
	for i := range machines {
		ip(t, "netns", "add", n.name(i+1))
	}
	ip(t, "-n", n.name(0), "link", "add", "bridge", "type", "bridge")
	ip(t, "-n", n.name(0), "link", "set", "bridge", "up")
	for i := 1; i <= machines; i++ {
		end := fmt.Sprint("end", i)
		ip(t, "link", "add", "net0", "netns", n.name(i), "type", "veth", "peer", "name", end, "netns", n.name(0))
		ip(t, "-n", n.name(0), "link", "set", end, "master", "bridge", "up")
		ip(t, "-n", n.name(i), "addr", "add", address(i)+"/24", "dev", "net0")
		ip(t, "-n", n.name(i), "link", "set", "net0", "up")
		ip(t, "-n", n.name(i), "link", "set", "lo", "up")
	}
	return n
}

func ip(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %v: %s", args, out)
	return out
}

// enter returns the command that starts another one on a machine, with a host name of its own: Open MPI would take two of the same name for one machine.
func (n *network) enter(machine int) []string {
	return []string{"ip", "netns", "exec", n.name(machine), "unshare", "--uts", "sh", "-c", `hostname "$0"; exec "$@"`, n.name(machine)}
}

// job returns a job with one rank on each machine, which talk over TCP.
func (n *network) job(t *testing.T, args ...string) *ranks.Job {
	// In place of ssh: mpirun calls it with an address and a command line for a shell.
	agent := filepath.Join(t.TempDir(), "agent")
	script := fmt.Sprintf("#!/bin/sh\nname=%s-${1##*.}; shift\nexec ip netns exec $name unshare --uts sh -c \"hostname $name; $*\"\n", strings.TrimSuffix(n.name(0), "-0"))
	require.NoError(t, os.WriteFile(agent, []byte(script), 0o700))
	var hosts []string
	for i := range n.names[1:] {
		hosts = append(hosts, address(i+1)+":1")
	}
	return ranks.New(t, n.enter(1), []string{"-np", strconv.Itoa(len(hosts)), "--host", strings.Join(hosts, ","), "--mca", "plm_rsh_agent", agent,
		"--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include", "net0", "--mca", "oob_tcp_if_include", "net0"}, "main", args...)
}

// received returns the bytes that a machine has received.
func (n *network) received(t *testing.T, machine int) int {
	var links []struct {
		Stats64 struct{ Rx struct{ Bytes int } }
	}
	require.NoError(t, json.Unmarshal(ip(t, "-n", n.name(machine), "-j", "-s", "link", "show", "dev", "net0"), &links))
	require.Len(t, links, 1)
	return links[0].Stats64.Rx.Bytes
}

// TestMachines fits on three machines that share no memory, and kills the rank of one.
func TestMachines(t *testing.T) {
	n := newNetwork(t, 3)
	want := fitted(t, 1, rows...)
	before := n.received(t, 3)
	out, err := n.job(t, rows...).Output()
	require.NoError(t, err, out)
	require.Equal(t, want, bits.FindStringSubmatch(out)[1])
	require.Greater(t, n.received(t, 3)-before, 300*200, "bytes in 300 steps")

	file := filepath.Join(t.TempDir(), "fit.ckpt")
	j := n.job(t, "-n", "9000", "-steps", "100000000", "-checkpoint", file, "-every", "10")
	var text strings.Builder
	j.Stdout, j.Stderr = &text, &text
	require.NoError(t, j.Start())
	require.Eventually(t, func() bool {
		_, err := os.Stat(file)
		return err == nil
	}, 50*time.Second, time.Millisecond, "no checkpoint")
	self, err := os.Executable()
	require.NoError(t, err)
	killed := 0
	for _, pid := range strings.Fields(string(ip(t, "netns", "pids", n.name(2)))) {
		if program, err := os.Readlink("/proc/" + pid + "/exe"); err == nil && program == self {
			id, err := strconv.Atoi(pid)
			require.NoError(t, err)
			require.NoError(t, syscall.Kill(id, syscall.SIGKILL))
			killed++
		}
	}
	require.Equal(t, 1, killed)
	require.Error(t, j.Wait())
	j.MustHaveEnded(text.String())
	require.Equal(t, 128+int(syscall.SIGKILL), j.ProcessState.ExitCode(), text.String())
	require.Eventually(t, func() bool { return len(ip(t, "netns", "pids", n.name(3))) == 0 }, 20*time.Second, 10*time.Millisecond, "processes are left")
}
