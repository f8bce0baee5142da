// Smooth L1, Huber and L1 loss: forward, backward, and both in one pass. The file is compiled once for each storage type.
//
// With d = pred - target, a = |d|, upstream gradient g and norm n (1, or 1/count for a mean):
//
//              loss term                                      gradient with respect to pred
//   smooth L1  a < beta ? ((0.5*a)*a)/beta : a - 0.5*beta     d < -beta ? -(n*g) : d > beta ? n*g : ((n*d)*g)/beta
//   Huber      a < delta ? (0.5*a)*a : delta*(a - 0.5*delta)  d < -delta ? -(n*g)*delta : d > delta ? (n*g)*delta : (n*d)*g
//   L1         a                                              d > 0 ? n*g : d < 0 ? -(n*g) : d == 0 ? +0 : d
//
// The gradient with respect to target is its negative. The order of operations of smooth L1 is that of PyTorch's CUDA
// kernels. Every operation is rounded once, to nearest even, in the computing type: this file is compiled with
// -fmad=false (a fused multiply-add rounds once where the formula rounds twice), IEEE division, and no flushing of subnormals.
//
// One formula serves all three losses. Multiplying by 1 is exact, so with
//
//              threshold   outer   the quotient x/beta is
//   smooth L1  beta        1       x/beta, or x*inverse if 1/beta is a power of two and finite (the bits are the same)
//   Huber      delta       delta   x*inverse, inverse = 1
//   L1         0           1       never selected by the term; the gradient's middle branch (d = 0 or NaN) is replaced by +0 at 0
//
// each kernel exists twice: _mul multiplies by `inverse`, _div divides by `threshold`.
//
// Special cases: a NaN in either input makes the loss and that element's gradient NaN (a comparison with NaN is false, and
// both false branches compute with d). Inf - finite has loss Inf and gradient n*g. Inf - Inf is NaN. At |d| == beta the
// gradient takes the middle branch and the loss the outer one, as in PyTorch.
//
// The canonical sum. All terms are widened to double, which is exact, and added in an order that depends only on their number:
//   1. The array is divided into chunks of 2048 elements, the last one padded with +0.
//   2. A chunk is 16 rows of 128 lanes; lane j starts at +0 and adds elements j, j+128, ..., j+1920, in that order.
//   3. The 128 lanes are folded by halves, lane i += lane i+64, then i+32, ..., i+1, into one chunk sum.
//   4. The chunk sums are summed by the same rule until one number is left.
// A warp processes a chunk. Each thread keeps four lanes in registers and folds them with other threads by shuffles, without
// shared memory. A fold over xor partners adds the same pairs as the fold by halves, since a + b == b + a.
//
// Bytes of device memory per element, f32 (f64: twice): forward 8, forward_terms 12, backward 12 (+4 elementwise upstream),
// forward_backward 12; 4 more for the second gradient, and 8 per 2048 elements for the chunk sums.
//
// Launch. Grid: any number of blocks >= 1, one-dimensional; block: full warps, 32 to 256 threads; no dynamic shared memory. The
// shape of the grid affects the speed but not the result. The only argument is a Params. Pointers must be aligned to the element
// type; if all arrays of a launch are aligned to 16 bytes, full rows are read and written 16 bytes at a time. An output may be
// the same array as an input (each thread reads an element before it overwrites it), but must not partially overlap one.

typedef unsigned long long u64;

constexpr int kWarp = 32;
constexpr int kMaxThreads = 256;
constexpr int kLanes = 128;  // lanes of a row; the constants of the canonical sum are part of the interface
constexpr int kRows = 16;    // rows of a chunk
constexpr int kChunk = kLanes * kRows;
constexpr int kOwn = kLanes / kWarp;  // lanes of a thread

// ------------------------------------------------------------------------------------------------------------- parameters

// A word of 8 bytes that holds a number of the computing type T. A float is in the low 4 bytes.
template <typename T>
struct alignas(8) Number {
  T value;
};

// The parameter of every kernel, passed by value: words of 8 bytes, with the same layout for every T. A kernel reads only the
// fields that its pass needs. internal/op.Params mirrors it in Go. The arrays come last, so that others can be added.
template <typename T>
struct Params {
  u64 n;  // elements
  Number<T> threshold;
  Number<T> inverse;
  Number<T> outer;
  Number<T> norm;
  Number<T> g;       // the upstream gradient, unless elementwise
  double divisor;    // of the sum: the count for a mean, else 1
  double* sums;      // the chunk sums, followed by those of each further level
  double* value;     // the reduced loss
  unsigned* ticket;  // 0 before and after a launch
  const void* pred;
  const void* target;
  const void* upstream;
  void* terms;
  void* grad_pred;    // or null
  void* grad_target;  // or null
};

