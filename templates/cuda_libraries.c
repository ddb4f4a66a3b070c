//$ # Libraries of --cuda-libs: opened when the program starts, asked for each step that they may do; a part of cuda_host.c.
//$ if libraries
/* --- libraries --- */

/* Those that the program may use, and the steps that each may do. */
static const ctc_library_kind *const ctc_library_kinds[] = {
//$ for library in libraries
    &ctc_$library.name_library,
//$ end
};

static const int ctc_library_step_counts[] = {
//$ for library in libraries
    $library.steps, /* $library.name */
//$ end
};

/* The library of each step that one may do; one more, as there may be none. */
static const int ctc_library_of_step[] = {$library_of_steps};

/* Finds a library and its functions; what is missing, or NULL. */
static const char *ctc_library_find(ctc_library *library, const ctc_library_kind *kind) {
  const char *missing = NULL;
  void *file = NULL;
  for (int i = 0; kind->files[i] && !file; i++) {
    library->file = kind->files[i];
    file = dlopen(library->file, RTLD_NOW);
  }
  if (!file) return library->file;
  library->functions = calloc(1, kind->bytes);
  if (!library->functions) return "memory";
  for (int i = 0; kind->functions[i].name && !missing; i++) {
    const ctc_gpu_function function = {kind->functions[i].name, kind->functions[i].at};
    missing = ctc_gpu_functions(file, &function, 1, library->functions);
  }
  return missing;
}

/* Opens what is there. What is not is no failure: kernels of the program's own do its steps. */
static void ctc_libraries_open(ctc_gpu *gpu) {
  int any = 0;
  for (int i = 0; i < CTC_LIBRARIES; i++) {
    ctc_library *library = &gpu->libraries[i];
    library->precision = $library_precision;
    if (ctc_library_step_counts[i] == 0) continue;
    library->missing = ctc_library_find(library, ctc_library_kinds[i]);
    if (!library->missing && !ctc_library_kinds[i]->open(library)) {
      library->missing = "device that it likes";
      library->handle = NULL;
    }
    any = any || library->handle;
  }
  if (any && gpu->cu.allocate(&gpu->library_workspace, CTC_LIBRARY_WORKSPACE) != 0) gpu->library_workspace = 0;
  for (int i = 0; i < CTC_LIBRARIES; i++) gpu->libraries[i].workspace = (void *)(uintptr_t)gpu->library_workspace;
}

/* Behind the work of all streams. */
static void ctc_libraries_close(ctc_gpu *gpu) {
  for (int i = 0; i < CTC_LIBRARY_STEPS; i++) {
    ctc_library_step *step = &gpu->library_steps[i];
    if (step->library) ctc_library_kinds[ctc_library_of_step[i]]->forget(step);
  }
  for (int i = 0; i < CTC_LIBRARIES; i++) {
    if (gpu->libraries[i].handle) ctc_library_kinds[i]->close(&gpu->libraries[i]);
    free(gpu->libraries[i].functions);
  }
  if (gpu->library_workspace) gpu->cu.release_memory(gpu->library_workspace);
}

//$ if library_steps
/* Calls of a library for a step begin, where `kernel` does it otherwise: how many there will be, 0 without the library. */
static int ctc_library_begins(ctc_gpu *gpu, int number, int kernel) {
  ctc_library *library = &gpu->libraries[ctc_library_of_step[number]];
  ctc_library_step *step = &gpu->library_steps[number];
  (void)kernel;
  step->done = 0;
  if (gpu->skip || !library->handle || !library->workspace) return 0;
  step->library = library;
  library->stream = gpu->stream;
#ifdef CTC_PROFILE
  if (ctc_profile_hook) {
    const int more = ctc_profile_hook(gpu->kernels[kernel].name, gpu->stream, 1);
    if (more == 0) (void)ctc_profile_hook(gpu->kernels[kernel].name, gpu->stream, 0);
    return more + 1;
  }
#endif
  return 1;
}

/* One of `left` of them was made, and did the step or did not: how many are left. */
static int ctc_library_ends(ctc_gpu *gpu, int number, int kernel, int left, int done) {
  gpu->library_steps[number].done = gpu->library_steps[number].used = done;
  (void)kernel;
#ifdef CTC_PROFILE
  if (ctc_profile_hook && (left == 2 || (left > 2 && !done)))
    (void)ctc_profile_hook(gpu->kernels[kernel].name, gpu->stream, 0);
#endif
  return done ? left - 1 : 0;
}

//$ end
/* A line for each: "cublaslt: libcublasLt.so.13, 5 of 7 steps", "cudnn: not used, there is no libcudnn.so". */
static const char *ctc_libraries_text(ctc_gpu *gpu) {
  char *text = gpu->library_text;
  size_t room = sizeof gpu->library_text;
  for (int i = 0; i < CTC_LIBRARIES; i++) {
    const ctc_library *library = &gpu->libraries[i];
    const char *name = ctc_library_kinds[i]->name;
    int used = 0, length;
    for (int k = 0; k < CTC_LIBRARY_STEPS; k++) used += ctc_library_of_step[k] == i && gpu->library_steps[k].used;
    if (library->handle && library->workspace)
      length = snprintf(text, room, "%s: %s, %d of %d steps\n", name, library->file, used, ctc_library_step_counts[i]);
    else
      length = snprintf(text, room, "%s: not used, there is no %s\n", name,
                        ctc_library_step_counts[i] == 0 ? "step for it" : library->missing ? library->missing : "memory");
    if (length < 0 || (size_t)length >= room) break;
    text += length;
    room -= (size_t)length;
  }
  return gpu->library_text;
}

//$ end
