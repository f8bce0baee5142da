#!/bin/sh
# Tests smoothl1 on this machine's GPU: which device and versions; the differential test; PyTorch's bits beside ours, where python3
# has PyTorch with CUDA; the main benchmarks; compute-sanitizer, where there is one; the instructions of the simulated device;
# the long random test; all benchmarks. Each has its share of the time, and what one leaves goes to those after it.
#
# usage: [BUDGET=SECONDS] [PYTHON=python3] ./run.sh [FOLDER]        without BUDGET it takes as long as it takes
#
# FOLDER ("results" unless given) has run.json, figures.json and results.tar.gz in the end, and what there is by then at any
# moment before, also when it is killed.
# Exit 0: everything that ran passed; 1: something differs, failed, or did not end when it was to; 2: it was called wrongly, or
# cannot write to FOLDER; 3: there is no GPU that can be used, and what can be tested without one passed; 130, 143: interrupted.
exec "$(dirname "$0")/bundlerun" "$@"