// ---------------------------------------------------------------------------------------------------------------- formula

// T is the computing type.
template <typename T>
struct Formula {
  T threshold;  // beta or delta; 0 for L1
  T inverse;    // the factor by which the _mul kernels multiply instead of dividing by beta
  T outer;      // delta for Huber, else 1

  // The quotient x/beta of the table above.
  template <bool Div>
  __device__ T over_beta(T x) const {
    return Div ? x / threshold : x * inverse;
  }

  template <bool Div>
  __device__ T term(T d) const {
    const T a = fabs(d);
    const T inner = over_beta<Div>((T(0.5) * a) * a);
    const T tail = a - T(0.5) * threshold;
    return a < threshold ? inner : (Div ? tail : outer * tail);
  }

  // Gradient with respect to pred for the upstream gradient g.
  template <bool Div>
  __device__ T gradient(T d, T norm, T g) const {
    const T side = Div ? norm * g : (norm * g) * outer;
    T middle = over_beta<Div>((norm * d) * g);
    if (!Div) {  // L1: +0 at d = 0, for every g. For the other losses flat is NaN, which compares equal to nothing
      const T flat = threshold == T(0) ? T(0) : T(__int_as_float(0x7fffffff));
      if (d == flat) middle = T(0);
    }
    return d < -threshold ? -side : d > threshold ? side : middle;
  }
};

// ----------------------------------------------------------------------------------------------------------------- memory

// A storage type describes the elements in memory and the type in which they are computed. The code below works for any storage.
//
// Each of the 32 threads of a warp owns four of the 128 lanes of a row. Full rows of aligned arrays are read and written in
// pieces of 16 bytes, so that a warp accesses 512 contiguous bytes at a time. f32: thread t owns lanes 4t .. 4t+3. f64: lanes
// 2t, 2t+1 and 64+2t, 64+2t+1.

struct f32 {
  typedef float Element;  // in memory
  typedef float Compute;  // the computing type
  typedef float4 Piece;
  static constexpr int kPer = 4;    // elements of a piece
  static constexpr int kBatch = 8;  // rows loaded before the first use: with two arrays, 16 loads of 16 bytes in flight
  static __device__ Compute widen(Element x) { return x; }
  static __device__ Element narrow(Compute x) { return x; }
  static __device__ void widen(Piece v, Compute* x) { x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w; }
  static __device__ Piece narrow(const Compute* x) { return make_float4(x[0], x[1], x[2], x[3]); }
};

struct f64 {
  typedef double Element;
  typedef double Compute;
  typedef double2 Piece;
  static constexpr int kPer = 2;
  static constexpr int kBatch = 4;
  static __device__ Compute widen(Element x) { return x; }
  static __device__ Element narrow(Compute x) { return x; }
  static __device__ void widen(Piece v, Compute* x) { x[0] = v.x, x[1] = v.y; }
  static __device__ Piece narrow(const Compute* x) { return make_double2(x[0], x[1]); }
};

// A short last chunk, or a chunk of arrays that are not aligned to 16 bytes, is accessed one element at a time. Thread t then
// owns lanes t, t+32, t+64, t+96, so that the accesses of a warp are still contiguous.

// The k-th lane of the thread, if a thread owns runs of Per consecutive lanes.
template <int Per>
__device__ inline int own_lane(int k) {
  return k / Per * (kWarp * Per) + threadIdx.x % kWarp * Per + k % Per;
}

// Loads and widens this thread's elements of the row that begins at element `start`; elements from n on are 0. The loads are
// plain ones, not ld.global.nc, because an output may be the same array.
template <bool Whole, typename S>
__device__ inline void load_row(typename S::Compute (&x)[kOwn], const typename S::Element* base, u64 start, u64 n) {
  if (Whole) {
#pragma unroll
    for (int k = 0; k < kOwn; k += S::kPer)
      S::widen(*reinterpret_cast<const typename S::Piece*>(base + start + own_lane<S::kPer>(k)), &x[k]);
  } else {
#pragma unroll
    for (int k = 0; k < kOwn; ++k) {
      const u64 i = start + own_lane<1>(k);
      x[k] = i < n ? S::widen(base[i]) : typename S::Compute(0);
    }
  }
}

