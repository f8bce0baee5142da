#!/bin/sh
# Tests smoothl1 on this machine's GPU: device and versions; the differential test; a comparison of PyTorch's bits with ours, if
# python3 has PyTorch with CUDA; the main benchmarks; the kernels on several geometries; compute-sanitizer, if installed; the
# instructions of the simulated device; the long random test; all benchmarks. Each step has a share of the time; unused time goes to
# later steps.
#
# usage: [BUDGET=SECONDS] [PYTHON=python3] ./run.sh [FOLDER]        without BUDGET there is no time limit
#
# The results are run.json, figures.json and results.tar.gz in FOLDER, "results" by default. They are kept up to date during the
# run, so that a run that is killed leaves partial results.
# Exit status 0: everything that ran passed; 1: a step differs, failed or exceeded its time limit; 2: usage error, or
# FOLDER is not writable; 3: no usable GPU, and everything that can be tested without one passed; 130, 143: interrupted.
exec "$(dirname "$0")/bundlerun" "$@"
