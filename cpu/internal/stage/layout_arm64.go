//go:build !purego

package stage

import "unsafe"

// The assembly relies on this size. With another, this does not compile.
var _ = [1]struct{}{}[unsafe.Sizeof(shuffle{})-40]
