// A storage type describes the elements in memory and the type in which they are computed. The code below works for any
// storage whose kPer divides kOwn.
//
// Each of the 32 threads of a warp owns four of the 128 lanes of a row. Full rows of aligned arrays are read and written in
// pieces of 16 bytes, so that a warp accesses 512 contiguous bytes at a time. f32: thread t owns lanes 4t .. 4t+3. f64: lanes
// 2t, 2t+1 and 64+2t, 64+2t+1.
#pragma once

#include "sum.cuh"

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

// Loads and widens this thread's elements of the row that begins at element `start`; elements from n on are 0. The loads are
// plain ones, not ld.global.nc, because an output may be the same array.
template <bool Whole, typename S>
__device__ inline void load_row(typename S::Compute (&x)[kOwn], const typename S::Element* base, u64 start, u64 n) {
  static_assert(kOwn % S::kPer == 0, "a thread loads whole pieces");
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
