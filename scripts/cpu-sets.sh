#!/usr/bin/env bash
# Tests the CPU code with each instruction set of this processor, forced by SMOOTHL1_CPU, and reports which ran.
#
# usage: scripts/cpu-sets.sh [SKIP]      SKIP: a regular expression for tests of the differential test to leave out
set -euo pipefail
cd "$(dirname "$0")/.."
sets=$(go test -count=1 -v -run '^TestWhatRan$' ./cpu | sed -n 's/.*instruction sets tested: \(.*\); in use.*/\1/p' | tr -d ',')
[ -n "$sets" ] || { echo "cpu-sets: the test did not say which instruction sets there are" >&2; exit 1; }
for set in generic avx2 avx512 neon; do
  case " $sets " in
  *" $set "*) ;;
  *) echo "cpu-sets: $set: not on this processor, not tested"; continue ;;
  esac
  # -count=1, because the test cache does not take the variable into account.
  SMOOTHL1_CPU=$set go test -count=1 -v -run '^TestWhatRan$' ./cpu | grep "in use: $set\$"
  SMOOTHL1_CPU=$set go test -count=1 ./cpu ./internal/isa
  SMOOTHL1_CPU=$set go test -count=1 -short -skip "${1:-^$}" ./internal/testkit/difftest
done
