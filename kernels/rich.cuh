// The rich kernels: views, weights, a mask, beta by element, an index, reduction by rows, accumulation and second outputs, in one
// pass over the arrays.
//
// An array is a view of a rows x cols matrix (params.cuh), in logical order row after row. Every array but pred and target may be
// null. With n, g and the formulas of smoothl1.cu, for each element:
//
//   weight w      the term is rounded, multiplied by w and rounded; the gradient has norm 1 and upstream gradient (n*g)*w
//   mask          where it is 0, the term, |d|, the gradients and the second derivative are +0, whatever the other arrays hold
//   beta          in place of threshold and outer; where it is not valid for the kind of loss, the results are NaN; 0 is L1
//   index         pred and grad_pred have `actions` columns, all other arrays one: index[r] is the column of pred. The gradient goes to
//                 that column of grad_pred and +0 to the others, which stay as they are if the gradient is accumulated. Nothing is read
//                 or written for an index out of range; the results of its row are NaN
//   second        the second derivative times v: d is NaN ? d : |d| < beta ? ((n*v)*g)/beta : +0; Huber (n*v)*g; L1 +0
//   accumulation  the gradient is added to what grad_pred or grad_target holds
//
// Bytes of device memory: each array once. A kernel's arrays that may be absent cost registers but no bandwidth.
//
// A thread processes a batch of units: it loads the units of all arrays before it uses the first one. A unit is one element, or in
// arrays that allow it (kWide) a piece of 16 bytes, in f16 and bf16 of 8.
#pragma once

#include "params.cuh"
#include "storage.cuh"

