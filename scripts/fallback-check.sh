#!/usr/bin/env bash
# Checks that one source and, with -tags cuda, one binary run everywhere: with libcuda, with or without a device; without
# libcuda; and on platforms that CUDA does not support.
#
# usage: scripts/fallback-check.sh           all checks
#        scripts/fallback-check.sh --no-cross  without the builds for other platforms
#
# A user's program is built in a module of its own outside this tree, run with the libcuda of this machine, and then run
# again in a mount namespace where that library is hidden. Needs root or user namespaces, gcc, binutils and cuda.h
# (scripts/install-cuda.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() { echo "fallback-check: $*" >&2; exit 1; }
# want WHAT REGEX COMMAND...: fails unless the command exits with 0 and its output matches.
want() {
  local what=$1 regex=$2 out
  shift 2
  out=$("$@" 2>&1) || fail "$what: exit status $?: $out"
  grep -E -m 1 -- "$regex" <<<"$out" | sed "s|^|ok  $what: |" || fail "$what: no line like '$regex' in: $out"
}

# The program prints which device Open chooses and why, a loss computed there, and the result of opening CUDA by name.
module=example.org/throwaway
cat >"$dir/main.go" <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
)

func main() {
	dev, err := gpu.Open()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer dev.Close()
	fmt.Println("open:", dev)
	grad := make([]float32, 4)
	loss, err := gpu.Compute(dev, smoothl1.Loss{Beta: 1, Reduction: smoothl1.Sum}, []float32{0, 0.5, 3, -2}, make([]float32, 4), grad)
	fmt.Println("loss:", loss, grad, err)
	named, err := gpu.Open(gpu.CUDA(0))
	if err == nil {
		defer named.Close()
	}
	fmt.Println("by name:", named, err)
}
GO
loss='^loss: 4\.125 \[0 0\.5 1 -1\] <nil>$'
# Both ways of opening print these.
no_tag='built without -tags cuda$'
no_cgo='-tags cuda needs CGO_ENABLED=1$'
no_platform='-tags cuda needs linux/amd64, and this is linux/386$'
with_driver='cuda device 0: .|CUDA_ERROR_[A-Z_]+ \([0-9]+\) from cuInit: .*; the driver library is /' # with or without a device
without_driver='cannot load the CUDA driver: (/.*/)?libcuda\.so\.1: '
# falls_back WHAT REGEX COMMAND...
falls_back() {
  local what=$1 regex=$2
  shift 2
  want "$what" "^open: .*($regex)" "$@"
  want "$what" "$loss" "$@"
  want "$what" "^by name: .*($regex)" "$@"
}

(
  cd "$dir"
  go mod init "$module" 2>/dev/null
  go mod edit -go="$(go -C "$root" list -m -f '{{.GoVersion}}')" -require=github.com/smoothl1/smoothl1@v0.0.0 -replace=github.com/smoothl1/smoothl1="$root"
  cp "$root/go.sum" .
)
# Some distributions' gcc defaults to --as-needed, which would hide a failure of our own flags, so override that.
mkdir "$dir/c"
printf '#!/bin/sh\nexec gcc -Wl,--no-as-needed "$@"\n' >"$dir/c/ld"
chmod +x "$dir/c/ld"
build() { # OUTPUT FLAGS...: builds for the platform in the environment
  local out=$1
  shift
  (cd "$dir" && GOFLAGS="${GOFLAGS:-} -mod=mod" go build -ldflags="-extld=$dir/c/ld" -o "$out" "$@" .) || fail "build $out"
}

CGO_ENABLED=0 build plain
falls_back "without the tag" "$no_tag" "$dir/plain"
CGO_ENABLED=0 GOARCH=amd64 build nocgo -tags cuda
falls_back "-tags cuda without cgo" "$no_cgo" "$dir/nocgo"
CGO_ENABLED=0 GOARCH=386 build on386 -tags cuda
if "$dir/on386" >/dev/null 2>&1 || [ $? != 126 ]; then
  falls_back "-tags cuda on 386" "$no_platform" "$dir/on386"
else # Go's runtime does not start under qemu-i386 either
  echo "--  -tags cuda on 386: built, and not run: this kernel runs no 32-bit programs"
fi

# A C program that links libcuda directly, to verify that the library is really hidden below.
printf '#include <cuda.h>\n#include <stdio.h>\nint main(void) { printf("cuInit %%d\\n", cuInit(0)); return 0; }\n' >"$dir/c/usual.c"
gcc -o "$dir/usual" "$dir/c/usual.c" -I/usr/local/cuda/include -L/usr/local/cuda/lib64 -lcuda
want "a C program" '^cuInit [0-9]+$' "$dir/usual"
readelf -d "$dir/usual" | grep -q 'NEEDED.*libcuda' || fail "the C program does not need libcuda"

