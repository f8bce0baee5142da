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
log=$(mktemp)
trap 'rm -f "$log"' EXIT
while IFS=: read -r package target; do
  echo "fuzz: $target of $package"
  # A failing input is made smaller in 10 steps at most: the default is a minute of them.
  (cd "$package" && ${GO:-go} test -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" -fuzzminimizetime 10x . </dev/null) 2>&1 |
    tee "$log" | { grep -vE '^fuzz: elapsed: .*(new interesting|gathering)' || true; } && continue
  # Before 1.27, go may call its own deadline, at the end of the time, a failure (go.dev/issue/75804). Nothing else is reported
  # then: what a target finds has an input, or the words of the test.
  if [ "$(grep -vE '^(fuzz: elapsed: .*|--- FAIL: .*|FAIL.*|exit status 1)$' "$log")" = "    context deadline exceeded" ]; then
    echo "fuzz: found nothing until the time was over"
    continue
  fi
  exit 1
done <<<"$targets"
