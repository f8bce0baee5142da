//go:build cuda && !(linux && amd64)

package cuda

import "runtime"

const reason = "-tags cuda needs linux/amd64, and this is " + runtime.GOOS + "/" + runtime.GOARCH
