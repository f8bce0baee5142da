// Smooth L1, Huber and L1 loss: forward, backward, and both in one pass, float32 and float64.
//
// With d = pred - target, a = |d|, upstream gradient g and norm n (1, or 1/count for a mean):
//
//              loss term                                      gradient with respect to pred
//   smooth L1  a < beta ? ((0.5*a)*a)/beta : a - 0.5*beta     d < -beta ? -(n*g) : d > beta ? n*g : ((n*d)*g)/beta
//   Huber      a < delta ? (0.5*a)*a : delta*(a - 0.5*delta)  d < -delta ? -(n*g)*delta : d > delta ? (n*g)*delta : (n*d)*g
//   L1         a                                              d > 0 ? n*g : d < 0 ? -(n*g) : d == 0 ? +0 : d
//
// The gradient with respect to target is its negative. The order of operations of smooth L1 is that of PyTorch's CUDA
// kernels. Every operation is rounded once, to nearest even, in the type of the arrays: this file is compiled with
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
// memory. The grid changes the speed and never a bit of the result. Pointers are aligned to the element type; where all of
// a launch's arrays are aligned to 16 bytes, full rows are read and written 16 bytes at a time. An output may be the very
// array of an input (each thread reads what it overwrites before it writes), but must not overlap one in part.

typedef unsigned long long u64;

constexpr int kWarp = 32;
constexpr int kMaxThreads = 256;
constexpr int kLanes = 128;  // lanes of a row; constants of the canonical sum, part of the interface
constexpr int kRows = 16;    // rows of a chunk
constexpr int kChunk = kLanes * kRows;
constexpr int kOwn = kLanes / kWarp;  // lanes that one thread keeps

// ---------------------------------------------------------------------------------------------------------------- formula

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
    if (!Div) {  // L1: +0 at d = 0, whatever g is; nothing equals the NaN that other losses compare with
      const T flat = threshold == T(0) ? T(0) : T(__int_as_float(0x7fffffff));
      if (d == flat) middle = T(0);
    }
    return d < -threshold ? -side : d > threshold ? side : middle;
  }
};

// ----------------------------------------------------------------------------------------------------------------- memory

// How the 128 lanes of a row are dealt to the 32 threads of a warp, four to each.
//
// Whole rows of aligned arrays: in pieces of 16 bytes, so that a warp's load is one run of 512 bytes. float: thread t owns
// lanes 4t .. 4t+3. double: lanes 2t, 2t+1 and 64+2t, 64+2t+1.
template <typename T>
struct Pieces;

template <>
struct Pieces<float> {
  typedef float4 Piece;
  static constexpr int kPer = 4;    // elements of a piece
  static constexpr int kBatch = 8;  // rows loaded before the first use: with two arrays, 16 loads of 16 bytes in flight
};

template <>
struct Pieces<double> {
  typedef double2 Piece;
  static constexpr int kPer = 2;
  static constexpr int kBatch = 4;
};

__device__ inline void unpack(float4 v, float* x) { x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w; }
__device__ inline void unpack(double2 v, double* x) { x[0] = v.x, x[1] = v.y; }
__device__ inline float4 pack(const float* x) { return make_float4(x[0], x[1], x[2], x[3]); }
__device__ inline double2 pack(const double* x) { return make_double2(x[0], x[1]); }

// Everything else, that is a short last chunk, or arrays aligned to their elements only: one element at a time, thread t owns
// lanes t, t+32, t+64, t+96, so that a warp's load is still one run.

// The lane that is the thread's k-th.
template <bool Whole, typename T>
__device__ inline int own_lane(int k) {
  constexpr int per = Whole ? Pieces<T>::kPer : 1;
  return k / per * (kWarp * per) + threadIdx.x % kWarp * per + k % per;
}

// The elements of one row that this thread owns; the row's lane 0 is element `start`, and what lies at or past n reads as 0.
// Plain loads, not the read-only path: an output may be the array of an input.
template <bool Whole, typename T>
__device__ inline void load_row(T (&x)[kOwn], const T* base, u64 start, u64 n) {
  if (Whole) {
#pragma unroll
    for (int k = 0; k < kOwn; k += Pieces<T>::kPer)
      unpack(*reinterpret_cast<const typename Pieces<T>::Piece*>(base + start + own_lane<Whole, T>(k)), &x[k]);
  } else {
#pragma unroll
    for (int k = 0; k < kOwn; ++k) {
      const u64 i = start + own_lane<Whole, T>(k);
      x[k] = i < n ? base[i] : T(0);
    }
  }
}

