#!/bin/sh
# Compiles the code for the tag cuda, and runs its tests on the fake driver: what can be checked without a GPU and without cuDNN.
#
# Gorgonia's CUDA code needs cuDNN, of which it uses two functions. They are replaced in a copy of gorgonia.org/cu, outside the repository.
# The CUDA headers and cuBLAS must be installed: see scripts/install-cuda.sh of the module above.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

go mod download
cp -r "$(go list -m -f '{{.Dir}}' gorgonia.org/cu)" "$work/cu"
chmod -R u+w "$work/cu"
rm -rf "$work/cu/dnn"/*.go "$work/cu/dnn"/*.c "$work/cu/dnn"/*.h
cat >"$work/cu/dnn/cudnn.go" <<'END'
package cudnn

type Context struct{}

func NewContext() *Context { return new(Context) }

func (*Context) Close() error { return nil }
END
cat >"$work/go.work" <<END
go 1.25.0

use (
	$PWD
	$(dirname "$PWD")
)

replace github.com/smoothl1/smoothl1 v0.1.0 => $(dirname "$PWD")

replace gorgonia.org/cu $(go list -m -f '{{.Version}}' gorgonia.org/cu) => $work/cu
END
export GOWORK="$work/go.work"
go vet -tags cuda .
go test -tags cuda -run 'OnDevice|CUDADo|TestRun|Broadcast|Refuses|Terms' .
