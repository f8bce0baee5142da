#!/usr/bin/env bash
# Runs the differential test of smoothl1 on this machine's GPU, a part of it under compute-sanitizer where there is one, the
# instructions that the simulated device executes, the long random test, and the benchmarks, against PyTorch too where python3
# has it.
#
# usage: ./run.sh [OUTDIR]        leaves difftest.json, bench-gpu.json and the logs in OUTDIR (default: results)
# Exit 0: passed on a GPU; 1: something failed; 3: passed, but there is no GPU here, so that only the CPU was tested.
set -uo pipefail
cd "$(dirname "$0")"
mkdir -p "${1:-results}" && out=$(realpath "${1:-results}")
bundle=$PWD
cd internal/difftest
nvidia-smi >"$out/nvidia-smi.log" 2>&1 || echo "run: nvidia-smi does not run here" | tee -a "$out/nvidia-smi.log"

failed=0 vectors=0
./difftest.test -test.v -results "$out/difftest.json" >"$out/difftest.log" 2>&1 || failed=1
grep -E '^(---|===|FAIL|PASS|ok|panic)' "$out/difftest.log" | grep -vE '^=== (RUN|PAUSE|CONT)' | tail -n 20
echo "run: $(sed -n 's/^  "device": "\(.*\)",$/\1/p' "$out/difftest.json")"

(cd "$bundle/sim/internal/vectors" && ./vectors.test -test.v -test.run TestCUDADevice) >"$out/vectors.log" 2>&1 ||
  { vectors=1; echo "run: the device and the vectors of the simulated one differ: see $out/vectors.log"; }

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -n 1)
if ! grep -q '"CUDA"' "$out/difftest.json"; then
  echo "run: no test ran on a GPU: there is none that the driver shows (nvidia-smi.log), so compute-sanitizer has nothing to look at"
  "$bundle/bench-gpu.sh" "$out/bench-gpu.json" 2>&1 | tee "$out/bench-gpu.log"
  exit $((failed ? 1 : 3))
elif [ -n "$sanitizer" ]; then
  for tool in memcheck racecheck initcheck synccheck; do
    "$sanitizer" --tool $tool --error-exitcode 9 ./difftest.test -test.short -test.run 'TestTable' >"$out/sanitizer-$tool.log" 2>&1 || failed=1
    echo "run: compute-sanitizer $tool: $(tail -n 1 "$out/sanitizer-$tool.log")"
  done
else
  echo "run: there is no compute-sanitizer here; its checks were not made"
fi
if [ $failed != 0 ]; then
  echo "run: the long test and the benchmarks were not run, since the differential test failed: see $out/difftest.log"
elif "$bundle/smoothl1" verify --device cuda >"$out/verify.log" 2>&1; then
  tail -n +2 "$out/verify.log"
  echo "run: measuring, which takes many minutes"
  "$bundle/bench-gpu.sh" "$out/bench-gpu.json" >"$out/bench-gpu.log" 2>&1 || failed=1
  tail -n 12 "$out/bench-gpu.log"
else
  failed=1
  tail -n 20 "$out/verify.log"
fi
echo "run: results are in $out"
exit $((failed || vectors))
