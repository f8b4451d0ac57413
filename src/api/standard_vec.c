/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The vectors of wasm.h: twelve types, one implementation of each operation.
 *
 * A vector of pointers is read here as `struct pointers`, whatever it points to; what its elements need is in a row of
 * two functions. A vector that could not be made is empty, but its data points to a mark, by which those who take it over
 * see that something is missing: a function type must not lose its parameters silently. */
#include "api/standard.h"

struct pointers {
  size_t size;
  void **data;
};
struct element {
  void (*end)(void *item);
  void *(*copy)(const void *item); /* NULL when memory is out */
};

static char failed_mark;
bool standard_vec_failed(const void *data) { return data == &failed_mark; }

static void *room(size_t *size, size_t count, size_t item_bytes) {
  *size = 0;
  if (count == 0) return NULL;
  void *data = base_alloc_zero(count, item_bytes);
  if (!data) return &failed_mark;
  *size = count;
  return data;
}

static void room_free(void *data) {
  if (!standard_vec_failed(data)) base_free(data);
}

/* ---- Vectors of pointers ------------------------------------------------------------------------------------------------ */

static void pointers_delete(struct pointers *vec, const struct element *element) {
  for (size_t i = 0; i < vec->size; i++) element->end(vec->data[i]);
  room_free(vec->data);
  *vec = (struct pointers){0, NULL};
}

static void pointers_new(struct pointers *out, size_t count, void *const items[], const struct element *element) {
  out->data = room(&out->size, count, sizeof *out->data);
  if (out->size)
    memcpy(out->data, items, count * sizeof *items);
  else
    for (size_t i = 0; i < count; i++) element->end(items[i]);
}

static void pointers_copy(struct pointers *out, const struct pointers *vec, const struct element *element) {
  out->data = standard_vec_failed(vec->data) ? vec->data : room(&out->size, vec->size, sizeof *out->data);
  if (standard_vec_failed(out->data)) out->size = 0;
  for (size_t i = 0; i < out->size; i++) {
    if (!vec->data[i]) continue;
    out->data[i] = element->copy(vec->data[i]);
    if (out->data[i]) continue;
    pointers_delete(out, element);
    out->data = (void *)&failed_mark;
    return;
  }
}

#define POINTERS(name)                                                                                 \
  static void name##_end(void *item) { wasm_##name##_delete(item); }                                   \
  static void *name##_twin(const void *item) { return wasm_##name##_copy(item); }                      \
  static const struct element name##_element = {name##_end, name##_twin};                              \
  void wasm_##name##_vec_new_empty(wasm_##name##_vec_t *out) { *out = (wasm_##name##_vec_t){0}; }      \
  void wasm_##name##_vec_new_uninitialized(wasm_##name##_vec_t *out, size_t count) {                   \
    out->data = room(&out->size, count, sizeof *out->data);                                            \
  }                                                                                                    \
  void wasm_##name##_vec_new(wasm_##name##_vec_t *out, size_t count, wasm_##name##_t *const items[]) { \
    pointers_new((struct pointers *)out, count, (void *const *)items, &name##_element);                \
  }                                                                                                    \
  void wasm_##name##_vec_copy(wasm_##name##_vec_t *out, const wasm_##name##_vec_t *vec) {              \
    pointers_copy((struct pointers *)out, (const struct pointers *)vec, &name##_element);              \
  }                                                                                                    \
  void wasm_##name##_vec_delete(wasm_##name##_vec_t *vec) { pointers_delete((struct pointers *)vec, &name##_element); }

POINTERS(valtype)
POINTERS(functype)
POINTERS(globaltype)
POINTERS(tabletype)
POINTERS(memorytype)
POINTERS(externtype)
POINTERS(importtype)
POINTERS(exporttype)
POINTERS(frame)
POINTERS(extern)

/* ---- Bytes ---------------------------------------------------------------------------------------------------------------- */

void standard_name(wasm_name_t *out, const char *bytes, size_t len_bytes) {
  out->data = room(&out->size, len_bytes, 1);
  if (out->size) memcpy(out->data, bytes, len_bytes);
}

void wasm_byte_vec_new_empty(wasm_byte_vec_t *out) { *out = (wasm_byte_vec_t){0}; }
void wasm_byte_vec_new_uninitialized(wasm_byte_vec_t *out, size_t count) { out->data = room(&out->size, count, 1); }
void wasm_byte_vec_new(wasm_byte_vec_t *out, size_t count, const wasm_byte_t bytes[]) {
  standard_name(out, bytes, count);
}
void wasm_byte_vec_copy(wasm_byte_vec_t *out, const wasm_byte_vec_t *vec) {
  standard_name(out, vec->data, vec->size);
  if (standard_vec_failed(vec->data)) out->data = vec->data;
}
void wasm_byte_vec_delete(wasm_byte_vec_t *vec) {
  room_free(vec->data);
  wasm_byte_vec_new_empty(vec);
}

/* ---- Values --------------------------------------------------------------------------------------------------------------- */

void wasm_val_delete(wasm_val_t *value) {
  if (!wasm_valkind_is_ref(value->kind)) return;
  standard_release(value->of.ref);
  value->of.ref = NULL;
}

void wasm_val_copy(wasm_val_t *out, const wasm_val_t *value) {
  *out = *value;
  if (wasm_valkind_is_ref(value->kind)) standard_retain(value->of.ref);
}

void wasm_val_vec_new_empty(wasm_val_vec_t *out) { *out = (wasm_val_vec_t){0}; }
void wasm_val_vec_new_uninitialized(wasm_val_vec_t *out, size_t count) {
  out->data = room(&out->size, count, sizeof *out->data);
}
void wasm_val_vec_new(wasm_val_vec_t *out, size_t count, const wasm_val_t values[]) {
  out->data = room(&out->size, count, sizeof *out->data);
  if (out->size) memcpy(out->data, values, count * sizeof *values);
  for (size_t i = 0; i < count && !out->size; i++) wasm_val_delete(&(wasm_val_t){values[i].kind, values[i].of});
}
void wasm_val_vec_copy(wasm_val_vec_t *out, const wasm_val_vec_t *vec) {
  out->data = room(&out->size, vec->size, sizeof *out->data);
  for (size_t i = 0; i < out->size; i++) wasm_val_copy(&out->data[i], &vec->data[i]);
}
void wasm_val_vec_delete(wasm_val_vec_t *vec) {
  for (size_t i = 0; i < vec->size; i++) wasm_val_delete(&vec->data[i]);
  room_free(vec->data);
  wasm_val_vec_new_empty(vec);
}
