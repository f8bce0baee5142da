// Smooth L1, Huber and L1 loss: forward, backward, and both in one pass. The file is compiled once for each storage type.
//
// With d = pred - target, a = |d|, upstream gradient g and norm n (1, or 1/divisor for a mean):
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
// In float32, _div takes the quotient x/b without a division where that gives the same bits. With r = RN(1/b), `inverse`:
//
//   q = RN(x*r)    e = RN(q*b - x)    RN(x/b) = RN(q - e*r)    the last two by fused operations
//
// docs/contract.md has the proof. It asks for 2^-24 <= b < 2^24, and for an x that is 0 or of a magnitude from 2^-101 to 2^103, so that nothing
// underflows or overflows; the host turns that into a bound on |d|, `least`. A row with a smaller d that is not 0 is divided.
//
// Special cases: a NaN in either input makes the loss and that element's gradient NaN (comparisons with NaN are false, and
// the branch that is then taken computes with d). Inf - finite has loss Inf and gradient n*g. Inf - Inf is NaN. At |d| == beta the
// gradient takes the middle branch and the loss the outer one, as in PyTorch.
//
// Bytes of device memory per element, f32 (f64: twice; f16 and bf16: half): forward 8, forward_terms 12, backward 12 (+4 elementwise upstream),
// forward_backward 12; 4 more for the second gradient, and 8 per 2048 elements for the chunk sums.
//
// Launch. Grid: any number of blocks >= 1, one-dimensional; block: full warps, 32 to 256 threads; no dynamic shared memory. The
// shape of the grid affects the speed but not the result. The only argument is a Params. Pointers must be aligned to the element
// type; if all arrays of a launch are aligned to 16 bytes (f16 and bf16: 8), full rows are read and written that many bytes at a
// time. An output may be the same array as an input (each thread reads an element before it overwrites it), but must not
// partially overlap one.

#include "params.cuh"
#include "storage.cuh"
#include "sum.cuh"

// ---------------------------------------------------------------------------------------------------------------- formula

// How x/beta is computed.
enum Quotient { kMultiplied, kDivided, kCorrected };

// T is the computing type.
template <typename T>
struct Formula {
  T threshold;  // beta or delta; 0 for L1
  T inverse;    // the factor by which the _mul kernels multiply instead of dividing by beta; 1/beta, rounded, for the _div kernels
  T outer;      // delta for Huber, else 1
  T least;      // quotients of differences of at least this magnitude can be corrected

  // The quotient x/beta of the table above.
  template <Quotient Q>
  __device__ T over_beta(T x) const {
    if (Q == kDivided) return x / threshold;
    const T q = x * inverse;
    return Q == kMultiplied ? q : fma(-fma(q, threshold, -x), inverse, q);
  }

  // Whether the quotients of all differences can be corrected.
  template <int Count>
  __device__ bool correctable(const T (&d)[Count]) const {
    T smallest = fabs(d[0]);
#pragma unroll
    for (int k = 1; k < Count; ++k) smallest = fmin(smallest, fabs(d[k]));
    bool all = !(smallest < least);  // nvcc keeps a condition that begins as true in a register, and tests it again
    if (!all) {
      all = true;
#pragma unroll
      for (int k = 0; k < Count; ++k) all = all && !(fabs(d[k]) < least && d[k] != 0);
    }
    return all;
  }

  template <Quotient Q>
  __device__ T term(T d) const {
    const T a = fabs(d);
    const T inner = over_beta<Q>((T(0.5) * a) * a);
    const T tail = a - T(0.5) * threshold;
    return a < threshold ? inner : (Q == kMultiplied ? outer * tail : tail);
  }

  // Gradient with respect to pred for the upstream gradient g.
  template <Quotient Q>
  __device__ T gradient(T d, T norm, T g) const {
    const T side = Q == kMultiplied ? (norm * g) * outer : norm * g;
    T middle = over_beta<Q>((norm * d) * g);
    if (Q == kMultiplied) {  // L1: +0 at d = 0, for every g. For the other losses flat is NaN, which compares equal to nothing
      const T flat = threshold == T(0) ? T(0) : T(__int_as_float(0x7fffffff));
      if (d == flat) middle = T(0);
    }
    return d < -threshold ? -side : d > threshold ? side : middle;
  }
};

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

// What a thread computes of a row.
template <typename T, int Own>
struct Results {
  T term[Own], gradient[Own];
};

template <Quotient Q, Pass P, bool Elementwise, typename S, int Own>
__device__ inline void row_of(const Work<S>& w, const typename S::Compute (&d)[Own], const typename S::Compute (&upstream)[Own],
                              Results<typename S::Compute, Own>& to) {
#pragma unroll
  for (int k = 0; k < Own; ++k) {
    if (P != kBackward) to.term[k] = w.formula.template term<Q>(d[k]);
    if (differentiates(P)) to.gradient[k] = w.formula.template gradient<Q>(d[k], w.norm, Elementwise ? upstream[k] : w.g);
  }
}

