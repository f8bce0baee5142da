#!/usr/bin/env bash
# Runs the differential test on the simulated device with the kernels compiled for newer architectures than the shipped PTX.
#
# usage: scripts/ptx-archs.sh
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for arch in compute_70 compute_80 compute_90; do scripts/ptx.sh "$dir/$arch" $arch; done
go test -count=1 -short ./internal/testkit/difftest -run 'TestTable|TestRandom|TestContract|TestPyTorch' -v \
  -ptx "$dir/compute_70,$dir/compute_80,$dir/compute_90" | grep -vE '^=== (RUN|PAUSE|CONT)'
