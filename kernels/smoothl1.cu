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
// -fmad=false (a fused multiply-add rounds once where the formula rounds twice) and nvcc's IEEE division; subnormals stay.
//
// One formula serves all three rows. Multiplying by 1 is exact, so with
//
//              threshold   outer   the quotient x/beta is
//   smooth L1  beta        1       x/beta, or x*inverse where 1/beta is a power of two and finite (then both are exact alike)
//   Huber      delta       delta   x*inverse, inverse = 1
//   L1         0           1       never selected by the term; the gradient's middle branch, d = 0 or NaN, is mended to +0 at 0
//
// each kernel exists twice: _mul multiplies by `inverse`, _div divides by `threshold`.
//
// At the edges: NaN in either input gives NaN in the loss and in that element's gradient (a comparison with NaN is false, and
// both false branches compute with d). Inf - finite gives loss Inf and gradient n*g. Inf - Inf is NaN. At |d| == beta the
// middle branch of the gradient is taken and the outer one of the loss, as in PyTorch.
//
// The canonical sum. All terms widen exactly to double and are added in an order that depends on the count alone:
//   1. The array is cut into chunks of 2048 elements; what a short last chunk lacks counts as +0.
//   2. A chunk is 16 rows of 128 lanes; lane j starts at +0 and adds elements j, j+128, ..., j+1920, in that order.
//   3. The 128 lanes are folded by halves, lane i += lane i+64, then i+32, ..., i+1, to one chunk sum.
//   4. The chunk sums are summed by the same rule until one number is left.
// A warp takes a chunk. Each thread keeps four lanes in registers, folds them with its neighbours by shuffles, and shared
// memory is not needed. A fold over xor partners adds the same pairs as the fold by halves, since a + b == b + a.
//
// Bytes of device memory per element, f32 (f64: twice): forward 8, forward_terms 12, backward 12 (+4 elementwise upstream),
// forward_backward 12; each 4 more where both gradients are asked for, and 8 per 2048 elements for the chunk sums.
//
// Launch. Grid: any number of blocks >= 1, one-dimensional; block: whole warps, 32 to 256 threads; no dynamic shared
// memory. The grid changes the speed and never a bit of the result. The one argument is a Params. Pointers are aligned to the
// element type; where all of a launch's arrays are aligned to 16 bytes, full rows are read and written 16 bytes at a time. An
// output may be the very array of an input (each thread reads what it overwrites before it writes), but must not overlap one
// in part.

typedef unsigned long long u64;

constexpr int kWarp = 32;
constexpr int kMaxThreads = 256;
constexpr int kLanes = 128;  // lanes of a row; constants of the canonical sum, part of the interface
constexpr int kRows = 16;    // rows of a chunk
constexpr int kChunk = kLanes * kRows;
constexpr int kOwn = kLanes / kWarp;  // lanes that one thread keeps

// ------------------------------------------------------------------------------------------------------------- parameters

// A word of 8 bytes that holds a number of the computing type T: a float in its low 4 bytes.
template <typename T>
struct alignas(8) Number {
  T value;
};

// What every kernel takes, by value: words of 8 bytes, the same whatever T is. A kernel reads those that its pass needs, the
// others may hold anything. internal/op.Params is its twin in Go. The arrays come last, where more can follow.
template <typename T>
struct Params {
  u64 n;  // elements
  Number<T> threshold;
  Number<T> inverse;
  Number<T> outer;
  Number<T> norm;
  Number<T> g;       // the upstream gradient, where it is not by element
  double divisor;    // of the sum: the count for a mean, else 1
  double* sums;      // the chunk sums, and behind them those of each further level
  double* value;     // the reduced loss
  unsigned* ticket;  // 0 before and after
  const void* pred;
  const void* target;
  const void* upstream;
  void* terms;
  void* grad_pred;  // null: not wanted
  void* grad_target;
};

// ---------------------------------------------------------------------------------------------------------------- formula

// T is the computing type.
template <typename T>
struct Formula {
  T threshold;  // beta or delta; 0 for L1
  T inverse;    // what the _mul kernels multiply by in place of a division by beta
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
    if (!Div) {  // L1: +0 at d = 0, whatever g is. For the other losses flat is NaN, which compares equal to nothing
      const T flat = threshold == T(0) ? T(0) : T(__int_as_float(0x7fffffff));
      if (d == flat) middle = T(0);
    }
    return d < -threshold ? -side : d > threshold ? side : middle;
  }
};

// ----------------------------------------------------------------------------------------------------------------- memory

