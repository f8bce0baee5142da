package evaluate

import (
	"errors"
	"fmt"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/smoothl1/smoothl1"
)

// ErrShards is the reason for refusing a list of patterns.
var ErrShards = errors.New("want the patterns of one or more files")

// A Config describes an evaluation.
type Config struct {
	// Pred and Target are arrays of the same shape and type: float16, float32, float64, or with BFloat16 uint16.
	Pred, Target Shards
	// Weight, of pred's type, multiplies the loss terms. It has pred's shape, or 1 as last dimension: a weight for each row.
	Weight Shards
	// Mask, of bools or integers, leaves out the elements where it is 0. It has pred's shape, or 1 as last dimension.
	Mask Shards
	// Groups, of integers, has the group of each element or, if it has 1 as last dimension or lacks it, of each row. It is for the
	// transform Groups only.
	Groups Shards
	// Loss is the kind, beta and reduction, which must be Mean or Sum.
	Loss smoothl1.Loss
	// Divisor is what a mean divides by. The zero value stands for the number of elements: of the whole, of a row, or, for a group, of
	// its elements that the mask keeps.
	Divisor smoothl1.Divisor
	// BFloat16 says that arrays of uint16 hold the bit patterns of bfloat16 numbers.
	BFloat16 bool

	block int // elements of a block, if not 2048²: for tests, cpu.Chunk, which is the first level of the sum
}

// Shards are patterns of files that hold one array, cut along its first dimension: "gs://bucket/pred-*.npy". Patterns that follow one
// another are concatenated in the given order. The files that match a pattern must be numbered in one of two ways, or are taken in the order of their names:
//
//   - Names such as pred-00003-of-00008.npy must be complete: all 8, once.
//   - Names with the same text before and after their last number, such as part9.npy and part10.npy, are ordered by it, and must have
//     consecutive numbers. To read a part of such files only, list their names.
type Shards []string

// mode says what is computed.
type mode int

const (
	whole mode = iota
	byRow
	byGroup
)

// settings are what the steps of a pipeline know of a Config. They are encoded as JSON.
type settings struct {
	Mode        mode
	Loss        smoothl1.Loss
	Kept        bool    // the divisor
	Weights     bool    //
	Number      float64 // if positive
	ZeroIfEmpty bool
	BFloat16    bool
	Block       int64
	Roles       []bool // those that there are
}

// divisor returns the divisor of the Config.
func (s *settings) divisor() smoothl1.Divisor {
	var d smoothl1.Divisor
	switch {
	case s.Kept:
		d = smoothl1.DivideByKept()
	case s.Weights:
		d = smoothl1.DivideByWeights()
	case s.Number > 0:
		d = smoothl1.DivideBy(s.Number)
	}
	if s.ZeroIfEmpty {
		d = d.ZeroIfEmpty()
	}
	return d
}

// check validates the arguments of a transform, which op names.
func (c *Config) check(op string, s beam.Scope, m mode) (settings, error) {
	set := settings{
		Mode: m, Loss: c.Loss, Kept: c.Divisor.Kept(), Weights: c.Divisor.Weights(), ZeroIfEmpty: c.Divisor.IsZeroIfEmpty(),
		BFloat16: c.BFloat16, Block: int64(c.block), Roles: make([]bool, roles),
	}
	set.Number, _ = c.Divisor.Number()
	if c.block == 0 {
		set.Block = block
	}
	if !s.IsValid() {
		return set, smoothl1.NewArgError(op, "scope", "the zero value", smoothl1.ErrZero)
	}
	if err := c.Loss.Validate(smoothl1.Float64); err != nil { // a beta that float32 does not have is found when the type is known
		return set, err
	}
	if c.Loss.Reduction == smoothl1.None {
		return set, smoothl1.NewArgError(op, "reduction", c.Loss.Reduction, smoothl1.ErrReduction)
	}
	if e := new(smoothl1.ArgError); errors.As(c.Divisor.Validate(c.Loss.Reduction), &e) {
		return set, smoothl1.NewArgError(op, e.Arg, e.Value, e.Err)
	}
	for r, patterns := range c.shards() {
		set.Roles[r] = len(patterns) > 0
		needed := role(r) == pred || role(r) == target || role(r) == groups && m == byGroup
		switch {
		case needed && len(patterns) == 0:
			return set, smoothl1.NewArgError(op, role(r).String(), "nothing", ErrShards)
		case role(r) == groups && m != byGroup && len(patterns) > 0:
			return set, smoothl1.NewArgError(op, role(r).String(), patterns, smoothl1.ErrUnused)
		}
		for i, pattern := range patterns {
			if pattern == "" {
				return set, smoothl1.NewArgError(op, fmt.Sprintf("%v[%d]", role(r), i), `""`, ErrShards)
			}
		}
	}
	switch {
	case set.Kept && !set.Roles[mask]:
		return set, smoothl1.NewArgError(op, "divisor", c.Divisor, fmt.Errorf("%w: there is no mask", smoothl1.ErrDivisor))
	case set.Weights && !set.Roles[weight]:
		return set, smoothl1.NewArgError(op, "divisor", c.Divisor, fmt.Errorf("%w: there are no weights", smoothl1.ErrDivisor))
	}
	return set, nil
}

func (c *Config) shards() [roles]Shards {
	return [roles]Shards{pred: c.Pred, target: c.Target, weight: c.Weight, mask: c.Mask, groups: c.Groups}
}

// role is what an array is for.
type role int

const (
	pred role = iota
	target
	weight
	mask
	groups
	roles = iota
)

func (r role) String() string { return [roles]string{"pred", "target", "weight", "mask", "groups"}[r] }