namespace rich {

// The flags of a launch.
constexpr unsigned kReduce = 1;             // write the loss
constexpr unsigned kByRow = 2;              // one for each row
constexpr unsigned kWide = 4;               // every array is in pieces: see op.Params in Go
constexpr unsigned kHuber = 8;              // _div and beta by element only: other kernels have outer and inverse
constexpr unsigned kAccumulatePred = 16;
constexpr unsigned kAccumulateTarget = 32;
constexpr unsigned kZeroIfEmpty = 64;       // where the divisor is 0, so are the norm and the loss
constexpr unsigned kDivisors = 128;         // the norm and the divisor are those of `divisors`
constexpr unsigned kAlong = 256;            // rich_forward sums the divisor along
constexpr unsigned kWeights = 512;          // the divisor is the sum of weights, else the number of elements that the mask keeps

// The arrays that are present, as further flags within a kernel.
constexpr unsigned kHasWeight = 1 << 10, kHasMask = 1 << 11, kHasBeta = 1 << 12, kHasUpstream = 1 << 13, kHasDirection = 1 << 14,
                   kHasIndex = 1 << 15, kHasTerms = 1 << 16, kHasAbs = 1 << 17, kHasGradPred = 1 << 18, kHasGradTarget = 1 << 19;

enum Pass { kForward, kForwardBackward, kDivisor };

// The place of a unit. An invalid one lies outside of the matrix.
struct Place {
  u64 r, c;
  bool valid;
};

// Where the units of a thread are: each is `rows` rows and `cols` columns after the one before, and in place of the columns from
// `wrap` on stand those of `carry` rows further.
struct Step {
  unsigned rows, cols, carry;
  u64 wrap;
  __device__ void advance(u64& r, u64& c) const {
    r += rows, c += cols;
    if (c >= wrap) c -= wrap, r += carry;
  }
};

// A unit of U elements in memory.
template <typename S, int U>
struct Unit {
  typedef typename S::Piece Raw;
  static __device__ Raw splat(typename S::Element x) { return S::splat(x); }
  static __device__ void widen(Raw v, typename S::Compute (&x)[U]) { S::widen(v, x); }
  static __device__ Raw narrow(const typename S::Compute (&x)[U]) { return S::narrow(x); }
};

template <typename S>
struct Unit<S, 1> {
  typedef typename S::Element Raw;
  static __device__ Raw splat(Raw x) { return x; }
  static __device__ void widen(Raw v, typename S::Compute (&x)[1]) { x[0] = S::widen(v); }
  static __device__ Raw narrow(const typename S::Compute (&x)[1]) { return S::narrow(x[0]); }
};

__device__ inline i64 offset(Strides s, const Place& at) { return i64(at.r) * s.row + i64(at.c) * s.col; }

// Loads a unit. In a piece all elements are in one row; if they are the same one, it is loaded once.
template <typename S, int U>
__device__ inline typename Unit<S, U>::Raw load(const void* base, Strides s, const Place& at) {
  typedef typename Unit<S, U>::Raw Raw;
  const typename S::Element* p = static_cast<const typename S::Element*>(base) + offset(s, at);
  Raw x = Raw();
  if (U > 1 && s.col == 0)
    x = Unit<S, U>::splat(*p);
  else if (U > 1 || at.valid)
    x = *reinterpret_cast<const Raw*>(p);
  return x;
}

// Loads the U bytes of a mask into the low bytes of a word.
template <int U>
__device__ inline unsigned load_mask(const u8* base, Strides s, const Place& at) {
  const u8* p = base + offset(s, at);
  if (U > 1 && s.col == 0) return *p * 0x01010101u;
  if (U == 4) return *reinterpret_cast<const unsigned*>(p);
  if (U == 2) return *reinterpret_cast<const u16*>(p);
  return at.valid ? *p : 0u;
}

template <typename S, int U>
__device__ inline void store(void* base, Strides s, const Place& at, const typename S::Compute (&x)[U]) {
  typename S::Element* p = static_cast<typename S::Element*>(base) + offset(s, at);
  if (U > 1 || at.valid) *reinterpret_cast<typename Unit<S, U>::Raw*>(p) = Unit<S, U>::narrow(x);
}

// The constants of an element's loss.
template <typename T, bool Div>
struct Shape {
  T threshold, outer, divisor, inverse;
  __device__ T over_beta(T x) const { return Div ? x / divisor : x * inverse; }
};

template <typename T>
__device__ inline T not_a_number() {
  return T(__int_as_float(0x7fffffff));
}

// Whether a beta by element is valid.
template <typename T>
__device__ inline bool valid_beta(T beta, unsigned flags) {
  return (flags & kHuber ? beta > T(0) : beta >= T(0)) && beta < T(__int_as_float(0x7f800000));
}

// The norm for a divisor in device memory.
template <typename T>
__device__ inline T norm_of(double divisor, unsigned flags) {
  return divisor == 0 && flags & kZeroIfEmpty ? T(0) : T(1.0 / divisor);
}

// The constants for a beta by element, or the launch's. A beta of NaN makes every result NaN.
template <typename T, bool Div>
__device__ inline Shape<T, Div> shape_of(const RichParams<T>& p, unsigned flags, T beta) {
  const bool huber = flags & kHuber;
  if (Div) return {beta, huber ? beta : T(1), huber && beta == beta ? T(1) : beta, T(1)};
  return {p.threshold.value, p.outer.value, T(1), p.inverse.value};
}

template <typename T>
__device__ inline unsigned traits_of(const RichParams<T>& p) {
  return unsigned(p.flags) | (p.weight ? kHasWeight : 0) | (p.mask ? kHasMask : 0) | (p.beta ? kHasBeta : 0) | (p.upstream ? kHasUpstream : 0) |
         (p.second ? kHasDirection : 0) | (p.index ? kHasIndex : 0) | (p.terms ? kHasTerms : 0) | (p.abs ? kHasAbs : 0) |
         (p.grad_pred ? kHasGradPred : 0) | (p.grad_target ? kHasGradTarget : 0);
}

// The same number, of which the compiler knows nothing: it would make a copy of the loop for each value of a flag.
__device__ inline unsigned opaque(unsigned x) {
  unsigned y = x;
  asm volatile("" : "+r"(y));
  return y;
}

// Writes the gradients of 32 consecutive rows, those of the lanes of a warp, to a grad_pred with an index: +0 but for the rows' columns.
// A column of -1 is none.
template <typename S>
__device__ inline void store_actions(const RichParams<typename S::Compute>& p, const Place& at, int column, typename S::Compute grad) {
  const unsigned t = threadIdx.x % kWarp;
  const u64 first = at.r - t;
  const unsigned rows = first >= p.rows ? 0 : p.rows - first < kWarp ? unsigned(p.rows - first) : kWarp;
  const bool few = p.actions <= kWarp;
  const unsigned actions = few ? unsigned(p.actions) : 1;
  unsigned row = few ? t / actions : 0;
  u64 col = few ? t % actions : t;
  __syncwarp();  // pred has been read, which may be the same array
#pragma unroll 1
  for (u64 done = 0; done < rows * p.actions; done += kWarp) {
    const int want = __shfl_sync(0xffffffffu, column, int(row % kWarp));
    const typename S::Compute value = __shfl_sync(0xffffffffu, grad, int(row % kWarp));
    const typename S::Compute x[1] = {i64(want) == i64(col) ? value : typename S::Compute(0)};
    store<S, 1>(p.grad_pred, p.grad_pred_strides, {first + row, col, row < rows}, x);
    row += few ? kWarp / actions : 0, col += few ? kWarp % actions : kWarp;
    if (col >= p.actions) col -= p.actions, ++row;
  }
}

// The lanes of a thread: of the terms, or of the divisor in its own pass, and in a forward pass of the divisor that is summed along.
struct Lanes {
  double sum[kOwn], along[kOwn];
};

// Processes B units: writes their outputs, and adds their terms to the lanes from lane First on.
template <typename S, Pass P, bool Div, int U, int B, int First>
__device__ inline void batch(const RichParams<typename S::Compute>& p, unsigned traits, const Place (&at)[B], typename S::Compute norm, bool norm_by_row,
                             Lanes& lanes) {
  typedef typename S::Compute T;
  typedef typename Unit<S, U>::Raw Raw;
  constexpr bool gradients = P == kForwardBackward;
  const bool indexed = U == 1 && P != kDivisor && traits & kHasIndex;
  Raw pred[B], target[B], weight[B], beta[B], upstream[B];
  unsigned mask[B];
  int column[B];
  T norms[B];
  if (indexed) {
#pragma unroll
    for (int b = 0; b < B; ++b) column[b] = at[b].valid ? p.index[at[b].r] : 0;
  }
#pragma unroll
  for (int b = 0; b < B; ++b) {
    Place of_pred = at[b];
    if (indexed) {
      if (column[b] < 0 || u64(column[b]) >= p.actions) {
        if (at[b].valid) atomicMax(p.fault, ~(at[b].r << 32 | unsigned(column[b])));
        column[b] = -1;
      }
      of_pred.c = u64(column[b]);
      of_pred.valid = at[b].valid && column[b] >= 0;
    }
    if (P != kDivisor) pred[b] = load<S, U>(p.pred, p.pred_strides, of_pred);
    if (P != kDivisor) target[b] = load<S, U>(p.target, p.target_strides, at[b]);
    if (traits & kHasWeight && (P != kDivisor || traits & kWeights)) weight[b] = load<S, U>(p.weight, p.weight_strides, at[b]);
    mask[b] = traits & kHasMask ? load_mask<U>(p.mask, p.mask_strides, at[b]) : ~0u;
    if (Div && traits & kHasBeta) beta[b] = load<S, U>(p.beta, p.beta_strides, at[b]);
    if (gradients && traits & kHasUpstream) upstream[b] = load<S, U>(p.upstream, p.upstream_strides, at[b]);
  }
  if (gradients) {
#pragma unroll
    for (int b = 0; b < B; ++b) {
      norms[b] = norm;
      if (U == 1 && norm_by_row && at[b].valid) norms[b] = norm_of<T>(__ldcg(p.divisors + at[b].r), traits);
    }
  }
#pragma unroll
  for (int b = 0; b < B; ++b) {
    T x[U], y[U], w[U], term[U], grad[U];
    bool keep[U];
    if (traits & kHasWeight) Unit<S, U>::widen(weight[b], w);
#pragma unroll
    for (int k = 0; k < U; ++k) keep[k] = at[b].valid && (mask[b] >> (8 * k) & 0xffu) != 0;
    if (P == kDivisor || (P == kForward && traits & kAlong)) {
#pragma unroll
      for (int k = 0; k < U; ++k) {
        const T one = !keep[k] ? T(0) : traits & kWeights ? w[k] : T(1);
        (P == kDivisor ? lanes.sum : lanes.along)[(First + b * U + k) % kOwn] += double(one);
      }
    }
    if (P == kDivisor) continue;
    Unit<S, U>::widen(pred[b], x);
    Unit<S, U>::widen(target[b], y);
#pragma unroll
    for (int k = 0; k < U; ++k) {
      x[k] -= y[k];  // from here on the difference d
      if (indexed && column[b] < 0) x[k] = not_a_number<T>();
    }
    Shape<T, Div> shape[U];
    if (Div && traits & kHasBeta) Unit<S, U>::widen(beta[b], y);
#pragma unroll
    for (int k = 0; k < U; ++k) {
      const T beta = Div && traits & kHasBeta ? (valid_beta(y[k], traits) ? y[k] : not_a_number<T>()) : p.threshold.value;
      shape[k] = shape_of<T, Div>(p, traits, beta);
    }
    T g[U];
    if (gradients && traits & kHasUpstream) {
      Unit<S, U>::widen(upstream[b], g);
    } else {
#pragma unroll
      for (int k = 0; k < U; ++k) g[k] = p.g.value;
    }
    if (gradients && traits & kHasDirection) {  // first, because direction is only read here, and any output may be the same array
      T v[U];
      Unit<S, U>::widen(load<S, U>(p.direction, p.direction_strides, at[b]), v);
#pragma unroll
      for (int k = 0; k < U; ++k) {
        const T u = norms[b] * g[k];
        const T curve = shape[k].over_beta(traits & kHasWeight ? v[k] * (u * w[k]) : (norms[b] * v[k]) * g[k]);
        const T d = x[k];
        const T beta = shape[k].threshold;
        term[k] = !keep[k] ? T(0) : fabs(d) < beta ? curve : d != d ? d : beta != beta ? beta : T(0);
      }
      store<S, U>(p.second, p.second_strides, at[b], term);
    }
    if (traits & kHasAbs) {
#pragma unroll
      for (int k = 0; k < U; ++k) term[k] = keep[k] ? fabs(x[k]) : T(0);
      store<S, U>(p.abs, p.abs_strides, at[b], term);
    }
    if (traits & (kReduce | kHasTerms)) {
#pragma unroll
      for (int k = 0; k < U; ++k) {
        const T a = fabs(x[k]);
        const T inner = shape[k].over_beta((T(0.5) * a) * a);
        const T tail = shape[k].outer * (a - T(0.5) * shape[k].threshold);
        term[k] = a < shape[k].threshold ? inner : tail;
        if (traits & kHasWeight) term[k] *= w[k];
        if (!keep[k]) term[k] = T(0);
        if (traits & kReduce) lanes.sum[(First + b * U + k) % kOwn] += double(term[k]);
      }
      if (traits & kHasTerms) store<S, U>(p.terms, p.terms_strides, at[b], term);
    }
    if (gradients) {
#pragma unroll
      for (int k = 0; k < U; ++k) {
        const T d = x[k], n = norms[b];
        T side = n * g[k], middle = (n * d) * g[k];
        if (traits & kHasWeight) side *= w[k], middle = d * side;
        middle = d == T(0) && shape[k].threshold == T(0) ? T(0) : shape[k].over_beta(middle);
        side *= shape[k].outer;
        grad[k] = d < -shape[k].threshold ? -side : d > shape[k].threshold ? side : middle;
      }
      if (traits & kHasGradPred) {
        Place of_pred = at[b];
        if (indexed) of_pred.c = u64(column[b]), of_pred.valid = at[b].valid && column[b] >= 0;
        if (traits & kAccumulatePred) Unit<S, U>::widen(load<S, U>(p.grad_pred, p.grad_pred_strides, of_pred), term);
#pragma unroll
        for (int k = 0; k < U; ++k) {
          const T added = keep[k] ? grad[k] : T(0);
          term[k] = traits & kAccumulatePred ? term[k] + added : added;
        }
        if (!indexed)
          store<S, U>(p.grad_pred, p.grad_pred_strides, at[b], term);
        else if (traits & kAccumulatePred)
          store<S, U>(p.grad_pred, p.grad_pred_strides, of_pred, term);
        else
          store_actions<S>(p, at[b], column[b], term[0]);
      }
      if (traits & kHasGradTarget) {
        if (traits & kAccumulateTarget) Unit<S, U>::widen(load<S, U>(p.grad_target, p.grad_target_strides, at[b]), term);
#pragma unroll
        for (int k = 0; k < U; ++k) {
          const T added = keep[k] ? -grad[k] : T(0);
          term[k] = traits & kAccumulateTarget ? term[k] + added : added;
        }
        store<S, U>(p.grad_target, p.grad_target_strides, at[b], term);
      }
    }
  }
}

}  // namespace rich
