/* memory.cu: accesses to memory that must be found: outside of an allocation or an array, misaligned, of something never written. */

extern "C" __global__ void __launch_bounds__(64) beyond_the_end(float *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i <= n) y[i] = 1; /* i < n */
}

extern "C" __global__ void __launch_bounds__(64) before_the_begin(const float *x, float *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i - 1];
}

extern "C" __global__ void __launch_bounds__(64) beyond_shared(float *y) {
  __shared__ float tile[64];
  __shared__ float other[64];
  tile[threadIdx.x + 1] = 1;
  other[threadIdx.x] = 2;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x] + other[threadIdx.x];
}

extern "C" __global__ void __launch_bounds__(64) beyond_dynamic(float *y) {
  extern __shared__ float dynamic[];
  dynamic[threadIdx.x + 1] = 1;
  __syncthreads();
  y[threadIdx.x] = dynamic[threadIdx.x + 1];
}

extern "C" __global__ void __launch_bounds__(64) beyond_own_array(float *y, int n) {
  float mine[4];
  for (int i = 0; i < n; i++) mine[i] = i;
  y[threadIdx.x] = mine[threadIdx.x % 4];
}

extern "C" __global__ void __launch_bounds__(64) misaligned(const float *x, float *y) {
  float4 four = *(const float4 *)(x + 1);
  y[threadIdx.x] = four.x + four.w;
}

extern "C" __global__ void __launch_bounds__(64) shared_never_written(float *y) {
  __shared__ float tile[64];
  if (threadIdx.x < 63) tile[threadIdx.x] = 1;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}
