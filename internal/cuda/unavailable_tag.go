//go:build !cuda

package cuda

const reason = "built without -tags cuda"