// Processes one chunk: writes loss terms or gradients and, for a reduction, adds the terms to this thread's lanes.
template <Deal D, typename S, Pass P, bool Div, bool Elementwise>
__device__ inline void chunk_of(const Work<S>& w, u64 start, double (&lane)[owned(D)]) {
  typedef typename S::Compute T;
  constexpr int own = owned(D);
  constexpr int batch = (D == kByWarp ? 2 * S::kBatch : D == kByPiece ? S::kBatch : S::kBatch / 2) / (Elementwise ? 2 : 1);
  constexpr bool corrects = Div && !Elementwise && sizeof(T) == sizeof(float);
#pragma unroll 1
  for (int row = 0; row < kRows && (D == kByPiece || start + row * kLanes < w.n); row += batch) {
    const u64 first = start + row * kLanes;
    T pred[batch][own], target[batch][own], upstream[batch][own];
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      load_row<D, S>(pred[r], w.pred, first + r * kLanes, w.n);
      load_row<D, S>(target[r], w.target, first + r * kLanes, w.n);
      if (Elementwise) load_row<D, S>(upstream[r], w.upstream, first + r * kLanes, w.n);
    }
#pragma unroll
    for (int r = 0; r < batch; ++r) {
      T d[own];
#pragma unroll
      for (int k = 0; k < own; ++k) d[k] = pred[r][k] - target[r][k];
      Results<T, own> to;
      if (corrects && w.formula.correctable(d))
        row_of<kCorrected, P, Elementwise>(w, d, upstream[r], to);
      else
        row_of<Div ? kDivided : kMultiplied, P, Elementwise>(w, d, upstream[r], to);
      if (reduces(P)) {
#pragma unroll
        for (int k = 0; k < own; ++k) lane[k] += double(to.term[k]);
      }
      if (P == kForwardTerms) store_row<D, S>(w.terms, to.term, first + r * kLanes, w.n);
      if (differentiates(P)) {
        if (w.grad_pred) store_row<D, S>(w.grad_pred, to.gradient, first + r * kLanes, w.n);
        if (w.grad_target) {
#pragma unroll
          for (int k = 0; k < own; ++k) to.gradient[k] = -to.gradient[k];
          store_row<D, S>(w.grad_target, to.gradient, first + r * kLanes, w.n);
        }
      }
    }
  }
}

// The lanes of all four warps that share a chunk, as the first one owns them.
__device__ inline void gather(const double (&own)[1], double (&lane)[kOwn]) {
  __shared__ double lanes[kLanes];
  if (warp_of_block() < kOwn) lanes[threadIdx.x] = own[0];
  __syncthreads();
#pragma unroll
  for (int k = 0; k < kOwn; ++k) lane[k] = lanes[own_lane<1>(k)];
}

// Processes all chunks, and for a reduction writes value = sum / divisor. The chunks are distributed over the warps of the grid or, if there
// are no more chunks than blocks, over the blocks: the first four warps of a block then share a chunk, and load all of it before the
// first use.
template <typename S, Pass P, bool Div, bool Elementwise>
__device__ inline void walk(const Work<S>& w, const Levels& levels, double divisor, double* value) {
  const bool whole = aligned<S>(w.pred) && aligned<S>(w.target) && aligned<S>(w.upstream) && aligned<S>(w.terms) &&
                     aligned<S>(w.grad_pred) && aligned<S>(w.grad_target);
  const u64 warps = u64(gridDim.x) * warps_of_block(), chunks = chunks_of(w.n);
  const bool shared = chunks <= gridDim.x && warps_of_block() >= kOwn;
  if (reduces(P) && chunks == 0 && blockIdx.x == 0 && threadIdx.x == 0) *value = 0 / divisor;  // 0/0 for the mean of an empty array
#pragma unroll 1
  for (u64 chunk = shared ? blockIdx.x : warp_of_grid(); chunk < chunks; chunk += warps) {
    const u64 start = chunk * kChunk;
    double lane[kOwn] = {0, 0, 0, 0};
    double sum, none;
    if (shared) {
      double own[1] = {0};
      if (warp_of_block() < kOwn) chunk_of<kByWarp, S, P, Div, Elementwise>(w, start, own);
      if (reduces(P)) gather(own, lane);
      if (warp_of_block() > 0) return;
      if (reduces(P)) sum = fold<1>(lane);
    } else if (whole && w.n - start >= kChunk) {
      chunk_of<kByPiece, S, P, Div, Elementwise>(w, start, lane);
      if (reduces(P)) sum = fold<S::kPer>(lane);
    } else {
      chunk_of<kByElement, S, P, Div, Elementwise>(w, start, lane);
      if (reduces(P)) sum = fold<1>(lane);
    }
    if (reduces(P) && hand_in(levels, 0, chunk, chunks, sum, none) && threadIdx.x % kWarp == 0) *value = sum / divisor;
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
      {p.threshold.value, p.inverse.value, p.outer.value, p.least.value},
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
  walk<S, P, Div, Elementwise>(w, {p.sums, nullptr, p.tickets, 1}, p.divisor, p.value);
}

// The kernels of one storage type, SMOOTHL1_STORAGE, each with both kinds of quotient. Package kernels lists them in Go.
//
//   forward_terms         terms[i], the loss without reduction
//   forward               *value, the reduced loss
//   backward              grad_pred and/or grad_target for the upstream gradient g
//   backward_elementwise  the same for the upstream gradient upstream[i]
//   forward_backward      *value and the gradients in one pass
//
// Two blocks of the largest size fit on a multiprocessor, whichever compiler assigns the registers: package gpu launches as many.
#define KERNEL(name, storage, quotient, ...)                                                                                \
  extern "C" __global__ void __launch_bounds__(kMaxThreads, 2) smoothl1_##name##_##storage##_##quotient(const Params<storage::Compute> p) { \
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
