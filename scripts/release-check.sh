#!/usr/bin/env bash
# Fetches the modules gorgonia, mpi and beam of the last commit as their users will, by "go get" in a module of the user's own, and fails if
# something is missing: a replacement that only works here, a package of the module above that is not in its release, a checksum.
# tools/release plays the proxy. Nothing is compiled, since the files are those that the modules' own tests have compiled.
#
# usage: scripts/release-check.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
modules="gorgonia mpi beam"

# shellcheck disable=SC2086
(cd tools && go run ./release "$work/proxy" $modules)

# A cache of its own keeps the version that is not published yet out of the user's.
proxies="file://$work/proxy,file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)"
export GOPROXY=$proxies GOMODCACHE=$work/cache GONOSUMDB=github.com/smoothl1/smoothl1 GOFLAGS=-modcacherw GOWORK=off
for module in $modules; do
  version=$(sed -nE 's|^(require )?\s*github.com/smoothl1/smoothl1 (v\S+)$|\2|p' $module/go.mod)
  mkdir "$work/$module"
  (
    cd "$work/$module"
    go mod init example.org/user 2>/dev/null
    go get "github.com/smoothl1/smoothl1/$module/...@$version" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    go list -deps "github.com/smoothl1/smoothl1/$module/..." >"$work/packages"
    from=$(go list -m -f '{{.Dir}}' github.com/smoothl1/smoothl1)
    case $from in
    "$work/cache/"*) ;;
    *) echo "$module takes the module above from $from" >&2; exit 1 ;;
    esac
    echo "$module $version: $(wc -l <"$work/packages") packages, $(grep -c smoothl1 "$work/packages") of them ours"
  )
done
