/* blocks.cu: blocks that disturb each other. */

extern "C" __global__ void __launch_bounds__(64) blocks_collide(const float *x, float *y) { y[threadIdx.x] = x[blockIdx.x]; }

extern "C" __global__ void __launch_bounds__(64) blocks_pass_on(const float *x, float *y) {
  if (blockIdx.x == 0) y[threadIdx.x] = x[threadIdx.x];
  if (blockIdx.x == 1) y[threadIdx.x] += 1;
}

extern "C" __global__ void __launch_bounds__(64) sum_without_atomic(const float *x, float *y) { *y += x[threadIdx.x]; }

/* A store and an atomic. */
extern "C" __global__ void __launch_bounds__(64) half_atomic(float *y) {
  __shared__ int count;
  if (threadIdx.x == 0) count = 0;
  atomicAdd(&count, 1);
  __syncthreads();
  y[threadIdx.x] = count;
}
