#!/usr/bin/env bash
# Compiles internal/measure/ceiling/ceiling.cu, the kernels that benchmarks compare those of the loss with, to FILE.
#
# usage: scripts/ptx-ceiling.sh FILE
set -euo pipefail
to=$(realpath -m "$1")
cd "$(dirname "$0")/.."
command -v nvcc >/dev/null || { echo "ptx-ceiling: no nvcc on the PATH (on Debian: scripts/install-cuda.sh)" >&2; exit 1; }
# compute_60 is the lowest architecture with an atomicAdd of doubles. The flags are those of the kernels.
nvcc -std=c++14 -O3 -fmad=false -arch=compute_60 -ptx -o "$to" internal/measure/ceiling/ceiling.cu
