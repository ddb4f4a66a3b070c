/* warp.cu: functions in which the lanes of a warp meet: shuffles by width, votes, parts of a warp, fewer lanes than a warp. */

/* y[variant][thread] */
extern "C" __global__ void __launch_bounds__(64) shuffles(const int *x, int *y) {
  int i = threadIdx.x, n = blockDim.x, value = x[i];
  for (int width = 8; width <= 32; width *= 2, y += 4 * n) {
    y[i] = __shfl_sync(0xffffffffu, value, 5 + i / 32, width);
    y[n + i] = __shfl_up_sync(0xffffffffu, value, 3, width);
    y[2 * n + i] = __shfl_down_sync(0xffffffffu, value, 3, width);
    y[3 * n + i] = __shfl_xor_sync(0xffffffffu, value, 6, width);
  }
}

extern "C" __global__ void __launch_bounds__(64) votes(const int *x, unsigned *y) {
  int i = threadIdx.x, n = blockDim.x;
  y[i] = __ballot_sync(0xffffffffu, x[i] > 0);
  y[n + i] = __any_sync(0xffffffffu, x[i] > 90);
  y[2 * n + i] = __all_sync(0xffffffffu, x[i] > -90);
}

/* Each half of a warp by itself, in branches that go apart. */
extern "C" __global__ void __launch_bounds__(64) halves(const double *x, double *y) {
  int i = threadIdx.x;
  double value = x[i];
  if (i % 32 < 16) {
    for (int step = 8; step; step /= 2) value += __shfl_down_sync(0x0000ffffu, value, step, 16);
  } else {
    for (int step = 8; step; step /= 2) value = fmax(value, __shfl_xor_sync(0xffff0000u, value, step, 16));
  }
  __syncwarp();
  y[i] = value;
}

/* A block of 20 threads: a shuffle in the lanes that there are. */
extern "C" __global__ void __launch_bounds__(32) short_warp(const float *x, float *y) {
  float value = x[threadIdx.x];
  value += __shfl_xor_sync(0xffffffffu, value, 1);
  y[threadIdx.x] = value;
}

/* Shared memory between the lanes of a warp, ordered by __syncwarp. */
extern "C" __global__ void __launch_bounds__(64) by_syncwarp(const float *x, float *y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncwarp();
  float value = tile[threadIdx.x ^ 7];
  __syncwarp();
  tile[threadIdx.x] = value + 1;
  __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}

#if defined(CTC_ON_CPU) || __CUDA_ARCH__ >= 800
extern "C" __global__ void __launch_bounds__(64) reductions(const int *x, int *y) {
  int i = threadIdx.x, n = blockDim.x;
  y[i] = __reduce_add_sync(0xffffffffu, x[i]);
  y[n + i] = __reduce_min_sync(0xffffffffu, x[i]);
  y[2 * n + i] = __reduce_max_sync(0xffffffffu, x[i]);
}
#endif