mapfile -t links < <(ldconfig -p | sed -n 's/.*libcuda\.so\.1 .*x86-64.* => //p')
[ ${#links[@]} -gt 0 ] || fail "no libcuda.so.1 on this machine: run scripts/install-cuda.sh"
user=()
unshare -m true 2>/dev/null || user=(-r)
# hidden HOW COMMAND...: runs the command in a mount namespace without the library. HOW is "empty", an empty file in its place, or
# "gone", for which the library must be a link into a folder of its own, as on Debian.
hidden() {
  local how=$1 link file mounts=
  shift
  for link in "${links[@]}"; do
    file=$(realpath "$link")
    case $how in
    empty) mounts+="mount --bind /dev/null '$file'; " ;;
    gone) mounts+="mountpoint -q '$(dirname "$file")' || mount -t tmpfs none '$(dirname "$file")'; " ;;
    esac
  done
  env -u LD_LIBRARY_PATH unshare "${user[@]}" -m sh -ec "$mounts"'exec "$@"' sh "$@"
}
ways=(empty)
[ "$(dirname "$(realpath "${links[0]}")")" = "$(realpath "$(dirname "${links[0]}")")" ] || ways+=(gone)
for how in "${ways[@]}"; do
  ! hidden "$how" "$dir/usual" >/dev/null 2>&1 || fail "libcuda is not hidden ($how): a program that needs it runs"
done

for mode in exe pie c-shared; do
  CGO_ENABLED=1 build "$mode" -tags cuda -buildmode=$mode
  case $mode in exe) type=EXEC ;; *) type=DYN ;; esac
  readelf -h "$dir/$mode" | grep -q "Type:.*$type" || fail "$mode is not of type $type"
  ! readelf -d "$dir/$mode" | grep 'NEEDED.*libcuda' || fail "$mode needs libcuda to start"
  # These three are defined by cu, not by libcuda; a shared library exports them.
  ! nm -D "$dir/$mode" | grep -vE ' (cuAllocAndCopy|cuDeviceGetAttributes|cuLaunchAndSync)$' | grep -E ' (cu[A-Z]|smoothl1_)' || fail "$mode exports or imports the symbols above"
  echo "ok  $mode: libcuda not NEEDED, no libcuda symbol in the dynamic table"
  [ $mode != c-shared ] || continue # a library is not run
  falls_back "$mode with libcuda" "$with_driver" "$dir/$mode"
  for how in "${ways[@]}"; do
    falls_back "$mode, libcuda $how" "$without_driver" hidden "$how" "$dir/$mode"
  done
done

# A program that imports cu itself, for instance to pass its own device memory. The linker gets the flags of
# packages breadth first, in import order: -lcuda comes before our flags, so the program must set --as-needed, too.
(cd "$dir" && sed -i 's|^import (|// #cgo LDFLAGS: -Wl,--as-needed\nimport "C"\n\nimport (\n\t_ "gorgonia.org/cu"|' main.go)
CGO_ENABLED=1 build both -tags cuda
! readelf -d "$dir/both" | grep 'NEEDED.*libcuda' || fail "a program that imports cu, too, needs libcuda to start"
falls_back "with cu beside it" "$with_driver" "$dir/both"
falls_back "with cu beside it, libcuda empty" "$without_driver" hidden empty "$dir/both"

[ "${1:-}" != --no-cross ] || exit 0
# for_each "TARGET..." "PACKAGE...": builds the packages for each target.
for_each() {
  local target
  for target in $1; do
    # shellcheck disable=SC2086
    CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} go build $2 || fail "build of $2 for $target"
    echo "ok  builds for $target: $2"
  done
}
for_each "windows/amd64 darwin/arm64 linux/arm64 linux/386" ./...
# The other packages are for these platforms, too, but most of the time would go into compiling their dependencies.
for_each "linux/s390x linux/riscv64 js/wasm" ". ./cpu/... ./gpu ./sim/... ./kernels ./internal/files ./internal/memory ./internal/npy"
for target in linux/amd64 linux/arm64 windows/amd64 darwin/arm64; do
  CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} go build -tags cuda ./... || fail "build for $target with -tags cuda"
  echo "ok  builds for $target with -tags cuda, without cgo"
done
