package main

import (
	"errors"
	"runtime"
	"time"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/gpu"
	"github.com/smoothl1/smoothl1/internal/measure"
)

// one measures the time and the allocations of the smallest call: forward and backward of one element.
func one(dev *gpu.Device, rounds int) (_ *measure.One, err error) {
	op, err := gpu.NewSmoothL1[float32](dev, smoothl1.Loss{Beta: 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, op.Close()) }()
	var b [3]*gpu.Buffer[float32]
	for i := range b {
		if b[i], err = gpu.Upload(dev, []float32{float32(i)}); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, b[i].Close()) }()
	}
	const calls = 20_000 // about 2 ms
	var samples []float64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds + 1 {
		begin := time.Now()
		for range calls {
			if err := op.ForwardBackward(b[0], b[1], b[2]); err != nil {
				return nil, err
			}
		}
		samples = append(samples, float64(time.Since(begin).Nanoseconds())/calls)
	}
	runtime.ReadMemStats(&after)
	// The samples are allocated too, but so few compared with the calls that two decimals do not show them.
	each := float64((after.Mallocs-before.Mallocs)*100/uint64(calls*(rounds+1))) / 100
	return &measure.One{NS: measure.Quantiles(samples[1:]), Allocations: each}, nil
}
