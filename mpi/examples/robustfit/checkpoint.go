package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/smoothl1/smoothl1/mpi"
	"github.com/smoothl1/smoothl1/mpi/dataparallel"
)

// state is what a checkpoint saves.
type state struct {
	step int64
	a, b float64 // y = a + b·z
}

// A checkpoint file is the magic number with the version, seven little-endian words of 8 bytes, and the SHA-256 of these.
const magic = "SL1FIT\x00\x01"

const fileBytes = len(magic) + 6*8 + sha256.Size

func encode(s settings, now *state) []byte {
	x := []byte(magic)
	for _, w := range []uint64{uint64(s.rows), math.Float64bits(s.delta), math.Float64bits(s.rate), uint64(now.step), math.Float64bits(now.a), math.Float64bits(now.b)} {
		x = binary.LittleEndian.AppendUint64(x, w)
	}
	sum := sha256.Sum256(x)
	return append(x, sum[:]...)
}

func decode(x []byte, s settings, steps int) (now state, err error) {
	switch {
	case len(x) < len(magic) || string(x[:len(magic)-1]) != magic[:len(magic)-1]:
		return now, errors.New("not a checkpoint of this program")
	case x[len(magic)-1] != magic[len(magic)-1]:
		return now, fmt.Errorf("version %d of the format, where this program knows %d", x[len(magic)-1], magic[len(magic)-1])
	case len(x) != fileBytes:
		return now, fmt.Errorf("%d bytes, where a checkpoint has %d", len(x), fileBytes)
	}
	body := x[:len(x)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], x[len(body):]) {
		return now, errors.New("the checksum does not match: the file is corrupt")
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(body[len(magic)+8*i:]) }
	float := func(i int) float64 { return math.Float64frombits(word(i)) }
	if saved := (settings{int(word(0)), float(1), float(2)}); saved != s {
		return now, fmt.Errorf("of a run with -n %d -delta %g -rate %g", saved.rows, saved.delta, saved.rate)
	}
	now = state{int64(word(3)), float(4), float(5)}
	if now.step < 0 || now.step > int64(steps) {
		return now, fmt.Errorf("of step %d, after the last, -steps %d", now.step, steps)
	}
	return now, nil
}

// resume returns the state of the checkpoint, on all ranks, or the first state if there is none.
func resume(world *mpi.Comm, s settings, o options) (now state, err error) {
	if o.checkpoint == "" {
		return now, nil
	}
	if world.Rank() == 0 { // the others may be on machines that do not have the file
		x, err1 := read(o.checkpoint)
		if err1 == nil {
			if now, err1 = decode(x, s, o.steps); err1 != nil {
				err1 = fmt.Errorf("checkpoint %s: %w", o.checkpoint, err1)
			}
		}
		if !errors.Is(err1, fs.ErrNotExist) {
			err = err1
		}
	}
	if err := dataparallel.Agree(world, err); err != nil {
		return now, err
	}
	words := []uint64{uint64(now.step), math.Float64bits(now.a), math.Float64bits(now.b)}
	if err := mpi.Bcast(world, words, 0); err != nil {
		return now, err
	}
	return state{int64(words[0]), math.Float64frombits(words[1]), math.Float64frombits(words[2])}, nil
}

// read returns the contents of a file that may be a checkpoint. A device may have no end, and a pipe nothing to read.
func read(file string) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", file)
	case info.Size() > 1<<20:
		return nil, fmt.Errorf("%s: %d bytes, where a checkpoint has %d", file, info.Size(), fileBytes)
	}
	return os.ReadFile(file)
}

// save writes a checkpoint if one is due, on the first rank. If that fails, all ranks fail.
func save(world *mpi.Comm, s settings, o options, now *state) (err error) {
	if o.checkpoint == "" || now.step%int64(o.every) != 0 && now.step != int64(o.steps) {
		return nil
	}
	if world.Rank() == 0 {
		err = write(o.checkpoint, encode(s, now))
	}
	return dataparallel.Agree(world, err)
}

// write replaces a file by another in one step, once the new one is on the disk: whatever happens, one of the two is there, whole.
func write(file string, x []byte) error {
	next := file + ".next" // left behind by a kill, it is overwritten
	f, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(x)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(next, file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close()) // the rename, too, is on the disk
}
