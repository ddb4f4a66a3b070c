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
#endif
