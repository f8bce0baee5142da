#!/usr/bin/env bash
# Compiles kernels/ptx and the PTX of the benchmarks' ceilings again and fails if they differ. Different versions of nvcc generate different
# text, so this needs the version that the committed files name. Also fails if a host compiler finds a conversion in the kernels that may
# lose bits.
#
# usage: scripts/ptx-check.sh
set -euo pipefail
cd "$(dirname "$0")/.."
want=$(sed -n 's,^// Cuda compilation tools.*\(V[0-9.]*\)$,\1,p' kernels/ptx/*.ptx | sort -u)
have=$(nvcc --version | sed -n 's/.*\(V[0-9.]*\)$/\1/p' | head -n 1)
[ "$want" = "$have" ] || { echo "ptx-check: kernels/ptx was made by nvcc $want, this is $have" >&2; exit 1; }
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
scripts/ptx.sh "$made"
diff -rq "$made" kernels/ptx || { echo "ptx-check: kernels/ptx is not what the sources compile to; run make ptx" >&2; exit 1; }
echo "ptx-check: kernels/ptx is what nvcc $have makes of the sources"
for file in kernels/ptx/smoothl1_*.ptx; do
  storage=${file##*_} source=smoothl1
  case $file in *_rich_*) source=rich ;; esac
  g++ -fsyntax-only -std=c++14 -Wall -Wextra -Wconversion -Wno-unknown-pragmas -Wno-unused-parameter -Werror -DSMOOTHL1_STORAGE="${storage%.ptx}" \
    -include scripts/cuda-host.h -x c++ "kernels/$source.cu"
done
echo "ptx-check: no conversion in the sources loses bits"
scripts/ptx-ceiling.sh "$made/ceiling.ptx"
cmp "$made/ceiling.ptx" internal/measure/ceiling/ceiling.ptx || { echo "ptx-check: ceiling.ptx is not what ceiling.cu compiles to; run make ptx" >&2; exit 1; }
echo "ptx-check: ceiling.ptx is what nvcc makes of ceiling.cu"
