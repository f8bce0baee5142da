#!/usr/bin/env bash
# Compiles kernels/smoothl1.ptx again and fails if it differs. Different versions of nvcc generate different text, so this needs the
# version that the committed file names.
#
# usage: scripts/ptx-check.sh
set -euo pipefail
cd "$(dirname "$0")/.."
want=$(sed -n 's,^// Cuda compilation tools.*\(V[0-9.]*\)$,\1,p' kernels/smoothl1.ptx)
have=$(nvcc --version | sed -n 's/.*\(V[0-9.]*\)$/\1/p' | head -n 1)
[ "$want" = "$have" ] || { echo "ptx-check: kernels/smoothl1.ptx was made by nvcc $want, this is $have" >&2; exit 1; }
made=$(mktemp)
trap 'rm -f "$made"' EXIT
scripts/ptx.sh "$made"
cmp "$made" kernels/smoothl1.ptx || { echo "ptx-check: kernels/smoothl1.ptx is not what smoothl1.cu compiles to; run make ptx" >&2; exit 1; }
echo "ptx-check: kernels/smoothl1.ptx is what nvcc $have makes of smoothl1.cu"
