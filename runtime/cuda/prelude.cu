/* prelude.cu: what functions for a GPU are declared with. Kernel texts define CTC_KERNEL_TEXT. */

/* A function of the device. */
#define CTC_DEVICE static __device__ __forceinline__

/* A function of the device and of the host, which counts blocks with it. */
#ifdef CTC_KERNEL_TEXT
#define CTC_BOTH static __device__ __forceinline__
#else
#define CTC_BOTH static inline
#endif
