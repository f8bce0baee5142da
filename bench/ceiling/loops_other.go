//go:build !amd64

package ceiling

var loops []loop
