/* races.cu: shared memory without the barrier it needs: the result depends on the order of the threads. */

extern "C" __global__ void __launch_bounds__(64) read_too_early(const float *x, float *y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

extern "C" __global__ void __launch_bounds__(64) written_too_early(const float *x, float *y, int turns) {
  __shared__ float tile[64];
  float sum = 0;
  for (int turn = 0; turn < turns; turn++) {
    tile[threadIdx.x] = x[turn * 64 + threadIdx.x];
    __syncthreads();
    sum += tile[(threadIdx.x + 1) % 64]; /* a barrier is missing behind it */
  }
  y[threadIdx.x] = sum;
}

extern "C" __global__ void __launch_bounds__(64) warp_without_sync(const float *x, float *y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}
