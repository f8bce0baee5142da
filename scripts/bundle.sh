#!/usr/bin/env bash
# Packs everything needed to test on a machine with a GPU but without Go or network: the differential test, the command smoothl1 and
# the benchmarks, built with -tags cuda, the test's golden data, the test vectors of PTX instructions,
# and run.sh, which runs them all.
#
# usage: scripts/bundle.sh        writes dist/smoothl1-cuda-test.tar.gz; needs the CUDA headers, but no GPU
set -euo pipefail
cd "$(dirname "$0")/.."
name=smoothl1-cuda-test
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || commit=$commit-dirty
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
to=$stage/$name
mkdir -p "$to/internal/testkit/difftest" "$to/sim/internal/vectors" "$to/sim/testdata" "$to/testdata" dist
go test -c -tags cuda -trimpath -ldflags "-s -w -X github.com/smoothl1/smoothl1/internal/testkit/difftest.commit=$commit" \
  -o "$to/internal/testkit/difftest/difftest.test" ./internal/testkit/difftest
go test -c -tags cuda -trimpath -ldflags "-s -w" -o "$to/sim/internal/vectors/vectors.test" ./sim/internal/vectors
go build -tags cuda -trimpath -ldflags "-s -w -X main.commit=$commit" -o "$to/" ./cmd/smoothl1
cd tools
go build -tags cuda -trimpath -ldflags "-s -w -X main.commit=$commit" -o "$to/" ./gpubench
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.commit=$commit" -o "$to/" ./bundlerun
cd ..
cp -r testdata/golden "$to/testdata/"
cp -r sim/testdata/vectors "$to/sim/testdata/"
cp scripts/bundle-run.sh "$to/run.sh"
cp LICENSE "$to/"
tar -C "$stage" -czf "dist/$name.tar.gz" "$name"
echo "bundle: dist/$name.tar.gz ($(du -h "dist/$name.tar.gz" | cut -f1), commit $commit)"
