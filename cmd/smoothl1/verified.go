package main

import (
	"context"
	"errors"

	"github.com/smoothl1/smoothl1/internal/testkit/difftest"
)

// verified is the JSON output of verify.
type verified struct {
	Device     string           `json:"device"`
	Commit     string           `json:"commit"`
	Seed       uint64           `json:"seed"`
	First      int              `json:"first"`
	Asked      int              `json:"asked"` // number of cases
	Cases      int              `json:"cases"` // number of cases done
	Mismatches int              `json:"mismatches"`
	Columns    []difftest.Tally `json:"columns"`
	Failures   []string         `json:"failures,omitempty"` // the first few
}

func (v *verification) verified(device string, found *difftest.Swept) verified {
	r := verified{Device: device, Commit: revision(), Seed: v.sweep.Seed, First: v.sweep.First, Asked: v.sweep.Cases, Cases: found.Done,
		Mismatches: found.Mismatches(), Columns: found.Columns}
	for _, f := range found.Failures {
		r.Failures = append(r.Failures, f.Err.Error())
	}
	return r
}

// sweepFor runs the cases until they are done or the time is up.
func (v *verification) sweepFor(ctx context.Context) (*difftest.Swept, error) {
	limited := ctx
	if v.limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, v.limit)
		defer cancel()
	}
	found, err := v.sweep.Run(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = nil // the time limit is not an error
	}
	return found, err
}
