//go:build !(cuda && linux && amd64 && cgo)

package cuda_test

const expected = `^built without -tags cuda$|^-tags cuda needs linux/amd64, and this is \w+/\w+$|^-tags cuda needs CGO_ENABLED=1$`
