#!/usr/bin/env bash
# Tests the bundle, dist/smoothl1-cuda-test.tar.gz, on a libcuda that is backed by the simulated device: to completion
# and interrupted; with PyTorch, compute-sanitizer and nvidia-smi or stand-ins for them, and without; with
# steps that hang; killed; in read-only and in full folders; and without a GPU.
#
# usage: scripts/bundle-check.sh        needs a C compiler and the output of "make bundle"; takes about three minutes
# Without root or user namespaces the read-only and full folders are not tested.
set -uo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "bundle-check: $*" >&2; exit 1; }

mkdir "$dir/lib" "$dir/tools" "$dir/bare"
go build -tags cuda -buildmode=c-shared -o "$dir/lib/libcuda.so.1" ./internal/testkit/simdriver || fail "the simulated libcuda does not build"
tar -xzf dist/smoothl1-cuda-test.tar.gz -C "$dir" || fail "no bundle: run make bundle"
run=$dir/smoothl1-cuda-test/run.sh
# The PATH of a run: only a few of the system's tools, and these stand-ins.
for tool in sh dirname env sleep; do ln -s "$(command -v $tool)" "$dir/bare/$tool"; done
cat >"$dir/tools/nvidia-smi" <<'SH'
#!/bin/sh
[ $# = 0 ] || printf 'driver_version, name\n580.1, Simulated GPU\n'
SH
# racecheck hangs and ignores SIGTERM; the other tools run the test and find nothing.
cat >"$dir/tools/compute-sanitizer" <<'SH'
#!/bin/sh
tool=$2
[ "$tool" != racecheck ] || { trap '' TERM; sleep 1000 & wait; sleep 1000; }
shift 4
"$@" && echo "========= ERROR SUMMARY: 0 errors"
SH
# Debian's PyTorch has no CUDA, so run it on the CPU.
cat >"$dir/tools/python3" <<'SH'
#!/bin/bash
exec /usr/bin/python3 "${@/#cuda/cpu}"
SH
printf '#!/bin/sh\nsleep 1000\n' >"$dir/tools/python-that-hangs"
chmod +x "$dir/tools/"*
# On the CPU its gradients differ in the last bits; and on a slow machine loading it may exceed the time limit.
pytorch=skipped
/usr/bin/python3 -c 'import torch' 2>/dev/null && pytorch='(differs|skipped|cut off)'

# bundle BUDGET PATH FOLDER [NAME=VALUE...]: a run, with its output in $dir/out
bundle() {
  local budget=$1 path=$2 folder=$3
  shift 3
  rm -rf "${folder:?}"
  env -u PYTHON LD_LIBRARY_PATH="$dir/lib" GODEBUG=asyncpreemptoff=1 BUDGET="$budget" PATH="$path" "$@" "$run" "$folder" >"$dir/out" 2>&1
}
# exits CODE WHAT: fails unless the last command exited with CODE.
exits() { local code=$?; [ $code = "$1" ] || { cat "$dir/out"; fail "$2: exit $code, not $1"; }; }
# has FOLDER REGEX...: fails unless run.json has matching steps or fields.
has() {
  local folder=$1 regex
  shift
  [ "$(ls "$folder" | tr '\n' ' ')" = "figures.json results.tar.gz run.json " ] || fail "$folder holds $(ls "$folder" | tr '\n' ' ')"
  tr -d '\n' <"$folder/run.json" >"$dir/run"
  for regex in "$@"; do
    grep -qE -- "$regex" "$dir/run" || { cat "$folder/run.json"; fail "$folder/run.json has no $regex"; }
  done
  tar -xzOf "$folder/results.tar.gz" results/run.json | cmp - "$folder/run.json" || fail "the archive's run.json differs"
}
step() { echo "\"name\": \"$1\",  *\"outcome\": \"$2\""; }
# nothing_left WHAT: fails if a process of the bundle is still running.
nothing_left() {
  sleep 0.5
  ! grep -lzs "^$dir/smoothl1-cuda-test/" /proc/[0-9]*/cmdline || fail "$1: processes were left"
}

echo "to completion, in 90 s"
begin=$SECONDS
bundle 90 "$dir/tools:$dir/bare" "$dir/r"
exits 1 "a run in which racecheck hangs"
[ $((SECONDS - begin)) -le 92 ] || fail "a budget of 90 s took $((SECONDS - begin)) s"
has "$dir/r" "$(step nvidia-smi passed)" "$(step devices passed)" "$(step 'differential test' passed)" "$(step "PyTorch's bits" "$pytorch")" \
  "$(step 'main benchmarks' '(passed|stopped)')" "$(step 'geometry sweep' '(passed|stopped|skipped)')" "$(step 'compute-sanitizer memcheck' passed)" "$(step 'compute-sanitizer racecheck' 'cut off')" \
  '"driver": "580.1"' '"gpu": "Simulated GPU"' '"state": "done"' 'cases of 60 kernels'
grep -q '"n": 32,' "$dir/r/figures.json" || fail "no figures of 32 elements"
grep -q '"op": "combine"' "$dir/r/figures.json" || fail "no figures of the ceilings"
nothing_left "a run with a step that hangs"

echo "without Python, nvidia-smi and compute-sanitizer"
bundle 25 "$dir/bare" "$dir/r"
exits 0 "a run with only the driver"
has "$dir/r" "$(step nvidia-smi skipped)" "$(step "PyTorch's bits" skipped)" "$(step 'compute-sanitizer memcheck' skipped)" "$(step vectors "(passed|stopped)")" "$(step verify "(passed|stopped)")"

echo "with a Python that hangs"
bundle 24 "$dir/bare" "$dir/r" PYTHON="$dir/tools/python-that-hangs"
exits 0 "a run with a Python that hangs"
has "$dir/r" "$(step "PyTorch's bits" '(skipped|stopped)')" "$(step 'main benchmarks' '(passed|stopped)')"
nothing_left "a Python that hangs"

for signal in TERM INT KILL; do
  echo "ended by SIG$signal"
  bundle 60 "$dir/bare" "$dir/r" &
  for _ in $(seq 100); do grep -q '"running": true' "$dir/r/smoothl1-steps/difftest.json" 2>/dev/null && break; sleep 0.1; done
  kill -$signal "$(pgrep -P $!)"
  wait $!
  code=$?
  case $signal in
  KILL)
    [ $code = 137 ] || fail "SIGKILL: exit $code"
    grep -q '"state": "running"' "$dir/r/run.json" || fail "SIGKILL: no run.json"
    grep -q '"cases"' "$dir/r/smoothl1-steps/difftest.json" || fail "SIGKILL: no results of the running step"
    tar -tzf "$dir/r/results.tar.gz" | grep -q devices.log || fail "SIGKILL: no archive"
    ;;
  *)
    [ $code = $((128 + $(kill -l $signal))) ] || fail "SIG$signal: exit $code"
    has "$dir/r" '"state": "interrupted"' "$(step 'differential test' interrupted)"
    tar -tzf "$dir/r/results.tar.gz" | grep -q difftest.json || fail "SIG$signal: no results of the running step"
    ;;
  esac
  nothing_left "SIG$signal"
