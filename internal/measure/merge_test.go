package measure

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMerge(t *testing.T) {
	group := func(n int, seconds float64) Group {
		return Group{N: n, Shape: []int{n}, Entries: []Entry{{DeviceNS: Times{Median: seconds}}}}
	}
	device := Device{Backend: "cuda", Name: "A GPU"}
	got := Merge(
		&Result{Device: device, Commit: "abc", Seconds: 1, NoPeers: "no answer", Left: []string{"a"}},
		&Result{Device: device, Seconds: 2, Peers: []Peer{{Contender: Eager, Version: "2.11"}}, Groups: []Group{group(1, 10), group(2, 20)}, Left: []string{"b"}},
		&Result{Device: device, Seconds: 4, Groups: []Group{group(2, 30), group(3, 40)}, Bits: []BitsRow{{What: "terms"}}, Sweeps: []Sweep{{N: 5}}, Left: []string{"b", "c"}},
	)
	assert.Equal(t, &Result{Device: device, Commit: "abc", Seconds: 7, Peers: []Peer{{Contender: Eager, Version: "2.11"}}, Groups: []Group{group(1, 10), group(2, 20), group(3, 40)},
		Bits: []BitsRow{{What: "terms"}}, Sweeps: []Sweep{{N: 5}}, Left: []string{"a", "b", "c"}}, got)
}

func TestDisputed(t *testing.T) {
	row := func(contender, what string, beta float64, different, zeros int) BitsRow {
		return BitsRow{Contender: contender, What: what, Beta: beta, Different: different, ZeroSigns: zeros}
	}
	terms, gradient := row(Eager, "terms", 0, 1, 0), row(Eager, "grad_pred", 0.1, 3, 2)
	assert.Equal(t, []BitsRow{terms, gradient}, Disputed([]BitsRow{terms, row(Eager, "terms", 1, 0, 0), row(Eager, "grad_pred", 0, 5, 0),
		row(Eager, "grad_pred", 1, 2, 2), row(Compiled, "terms", 1, 5, 0), gradient, row(Eager, "grad_target", 1, 1, 0)}))
}
