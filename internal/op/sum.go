package op

// The constants of the canonical sum.
const (
	Lanes = 128          // lanes of a row
	Rows  = 16           // rows of a chunk
	Chunk = Lanes * Rows // elements of a chunk
)

// Chunks returns the number of chunks of n elements: n/Chunk, rounded up.
func Chunks(n int) int { return n/Chunk + min(n%Chunk, 1) }

// Levels returns the total number of sums on all levels of the canonical sum, of which the first has the given number of chunk sums.
func Levels(chunks int) int {
	total := chunks
	for chunks > 1 {
		chunks = Chunks(chunks)
		total += chunks
	}
	return total
}
