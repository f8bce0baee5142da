package gorgonia

// Gorgonia's dependencies ask at program start whether the Go runtime moves objects, and an older version of this package than the one
// required here panics with Go 1.22 and newer.
import _ "go4.org/unsafe/assume-no-moving-gc"
