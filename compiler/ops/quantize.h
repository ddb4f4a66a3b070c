/* quantize.h: what operators on quantised tensors share. */
#ifndef CTC_OPS_QUANTIZE_H
#define CTC_OPS_QUANTIZE_H

#include "ops/op.h"

/* Whether tensors of `dtype` can hold levels: u8, i8, u16, i16. */
bool quantized_dtype(DType dtype);

/* x as a level of dtype `to`. Scale and zero point (NULL: 0) are read with `stride`, one entry a
 * loop of the nest, or, if that is NULL, are single numbers. */
Operand nest_quantize(Lower *l, LoopNest *nest, Operand x, const Value *scale, const Value *zero,
                      const Dim *stride, DType to);
/* A level as a number of the float dtype `to`; the rest likewise. */
Operand nest_dequantize(Lower *l, LoopNest *nest, Operand level, const Value *scale,
                        const Value *zero, const Dim *stride, DType to);

/* Computes scale and zero point (one element each, f32 and u8) of DynamicQuantizeLinear … */
void lower_dynamic_range(Lower *l, const Value *x, Buffer *scale, Buffer *zero);
/* … and the levels (u8) of x with them. */
void lower_dynamic_levels(Lower *l, const Value *x, Buffer *scale, Buffer *zero, Buffer *levels);

#endif
