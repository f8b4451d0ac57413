/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Types and kinds: their names; default limits; sorting. */
#include <assert.h>
#include <stdio.h>

#include "module/internal.h"

static const char *heap_name(module_type heap) {
  switch (heap & 0xFF) {
  case 0x69: return "exn";
  case 0x6A: return "array";
  case 0x6B: return "struct";
  case 0x6C: return "i31";
  case 0x6D: return "eq";
  case 0x6E: return "any";
  case 0x6F: return "extern";
  case 0x70: return "func";
  case 0x71: return "none";
  case 0x72: return "noextern";
  case 0x73: return "nofunc";
  case 0x74: return "noexn";
  default: return "?";
  }
}

/* (ref null HEAP) of an abstract heap type has a word of its own. */
static const char *null_ref_name(module_type heap) {
  switch (heap & 0xFF) {
  case 0x69: return "exnref";
  case 0x6A: return "arrayref";
  case 0x6B: return "structref";
  case 0x6C: return "i31ref";
  case 0x6D: return "eqref";
  case 0x6E: return "anyref";
  case 0x6F: return "externref";
  case 0x70: return "funcref";
  case 0x71: return "nullref";
  case 0x72: return "nullexternref";
  case 0x73: return "nullfuncref";
  case 0x74: return "nullexnref";
  default: return "?";
  }
}

const char *module_heap_name(module_type heap, char out[32]) {
  if (heap & MODULE_HEAP_ABSTRACT) return heap_name(heap);
  snprintf(out, 32, "%u", heap & MODULE_HEAP_MASK);
  return out;
}

const char *module_type_name(module_type type, char out[32]) {
  switch (type) {
  case MODULE_I32: return "i32";
  case MODULE_I64: return "i64";
  case MODULE_F32: return "f32";
  case MODULE_F64: return "f64";
  case MODULE_V128: return "v128";
  case MODULE_BOTTOM: return "unknown";
  default: break;
  }
  if (!module_type_is_ref(type)) return "?";
  bool is_null = (type & MODULE_REF_NULL) != 0;
  if (is_null && (type & MODULE_HEAP_ABSTRACT)) return null_ref_name(type);
  char heap[32];
  snprintf(out, 32, is_null ? "(ref null %s)" : "(ref %s)", module_heap_name(type & MODULE_HEAP_MASK, heap));
  return out;
}

uint32_t module_storage_bytes(module_type type) {
  switch (type) {
  case MODULE_I8: return 1;
  case MODULE_I16: return 2;
  case MODULE_I32:
  case MODULE_F32: return 4;
  case MODULE_V128: return 16;
  default: return 8;
  }
}

/* Appends what fits; returns the new length, `capacity` when it did not fit. */
static size_t append(char *out, size_t capacity, size_t len, const char *text) {
  size_t more = strlen(text);
  if (len >= capacity || more >= capacity - len) return capacity;
  memcpy(out + len, text, more + 1);
  return len + more;
}

static size_t append_types(char *out, size_t capacity, size_t len, const module_type *types, uint32_t count) {
  char name[32];
  len = append(out, capacity, len, "(");
  for (uint32_t i = 0; i < count && len < capacity; i++) {
    if (i > 0) len = append(out, capacity, len, ", ");
    len = append(out, capacity, len, module_type_name(types[i], name));
  }
  return append(out, capacity, len, ")");
}

const char *module_func_type_text(const struct module_func_type *type, char *out, size_t capacity) {
  assert(capacity > 0);
  out[0] = 0;
  size_t len = append_types(out, capacity, 0, type->params, type->param_count);
  len = append(out, capacity, len, " -> ");
  len = append_types(out, capacity, len, type->results, type->result_count);
  if (len < capacity) return out;
  size_t fitted = strlen(out), dots = capacity > 3 ? 3 : capacity - 1;
  if (fitted + dots >= capacity) fitted = capacity - 1 - dots;
  memset(out + fitted, '.', dots);
  out[fitted + dots] = 0;
  return out;
}

const char *module_extern_kind_name(enum module_extern_kind kind) {
  static const char *const names[] = {"function", "table", "memory", "global", "tag"};
  assert(kind <= MODULE_TAG);
  return names[kind];
}

const struct module_load_limits module_default_limits = {
    .module_bytes = UINT64_C(1) << 30,
    .types = 1000000,
    .funcs = 1000000,
    .imports = 1000000,
    .exports = 1000000,
    .globals = 1000000,
    .data_segments = 100000,
    .elem_segments = 10000000,
    .tables = 65000,
    .memories = 100,
    .tags = 1000000,
    .func_body_bytes = 7654321,
    .params = 1000,
    .results = 1000,
    .struct_fields = 10000,
    .locals = 50000,
    .frame_slots = 65000,
    .br_table_targets = 65520,
    .elem_segment_items = 10000000,
    .nesting = 50000,
};

/* ---- Sorting ----------------------------------------------------------------------------------------------------- */

static void merge(uint32_t *items, uint32_t *scratch, uint32_t middle, uint32_t count, module_compare *compare,
                  const struct module *module) {
  uint32_t left = 0, right = middle;
  for (uint32_t i = 0; i < count; i++) {
    bool take_left = right == count || (left < middle && compare(module, items[left], items[right]) <= 0);
    scratch[i] = take_left ? items[left++] : items[right++];
  }
  memcpy(items, scratch, count * sizeof *items);
}

void module_sort(uint32_t *items, uint32_t *scratch, uint32_t count, module_compare *compare,
                 const struct module *module) {
  if (count < 2) return;
  uint32_t middle = count / 2;
  module_sort(items, scratch, middle, compare, module);
  module_sort(items + middle, scratch, count - middle, compare, module);
  if (compare(module, items[middle - 1], items[middle]) > 0) merge(items, scratch, middle, count, compare, module);
}