template <bool Whole, typename S>
__device__ inline void store_row(typename S::Element* base, const typename S::Compute (&x)[kOwn], u64 start, u64 n) {
  if (Whole) {
#pragma unroll
    for (int k = 0; k < kOwn; k += S::kPer)
      *reinterpret_cast<typename S::Piece*>(base + start + own_lane<S::kPer>(k)) = S::narrow(&x[k]);
  } else {
#pragma unroll
    for (int k = 0; k < kOwn; ++k) {
      const u64 i = start + own_lane<1>(k);
      if (i < n) base[i] = S::narrow(x[k]);
    }
  }
}

template <typename S>
__device__ inline bool aligned(const void* p) {
  return reinterpret_cast<u64>(p) % sizeof(typename S::Piece) == 0;
}

// ---------------------------------------------------------------------------------------------------------- canonical sum

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

// The last step of a reduction, in the same launch: the last block to finish sums the `count` chunk sums level by level, storing
// each level after the previous one in `sums`, and writes value = sum / divisor (0/0 for the mean of an empty array). The ticket
// is 0 before and after: the atomicInc of the last block wraps it.
__device__ inline void finish(double* sums, u64 count, double divisor, double* value, unsigned* ticket) {
  __shared__ unsigned drawn;
  __threadfence();  // release: this thread's chunk sums are visible to all blocks before the ticket is drawn
  __syncthreads();
  if (threadIdx.x == 0) drawn = atomicInc(ticket, gridDim.x - 1);
  __syncthreads();
  if (drawn != gridDim.x - 1) return;
  __threadfence();  // acquire: the sums are read after the ticket is drawn
  u64 n = count;
#pragma unroll 1
  while (n > 1) {
    double* next = sums + n;
#pragma unroll 1
    for (u64 chunk = warp_of_block(); chunk < chunks_of(n); chunk += warps_of_block()) {
      const double sum = sum_chunk(sums, chunk * kChunk, n);
      if (threadIdx.x % kWarp == 0) next[chunk] = sum;
    }
    __syncthreads();
    sums = next;
    n = chunks_of(n);
  }
  if (threadIdx.x == 0) *value = (n ? __ldcg(sums) : 0.0) / divisor;
}

// ------------------------------------------------------------------------------------------------------------------ walks

// What one pass over the arrays computes, as internal/op.Pass in Go.
enum Pass { kForwardTerms, kForward, kBackward, kForwardBackward };

__device__ constexpr bool reduces(Pass p) { return p == kForward || p == kForwardBackward; }
__device__ constexpr bool differentiates(Pass p) { return p == kBackward || p == kForwardBackward; }

// The parameters, typed for a storage type; arrays that the pass does not use are null.
template <typename S>
struct Work {
  typedef typename S::Compute T;
  Formula<T> formula;
  const typename S::Element* pred;
  const typename S::Element* target;
  const typename S::Element* upstream;  // elementwise, or null
  typename S::Element* terms;
  typename S::Element* grad_pred;
  typename S::Element* grad_target;
  T norm;
  T g;
  u64 n;
};

// Processes one chunk: writes loss terms or gradients and, for a reduction, adds the terms to this thread's lanes.
template <bool Whole, typename S, Pass P, bool Div, bool Elementwise>
__device__ inline void chunk_of(const Work<S>& w, u64 start, double (&lane)[kOwn]) {
  typedef typename S::Compute T;
  constexpr int batch = S::kBatch / (Whole ? 1 : 2) / (Elementwise ? 2 : 1);
#pragma unroll 1
  for (int row = 0; row < kRows && (Whole || start + row * kLanes < w.n); row += batch) {
    const u64 first = start + row * kLanes;
    T pred[batch][kOwn], target[batch][kOwn], upstream[batch][kOwn];
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      load_row<Whole, S>(pred[r], w.pred, first + r * kLanes, w.n);
      load_row<Whole, S>(target[r], w.target, first + r * kLanes, w.n);
      if (Elementwise) load_row<Whole, S>(upstream[r], w.upstream, first + r * kLanes, w.n);
    }
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      T out[kOwn];
      if (P == kForwardTerms || reduces(P)) {
#pragma unroll
        for (int k = 0; k < kOwn; ++k) {
          out[k] = w.formula.template term<Div>(pred[r][k] - target[r][k]);
          if (reduces(P)) lane[k] += double(out[k]);
        }
        if (P == kForwardTerms) store_row<Whole, S>(w.terms, out, first + r * kLanes, w.n);
      }
      if (differentiates(P)) {
#pragma unroll
        for (int k = 0; k < kOwn; ++k)
          out[k] = w.formula.template gradient<Div>(pred[r][k] - target[r][k], w.norm, Elementwise ? upstream[r][k] : w.g);
        if (w.grad_pred) store_row<Whole, S>(w.grad_pred, out, first + r * kLanes, w.n);
        if (w.grad_target) {
#pragma unroll
          for (int k = 0; k < kOwn; ++k) out[k] = -out[k];
          store_row<Whole, S>(w.grad_target, out, first + r * kLanes, w.n);
        }
      }
    }
  }
}

