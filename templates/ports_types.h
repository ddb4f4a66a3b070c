//$ # ports_types.h: inputs, outputs and dims as data, for one driver that runs any model
#ifndef CTC_PORTS
#define CTC_PORTS
/* The same in every emitted header: one driver can run any model. */
typedef struct {
  const char *name;
  int32_t dtype; /* ONNX TensorProto.DataType */
  int32_t rank;
  const char *note; /* such as class labels; may be NULL */
} ctc_port;

typedef struct {
  const char *name;
  int64_t low, high; /* high -1: no limit */
  int32_t kind;      /* 0: the caller's; 1: data-dependent, the caller gives a capacity; 2: data-dependent with a known bound */
} ctc_dim_info;

/* An input or output of the model that is several ports, one behind the other. */
typedef struct {
  const char *name;
  int32_t kind;   /* 1: a sequence (data, shapes); 2: an optional tensor (a sequence of at most one); 3: an optional sequence
                     (data, shapes, whether it is there); 4: a map (keys, values) */
  int32_t output; /* 1: of the outputs */
  int32_t first;  /* its first port */
} ctc_compound;
#endif
