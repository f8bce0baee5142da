#!/usr/bin/env bash
# Runs "go mod tidy" in every module. Those that users import require a version of the module above that may not be published yet, so it
# is replaced by the working tree for the time of the command.
#
# usage: scripts/tidy.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export GOWORK=off
for module in . bench tools tools/dockerlint; do
  (cd "$module" && go mod tidy)
done
for module in gorgonia mpi beam; do
  (
    cd "$module"
    trap 'go mod edit -dropreplace github.com/smoothl1/smoothl1' EXIT
    go mod edit -replace github.com/smoothl1/smoothl1=..
    go mod tidy
  )
done
