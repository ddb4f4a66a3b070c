//$ # strings.c: what programs with tensors of strings ask of the target
//$ if strings
/* In tensors of strings an element takes 8 bytes of the workspace. */
#if UINTPTR_MAX != UINT64_MAX
#error "tensors of strings need pointers of 64 bits"
#endif

//$ end
