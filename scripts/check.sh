#!/usr/bin/env bash
# Runs all checks of the project, each with a time limit in seconds, for "make check" and CI. Needs the CUDA toolkit
# (scripts/install-cuda.sh), a C compiler, qemu-user, python3-numpy and Open MPI; the last check needs root.
#
# usage: scripts/check.sh [--tests]      --tests: "make test" first
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/step.sh

[ "${1:-}" != --tests ] || step 600 "tests" make test
step 1200 "the long tests" make -j2 test-long
step 900 "lint" make lint
step 900 "each instruction set of the CPU" make test-cpu-sets
step 900 "GOAMD64=v3" make test-v3
step 1500 "arm64" make test-arm64
step 1200 "race" make race
step 300 "PTX is what the source compiles to" make ptx-check
step 600 "PTX and machine code" make ptxas-check
step 900 "roofline" make roofline-check
step 600 "PTX for newer architectures" make ptx-archs
step 240 "stand-ins for libcuda" make cuda-symbols-check
step 240 "the headers of CUDA 13" make cuda13-check
step 900 "with -tags cuda" make test-cuda LONG=
step 900 "with -tags cuda, race" make race-cuda
step 360 "assembly is what its generator writes" make asm-check
step 300 "modules for development" make test-modules
step 600 "module gorgonia" make test-gorgonia
step 600 "module gorgonia with -tags cuda" make gorgonia-cuda-check
step 600 "module mpi" make test-mpi
step 900 "module beam" make test-beam
step 600 "modules as their users fetch them" make release-check
step 240 "Dockerfile" make dockerfile-lint
step 600 "fuzz" make fuzz SECONDS=3
step 360 "soak" make soak STEPS=20000
step 900 "mutants" make mutants N=50
step 600 "bundle" make bundle
step 600 "bundle: to completion and interrupted, on the simulated device and without a GPU" make bundle-check
step 900 "one binary that falls back; cross-builds" make fallback-check
summary
