// The parameter of the kernels.
#pragma once

#include "sum.cuh"

typedef long long i64;
typedef unsigned char u8;

// A word of 8 bytes that holds a number of the computing type T. A float is in the low 4 bytes.
template <typename T>
struct alignas(8) Number {
  T value;
};

// The strides of a view, in elements: element (r, c) is at r*row + c*col from the address of element (0, 0).
struct Strides {
  i64 row;
  i64 col;
};

// The parameter of the kernels of smoothl1.cu, passed by value: words of 8 bytes, with the same layout for every T. A kernel reads
// only the fields that its pass needs. The first fields of internal/op.Params mirror it in Go, and all of them RichParams.
template <typename T>
struct Params {
  u64 n;  // elements
  Number<T> threshold;
  Number<T> inverse;
  Number<T> outer;
  Number<T> norm;
  Number<T> g;       // the upstream gradient, unless it is an array
  Number<T> least;   // see smoothl1.cu
  double divisor;    // of the sum; 1 unless the loss is a mean
  double* sums;      // the chunk sums, followed by those of each further level
  double* value;     // the reduced loss, or the losses of the rows
  unsigned* tickets;  // one for each chunk sum from the second level on, 0 before and after a launch
  const void* pred;
  const void* target;
  const void* upstream;
  void* terms;
  void* grad_pred;    // or null
  void* grad_target;  // or null
};

// The parameter of the kernels of rich.cu. Their arrays are views, which may all be null but for pred and target.
template <typename T>
struct RichParams : Params<T> {
  const void* weight;
  const u8* mask;
  const void* beta;
  const void* direction;
  const int* index;  // the column of pred, for each row
  void* abs;
  void* second;
  double* divisors;      // one for the array, or for each row; the output of the divisor kernels
  double* divisor_sums;  // as sums, for the divisor that a forward pass sums along
  u64* fault;            // 0, or the complement of the lowest row << 32 | index of those out of range
  u64 rows;
  u64 cols;     // of every array but pred and grad_pred, which have `actions` with an index
  u64 actions;
  u64 flags;  // see rich.cuh
  Strides pred_strides;
  Strides target_strides;
  Strides weight_strides;
  Strides mask_strides;
  Strides beta_strides;
  Strides upstream_strides;
  Strides direction_strides;
  Strides terms_strides;
  Strides abs_strides;
  Strides grad_pred_strides;
  Strides grad_target_strides;
  Strides second_strides;
};
