package op

// The constants of the canonical sum.
const (
	Lanes = 128          // lanes of a row
	Rows  = 16           // rows of a chunk
	Chunk = Lanes * Rows // elements of a chunk
)

// Chunks returns the number of chunk sums of n elements: n/Chunk, rounded up.
func Chunks(n int) int { return n/Chunk + min(n%Chunk, 1) }

// Levels returns how many numbers there are on all levels of the canonical sum of so many chunk sums, these included.
func Levels(chunks int) int {
	total := chunks
	for chunks > 1 {
		chunks = Chunks(chunks)
		total += chunks
	}
	return total
}
