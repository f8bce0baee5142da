#!/usr/bin/env bash
# Installs the tools for building and checking smoothl1's CUDA code from Debian's archive: nvcc, ptxas, cuobjdump,
# cuda.h and a libcuda that reports "no device". They are in the component non-free, for which this script adds an apt source in a
# file of its own. It installs about 5 GB in about 90 seconds.
#
# usage: scripts/install-cuda.sh        as root, on Debian bookworm amd64; does nothing if everything is installed
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1; }
if have nvcc && have ptxas && have cuobjdump && ldconfig -p | grep -q 'libcuda\.so\.1'; then
  echo "CUDA toolkit: $(nvcc --version | grep -o 'V[0-9.]*$') is installed"
  exit 0
fi
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || { echo "install-cuda: needs Debian on amd64; on another system install CUDA 11.8 or 12.x from NVIDIA" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "install-cuda: needs root for apt-get" >&2; exit 1; }

# The same mirror, suites and keys as the machine's own source, with two more components.
sources=/etc/apt/sources.list.d
if [ -f $sources/debian.sources ]; then
  sed -E 's/^Components:.*/Components: contrib non-free/' $sources/debian.sources >$sources/smoothl1-non-free.sources
elif grep -qE '^deb .*\bmain\b' /etc/apt/sources.list 2>/dev/null; then
  sed -nE 's/^(deb .*)\bmain\b.*/\1contrib non-free/p' /etc/apt/sources.list >$sources/smoothl1-non-free.list
else
  echo "install-cuda: found neither $sources/debian.sources nor a 'main' line in /etc/apt/sources.list to extend" >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends nvidia-cuda-toolkit libcuda1
nvcc --version | tail -n 2
