package evaluate

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		names, want []string
		problem     string
	}{
		{names: []string{"a-10-of-11", "a-9-of-11"}, problem: "shard a-0-of-11 is missing"},
		{names: []string{"x/a-00001-of-00002.npy", "x/a-00000-of-00002.npy"}, want: []string{"x/a-00000-of-00002.npy", "x/a-00001-of-00002.npy"}},
		{names: []string{"a-0-of-3", "a-2-of-3"}, problem: "shard a-1-of-3 is missing"},
		{names: []string{"a-0-of-3", "a-1-of-3"}, problem: "shard a-2-of-3 is missing"},
		{names: []string{"a-0-of-2", "a-00-of-2", "a-1-of-2"}, problem: "a-00-of-2 are the same shard"},
		{names: []string{"a-0-of-2", "a-1-of-2", "a-2-of-2"}, problem: "not below 2"},
		{names: []string{"a-0-of-2", "b-1-of-2"}, problem: "not shards of the same array"},
		{names: []string{"a-0-of-2", "a-1-of-3"}, problem: "not shards of the same array"},
		{names: []string{"a-0-of-1", "a.npy"}, problem: "a.npy is not a shard of a-0-of-1"},
		{names: []string{"p10.npy", "p9.npy"}, want: []string{"p9.npy", "p10.npy"}},
		{names: []string{"p1.npy", "p3.npy"}, problem: "shard p2.npy is missing"},
		{names: []string{"p1.npy", "p01.npy"}, problem: "are the same shard"},
		{names: []string{"p1.npy", "q3.npy"}, want: []string{"p1.npy", "q3.npy"}},
		{names: []string{"b.npy", "a.npy"}, want: []string{"a.npy", "b.npy"}},
		{names: []string{"b.npy", "b.npy"}, problem: "b.npy is listed twice"},
		{names: []string{"only-7.npy"}, want: []string{"only-7.npy"}},
	} {
		got, err := order(c.names)
		if c.problem != "" {
			require.ErrorContains(t, err, c.problem, c.names)
			continue
		}
		require.NoError(t, err, c.names)
		require.Equal(t, c.want, got)
	}
}