// A storage type says what lies in memory and what it is computed in. Everything below is written for any of them.
//
// The 128 lanes of a row are dealt to the 32 threads of a warp, four to each. Whole rows of aligned arrays are read and written
// in pieces of 16 bytes, so that a warp's load is one run of 512 bytes. f32: thread t owns lanes 4t .. 4t+3. f64: lanes 2t, 2t+1
// and 64+2t, 64+2t+1.

struct f32 {
  typedef float Element;  // in memory
  typedef float Compute;  // what it widens to and narrows from
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

// Everything else, that is a short last chunk, or arrays aligned to their elements only: one element at a time, thread t owns
// lanes t, t+32, t+64, t+96, so that a warp's load is still one run.

// The lane that is the thread's k-th, where it owns runs of Per neighbours.
template <int Per>
__device__ inline int own_lane(int k) {
  return k / Per * (kWarp * Per) + threadIdx.x % kWarp * Per + k % Per;
}

// The elements of one row that this thread owns, widened; the row's lane 0 is element `start`, and what lies at or past n reads
// as 0. Plain loads, not the read-only path: an output may be the array of an input.
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

// One step of the fold for `Count` own lanes: each meets the same lane of the thread `far` away.
template <int Count>
__device__ inline void fold_threads(double (&lane)[kOwn]) {
#pragma unroll
  for (int far = kWarp / 2; far; far /= 2) {
#pragma unroll
    for (int k = 0; k < Count; ++k) lane[k] += __shfl_xor_sync(0xffffffffu, lane[k], far);
  }
}

// Folds a warp's 128 lanes to their sum, which every thread gets. Whether the partner of a lane, 64, 32, ..., 1 further on,
// is in another thread or among one's own follows from how lanes are dealt: `Per` neighbours to a thread.
template <int Per>
__device__ inline double fold(double (&lane)[kOwn]) {
  if (Per < 4) lane[0] += lane[2], lane[1] += lane[3];  // lanes +64 are one's own
  if (Per < 2) lane[0] += lane[1];                      // and lanes +32
  fold_threads<Per>(lane);
  if (Per == 4) lane[0] += lane[2], lane[1] += lane[3];  // lanes +2 are one's own
  if (Per >= 2) lane[0] += lane[1];                      // and lanes +1
  return lane[0];
}

__device__ inline u64 chunks_of(u64 n) { return n / kChunk + (n % kChunk != 0); }
__device__ inline unsigned warp_of_block() { return threadIdx.x / kWarp; }
__device__ inline unsigned warps_of_block() { return blockDim.x / kWarp; }

// One chunk sum of an array of chunk sums that other blocks wrote: read from L2, past the L1 of this multiprocessor, which is
// not coherent.
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

// The last step of a reduction, in the same launch: the last block to arrive sums the `count` chunk sums level by level, each
// level behind the one before it in `sums`, and writes value = sum / divisor (the count for a mean, else 1; mean of nothing:
// 0/0). The ticket is 0 before and after: atomicInc wraps it when the last block has drawn.
__device__ inline void finish(double* sums, u64 count, double divisor, double* value, unsigned* ticket) {
  __shared__ unsigned drawn;
  __threadfence();  // this thread's chunk sums are visible to every block before the ticket is drawn
  __syncthreads();
  if (threadIdx.x == 0) drawn = atomicInc(ticket, gridDim.x - 1);
  __syncthreads();
  if (drawn != gridDim.x - 1) return;
  __threadfence();  // and the sums are not read before it
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

// What one walk over the arrays computes, as internal/op.Pass has it.
enum Pass { kForwardTerms, kForward, kBackward, kForwardBackward };

__device__ constexpr bool reduces(Pass p) { return p == kForward || p == kForwardBackward; }
__device__ constexpr bool differentiates(Pass p) { return p == kBackward || p == kForwardBackward; }

// The parameters in the types of a storage; the arrays that a pass does not have are null.
template <typename S>
struct Work {
  typedef typename S::Compute T;
  Formula<T> formula;
  const typename S::Element* pred;
  const typename S::Element* target;
  const typename S::Element* upstream;  // by element
  typename S::Element* terms;
  typename S::Element* grad_pred;
  typename S::Element* grad_target;
  T norm;
  T g;
  u64 n;
};

// One chunk: loss terms, gradients, and, for a reduction, the terms added to this thread's lanes.
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

// All chunks, dealt to the warps of the grid in turn.
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

// The kernels of one storage type, SMOOTHL1_STORAGE, each with both ways to the quotient. Package kernels lists them in Go.
//
//   forward_terms         terms[i], the loss without reduction
//   forward               *value, the reduced loss
//   backward              grad_pred and/or grad_target for the upstream gradient g, a number
//   backward_elementwise  the same for upstream[i]
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
