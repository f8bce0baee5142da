// Package evaluate computes the smooth L1, Huber and L1 losses of arrays that no machine holds, as transforms of Apache Beam: from
// shards of NumPy files to the reduced loss of all of them, to the loss of each row, or to statistics by group.
//
//	p, s := beam.NewPipelineWithRoot()
//	result, err := evaluate.Loss(s, evaluate.Config{
//		Pred:   evaluate.Shards{"gs://bucket/pred-*.npy"},
//		Target: evaluate.Shards{"gs://bucket/target-*.npy"},
//		Loss:   smoothl1.Loss{Beta: 1},
//	})
//
// The package is named for what its transforms do, and not beam like the module, because every program that imports it imports Beam's
// own package of that name too.
//
// # The same bits
//
// A result has the bits that cpu.Run and the command "smoothl1 eval" give for the shards concatenated along their first dimension,
// however the runner bundles, distributes and retries the work. The canonical sum makes this possible: see package cpu. The
// concatenation is cut into blocks of 2048² elements, regardless of where the shards are cut. A block is reduced to one float64, which is
// an element of the second level of the sum; a CombineFn collects these numbers together with their positions, without adding any; and
// the last step, which knows how many there must be, adds them in order. A block that is missing or comes twice is an error.
//
// # Shards
//
// Each of Config's arrays is a list of patterns, expanded by the file system that Beam's registry has for their scheme: import
// the package of each file system that is used, such as
// github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem/local for names without a scheme. The shards of an array agree in type and
// in all dimensions but the first, along which they are concatenated. The arrays may be cut into shards in different ways.
//
// A pattern's files are ordered by the numbers in their names. Names that end in 00003-of-00008 must be complete, and other consecutive
// numbers must have no gap; see Shards. A shard that is missing, doubled, truncated, of another type, or that changes between the listing
// and the reading fails the pipeline with an error that names it.
//
// Files are read in pieces: a worker's memory does not depend on the size of the shards. Local files are read at any place, others from
// beginning to end: then one work item is a shard of pred, which is how finely the work can be distributed.
//
// # Counters
//
// The counters elements, bytes, blocks and shards, and total_elements once it is known, are in the namespace smoothl1.
//
// All functions add to a pipeline and are as safe for concurrent use as it is, which is not at all.
package evaluate
