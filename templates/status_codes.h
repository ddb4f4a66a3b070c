//$ # status_codes.h: what a run may return, whatever it runs on
  $NAME_OK = 0,
  $NAME_BAD_ARGUMENT = 1,       /* a null or misaligned pointer */
  $NAME_BAD_SHAPE = 2,          /* sizes that contradict each other or the model's limits */
  $NAME_BAD_INDEX = 3,          /* an index tensor points outside of its data */
  $NAME_CAPACITY_TOO_SMALL = 5, /* a data-dependent size exceeds its capacity */
