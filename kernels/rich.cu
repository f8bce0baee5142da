// How the rich kernels deal the elements to the warps, and how they sum the terms.
//
// A job of a warp is
//   a chunk of the array, as in the lean kernels, or a chunk of a row if there are fewer rows than warps;
//   a whole row, if it has more than 128 elements and there are many;
//   or several rows of up to 128 elements: `group` threads share a row, each with `lanes` of its lanes.
// A row of up to 128 elements has one chunk sum, the fold of its lanes by halves. Lanes that it does not have would add +0, which changes no
// bit, so it is folded from the next power of two, `width`: within a thread as far as its lanes go, then between the threads of the group.
#include "rich.cuh"

namespace rich {

// How the rows of up to 128 elements are shared: each row in `width` lanes, those of a thread `group` apart.
struct Sharing {
  unsigned width, group, lanes;
  __device__ explicit Sharing(u64 cols) {
    width = 1;
    while (width < cols && width < kLanes) width *= 2;
    group = width < 8 ? width : width <= 32 ? 8 : width / kOwn;
    lanes = width / group;
  }
  __device__ unsigned groups() const { return kWarp / group; }      // of a warp
  __device__ unsigned rows() const { return kOwn / lanes * groups(); }  // of a warp
};

// Folds the lanes of the threads of a group for each of its rows. The sum of the row that begins at lane[k] is then there.
__device__ inline void fold_shared(double (&lane)[kOwn], const Sharing& s) {
  if (s.lanes == 4) lane[0] += lane[2], lane[1] += lane[3];
  if (s.lanes >= 2) lane[0] += lane[1], lane[2] += lane[3];
#pragma unroll 1
  for (unsigned far = s.group / 2; far; far /= 2)
#pragma unroll
    for (int k = 0; k < kOwn; ++k) lane[k] += __shfl_xor_sync(0xffffffffu, lane[k], int(far));
}

// Writes the loss of a row, or its divisor. `along` is the divisor that was summed along.
template <Pass P, typename T>
__device__ inline void conclude(const RichParams<T>& p, u64 row, double sum, double along) {
  if (P == kDivisor) {
    p.divisors[row] = sum;
    return;
  }
  const double divisor = P == kForward && p.flags & kAlong ? along : p.flags & kDivisors ? __ldcg(p.divisors + row) : p.divisor;
  p.value[row] = divisor == 0 && p.flags & kZeroIfEmpty ? 0.0 : sum / divisor;
}

// Writes the sums of shared rows. The thread's first element is (r, c).
template <Pass P, typename T>
__device__ inline void conclude_shared(const RichParams<T>& p, const Sharing& s, u64 r, u64 c, Lanes& lanes) {
  fold_shared(lanes.sum, s);
  if (P == kForward && p.flags & kAlong) fold_shared(lanes.along, s);
#pragma unroll
  for (unsigned k = 0; k < kOwn; ++k) {
    if (k % s.lanes == 0 && c == 0 && r < p.rows) {
      if (p.sums && p.cols) p.sums[r] = lanes.sum[k];
      conclude<P>(p, r, lanes.sum[k], lanes.along[k]);
      r += s.groups();
    }
  }
}

// Processes units from (r, c) on, B at a time, until they fill the lanes of a thread from lane First on.
template <typename S, Pass P, bool Div, int U, int B, int First>
__device__ inline void batches_from(const RichParams<typename S::Compute>& p, unsigned traits, u64& r, u64& c, const Step& step,
                                    typename S::Compute norm, bool norm_by_row, Lanes& lanes) {
  Place at[B];
#pragma unroll
  for (int b = 0; b < B; ++b) {
    at[b] = {r, c, U > 1 || (r < p.rows && c < p.cols)};
    step.advance(r, c);
  }
  batch<S, P, Div, U, B, First>(p, traits, at, norm, norm_by_row, lanes);
  constexpr int next = First + B * U;
  if (next < kOwn) batches_from<S, P, Div, U, B, next < kOwn ? next : 0>(p, traits, r, c, step, norm, norm_by_row, lanes);
}

// Processes `turns` times as many units as fill the lanes of a thread, or a multiple of that, from (r, c) on, B at a time.
template <typename S, Pass P, bool Div, int U, int B>
__device__ inline void run(const RichParams<typename S::Compute>& p, unsigned flags, u64 r, u64 c, const Step& step, unsigned turns,
                           typename S::Compute norm, bool norm_by_row, Lanes& lanes) {
#pragma unroll 1
  for (unsigned turn = 0; turn < turns; ++turn) {
    const unsigned traits = opaque(flags);
    batches_from<S, P, Div, U, B, 0>(p, traits, r, c, step, norm, norm_by_row, lanes);
  }
}

// The number of turns for `elements` elements.
template <int U, int B>
__device__ inline unsigned turns_of(unsigned elements) {
  constexpr unsigned size = kWarp * (B * U < kOwn ? kOwn : B * U);
  return (elements + size - 1) / size;
}

// A whole launch.
template <typename S, Pass P, bool Div>
__device__ inline void launch(const RichParams<typename S::Compute>& p) {
  typedef typename S::Compute T;
  constexpr int U = S::kPer;
  constexpr int pieces = (P == kForward ? 2 : 1) * S::kPieces, elements = S::kElements;
  const unsigned flags = traits_of(p);
  const bool by_row = flags & kByRow, reduces = P == kDivisor || flags & kReduce, sums_along = P == kForward && flags & kAlong;
  const unsigned t = threadIdx.x % kWarp;
  const u64 warps = u64(gridDim.x) * warps_of_block();
  const u64 length = by_row ? p.cols : p.rows * p.cols;  // of what is summed
  const u64 count = chunks_of(length);
  const bool shared = by_row && p.cols <= kLanes;
  const bool own = by_row && !shared && (count == 1 || (count <= kChunk && p.rows >= warps / 8));
  const Sharing sharing(shared ? p.cols : 1);
  const u64 jobs = !by_row ? count : shared ? (p.rows + sharing.rows() - 1) / sharing.rows() : own ? p.rows : p.rows * count;
  T norm = p.norm.value;
  if (P == kForwardBackward && flags & kDivisors && !by_row) norm = norm_of<T>(__ldcg(p.divisors), flags);
  const Levels levels = {p.sums, sums_along ? p.divisor_sums : nullptr, p.tickets, by_row ? p.rows : 1};
  if (reduces && count == 0 && !shared && blockIdx.x == 0 && threadIdx.x == 0) conclude<P>(p, 0, 0.0, 0.0);

#pragma unroll 1
  for (u64 job = warp_of_grid(); job < jobs; job += warps) {
    u64 row = 0, chunk = job;
    if (by_row) {
      row = own ? job : shared ? job * sharing.rows() : job / count;
      chunk = own || shared ? 0 : job % count;
      if (P == kForwardBackward && flags & kDivisors && !shared) norm = norm_of<T>(__ldcg(p.divisors + row), flags);
    }
    double sum = 0, along = 0;
#pragma unroll 1
    do {
      const u64 start = chunk * kChunk, left = length - start;
      const bool full = left >= kChunk, whole = flags & kWide && full;
      const unsigned unit = whole ? U : 1;
      u64 r = row, c = start + t * unit;
      Step step = {0, kWarp * unit, 0, ~u64(0)};
      if (shared) {
        r += t / sharing.group, c = t % sharing.group;
        step = {0, sharing.group, sharing.groups(), sharing.width};
      } else if (!by_row && (p.rows > 1 || flags & kHasIndex)) {
        r = c / p.cols, c %= p.cols;
        if (p.cols <= step.cols) step.rows = step.cols / unsigned(p.cols), step.cols %= unsigned(p.cols);
        step.wrap = p.cols, step.carry = 1;
      }
      Lanes lanes = {{0, 0, 0, 0}, {0, 0, 0, 0}};
      if (whole) {
        run<S, P, Div, U, pieces>(p, flags, r, c, step, turns_of<U, pieces>(kChunk), norm, false, lanes);
        if (reduces) sum = fold<U>(lanes.sum);
        if (sums_along) along = fold<U>(lanes.along);
      } else {
        run<S, P, Div, 1, elements>(p, flags, r, c, step, shared ? 1 : turns_of<1, elements>(full ? kChunk : unsigned(left)), norm,
                                    shared && flags & kDivisors, lanes);
        if (shared) {
          if (reduces) conclude_shared<P>(p, sharing, r, c, lanes);
          break;
        }
        if (reduces) sum = fold<1>(lanes.sum);
        if (sums_along) along = fold<1>(lanes.along);
      }
      if (reduces && own && t == 0) {
        p.sums[row * count + chunk] = sum;
        if (sums_along) p.divisor_sums[row * count + chunk] = along;
      } else if (reduces && !own && hand_in(levels, row, chunk, count, sum, along) && t == 0) {
        conclude<P>(p, row, sum, along);
      }
    } while (own && ++chunk < count);
    if (own && reduces) {
      if (count > 1) {
        __syncwarp();
        sum = sum_chunk(p.sums + row * count, 0, count);
        if (sums_along) along = sum_chunk(p.divisor_sums + row * count, 0, count);
      }
      if (t == 0) conclude<P>(p, row, sum, along);
    }
  }
}

}  // namespace rich

