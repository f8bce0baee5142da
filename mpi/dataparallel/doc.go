// Package dataparallel computes the smooth L1 loss of arrays that are divided among the ranks of an MPI communicator, and combines the
// gradients of parameters that all ranks have.
//
// The loss of all shards has the bits that one machine gives for the whole arrays, and the gradients with respect to pred and target have them
// on each shard, for any number of ranks. For that, shards are cut at multiples of 2048 elements, the chunks of the canonical sum: see Shard and package cpu.
// Each rank hands over 8 bytes for 2048 elements.
//
// Gradients of parameters are sums over the elements of all shards. Buffers.Allreduce and mpi.Allreduce are the fast way; the last bits of such a sum
// depend on the number of ranks. Gradient is the slower way, with the same bits for any number of ranks: each rank gives a partial gradient
// for each block of 2048 rows, and these are summed by the canonical tree.
//
// All functions and methods that take part in communication say that they are collective: all ranks call them, in the same order. Before a rank
// sends data, the ranks compare what they have to agree about. If a rank was given other arguments, or cannot do its part, all ranks get a
// *RankError that names the ranks, and none waits for another. The communicator can be used again. What remains are the failures of MPI itself,
// *mpi.Error, and a rank that has ended; mpirun then ends the others.
//
// The package is apart from mpi, the binding, which imports no device and no loss.
package dataparallel
