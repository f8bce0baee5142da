// Package mpi binds the few functions of MPI that training on several machines needs: processes, called ranks, that hold the same
// parameters, compute on shards of the data, and combine their results by collective operations. Package dataparallel, below it, is
// the training step; it gives the loss of the whole with the bits of one machine.
//
// The binding is to Open MPI through cgo, on linux. Elsewhere, or with CGO_ENABLED=0, the package builds, and Init returns an error
// wrapping ErrUnavailable.
//
// # Programs
//
// A program calls Main, or Init and Finalize, and is started by mpirun, which starts its ranks; started alone, it is the only rank.
//
//	func main() { mpi.Main(mpi.Multiple, run) }
//
//	func run(world *mpi.Comm) error { … }
//
// If f returns an error or panics on one rank, Main ends all ranks with Abort. Programs that call Init themselves should do the same:
// a rank that leaves early, or that waits in a deferred Finalize while others wait for it in an Allreduce, makes the whole job hang.
//
// # Collective operations
//
// A collective operation is called by all ranks of a communicator, in the same order. It returns when this rank's part is done. What
// the ranks have to agree about, such as lengths, is not compared: MPI reports a message that is longer than its receiver expects as an
// error of the rank that receives it, but a rank that waits for a message that nobody sends waits forever. Package dataparallel
// compares first.
//
// Errors are returned, not fatal: they are of type *Error if MPI reports them, and *smoothl1.ArgError, before anything is sent, if an
// argument is refused. After an *Error the state of the communicator is undefined by the standard; a program should report it and
// call Abort, which Main does.
//
// # Threads
//
// Init asks for a level of thread support and uses what the library provides. With Multiple, goroutines make calls from whatever thread
// they are on; with Serialized, one at a time; with Funneled and Single, all calls are made by the one thread that has initialized the
// library, which is locked to a goroutine of this package. Below Multiple, a call that waits for other ranks keeps all others waiting:
// goroutines with a communicator each must then make their calls in the same order on all ranks. Init and Finalize use the first thread in
// any case. One communicator takes one call at a time, whatever the level: another one fails with an error wrapping smoothl1.ErrBusy,
// since the order of two calls at once would not be the same on all ranks.
package mpi
