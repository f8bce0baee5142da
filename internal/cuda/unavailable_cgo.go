//go:build cuda && linux && amd64 && !cgo

package cuda

const reason = "-tags cuda needs CGO_ENABLED=1"
