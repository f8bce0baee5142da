#!/usr/bin/env bash
# Runs every fuzz target of the module for some time. A failing input is kept in the package's testdata/fuzz, where
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
  # Minimize a failing input in at most 10 steps, instead of for a minute, the default.
  (cd "$package" && ${GO:-go} test -run '^$' -fuzz "^$target\$" -fuzztime "${seconds}s" -fuzzminimizetime 10x . </dev/null) 2>&1 |
    tee "$log" | { grep -vE '^fuzz: elapsed: .*(new interesting|gathering)' || true; } && continue
  # Before Go 1.27, the deadline at the end of the time may be reported as a failure (go.dev/issue/75804). In that case nothing else
  # is reported; a real failure has an input or a message of the test.
  if [ "$(grep -vE '^(fuzz: elapsed: .*|--- FAIL: .*|FAIL.*|exit status 1)$' "$log")" = "    context deadline exceeded" ]; then
    echo "fuzz: found nothing in the given time"
    continue
  fi
  exit 1
done <<<"$targets"
