// The canonical sum of the loss terms, and the division of an array that it defines.
//
// All terms are widened to double, which is exact, and added in an order that depends only on their number:
//   1. The array is divided into chunks of 2048 elements, the last one padded with +0.
//   2. A chunk is 16 rows of 128 lanes; lane j starts at +0 and adds elements j, j+128, ..., j+1920, in that order.
//   3. The 128 lanes are folded by halves, lane i += lane i+64, then i+32, ..., i+1, into one chunk sum.
//   4. The chunk sums are summed by the same rule until one number is left.
// A warp processes a chunk. Each thread keeps four lanes in registers and folds them with other threads by shuffles, without
// shared memory. A fold over xor partners adds the same pairs as the fold by halves, since a + b == b + a.
#pragma once

typedef unsigned long long u64;

constexpr int kWarp = 32;
constexpr int kMaxThreads = 256;
constexpr int kLanes = 128;  // lanes of a row; the constants of the canonical sum are part of the interface
constexpr int kRows = 16;    // rows of a chunk
constexpr int kChunk = kLanes * kRows;
constexpr int kOwn = kLanes / kWarp;  // lanes of a thread

// The k-th lane of the thread, if a thread owns runs of Per consecutive lanes.
template <int Per>
__device__ inline int own_lane(int k) {
  return k / Per * (kWarp * Per) + threadIdx.x % kWarp * Per + k % Per;
}

// Folds the thread's first `Count` lanes with those of other threads.
template <int Count>
__device__ inline void fold_threads(double (&lane)[kOwn]) {
#pragma unroll
  for (int far = kWarp / 2; far; far /= 2) {
#pragma unroll
    for (int k = 0; k < Count; ++k) lane[k] += __shfl_xor_sync(0xffffffffu, lane[k], far);
  }
}

// Folds a warp's 128 lanes and returns the sum to every thread. Lanes are owned in runs of `Per`, which determines whether the
// lane 64, 32, ..., 1 further on belongs to the same thread or to another one.
template <int Per>
__device__ inline double fold(double (&lane)[kOwn]) {
  if (Per < 4) lane[0] += lane[2], lane[1] += lane[3];  // lane i+64 is in the same thread
  if (Per < 2) lane[0] += lane[1];                      // and lane i+32
  fold_threads<Per>(lane);
  if (Per == 4) lane[0] += lane[2], lane[1] += lane[3];  // lane i+2 is in the same thread
  if (Per >= 2) lane[0] += lane[1];                      // and lane i+1
  return lane[0];
}

__device__ inline u64 chunks_of(u64 n) { return n / kChunk + (n % kChunk != 0); }
__device__ inline unsigned warp_of_block() { return threadIdx.x / kWarp; }
__device__ inline unsigned warps_of_block() { return blockDim.x / kWarp; }

// The number of a warp in the grid: consecutive ones are in different blocks, so that a last round of few jobs is spread over the
// multiprocessors.
__device__ inline u64 warp_of_grid() { return u64(warp_of_block()) * gridDim.x + blockIdx.x; }

// The sum of one chunk of an array of chunk sums. Other blocks wrote them, so they are read from L2: the L1 caches are not
// coherent.
__device__ inline double sum_chunk(const double* sums, u64 start, u64 n) {
  constexpr int batch = 4;
  double lane[kOwn] = {0, 0, 0, 0};
#pragma unroll 1
  for (int row = 0; row < kRows && start + row * kLanes < n; row += batch) {
    double x[batch][kOwn];
#pragma unroll
    for (int r = 0; r < batch; ++r)
#pragma unroll
      for (int k = 0; k < kOwn; ++k) {
        const u64 i = start + (row + r) * kLanes + own_lane<1>(k);
        x[r][k] = i < n ? __ldcg(sums + i) : 0.0;
      }
#pragma unroll
    for (int r = 0; r < batch; ++r)
#pragma unroll
      for (int k = 0; k < kOwn; ++k) lane[k] += x[r][k];
  }
  return fold<1>(lane);
}

// Whether the warp is the last of `count` warps to arrive at a ticket, so that its threads see what all of them wrote before. Thread 0 has
// written it. The ticket is 0 before and after: the atomicInc of the last warp wraps it.
__device__ inline bool last_warp(unsigned* ticket, unsigned count) {
  unsigned drawn = 0;
  if (threadIdx.x % kWarp == 0) {
    __threadfence();  // release: what this thread wrote is visible to all blocks before the ticket is drawn
    drawn = atomicInc(ticket, count - 1);
  }
  if (__shfl_sync(0xffffffffu, drawn, 0) != count - 1) return false;
  if (threadIdx.x % kWarp == 0) __threadfence();  // acquire: what others wrote is read after the ticket is drawn
  __syncwarp();                                   // and by the other threads after that
  return true;
}

// The chunk sums of a sum or, interleaved by level, of several that have the same number of elements: `rows` of them. `sums` has the
// first level of all rows, followed by the second one, and so on; `tickets` one for each sum from the second level on. A second sum
// over the same elements, `along`, has no tickets of its own.
struct Levels {
  double* sums;
  double* along;  // or null
  unsigned* tickets;
  u64 rows;
};

// Hands in the sum of chunk i of the n chunks of a row, which is in thread 0. The last warp to hand in one of 2048 chunk sums adds them up, and
// hands in the result on the next level, while other warps are still at work. Returns whether the warp has handed in the last one of the
// row: `sum` and `along` are then those of the row.
__device__ inline bool hand_in(Levels levels, u64 row, u64 i, u64 n, double& sum, double& along) {
#pragma unroll 1
  while (true) {
    if (threadIdx.x % kWarp == 0) {
      levels.sums[row * n + i] = sum;
      if (levels.along) levels.along[row * n + i] = along;
    }
    if (n == 1) return true;
    const u64 chunk = i / kChunk, chunks = chunks_of(n), left = n - chunk * kChunk;
    if (!last_warp(levels.tickets + row * chunks + chunk, unsigned(min(left, u64(kChunk))))) return false;
    sum = sum_chunk(levels.sums + row * n, chunk * kChunk, n);
    if (levels.along) along = sum_chunk(levels.along + row * n, chunk * kChunk, n), levels.along += levels.rows * n;
    levels.sums += levels.rows * n, levels.tickets += levels.rows * chunks;
    i = chunk, n = chunks;
  }
}
