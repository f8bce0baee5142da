#!/usr/bin/env bash
# Packs what a CUDA host without Go needs: the differential test and the command smoothl1, built with -tags cuda, the test's
# golden data, the vectors of PTX instructions that the simulated device is held to, the benchmarks against a copy and PyTorch, and a run.sh.
#
# usage: scripts/bundle.sh        writes dist/smoothl1-cuda-test.tar.gz; needs the CUDA headers, but no GPU
set -euo pipefail
cd "$(dirname "$0")/.."
name=smoothl1-cuda-test
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || commit=$commit-dirty
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/$name/internal/difftest" "$stage/$name/testdata" dist
go test -c -tags cuda -trimpath -ldflags "-X github.com/smoothl1/smoothl1/internal/difftest.commit=$commit" \
  -o "$stage/$name/internal/difftest/difftest.test" ./internal/difftest
mkdir -p "$stage/$name/sim/internal/vectors" "$stage/$name/sim/testdata"
go test -c -tags cuda -trimpath -o "$stage/$name/sim/internal/vectors/vectors.test" ./sim/internal/vectors
cp -r sim/testdata/vectors "$stage/$name/sim/testdata/"
go build -tags cuda -trimpath -ldflags "-X main.commit=$commit" -o "$stage/$name/smoothl1" ./cmd/smoothl1
cp -r testdata/golden "$stage/$name/testdata/"
cp scripts/bundle-run.sh "$stage/$name/run.sh"
cp scripts/bench-gpu.sh "$stage/$name/"
cp LICENSE "$stage/$name/"
tar -C "$stage" -czf "dist/$name.tar.gz" "$name"
echo "bundle: dist/$name.tar.gz ($(du -h "dist/$name.tar.gz" | cut -f1), commit $commit)"
