//go:build !purego

package stage

import "unsafe"

// The assembly relies on these offsets. With others, this does not compile.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(shuffle{})-40]
	_ = [1]struct{}{}[unsafe.Offsetof(Fused[float32]{}.Threshold)-9*8]
	_ = [1]struct{}{}[unsafe.Offsetof(Fused[float32]{}.Side)-9*8-9*4]
	_ = [1]struct{}{}[unsafe.Offsetof(Fused[float64]{}.Threshold)-9*8]
	_ = [1]struct{}{}[unsafe.Offsetof(Fused[float64]{}.Side)-9*8-9*8]
)