template <bool Whole, typename T>
__device__ inline void store_row(T* base, const T (&x)[kOwn], u64 start, u64 n) {
  if (Whole) {
#pragma unroll
    for (int k = 0; k < kOwn; k += Pieces<T>::kPer)
      *reinterpret_cast<typename Pieces<T>::Piece*>(base + start + own_lane<Whole, T>(k)) = pack(&x[k]);
  } else {
#pragma unroll
    for (int k = 0; k < kOwn; ++k) {
      const u64 i = start + own_lane<Whole, T>(k);
      if (i < n) base[i] = x[k];
    }
  }
}

__device__ inline bool aligned16(const void* p) { return reinterpret_cast<u64>(p) % 16 == 0; }

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
        const u64 i = start + (row + r) * kLanes + own_lane<false, double>(k);
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

// What a launch computes; unused arrays are null, and gradients may be either or both.
template <typename T>
struct Work {
  Formula<T> formula;
  const T* pred;
  const T* target;
  const T* upstream;  // elementwise upstream gradient; null: the number g
  T* terms;
  T* grad_pred;
  T* grad_target;
  T norm;
  T g;
  u64 n;
};

// One chunk: loss terms, gradients, and, for a reduction, the terms added to this thread's lanes.
template <bool Whole, bool Div, bool Terms, bool Sum, bool Gradient, bool Elementwise, typename T>
__device__ inline void chunk_of(const Work<T>& w, u64 start, double (&lane)[kOwn]) {
  constexpr int batch = Pieces<T>::kBatch / (Whole ? 1 : 2) / (Elementwise ? 2 : 1);
#pragma unroll 1
  for (int row = 0; row < kRows && (Whole || start + row * kLanes < w.n); row += batch) {
    const u64 first = start + row * kLanes;
    T pred[batch][kOwn], target[batch][kOwn], upstream[batch][kOwn];
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      load_row<Whole>(pred[r], w.pred, first + r * kLanes, w.n);
      load_row<Whole>(target[r], w.target, first + r * kLanes, w.n);
      if (Elementwise) load_row<Whole>(upstream[r], w.upstream, first + r * kLanes, w.n);
    }
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      T out[kOwn];
      if (Terms || Sum) {
#pragma unroll
        for (int k = 0; k < kOwn; ++k) {
          out[k] = w.formula.template term<Div>(pred[r][k] - target[r][k]);
          if (Sum) lane[k] += double(out[k]);
        }
        if (Terms) store_row<Whole>(w.terms, out, first + r * kLanes, w.n);
      }
      if (Gradient) {
#pragma unroll
        for (int k = 0; k < kOwn; ++k)
          out[k] = w.formula.template gradient<Div>(pred[r][k] - target[r][k], w.norm, Elementwise ? upstream[r][k] : w.g);
        if (w.grad_pred) store_row<Whole>(w.grad_pred, out, first + r * kLanes, w.n);
        if (w.grad_target) {
#pragma unroll
          for (int k = 0; k < kOwn; ++k) out[k] = -out[k];
          store_row<Whole>(w.grad_target, out, first + r * kLanes, w.n);
        }
      }
    }
  }
}

// All chunks, dealt to the warps of the grid in turn.
template <bool Div, bool Terms, bool Sum, bool Gradient, bool Elementwise, typename T>
__device__ inline void walk(const Work<T>& w, double* sums) {
  const bool aligned = aligned16(w.pred) && aligned16(w.target) && aligned16(w.upstream) && aligned16(w.terms) &&
                       aligned16(w.grad_pred) && aligned16(w.grad_target);
  const u64 warps = u64(gridDim.x) * warps_of_block();
#pragma unroll 1
  for (u64 chunk = u64(blockIdx.x) * warps_of_block() + warp_of_block(); chunk < chunks_of(w.n); chunk += warps) {
    const u64 start = chunk * kChunk;
    double lane[kOwn] = {0, 0, 0, 0};
    double sum;
    if (aligned && w.n - start >= kChunk) {
      chunk_of<true, Div, Terms, Sum, Gradient, Elementwise>(w, start, lane);
      if (Sum) sum = fold<Pieces<T>::kPer>(lane);
    } else {
      chunk_of<false, Div, Terms, Sum, Gradient, Elementwise>(w, start, lane);
      if (Sum) sum = fold<1>(lane);
    }
    if (Sum && threadIdx.x % kWarp == 0) sums[chunk] = sum;
  }
}

