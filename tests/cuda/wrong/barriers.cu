/* barriers.cu: barriers and warp functions that not all threads reach: each kernel must be stopped. */

extern "C" __global__ void __launch_bounds__(64) some_have_ended(float *y) {
  if (threadIdx.x >= 40) return;
  y[threadIdx.x] = 1;
  __syncthreads();
}

extern "C" __global__ void __launch_bounds__(64) two_barriers(float *y) {
  if (threadIdx.x < 32) {
    y[threadIdx.x] = 1;
    __syncthreads();
  } else {
    y[threadIdx.x] = 2;
    __syncthreads();
  }
}

extern "C" __global__ void __launch_bounds__(64) one_more_turn(float *y) {
  for (int i = 0; i < 4 + (threadIdx.x == 63); i++) {
    y[threadIdx.x] = i;
    __syncthreads();
  }
}

extern "C" __global__ void __launch_bounds__(64) lanes_elsewhere(float *y) {
  float value = threadIdx.x;
  if (threadIdx.x % 32 < 16) value = __shfl_xor_sync(0xffffffffu, value, 1);
  y[threadIdx.x] = value;
}

extern "C" __global__ void __launch_bounds__(64) not_in_mask(float *y) {
  y[threadIdx.x] = __shfl_down_sync(0x0000ffffu, (float)threadIdx.x, 1);
}

extern "C" __global__ void __launch_bounds__(64) two_masks(float *y) {
  unsigned mask = threadIdx.x % 2 ? 0xffffffffu : 0x55555555u;
  y[threadIdx.x] = __shfl_xor_sync(mask, (float)threadIdx.x, 2);
}

extern "C" __global__ void __launch_bounds__(64) barrier_and_shuffle(float *y) {
  if (threadIdx.x < 16) __syncthreads();
  y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, (float)threadIdx.x, 2);
}
