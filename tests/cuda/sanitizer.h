/* sanitizer.h: the functions of AddressSanitizer that the stand-in calls if the program has it:
 * weak, so that one build serves both. */
#pragma once
#include <stddef.h>

extern "C" {
__attribute__((weak)) void __sanitizer_start_switch_fiber(void **fake_stack_save,
                                                          const void *bottom, size_t size);
__attribute__((weak)) void
__sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom_old, size_t *size_old);
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));
__attribute__((weak)) void __asan_poison_memory_region(const volatile void *address, size_t size);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void *address, size_t size);
__attribute__((weak)) void __asan_init(void);
}
