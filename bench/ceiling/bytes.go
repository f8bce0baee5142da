package ceiling

import "unsafe"

func bytes(x []float32) *byte { return (*byte)(unsafe.Pointer(unsafe.SliceData(x))) }
