#!/usr/bin/env bash
# Benchmarks the loss on this machine's GPU. It first checks all results, then times every operation on the device, and
# one call. The baselines, in the same run, are a copy, kernels that only read two arrays or read two and write a third, a forward pass
# with a sum in no particular order, and, if python3 has PyTorch with CUDA, PyTorch, eager, compiled and as a CUDA graph, measured
# alternately with ours; PyTorch's gradients are also compared with ours bit for bit. It does not change clock settings. It takes many
# minutes.
#
# usage: scripts/bench-gpu.sh [OUT.json]     default: bench/results/gpu-NAME-DATE.json
#        PYTHON=/path/to/python3 scripts/bench-gpu.sh        use another Python
# Exit status 0: measured; 1: something failed; 3: no usable GPU.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
say() { echo "bench-gpu: $*" >&2; }

out=${1:-}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
smoothl1=$made/smoothl1
commit=$(git -C "$here" rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
[ -z "$(git -C "$here" status --porcelain 2>/dev/null)" ] || commit=$commit-dirty
(cd "$here/.." && go build -tags cuda -ldflags "-X main.commit=$commit" -o "$smoothl1" ./cmd/smoothl1) ||
  { say "cmd/smoothl1 does not build with -tags cuda: see README.md for the requirements"; exit 1; }

"$smoothl1" devices >&2 || exit 1
devices=$("$smoothl1" devices --json) || exit 1
if ! grep -q '"auto":"cuda:' <<<"$devices"; then
  say "no usable GPU, so nothing was measured; the reason is above"
  exit 3
fi
if [ -z "$out" ]; then
  name=$(sed -E 's/.*"devices":\[\{"ordinal":0,"name":"([^"]*)".*/\1/; s/[^A-Za-z0-9]+/-/g' <<<"$devices" | tr '[:upper:]' '[:lower:]')
  out=$(realpath "$here/..")/bench/results/gpu-$name-$(date -u +%Y-%m-%d).json
fi
mkdir -p "$(dirname "$out")" || exit 1

python=$(command -v "${PYTHON:-python3}") || { python=""; say "no ${PYTHON:-python3}, so PyTorch is not measured"; }
if [ -n "$python" ] && ! "$python" -c 'import torch' 2>/dev/null; then
  say "$python has no PyTorch, so it is not measured"
  python=""
fi
"$smoothl1" verify --device cuda --cases 3000 || { say "wrong results: nothing was measured"; exit 1; }
"$smoothl1" bench --device cuda --full ${python:+--torch "$python"} -o "$out" || exit 1
say "results are in $out"
