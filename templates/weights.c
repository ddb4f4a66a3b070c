//$ # weights.c: how constants are found: in arrays, in a file that is included, or in memory of the caller's
//$ if incbin
/* The bytes of $weights_file, aligned; the path is relative to where the compiler runs, or found with -Wa,-I. */
__asm__(".pushsection .rodata\n"
        ".balign 64\n"
        "$model_weights_data:\n"
        ".incbin \"$weights_file\"\n"
        ".popsection\n");
extern const char $model_weights_data[];
#define CTC_WEIGHT(T, offset) ((const T *)(const void *)($model_weights_data + (offset)))

//$ end
//$ if weights_pointer
#define CTC_WEIGHT(T, offset) ((const T *)(const void *)((const char *)weights + (offset)))

//$ end
$weights
