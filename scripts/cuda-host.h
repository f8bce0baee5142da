// Declares what the kernels use of CUDA, so that a host compiler can read it: nvcc does not warn of conversions that lose
// bits, such as of a 64-bit element number to 32 bits. See scripts/ptx-check.sh.
#include <cmath>
using std::fabs;
using std::fma;
using std::fmin;
#define __device__
#define __global__
#define __shared__ static
#define __launch_bounds__(...)
#define asm(...) static_cast<void>(0)
struct float4 { float x, y, z, w; };
struct double2 { double x, y; };
struct uint3 { unsigned x, y, z; };
extern const uint3 threadIdx, blockIdx, blockDim, gridDim;
float4 make_float4(float, float, float, float);
double2 make_double2(double, double);
float __int_as_float(int);
float __uint_as_float(unsigned);
unsigned __float_as_uint(float);
double __ldcg(const double*);
double __shfl_xor_sync(unsigned, double, int);
unsigned long long min(unsigned long long, unsigned long long);
int __shfl_sync(unsigned, int, int);
unsigned __shfl_sync(unsigned, unsigned, int);
float __shfl_sync(unsigned, float, int);
double __shfl_sync(unsigned, double, int);
unsigned long long atomicMax(unsigned long long*, unsigned long long);
void __syncwarp();
unsigned atomicInc(unsigned*, unsigned);
void __syncthreads();
void __threadfence();
