/* library.c: what the forms of kernels by libraries share: README.md beside it says how such a form
 * is written. All of it runs on the host; tensors are addresses on the device. */

/* Bytes of memory on the device that the libraries of a model share for their work. */
enum { CTC_LIBRARY_WORKSPACE = 33554432 };

/* Sizes that a choice may depend on, and descriptors that it may consist of. */
enum { CTC_LIBRARY_KEY = 32, CTC_LIBRARY_OBJECTS = 4 };

/* A function of a library, and the place of its address in the structure of all of them. */
typedef struct {
  const char *name;
  size_t at;
} ctc_library_function;

/* A library of a model. */
typedef struct {
  const char *file;    /* the name by which it was looked for */
  const char *missing; /* why it is not used: there is no … */
  void *functions;     /* their addresses, in the structure that its file declares */
  void *handle;        /* what the library gave; NULL: it is not used */
  void *stream;        /* of the step at hand */
  void *workspace;     /* CTC_LIBRARY_WORKSPACE bytes on the device */
  int precision;       /* of factors: 0 f32, 1 tf32, 2 f16, 3 bf16 */
} ctc_library;

/* A step that a library may do, and how it does so at the sizes `key`. */
typedef struct {
  ctc_library *library;
  ctc_dim key[CTC_LIBRARY_KEY];
  int key_count;
  int chosen; /* at these sizes: it does the step */
  int done;   /* in the run at hand: it did */
  int used;   /* when the step was last recorded or run */
  void *objects[CTC_LIBRARY_OBJECTS]; /* descriptors, of the library's kind */
  uint64_t choice[8];                 /* an algorithm, likewise */
} ctc_library_step;

/* What a program knows of a library. */
typedef struct {
  const char *name;                      /* as --cuda-libs has it */
  const char *const *files;              /* names to look for, ended by NULL */
  const ctc_library_function *functions; /* ended by a name NULL */
  size_t bytes;                          /* of the structure with their addresses */
  int (*open)(ctc_library *library);     /* sets library->handle; whether it could */
  void (*close)(ctc_library *library);
  void (*forget)(ctc_library_step *step); /* ends the descriptors */
} ctc_library_kind;

/* Whether these sizes are others than the step was last done with; keeps them. */
static int ctc_library_is_new(ctc_library_step *step, const ctc_dim *key, int count) {
  const size_t bytes = (size_t)count * sizeof *key;
  if (step->key_count == count && memcmp(step->key, key, bytes) == 0) return 0;
  memcpy(step->key, key, bytes);
  step->key_count = count;
  return 1;
}

/* The largest power of two, up to 256, that divides an address or a number of bytes. */
static ctc_dim ctc_library_alignment(uint64_t address) {
  ctc_dim alignment = 256;
  while (address % (uint64_t)alignment != 0) alignment /= 2;
  return alignment;
}

/* Whether a size fits an int, in which libraries take it. */
static int ctc_library_fits(ctc_dim size) {
  return size >= 0 && size <= 2147483647;
}
