//$ # status_texts.c: the same in words
  case CTC_OK: return "ok";
  case CTC_BAD_ARGUMENT: return "a pointer is null or misaligned";
  case CTC_BAD_SHAPE: return "sizes contradict each other or the model's limits";
  case CTC_BAD_INDEX: return "an index points outside of its data";
  case CTC_CAPACITY_TOO_SMALL: return "a data-dependent size exceeds its capacity";
