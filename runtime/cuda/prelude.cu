/* prelude.cu: what functions for a GPU are declared with. Kernel texts define CTC_KERNEL_TEXT. */

/* A function of the device. */
#define CTC_DEVICE static __device__ __forceinline__

/* A function of the device and of the host, which counts blocks with it. On the device it can make
 * constants of constants: forms of kernels. */
#ifdef CTC_KERNEL_TEXT
#define CTC_BOTH static constexpr __device__ __forceinline__
#else
#define CTC_BOTH static inline
#endif

/* The form of a kernel that is chosen while it runs, since a size that decides it is not known
 * before. */
#define CTC_ANY_FORM (-1)

/* What follows is done in the form `which`. FORM is the form where that is known: then there is
 * no code for the others; or CTC_ANY_FORM, and `form` decides. */
#define CTC_IF_FORM(FORM, form, which)                                                             \
  if constexpr ((FORM) == CTC_ANY_FORM || (FORM) == (which))                                       \
    if ((FORM) != CTC_ANY_FORM || (form) == (which))
