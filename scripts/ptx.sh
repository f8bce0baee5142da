#!/usr/bin/env bash
# Compiles kernels/smoothl1.cu and kernels/rich.cu to PTX, one file each for every storage type: FOLDER/smoothl1_f32.ptx,
# FOLDER/smoothl1_rich_f32.ptx and so on. Without -lineinfo and anonymous namespaces, nvcc's output does not depend on the folder.
#
# usage: scripts/ptx.sh FOLDER [compute_NN]     default: compute_50, the lowest architecture supported, which is shipped
set -euo pipefail
to=$(realpath -m "$1") arch=${2:-compute_50}
cd "$(dirname "$0")/.."
command -v nvcc >/dev/null || { echo "ptx: no nvcc on the PATH (on Debian: scripts/install-cuda.sh)" >&2; exit 1; }
storages=$(sed -nE 's/^struct (b?f[0-9]+) .*/\1/p' kernels/storage.cuh)
[ -n "$storages" ] || { echo "ptx: kernels/storage.cuh has no storage types" >&2; exit 1; }
mkdir -p "$to"
# -fmad=false: the contract rounds a product before it is added. Division is nvcc's IEEE default, subnormals are kept.
for storage in $storages; do
  for source in smoothl1 rich; do
    file=${source}_$storage.ptx
    printf '%s\0' "-DSMOOTHL1_STORAGE=$storage" -o "$to/smoothl1_${file#smoothl1_}" "kernels/$source.cu"
  done
done | xargs -0 -n 4 -P "$(nproc)" nvcc -std=c++14 -O3 -fmad=false -arch="$arch" -ptx
