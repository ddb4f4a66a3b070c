/* wire.c: one walk over the wire format, driven by protobuf-c's descriptors; it is made twice,
 * first to check and to count the bytes of the reduced copy, then to write them.
 *
 * A message is a list of fields, each a tag (number << 3 | wire type) and a payload. Sub-messages,
 * strings, bytes and packed lists are a length and that many bytes. The length of a sub-message is
 * written in five bytes (a varint may have leading zero groups), so that it can be filled in after
 * the contents. */
#include "wire.h"

#include "base/diag.h"
#include "onnx.pb-c.h"

#include <string.h>

enum {
  /* Three messages for each graph within a graph (graph, node, attribute), 64 of those, and some
     for types. */
  DEPTH_LIMIT = 64 * 3 + 16,
  LENGTH_BYTES = 5,
  TENSOR_RAW_DATA = 9,
};

typedef enum { WIRE_VARINT, WIRE_64 = 1, WIRE_LENGTH = 2, WIRE_32 = 5 } WireType;

typedef struct {
  Arena *arena;
  const uint8_t *data; /* the whole file */
  uint8_t *out;        /* NULL while counting */
  size_t written;
  int depth;
  WireError *error;
} Wire;

/* A field's tag and the place of its payload, [payload, end) (for WIRE_LENGTH without the length).
 */
typedef struct {
  uint32_t number;
  WireType type;
  size_t start, payload, end;
} Field;

static bool damaged(Wire *w, size_t position, const char *text) {
  w->error->position = position;
  w->error->text = text;
  return false;
}

/* Reads a varint of at most `longest` bytes at *position and moves *position behind it. */
static bool varint(Wire *w, size_t *position, size_t end, size_t longest, uint64_t *value) {
  *value = 0;
  for (size_t i = 0; i < longest; i++) {
    if (*position + i >= end) return damaged(w, *position, "a number is cut off");
    uint8_t byte = w->data[*position + i];
    *value |= (uint64_t)(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      *position += i + 1;
      return true;
    }
  }
  return damaged(w, *position, "a number is too long");
}

static bool read_payload(Wire *w, Field *field, size_t position, size_t end) {
  uint64_t value, left;
  switch (field->type) {
  case WIRE_VARINT:
    field->payload = position;
    if (!varint(w, &position, end, 10, &value)) return false;
    field->end = position;
    return true;
  case WIRE_LENGTH:
    if (!varint(w, &position, end, 5, &value)) return false;
    break;
  case WIRE_64: value = 8; break;
  case WIRE_32: value = 4; break;
  default: return damaged(w, field->start, "there is no such wire type");
  }
  left = end - position;
  if (value > left)
    return damaged(w, field->start,
                   arena_printf(w->arena, "a field of %llu bytes, but only %llu are left",
                                (unsigned long long)value, (unsigned long long)left));
  field->payload = position;
  field->end = position + (size_t)value;
  return true;
}

static bool read_field(Wire *w, size_t position, size_t end, Field *field) {
  uint64_t tag;
  field->start = position;
  if (!varint(w, &position, end, 5, &tag)) return false;
  if (tag >> 3 == 0 || tag >> 32) return damaged(w, field->start, "there is no such field number");
  field->number = (uint32_t)(tag >> 3);
  field->type = (WireType)(tag & 7);
  return read_payload(w, field, position, end);
}

/* ---- writing the reduced copy ---- */

static void put(Wire *w, const void *bytes, size_t count) {
  if (w->out && count) memcpy(w->out + w->written, bytes, count);
  w->written += count;
}

static void put_tag(Wire *w, uint32_t number) {
  uint8_t bytes[5];
  size_t count = 0;
  for (uint64_t tag = (uint64_t)number << 3 | WIRE_LENGTH; count == 0 || tag; tag >>= 7)
    bytes[count++] = (uint8_t)((tag & 0x7f) | (tag >> 7 ? 0x80 : 0));
  put(w, bytes, count);
}

