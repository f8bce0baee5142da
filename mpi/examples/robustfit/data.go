package main

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/smoothl1/smoothl1/cpu"
	"github.com/smoothl1/smoothl1/mpi"
	"github.com/smoothl1/smoothl1/mpi/dataparallel"
)

//go:embed phones.csv
var phones []byte

// data is this rank's shard: y and x, shifted and scaled to z with mean 0 and variance 1, so that one learning rate suits both parameters.
type data struct {
	z, y        []float64
	mean, scale float64
}

// line returns intercept and slope for x from those for z.
func (x *data) line(a, b float64) (intercept, slope float64) {
	return a - b*x.mean/x.scale, b / x.scale
}

// load returns this rank's rows.
func load(s settings, world *mpi.Comm) (*data, error) {
	if s.rows > 0 {
		from, to, err := dataparallel.Shard(s.rows, world.Rank(), world.Size())
		if err != nil {
			return nil, err
		}
		return madeUp(from, to), nil
	}
	x, y, err := columns(phones)
	if err != nil {
		return nil, err
	}
	z, mean, scale := standardise(x)
	from, to, err := dataparallel.Shard(len(y), world.Rank(), world.Size())
	if err != nil {
		return nil, err
	}
	return &data{z: z[from:to], y: y[from:to], mean: mean, scale: scale}, nil
}

// madeUp returns the rows [from, to). Those of a block come from a generator of their own, so that they do not depend on the shard.
func madeUp(from, to int) *data {
	x := &data{z: make([]float64, 0, to-from), y: make([]float64, 0, to-from), scale: 1}
	for start := from; start < to; start += cpu.Chunk {
		r := rand.New(rand.NewPCG(1950, uint64(start/cpu.Chunk)))
		for range min(cpu.Chunk, to-start) {
			z := float64(math.Sqrt(3) * (2*r.Float64() - 1))
			y := 3 + float64(2*z) + r.NormFloat64()
			if r.IntN(10) == 0 {
				y += 60
			}
			x.z, x.y = append(x.z, z), append(x.y, y)
		}
	}
	return x
}

// columns returns the two columns of a CSV file with a heading.
func columns(file []byte) (x, y []float64, err error) {
	records, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil || len(records) < 3 || len(records[0]) != 2 {
		return nil, nil, fmt.Errorf("phones.csv: want a heading and two rows or more, of two columns: %w", errors.Join(err, fmt.Errorf("%d records", len(records))))
	}
	for i, r := range records[1:] {
		u, err1 := strconv.ParseFloat(r[0], 64)
		v, err2 := strconv.ParseFloat(r[1], 64)
		if err := errors.Join(err1, err2); err != nil {
			return nil, nil, fmt.Errorf("phones.csv: row %d: %w", i+1, err)
		}
		x, y = append(x, u), append(y, v)
	}
	return x, y, nil
}

func standardise(x []float64) (z []float64, mean, scale float64) {
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		scale += float64((v - mean) * (v - mean))
	}
	scale = math.Sqrt(scale / float64(len(x)))
	z = make([]float64, len(x))
	for i, v := range x {
		z[i] = (v - mean) / scale
	}
	return z, mean, scale
}
