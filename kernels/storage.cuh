// A storage type describes the elements in memory and the type in which they are computed. The code below works for any
// storage whose kPer divides kOwn.
//
// Each of the 32 threads of a warp owns four of the 128 lanes of a row. Full rows of aligned arrays are read and written in
// pieces of 16 bytes, so that a warp accesses 512 contiguous bytes at a time. f32: thread t owns lanes 4t .. 4t+3. f64: lanes
// 2t, 2t+1 and 64+2t, 64+2t+1. f16 and bf16: lanes 4t .. 4t+3, in pieces of 8 bytes, because a thread owns no more of a row.
//
// f16 and bf16 are bit patterns in memory. They are widened to float, which is exact, and narrowed to the nearest, to even if
// there are two; NaN stays NaN and subnormals are kept.
#pragma once

#include "sum.cuh"

typedef unsigned short u16;

struct f32 {
  typedef float Element;  // in memory
  typedef float Compute;  // the computing type
  typedef float4 Piece;
  static constexpr int kPer = 4;    // elements of a piece
  static constexpr int kBatch = 8;  // rows loaded before the first use: with two arrays, 16 loads of 16 bytes in flight
  static constexpr int kBlocks = 2;    // of full size, of most rich kernels, that fit on a multiprocessor: 128 registers a thread
  static constexpr int kPieces = 1;    // pieces of an array that a rich kernel loads before the first use; twice as many in a forward pass
  static constexpr int kElements = 2;  // or single elements
  static __device__ Compute widen(Element x) { return x; }
  static __device__ Element narrow(Compute x) { return x; }
  static __device__ void widen(Piece v, Compute* x) { x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w; }
  static __device__ Piece narrow(const Compute* x) { return make_float4(x[0], x[1], x[2], x[3]); }
  static __device__ Piece splat(Element x) { return make_float4(x, x, x, x); }
};

struct f64 {
  typedef double Element;
  typedef double Compute;
  typedef double2 Piece;
  static constexpr int kPer = 2;
  static constexpr int kBatch = 4;
  static constexpr int kBlocks = 1;
  static constexpr int kPieces = 1;
  static constexpr int kElements = 2;
  static __device__ Compute widen(Element x) { return x; }
  static __device__ Element narrow(Compute x) { return x; }
  static __device__ void widen(Piece v, Compute* x) { x[0] = v.x, x[1] = v.y; }
  static __device__ Piece narrow(const Compute* x) { return make_double2(x[0], x[1]); }
  static __device__ Piece splat(Element x) { return make_double2(x, x); }
};

// Four elements of 16 bits; the first one is in the low half of x.
struct alignas(8) Halves {
  unsigned x, y;
};

__device__ inline u16 low(unsigned pair) { return u16(pair & 0xffffu); }
__device__ inline u16 high(unsigned pair) { return u16(pair >> 16); }
__device__ inline unsigned pair(u16 low, u16 high) { return unsigned(high) << 16 | low; }

// The storages of 16 bits, from functions that convert one element.
template <float Widen(u16), u16 Narrow(float)>
struct Half {
  typedef u16 Element;
  typedef float Compute;
  typedef Halves Piece;
  static constexpr int kPer = 4;
  static constexpr int kBatch = 8;
  static constexpr int kBlocks = 1;
  static constexpr int kPieces = 2;
  static constexpr int kElements = 4;
  static __device__ Compute widen(Element x) { return Widen(x); }
  static __device__ Element narrow(Compute x) { return Narrow(x); }
  static __device__ void widen(Piece v, Compute* x) {
    x[0] = Widen(low(v.x)), x[1] = Widen(high(v.x)), x[2] = Widen(low(v.y)), x[3] = Widen(high(v.y));
  }
  static __device__ Piece narrow(const Compute* x) {
    return {pair(Narrow(x[0]), Narrow(x[1])), pair(Narrow(x[2]), Narrow(x[3]))};
  }
  static __device__ Piece splat(Element x) { return {pair(x, x), pair(x, x)}; }
};

__device__ inline float widen_f16(u16 x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
  return y;
}
__device__ inline u16 narrow_f16(float x) {
  u16 y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
}

// A bf16 is the high half of a float. Adding half of its unit, less one bit if the result would be odd otherwise, rounds to
// the nearest by the carry. (The instruction that converts needs sm_80.)
__device__ inline float widen_bf16(u16 x) { return __uint_as_float(unsigned(x) << 16); }
__device__ inline u16 narrow_bf16(float x) {
  const unsigned bits = __float_as_uint(x);
  return x == x ? high(bits + 0x7fffu + (bits >> 16 & 1u)) : u16(0x7fff);
}

struct f16 : Half<widen_f16, narrow_f16> {};
struct bf16 : Half<widen_bf16, narrow_bf16> {};

// How the lanes of a row are dealt to threads.
enum Deal {
  kByPiece,    // to the threads of a warp, in pieces
  kByElement,  // to the threads of a warp: thread t owns lanes t, t+32, t+64 and t+96, so that the accesses of the warp are contiguous. For a
               // short last chunk, and for arrays that are not aligned to pieces
  kByWarp,     // to the first four warps of a block: thread t of warp w owns lane t+32w. For few chunks
};

__device__ constexpr int owned(Deal d) { return d == kByWarp ? 1 : kOwn; }  // lanes of a thread

template <Deal D>
__device__ inline int lane_of(int k) {
  return D == kByWarp ? threadIdx.x : own_lane<1>(k);
}

// Loads and widens this thread's elements of the row that begins at element `start`; elements from n on are 0. The loads are
// plain ones, not ld.global.nc, because an output may be the same array.
template <Deal D, typename S>
__device__ inline void load_row(typename S::Compute (&x)[owned(D)], const typename S::Element* base, u64 start, u64 n) {
  static_assert(kOwn % S::kPer == 0, "a thread loads whole pieces");
  if (D == kByPiece) {
#pragma unroll
    for (int k = 0; k < owned(D); k += S::kPer)
      S::widen(*reinterpret_cast<const typename S::Piece*>(base + start + own_lane<S::kPer>(k)), &x[k]);
  } else {
#pragma unroll
    for (int k = 0; k < owned(D); ++k) {
      const u64 i = start + lane_of<D>(k);
      x[k] = i < n ? S::widen(base[i]) : typename S::Compute(0);
    }
  }
}

template <Deal D, typename S>
__device__ inline void store_row(typename S::Element* base, const typename S::Compute (&x)[owned(D)], u64 start, u64 n) {
  if (D == kByPiece) {
#pragma unroll
    for (int k = 0; k < owned(D); k += S::kPer)
      *reinterpret_cast<typename S::Piece*>(base + start + own_lane<S::kPer>(k)) = S::narrow(&x[k]);
  } else {
#pragma unroll
    for (int k = 0; k < owned(D); ++k) {
      const u64 i = start + lane_of<D>(k);
      if (i < n) base[i] = S::narrow(x[k]);
    }
  }
}

template <typename S>
__device__ inline bool aligned(const void* p) {
  return reinterpret_cast<u64>(p) % sizeof(typename S::Piece) == 0;
}