static void fill_length(Wire *w, size_t at, size_t length) {
  if (!w->out) return;
  for (int i = 0; i < LENGTH_BYTES; i++)
    w->out[at + i] = (uint8_t)(((length >> (7 * i)) & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
}

static void put_slice(Wire *w, const Field *field) {
  WireSlice slice = {field->payload, field->end - field->payload};
  const uint8_t length = sizeof slice;
  put_tag(w, field->number);
  put(w, &length, 1);
  put(w, &slice, sizeof slice);
}

/* ---- checking ---- */

/* The wire type of one element of a field. */
static WireType element_type(ProtobufCType type) {
  switch (type) {
  case PROTOBUF_C_TYPE_FLOAT:
  case PROTOBUF_C_TYPE_FIXED32:
  case PROTOBUF_C_TYPE_SFIXED32: return WIRE_32;
  case PROTOBUF_C_TYPE_DOUBLE:
  case PROTOBUF_C_TYPE_FIXED64:
  case PROTOBUF_C_TYPE_SFIXED64: return WIRE_64;
  case PROTOBUF_C_TYPE_STRING:
  case PROTOBUF_C_TYPE_BYTES:
  case PROTOBUF_C_TYPE_MESSAGE: return WIRE_LENGTH;
  default: return WIRE_VARINT;
  }
}

static bool check_packed(Wire *w, const Field *field, WireType element) {
  size_t size = field->end - field->payload, width = element == WIRE_64 ? 8 : 4;
  if (element != WIRE_VARINT)
    return size % width == 0 || damaged(w, field->start, "a list of numbers is cut off");
  uint64_t value;
  for (size_t at = field->payload; at < field->end;)
    if (!varint(w, &at, field->end, 10, &value)) return false;
  return true;
}

static bool check_type(Wire *w, const ProtobufCFieldDescriptor *known, const Field *field) {
  WireType element = element_type(known->type);
  if (field->type == element) return true;
  if (known->label == PROTOBUF_C_LABEL_REPEATED && field->type == WIRE_LENGTH)
    return check_packed(w, field, element);
  return damaged(w, field->start, arena_printf(w->arena, "'%s' is of another kind", known->name));
}

static bool message(Wire *w, const ProtobufCMessageDescriptor *descriptor, size_t at, size_t end);

static bool submessage(Wire *w, const ProtobufCFieldDescriptor *known, const Field *field) {
  put_tag(w, field->number);
  size_t length_at = w->written;
  w->written += LENGTH_BYTES;
  if (!message(w, known->descriptor, field->payload, field->end)) return false;
  fill_length(w, length_at, w->written - length_at - LENGTH_BYTES);
  return true;
}

/* A single sub-message that is given twice would have to be merged, which takes quadratic time;
 * nobody writes that. */
static bool check_single(Wire *w, const ProtobufCMessageDescriptor *descriptor,
                         const ProtobufCFieldDescriptor *known, const Field *field,
                         uint64_t *seen) {
  if (known->label == PROTOBUF_C_LABEL_REPEATED) return true;
  CTC_ASSERT(descriptor->n_fields <= 64);
  uint64_t bit = UINT64_C(1) << (known - descriptor->fields);
  if (*seen & bit)
    return damaged(w, field->start, arena_printf(w->arena, "'%s' is there twice", known->name));
  *seen |= bit;
  return true;
}

static bool message(Wire *w, const ProtobufCMessageDescriptor *descriptor, size_t at, size_t end) {
  uint64_t seen = 0;
  Field field;
  if (w->depth == DEPTH_LIMIT)
    return damaged(w, at, "messages are nested deeper than 64 graphs within each other");
  w->depth++;
  for (; at < end; at = field.end) {
    if (!read_field(w, at, end, &field)) return false;
    const ProtobufCFieldDescriptor *known =
        protobuf_c_message_descriptor_get_field(descriptor, field.number);
    if (!known) continue;
    if (!check_type(w, known, &field)) return false;
    if (known->type == PROTOBUF_C_TYPE_MESSAGE) {
      if (!check_single(w, descriptor, known, &field, &seen) || !submessage(w, known, &field))
        return false;
    } else if (descriptor == &onnx__tensor_proto__descriptor && field.number == TENSOR_RAW_DATA) {
      put_slice(w, &field);
    } else {
      put(w, w->data + field.start, field.end - field.start);
    }
    w->error->recognised = true;
  }
  w->depth--;
  return true;
}

bool wire_reduce(Arena *arena, FileView file, const ProtobufCMessageDescriptor *descriptor,
                 FileView *reduced, WireError *error) {
  *error = (WireError){0};
  Wire w = {.arena = arena, .data = file.data, .error = error};
  if (!message(&w, descriptor, 0, file.size)) return false;
  size_t size = w.written;
  w = (Wire){.arena = arena, .data = file.data, .error = error};
  w.out = arena_alloc(arena, size ? size : 1, 1);
  bool ok = message(&w, descriptor, 0, file.size);
  CTC_ASSERT(ok && w.written == size);
  *reduced = (FileView){w.out, size};
  return true;
}
