/* blocks.cu: indices, early ends, barriers that count, dynamic shared memory, atomics, and blocks that wait for each other's data. */

extern "C" __global__ void __launch_bounds__(60) indices(int *y) {
  int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  y[block * (blockDim.x * blockDim.y * blockDim.z) + thread] = 1000 * block + 100 * threadIdx.z + 10 * threadIdx.y + threadIdx.x;
}

extern "C" __global__ void __launch_bounds__(256) scale(const float *x, float *y, int n, float factor) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  y[i] = factor * x[i];
}

extern "C" __global__ void __launch_bounds__(96) counting_barriers(const int *x, int *y) {
  int i = threadIdx.x;
  y[3 * i] = __syncthreads_count(x[i] > 0);
  y[3 * i + 1] = __syncthreads_or(x[i] > 90);
  y[3 * i + 2] = __syncthreads_and(x[i] > 90);
}

extern "C" __global__ void __launch_bounds__(128) dynamic_sum(const float *x, float *y) {
  extern __shared__ __align__(16) float values[];
  int i = threadIdx.x;
  values[i] = x[blockIdx.x * blockDim.x + i];
  __syncthreads();
  for (int step = blockDim.x / 2; step; step /= 2) {
    if (i < step) values[i] += values[i + step];
    __syncthreads();
  }
  if (i == 0) y[blockIdx.x] = values[0];
}

/* How often each of 8 values comes, and whether one was out of range: all threads that saw one store the same. */
extern "C" __global__ void __launch_bounds__(64) histogram(const unsigned char *x, int n, int *counts, int *status) {
  __shared__ int own[8];
  if (threadIdx.x < 8) own[threadIdx.x] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    if (x[i] < 8)
      atomicAdd(&own[x[i]], 1);
    else
      *status = 7;
  }
  __syncthreads();
  if (threadIdx.x < 8) atomicAdd(&counts[threadIdx.x], own[threadIdx.x]);
}

/* The block that comes last adds what the others have stored. */
extern "C" __global__ void __launch_bounds__(64) last_block_sum(const float *x, float *partial, unsigned *finished, float *y) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    float sum = 0;
    for (int i = 0; i < 64; i++) sum += x[blockIdx.x * 64 + i];
    partial[blockIdx.x] = sum;
    __threadfence();
    last = atomicAdd(finished, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last || threadIdx.x) return;
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; i++) sum += partial[i];
  *y = sum;
}

/* Bytes beside each other belong to different threads. */
extern "C" __global__ void __launch_bounds__(64) bytes(const unsigned char *x, unsigned char *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = (unsigned char)(255 - x[i]);
}