done

echo "usage errors"
bundle soon "$dir/bare" "$dir/r"
exits 2 "BUDGET=soon"
env BUDGET=5 "$run" a b >"$dir/out" 2>&1
exits 2 "two folders"

user=()
unshare -m true 2>/dev/null || user=(-r)
if unshare "${user[@]}" -m true 2>/dev/null; then
  mkdir "$dir/mounted"
  echo "in a read-only folder"
  unshare "${user[@]}" -m sh -c 'mount -t tmpfs -o ro none "$1" && BUDGET=5 exec "$2" "$1/r"' sh "$dir/mounted" "$run" >"$dir/out" 2>&1
  exits 2 "a read-only folder"
  grep -q 'cannot be kept: .*read-only' "$dir/out" || fail "a read-only folder: $(cat "$dir/out")"
  echo "in a full folder"
  LD_LIBRARY_PATH="$dir/lib" GODEBUG=asyncpreemptoff=1 PATH="$dir/bare:$PATH" PYTHON=none unshare "${user[@]}" -m sh -c 'mount -t tmpfs -o size=16k none "$1" && BUDGET=9 exec "$2" "$1/r"' sh "$dir/mounted" "$run" >"$dir/out" 2>&1
  exits 1 "a full folder"
  grep -q 'no space left on device' "$dir/out" || fail "a full folder: $(cat "$dir/out")"
  grep -q '"name": "devices"' "$dir/out" || fail "a full folder: the run is not printed: $(cat "$dir/out")"
fi

echo "without a GPU"
rm -rf "$dir/r"
BUDGET=15 "$run" "$dir/r" >"$dir/out" 2>&1
exits 3 "a run without a GPU"
has "$dir/r" "$(step devices passed)" "$(step 'differential test' passed)" "$(step 'main benchmarks' skipped)" '"no_gpu": "[^"]'
echo "bundle-check: passed"
