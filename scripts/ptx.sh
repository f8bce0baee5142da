#!/usr/bin/env bash
# Compiles kernels/smoothl1.cu to PTX. Without -lineinfo and anonymous namespaces, nvcc's output does not depend on the folder.
#
# usage: scripts/ptx.sh OUT [compute_NN]     default: compute_50, the lowest architecture supported, which is shipped
set -euo pipefail
out=$(realpath -m "$1") arch=${2:-compute_50}
cd "$(dirname "$0")/.."
command -v nvcc >/dev/null || { echo "ptx: no nvcc on the PATH (on Debian: scripts/install-cuda.sh)" >&2; exit 1; }
# -fmad=false: the contract rounds a product before it is added. Division is nvcc's IEEE default, subnormals are kept.
exec nvcc -std=c++14 -O3 -fmad=false -arch="$arch" -ptx -o "$out" kernels/smoothl1.cu
