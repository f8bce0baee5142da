#!/usr/bin/env bash
# Runs every fuzz target of the module for a while. An input that fails is kept in the package's testdata/fuzz, where
# "go test" runs it from then on.
#
# usage: scripts/fuzz.sh SECONDS      for each target
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?usage: scripts/fuzz.sh SECONDS}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "fuzz: $seconds is not a number of seconds" >&2; exit 2; }
targets=$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's#/[^/]*:func #:#' | sort -u)
[ -n "$targets" ] || { echo "fuzz: there is no fuzz target" >&2; exit 1; }
while IFS=: read -r package target; do
  echo "fuzz: $target of $package"
  # A failing input is made smaller in 10 steps at most: the default is a minute of them.
  (cd "$package" && ${GO:-go} test -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" -fuzzminimizetime 10x . </dev/null) |
    grep -vE '^fuzz: elapsed: .*new interesting|^fuzz: elapsed: .*gathering'
done <<<"$targets"
