// Division of 128-bit integers, which nvcc makes of 32-bit words with carries: sums that take the flag of a difference among them.
// Made into udiv128.ptx by nvcc V11.8.89: nvcc -ptx -arch=sm_80 udiv128.cu
extern "C" __global__ void divide(const unsigned __int128 *a, const unsigned __int128 *b,
                                  unsigned __int128 *quotient, unsigned __int128 *remainder, unsigned n) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    quotient[i] = a[i] / b[i];
    remainder[i] = a[i] % b[i];
  }
}
