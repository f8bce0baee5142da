// Kernels that do no more than the kernels of the loss must do, for comparison with them: what a pass costs beyond its memory traffic, and
// what the canonical order of the sum costs. They access memory as the kernels of float32 do: a warp takes tiles in turn, and each thread
// has 16 loads of 16 bytes in flight before the first use.
//
// Launch. Grid: any number of blocks >= 1, one-dimensional; block: full warps, 32 to 256 threads; no dynamic shared memory. Arrays are
// aligned to 16 bytes. atomicAdd of a double needs sm_60, so this file is compiled for compute_60.

typedef unsigned long long u64;

constexpr int kWarp = 32;
constexpr int kMaxThreads = 256;
constexpr int kBatch = 8;             // loads of each of two arrays in flight
constexpr int kTile = kBatch * kWarp;  // pieces of 16 bytes of each array that a warp takes at a time

#define KERNEL extern "C" __global__ void __launch_bounds__(kMaxThreads, 2)

__device__ inline unsigned lane() { return threadIdx.x % kWarp; }
__device__ inline u64 warp() { return u64(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp; }
__device__ inline u64 warps() { return u64(gridDim.x) * (blockDim.x / kWarp); }

__device__ inline uint4 operator^(uint4 x, uint4 y) { return make_uint4(x.x ^ y.x, x.y ^ y.y, x.z ^ y.z, x.w ^ y.w); }

// Calls each(i, a[i], b[i]) for the thread's pieces. All loads of a tile come before its first call.
template <typename Piece, typename Each>
__device__ inline void walk(const Piece* a, const Piece* b, u64 pieces, Each each) {
#pragma unroll 1
  for (u64 first = warp() * kTile; first < pieces; first += warps() * kTile) {
    if (pieces - first >= kTile) {
      Piece x[kBatch], y[kBatch];
#pragma unroll
      for (int r = 0; r < kBatch; ++r) {
        x[r] = a[first + r * kWarp + lane()];
        y[r] = b[first + r * kWarp + lane()];
      }
#pragma unroll
      for (int r = 0; r < kBatch; ++r) each(first + r * kWarp + lane(), x[r], y[r]);
    } else {
#pragma unroll 1
      for (u64 i = first + lane(); i < pieces; i += kWarp) each(i, a[i], b[i]);
    }
  }
}

// Reads two arrays. out[w] is the exclusive or of all words that warp w has read, so that no load can be left out.
KERNEL ceiling_read(const uint4* a, const uint4* b, u64 pieces, unsigned* out) {
  uint4 all = make_uint4(0, 0, 0, 0);
  walk(a, b, pieces, [&](u64, uint4 x, uint4 y) { all = all ^ x ^ y; });
  unsigned word = all.x ^ all.y ^ all.z ^ all.w;
#pragma unroll
  for (int far = kWarp / 2; far; far /= 2) word ^= __shfl_xor_sync(0xffffffffu, word, far);
  if (lane() == 0) out[warp()] = word;
}

// Reads two arrays and writes a third, their exclusive or.
KERNEL ceiling_combine(const uint4* a, const uint4* b, u64 pieces, uint4* out) {
  walk(a, b, pieces, [&](u64 i, uint4 x, uint4 y) { out[i] = x ^ y; });
}

// Adds the sum of the loss terms of smooth L1, as the forward kernels that multiply by inverse, 1/beta, but in no particular order: a sum
// for each lane of a thread, shuffles, shared memory, and an atomic addition for each block. Adding to what is there leaves out the launch
// that would clear it.
KERNEL ceiling_atomic(const float* pred, const float* target, u64 n, float beta, float inverse, double* sum) {
  const auto term = [&](float x, float y) {
    const float a = fabsf(x - y);
    return double(a < beta ? ((0.5f * a) * a) * inverse : a - 0.5f * beta);
  };
  double of[4] = {0, 0, 0, 0};
  walk(reinterpret_cast<const float4*>(pred), reinterpret_cast<const float4*>(target), n / 4, [&](u64, float4 x, float4 y) {
    of[0] += term(x.x, y.x), of[1] += term(x.y, y.y), of[2] += term(x.z, y.z), of[3] += term(x.w, y.w);
  });
  const u64 left = n / 4 * 4 + lane();
  if (warp() == 0 && left < n) of[0] += term(pred[left], target[left]);
  double all = (of[0] + of[1]) + (of[2] + of[3]);
#pragma unroll
  for (int far = kWarp / 2; far; far /= 2) all += __shfl_xor_sync(0xffffffffu, all, far);
  __shared__ double of_warp[kMaxThreads / kWarp];
  if (lane() == 0) of_warp[threadIdx.x / kWarp] = all;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (unsigned w = 1; w < blockDim.x / kWarp; ++w) all += of_warp[w];
    atomicAdd(sum, all);
  }
}
