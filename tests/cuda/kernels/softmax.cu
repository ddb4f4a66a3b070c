/* softmax.cu: softmax of rows, a row a block: reductions by shuffles in warps and shared memory between them. */

enum { threads = 128 };

template <class Combine> static __device__ __forceinline__ float block_reduce(float value, float *partial, Combine combine) {
  for (int step = 16; step; step >>= 1) value = combine(value, __shfl_xor_sync(0xffffffffu, value, step));
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  value = partial[0];
  for (int i = 1; i < threads / 32; i++) value = combine(value, partial[i]);
  __syncthreads();
  return value;
}

extern "C" __global__ void __launch_bounds__(threads) softmax(const float *x, float *y, int n) {
  __shared__ float partial[threads / 32];
  x += (long long)blockIdx.x * n;
  y += (long long)blockIdx.x * n;
  float most = __int_as_float(0xff800000);
  for (int i = threadIdx.x; i < n; i += threads) most = fmaxf(most, x[i]);
  most = block_reduce(most, partial, [](float a, float b) { return fmaxf(a, b); });
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += threads) sum += y[i] = __expf(x[i] - most);
  sum = block_reduce(sum, partial, [](float a, float b) { return a + b; });
  for (int i = threadIdx.x; i < n; i += threads) y[i] = fdividef(y[i], sum);
}
