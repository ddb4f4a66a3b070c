/* product.cu: C[m][n] = A[m][k] B[k][n], a 16 x 16 tile of C a block, through tiles in shared memory. */

enum { tile = 16 };

extern "C" __global__ void __launch_bounds__(tile * tile)
product(const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ c, int m, int n, int k) {
  __shared__ float a_tile[tile][tile + 1], b_tile[tile][tile + 1];
  int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * tile + y, column = blockIdx.x * tile + x;
  float sum = 0;
  for (int first = 0; first < k; first += tile) {
    a_tile[y][x] = row < m && first + x < k ? a[row * k + first + x] : 0;
    b_tile[y][x] = first + y < k && column < n ? b[(first + y) * n + column] : 0;
    __syncthreads();
    for (int i = 0; i < tile; i++) sum = __fmaf_rn(a_tile[y][i], b_tile[i][x], sum);
    __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = sum;
}
