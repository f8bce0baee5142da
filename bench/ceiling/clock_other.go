//go:build !amd64

package ceiling

// GHz returns 0: the latency of an instruction is not known here.
func GHz() float64 { return 0 }