// Processes all chunks, distributing them over the warps of the grid.
template <typename S, Pass P, bool Div, bool Elementwise>
__device__ inline void walk(const Work<S>& w, double* sums) {
  const bool whole = aligned<S>(w.pred) && aligned<S>(w.target) && aligned<S>(w.upstream) && aligned<S>(w.terms) &&
                     aligned<S>(w.grad_pred) && aligned<S>(w.grad_target);
  const u64 warps = u64(gridDim.x) * warps_of_block();
#pragma unroll 1
  for (u64 chunk = u64(blockIdx.x) * warps_of_block() + warp_of_block(); chunk < chunks_of(w.n); chunk += warps) {
    const u64 start = chunk * kChunk;
    double lane[kOwn] = {0, 0, 0, 0};
    double sum;
    if (whole && w.n - start >= kChunk) {
      chunk_of<true, S, P, Div, Elementwise>(w, start, lane);
      if (reduces(P)) sum = fold<S::kPer>(lane);
    } else {
      chunk_of<false, S, P, Div, Elementwise>(w, start, lane);
      if (reduces(P)) sum = fold<1>(lane);
    }
    if (reduces(P) && threadIdx.x % kWarp == 0) sums[chunk] = sum;
  }
}

// ---------------------------------------------------------------------------------------------------------------- kernels

// A whole launch.
template <typename S, Pass P, bool Div, bool Elementwise>
__device__ inline void launch(const Params<typename S::Compute>& p) {
  typedef typename S::Compute T;
  typedef typename S::Element E;
  constexpr bool gradient = differentiates(P);
  const Work<S> w = {
      {p.threshold.value, p.inverse.value, p.outer.value},
      static_cast<const E*>(p.pred),
      static_cast<const E*>(p.target),
      Elementwise ? static_cast<const E*>(p.upstream) : nullptr,
      P == kForwardTerms ? static_cast<E*>(p.terms) : nullptr,
      gradient ? static_cast<E*>(p.grad_pred) : nullptr,
      gradient ? static_cast<E*>(p.grad_target) : nullptr,
      gradient ? p.norm.value : T(1),
      gradient && !Elementwise ? p.g.value : T(1),
      p.n,
  };
  walk<S, P, Div, Elementwise>(w, p.sums);
  if (reduces(P)) finish(p.sums, chunks_of(p.n), p.divisor, p.value, p.ticket);
}

// The kernels of one storage type, SMOOTHL1_STORAGE, each with both kinds of quotient. Package kernels lists them in Go.
//
//   forward_terms         terms[i], the loss without reduction
//   forward               *value, the reduced loss
//   backward              grad_pred and/or grad_target for the upstream gradient g
//   backward_elementwise  the same for the upstream gradient upstream[i]
//   forward_backward      *value and the gradients in one pass
#define KERNEL(name, storage, quotient, ...)                                                                                \
  extern "C" __global__ void __launch_bounds__(kMaxThreads, 1) smoothl1_##name##_##storage##_##quotient(const Params<storage::Compute> p) { \
    launch<storage, __VA_ARGS__>(p);                                                                                        \
  }
#define KERNELS(storage, quotient, Div)                                            \
  KERNEL(forward_terms, storage, quotient, kForwardTerms, Div, false)              \
  KERNEL(forward, storage, quotient, kForward, Div, false)                         \
  KERNEL(backward, storage, quotient, kBackward, Div, false)                       \
  KERNEL(backward_elementwise, storage, quotient, kBackward, Div, true)            \
  KERNEL(forward_backward, storage, quotient, kForwardBackward, Div, false)

KERNELS(SMOOTHL1_STORAGE, mul, false)
KERNELS(SMOOTHL1_STORAGE, div, true)
