package dataparallel

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/smoothl1/smoothl1"
	"github.com/smoothl1/smoothl1/mpi"
)

// Reasons for which all ranks refuse an operation, to be tested with errors.Is.
var (
	ErrDisagree = errors.New("the ranks were given different arguments")
	ErrFailed   = errors.New("a rank cannot do its part")
)

// A RankError is an error on which all ranks agree: each of them returns it.
type RankError struct {
	Op    string // the operation: "Run"
	Ranks []int  // the ranks that are the cause
	Text  string // what is the matter with them
	Err   error  // this rank's own error, if it has one, joined with ErrFailed; else the reason
}

// Error returns "dataparallel: Run: beta: 1 on rank 0, 0.5 on rank 1: the ranks were given different arguments".
func (e *RankError) Error() string {
	if e == nil {
		return "dataparallel: no error"
	}
	return fmt.Sprintf("dataparallel: %s: %s", e.Op, e.Text)
}

// Unwrap returns the reason.
func (e *RankError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// A field is a word of a header: what the ranks exchange before an operation, and have to agree about unless a function says otherwise.
type field int

const (
	fieldCall      field = iota // which operation this is
	fieldFailed                 // 1 if the rank cannot do its part
	fieldDType                  // of the elements
	fieldKind                   // of the loss
	fieldBeta                   // its bits
	fieldReduction              //
	fieldDivisor                // which divisor
	fieldNumber                 // the bits of a divisor that is given
	fieldArrays                 // which arrays there are
	fieldCols                   // of the matrix; 0 without one
	fieldLength                 // of what all ranks have
	fieldRoot                   // the rank that sends
	fieldOwn                    // a length that each rank has of its own
	fields
)

type header [fields]int64

// names of the fields in messages, and how their values are printed.
var names = [fields]struct {
	name string
	text func(int64) string
}{
	fieldCall:      {"operation", func(x int64) string { return operations[uint64(x)%uint64(len(operations))] }},
	fieldDType:     {"element type", func(x int64) string { return smoothl1.DType(x).String() }},
	fieldKind:      {"kind of loss", func(x int64) string { return smoothl1.Kind(x).String() }},
	fieldBeta:      {"beta", bits},
	fieldReduction: {"reduction", func(x int64) string { return smoothl1.Reduction(x).String() }},
	fieldDivisor:   {"divisor", divisorText},
	fieldNumber:    {"divisor", bits},
	fieldArrays:    {"arrays", arraysText},
	fieldCols:      {"columns", number},
	fieldLength:    {"length", number},
	fieldRoot:      {"root", number},
}

func number(x int64) string { return fmt.Sprint(x) }

func bits(x int64) string { return fmt.Sprint(math.Float64frombits(uint64(x))) }

// The operations, as fieldCall has them.
const (
	callAgree = iota
	callNew
	callRun
	callNewGradient
	callReduce
	callNewBuffers
	callBcast
	callAllreduce
)

var operations = [...]string{"Agree", "NewSmoothL1", "Run", "NewGradient", "Reduce", "NewBuffers", "Bcast", "Allreduce"}

// A group exchanges headers. It belongs to one caller at a time.
type group struct {
	comm *mpi.Comm
	own  header
	send []int64
	all  []int64 // the headers of all ranks
}

func newGroup(c *mpi.Comm) group {
	return group{comm: c, send: make([]int64, fields), all: make([]int64, int(fields)*c.Size())}
}

func (g *group) of(rank int, f field) int64 { return g.all[rank*int(fields)+int(f)] }

// agree exchanges the headers, after the caller has set those fields of own that it uses, and returns an error, the same on all ranks,
// if one of them failed or if they differ in anything but fieldOwn. It clears own.
func (g *group) agree(call int, failed error) error {
	g.own[fieldCall], g.own[fieldFailed] = int64(call), 0
	if failed != nil {
		g.own = header{fieldCall: int64(call), fieldFailed: 1}
	}
	copy(g.send, g.own[:])
	g.own = header{}
	if err := mpi.Allgather(g.comm, g.send, g.all); err != nil {
		return errors.Join(failed, err)
	}
	op := operations[call]
	if err := g.compare(op, fieldCall); err != nil {
		return err
	}
	if err := g.failures(op, failed, func(rank int) bool { return g.of(rank, fieldFailed) != 0 }); err != nil {
		return err
	}
	for f := fieldDType; f < fieldOwn; f++ {
		if err := g.compare(op, f); err != nil {
			return err
		}
	}
	return nil
}

// compare returns an error if the ranks differ in a field. The ranks that differ from the first are named as the cause.
func (g *group) compare(op string, f field) error {
	first, differ := g.of(0, f), []int(nil)
	for rank := range g.comm.Size() {
		if g.of(rank, f) != first {
			differ = append(differ, rank)
		}
	}
	if differ == nil {
		return nil
	}
	var values []int64
	ranks := map[int64][]int{}
	for rank := range g.comm.Size() {
		x := g.of(rank, f)
		if ranks[x] == nil {
			values = append(values, x)
		}
		ranks[x] = append(ranks[x], rank)
	}
	var text []string
	for _, x := range values {
		text = append(text, names[f].text(x)+" on "+listOf(ranks[x]))
	}
	return &RankError{Op: op, Ranks: differ, Err: ErrDisagree,
		Text: fmt.Sprintf("%s: %s: %v", names[f].name, strings.Join(text, ", "), ErrDisagree)}
}

// textBytes is how much of its error a rank tells the others.
const textBytes = 400

// mostTexts is of how many ranks an error has the texts.
const mostTexts = 3

// failures returns an error if a rank failed, with the texts of all that did: the ranks exchange them. All ranks know which they are.
func (g *group) failures(op string, failed error, of func(rank int) bool) error {
	var ranks []int
	for rank := range g.comm.Size() {
		if of(rank) {
			ranks = append(ranks, rank)
		}
	}
	if ranks == nil {
		return nil
	}
	send, all := make([]uint8, textBytes), make([]uint8, textBytes*g.comm.Size())
	if failed != nil {
		copy(send, failed.Error())
	}
	if err := mpi.Allgather(g.comm, send, all); err != nil {
		return errors.Join(failed, err)
	}
	var text []string
	for _, rank := range ranks[:min(mostTexts, len(ranks))] {
		said := all[rank*textBytes:][:textBytes]
		if end := slices.Index(said, 0); end >= 0 {
			said = said[:end]
		}
		text = append(text, fmt.Sprintf("rank %d: %s", rank, strings.ToValidUTF8(string(said), "")))
	}
	if more := len(ranks) - len(text); more > 0 {
		text = append(text, fmt.Sprintf("and %d more ranks", more))
	}
	reason := ErrFailed
	if failed != nil {
		reason = errors.Join(ErrFailed, failed)
	}
	return &RankError{Op: op, Ranks: ranks, Text: strings.Join(text, "; "), Err: reason}
}

// listOf returns "rank 3" or "ranks 0, 1, 2, 5", and with many ranks "ranks 0, 1, 2, 3, … (1023)".
func listOf(ranks []int) string {
	if len(ranks) == 1 {
		return fmt.Sprintf("rank %d", ranks[0])
	}
	const most = 8
	text := make([]string, 0, most)
	for _, r := range ranks[:min(most, len(ranks))] {
		text = append(text, fmt.Sprint(r))
	}
	if len(ranks) > most {
		return fmt.Sprintf("ranks %s, … (%d)", strings.Join(text, ", "), len(ranks))
	}
	return "ranks " + strings.Join(text, ", ")
}

// Agree returns nil if err is nil on all ranks, and an error on all of them otherwise, a *RankError that tells what the errors were. It is
// collective. Programs use it after work that may fail on one rank, such as reading a file, before the ranks wait for each other.
func Agree(c *mpi.Comm, err error) error {
	if c.Size() == 0 { // nil or zero
		return errors.Join(err, c.Barrier())
	}
	g := newGroup(c)
	return g.agree(callAgree, err)
}