// The kernels of one storage type, SMOOTHL1_STORAGE; all but the divisor with both kinds of quotient, of which only _div has a beta by
// element. Package kernels lists them in Go.
//
//   rich_forward           terms, abs, and the reduced loss or the losses of the rows
//   rich_forward_backward  these, the gradients and the second derivative
//   divisor                divisors: the number of elements that the mask keeps, or the sum of the weights, of the array or each row
#define KERNEL(name, blocks, storage, ...)                                                                              \
  extern "C" __global__ void __launch_bounds__(kMaxThreads, blocks) smoothl1_##name(const RichParams<storage::Compute> p) { \
    rich::launch<storage, __VA_ARGS__>(p);                                                                              \
  }
#define KERNELS_OF(storage)                                                                              \
  KERNEL(rich_forward_##storage##_mul, storage::kBlocks, storage, rich::kForward, false)                 \
  KERNEL(rich_forward_##storage##_div, storage::kBlocks, storage, rich::kForward, true)                  \
  KERNEL(rich_forward_backward_##storage##_mul, storage::kBlocks, storage, rich::kForwardBackward, false) \
  KERNEL(rich_forward_backward_##storage##_div, 1, storage, rich::kForwardBackward, true)                \
  KERNEL(divisor_##storage, 2, storage, rich::kDivisor, false)
#define KERNELS(storage) KERNELS_OF(storage)

KERNELS(SMOOTHL1_STORAGE)
