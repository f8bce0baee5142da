package evaluate

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/stretchr/testify/require"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/internal/npy"
)

func TestConfigIsChecked(t *testing.T) {
	_, s := beam.NewPipelineWithRoot()
	good := Config{Pred: Shards{"a"}, Target: Shards{"b"}, Loss: smoothl1.Loss{Beta: 1}}
	for name, c := range map[string]struct {
		change func(c *Config, s *beam.Scope)
		reason error
	}{
		"scope":     {func(_ *Config, s *beam.Scope) { *s = beam.Scope{} }, smoothl1.ErrZero},
		"pred":      {func(c *Config, _ *beam.Scope) { c.Pred = nil }, ErrShards},
		"pattern":   {func(c *Config, _ *beam.Scope) { c.Target = Shards{""} }, ErrShards},
		"groups":    {func(c *Config, _ *beam.Scope) { c.Groups = Shards{"g"} }, smoothl1.ErrUnused},
		"beta":      {func(c *Config, _ *beam.Scope) { c.Loss.Beta = math.NaN() }, smoothl1.ErrBeta},
		"reduction": {func(c *Config, _ *beam.Scope) { c.Loss.Reduction = smoothl1.None }, smoothl1.ErrReduction},
		"divisor":   {func(c *Config, _ *beam.Scope) { c.Divisor = smoothl1.DivideBy(-1) }, smoothl1.ErrDivisor},
		"kept":      {func(c *Config, _ *beam.Scope) { c.Divisor = smoothl1.DivideByKept() }, smoothl1.ErrDivisor},
		"weights":   {func(c *Config, _ *beam.Scope) { c.Divisor = smoothl1.DivideByWeights() }, smoothl1.ErrDivisor},
	} {
		bad, scope := good, s
		c.change(&bad, &scope)
		_, err := Loss(scope, bad)
		require.ErrorIs(t, err, c.reason, name)
		require.ErrorAs(t, err, new(*smoothl1.ArgError), name)
	}
	_, _, err := Groups(s, good)
	require.ErrorIs(t, err, ErrShards)
	_, err = WriteRows(s, "p", beam.PCollection{}, beam.PCollection{})
	require.ErrorIs(t, err, smoothl1.ErrZero)
}

// small is a Config of 3 shards of 4 rows in all.
func small(t *testing.T) (c Config, dir string) {
	x := make([]float32, 8)
	c = Config{Pred: write(t, x, 2, npy.Float32, 1, 2), Target: write(t, x, 2, npy.Float32), Loss: smoothl1.Loss{Beta: 1}, block: cpu.Chunk}
	return c, filepath.Dir(c.Pred[0])
}

func TestBadShards(t *testing.T) {
	const second = "x-00001-of-00003.npy"
	for name, c := range map[string]struct {
		spoil func(t *testing.T, c *Config, path string)
		want  string
	}{
		"missing": {func(t *testing.T, _ *Config, path string) { require.NoError(t, os.Remove(path)) }, second + " is missing"},
		"corrupt": {func(t *testing.T, _ *Config, path string) {
			require.NoError(t, os.WriteFile(path, []byte("no"), 0o600))
		}, second + ": not a .npy file"},
		"truncated": {func(t *testing.T, _ *Config, path string) { require.NoError(t, os.Truncate(path, 130)) }, second + ": truncated"},
		"other type": {func(t *testing.T, _ *Config, path string) {
			require.NoError(t, npy.WriteFile(context.Background(), path, npy.Header{DType: npy.Float64, Shape: []int{1, 2}}, []float64{1, 2}))
		}, second + ": holds float64, but"},
		"other shape": {func(t *testing.T, _ *Config, path string) {
			require.NoError(t, npy.WriteFile(context.Background(), path, npy.Header{DType: npy.Float32, Shape: []int{2, 1}}, []float32{1, 2}))
		}, second + ": has the shape [2 1]"},
		"longer": {func(t *testing.T, _ *Config, path string) {
			require.NoError(t, npy.WriteFile(context.Background(), path, npy.Header{DType: npy.Float32, Shape: []int{2, 2}}, []float32{1, 2, 3, 4}))
		}, "target has the shape [4 2] in all"},
		"Fortran order": {func(t *testing.T, c *Config, path string) {
			head := "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }"
			head += strings.Repeat(" ", 117-len(head)) + "\n"
			require.NoError(t, os.WriteFile(path, []byte("\x93NUMPY\x01\x00\x76\x00"+head+strings.Repeat("\x00", 16)), 0o600))
		}, second + ": is in Fortran order"},
		"no match":   {func(_ *testing.T, c *Config, _ string) { c.Weight = Shards{"/nowhere/*.npy"} }, "list weight: /nowhere/*.npy: no file matches"},
		"no scheme":  {func(_ *testing.T, c *Config, _ string) { c.Weight = Shards{"nothing://x"} }, `"nothing" not registered`},
		"twice":      {func(_ *testing.T, c *Config, path string) { c.Pred = append(c.Pred, path) }, second + " is listed twice"},
		"uint16":     {func(t *testing.T, c *Config, _ string) { c.Pred = write(t, make([]uint16, 8), 2, npy.Uint16) }, "holds uint16: say"},
		"float mask": {func(t *testing.T, c *Config, _ string) { c.Mask = c.Pred }, "mask: "},
	} {
		t.Run(name, func(t *testing.T) {
			config, dir := small(t)
			c.spoil(t, &config, filepath.Join(dir, second))
			_, err := evaluateIn(t, config, whole)
			require.ErrorContains(t, err, c.want)
		})
	}
}

var errBroken = errors.New("the cable is broken")

// broken is the rest of a file that fails in the middle.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestShardsThatChangeAfterListing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(path string, r io.ReadCloser) (io.ReadCloser, error)
		want   string
	}{
		"nothing": {func(_ string, r io.ReadCloser) (io.ReadCloser, error) { return r, nil }, ""},
		"disappears": {func(path string, r io.ReadCloser) (io.ReadCloser, error) {
			return nil, errors.Join(os.ErrNotExist, r.Close())
		}, "x-00001-of-00003.npy: file does not exist: it has disappeared since it was listed"},
		"corrupt": {func(_ string, r io.ReadCloser) (io.ReadCloser, error) {
			return struct {
				io.Reader
				io.Closer
			}{io.LimitReader(r, 130), r}, nil
		}, "x-00001-of-00003.npy: truncated"},
		"fails": {func(_ string, r io.ReadCloser) (io.ReadCloser, error) {
			return struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(r, 130), broken{}), r}, nil
		}, "x-00001-of-00003.npy: the cable is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			config, dir := small(t)
			sequential(3, c.change)
			config.Pred = inLate(Shards{filepath.Join(dir, "x-*.npy")})
			o, err := evaluateIn(t, config, whole)
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, bits(0), bits(o.results[0].Loss))
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestShardThatChangesAfterListing(t *testing.T) {
	_, dir := small(t)
	s := shard{Path: filepath.Join(dir, "x-00000-of-00003.npy")}
	require.NoError(t, s.look(context.Background()))
	o, err := s.reopen(context.Background())
	require.NoError(t, err)
	o.close()
	s.Modified++
	_, err = s.reopen(context.Background())
	require.ErrorContains(t, err, "x-00000-of-00003.npy: has changed since it was listed: it has another time of modification")
}