// ---------------------------------------------------------------------------------------------------------------- kernels


// SMOOTHL1_KERNELS(T, type, quotient, Div) defines the five kernels of one element type and one way to the quotient.
//
//   forward_terms         terms[i], the loss without reduction
//   forward               *value, the reduced loss
//   backward              grad_pred and/or grad_target (null: not wanted) for the upstream gradient g, a number
//   backward_elementwise  the same for upstream[i]
//   forward_backward      *value and the gradients in one pass
//
// `sums` has room for the chunk sums of n and of each further level.
#define SMOOTHL1_KERNELS(T, type, quotient, Div)                                                                            \
  extern "C" __global__ void __launch_bounds__(kMaxThreads, 1) smoothl1_forward_terms_##type##_##quotient(                     \
      T* terms, const T* pred, const T* target, u64 n, T threshold, T inverse, T outer) {                                   \
    const Work<T> w = {{threshold, inverse, outer}, pred, target, nullptr, terms, nullptr, nullptr, T(1), T(1), n};         \
    walk<Div, true, false, false, false>(w, nullptr);                                                                       \
  }                                                                                                                         \
  extern "C" __global__ void __launch_bounds__(kMaxThreads, 1) smoothl1_forward_##type##_##quotient(                           \
      const T* pred, const T* target, u64 n, T threshold, T inverse, T outer, double* sums, double divisor, double* value,  \
      unsigned* ticket) {                                                                                                   \
    const Work<T> w = {{threshold, inverse, outer}, pred, target, nullptr, nullptr, nullptr, nullptr, T(1), T(1), n};       \
    walk<Div, false, true, false, false>(w, sums);                                                                          \
    finish(sums, chunks_of(n), divisor, value, ticket);                                                                     \
  }                                                                                                                         \
  extern "C" __global__ void __launch_bounds__(kMaxThreads, 1) smoothl1_backward_##type##_##quotient(                          \
      T* grad_pred, T* grad_target, const T* pred, const T* target, u64 n, T threshold, T inverse, T outer, T norm, T g) {  \
    const Work<T> w = {{threshold, inverse, outer}, pred, target, nullptr, nullptr, grad_pred, grad_target, norm, g, n};    \
    walk<Div, false, false, true, false>(w, nullptr);                                                                       \
  }                                                                                                                         \
  extern "C" __global__ void __launch_bounds__(kMaxThreads, 1) smoothl1_backward_elementwise_##type##_##quotient(              \
      T* grad_pred, T* grad_target, const T* pred, const T* target, u64 n, T threshold, T inverse, T outer, T norm,         \
      const T* upstream) {                                                                                                  \
    const Work<T> w = {{threshold, inverse, outer}, pred, target, upstream, nullptr, grad_pred, grad_target, norm, T(1), n}; \
    walk<Div, false, false, true, true>(w, nullptr);                                                                        \
  }                                                                                                                         \
  extern "C" __global__ void __launch_bounds__(kMaxThreads, 1) smoothl1_forward_backward_##type##_##quotient(                  \
      T* grad_pred, T* grad_target, const T* pred, const T* target, u64 n, T threshold, T inverse, T outer, T norm, T g,    \
      double* sums, double divisor, double* value, unsigned* ticket) {                                                      \
    const Work<T> w = {{threshold, inverse, outer}, pred, target, nullptr, nullptr, grad_pred, grad_target, norm, g, n};    \
    walk<Div, false, true, true, false>(w, sums);                                                                           \
    finish(sums, chunks_of(n), divisor, value, ticket);                                                                     \
  }

SMOOTHL1_KERNELS(float, f32, mul, false)
SMOOTHL1_KERNELS(float, f32, div, true)
SMOOTHL1_KERNELS(double, f64, mul, false)
SMOOTHL1_KERNELS(double, f64, div, true)
