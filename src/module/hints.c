/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Branch hints: the custom section "metadata.code.branch_hint", which tells of an `if` or `br_if` which way it goes as a
 * rule.
 *
 * Read on the first question, which only compilers ask. As with names, threads may ask at the same time; each reads, one
 * publishes, the others throw theirs away. Hints change no result, so a section that is not as it should be never makes
 * a module unusable: it is ignored whole. module_branch_hints_check says why, for `cay validate` and the suite.
 *
 * A hint is the offset of its instruction within the function's bytes and one bit; functions and offsets ascend in the
 * section, and stay so here to be searched. Whether an instruction that may have a hint stands at the offset is looked
 * at by the check alone: nobody asks about other places.
 *
 * Source: Core Specification, appendix "Custom Sections and Annotations". */
#include <assert.h>

#include "module/internal.h"

#define SECTION_NAME "metadata.code.branch_hint"

enum { VALUE_BITS = 1 };

struct func_hints {
  uint32_t func, first, end; /* the function, and its hints in `hints` */
};

struct module_hints {
  BASE_VEC(struct func_hints) funcs; /* ascending by function */
  BASE_VEC(uint32_t) hints;          /* of one function ascending: offset << VALUE_BITS | likely */
};

void module_hints_free(struct module_hints *hints) {
  if (!hints) return;
  BASE_VEC_DEINIT(&hints->funcs);
  BASE_VEC_DEINIT(&hints->hints);
  base_free(hints);
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static bool fail_memory(struct module_reader *reader) {
  base_error_memory(reader->error);
  return false;
}

static bool read_hint(struct module_reader *reader, const struct module_func *func, uint32_t *out) {
  uint32_t start = reader->cursor, offset, size, value;
  if (!module_read_u32(reader, "offset of a hint", &offset)) return false;
  uint32_t size_start = reader->cursor;
  if (!module_read_u32(reader, "size of a hint", &size)) return false;
  if (size != 1) return module_reader_fail(reader, CAY_ERROR_MALFORMED, size_start, "a hint of %u bytes, not 1", size);
  uint32_t value_start = reader->cursor;
  if (!module_read_u32(reader, "hint", &value)) return false;
  if (value > 1) return module_reader_fail(reader, CAY_ERROR_MALFORMED, value_start, "unknown hint 0x%02x", value);
  if (offset >= func->body_bytes || offset >> (32 - VALUE_BITS)) {
    return module_reader_fail(reader, CAY_ERROR_INVALID, start, "invalid target: the function has only %u bytes",
                              func->body_bytes);
  }
  *out = offset << VALUE_BITS | value;
  return true;
}

static bool read_hints_of_function(struct module_reader *reader, const struct module *module,
                                   struct module_hints *hints) {
  uint32_t start = reader->cursor, func, count, before = 0;
  if (!module_read_u32(reader, "function index", &func)) return false;
  if (func < module->imported_func_count || func >= module->func_count) {
    return module_reader_fail(reader, CAY_ERROR_INVALID, start, "no function %u is defined here", func);
  }
  if (hints->funcs.count > 0 && hints->funcs.items[hints->funcs.count - 1].func >= func) {
    return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "function %u is out of order", func);
  }
  if (!module_read_count(reader, "number of hints", 3, UINT32_MAX, &count)) return false;
  uint32_t first = (uint32_t)hints->hints.count;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t *hint = BASE_VEC_PUSH(&hints->hints);
    start = reader->cursor;
    if (!hint) return fail_memory(reader);
    if (!read_hint(reader, &module->funcs[func], hint)) return false;
    if (i > 0 && before >> VALUE_BITS >= *hint >> VALUE_BITS) {
      return module_reader_fail(reader, CAY_ERROR_MALFORMED, start,
                                "the hint for byte %u of function %u is out of order", *hint >> VALUE_BITS, func);
    }
    before = *hint;
  }
  struct func_hints *entry = BASE_VEC_PUSH(&hints->funcs);
  if (!entry) return fail_memory(reader);
  *entry = (struct func_hints){func, first, first + count};
  return true;
}

static bool read_section(struct module_reader *reader, const struct module *module, struct module_hints *hints) {
  uint32_t count;
  if (!module_read_count(reader, "number of functions", 2, UINT32_MAX, &count)) return false;
  for (uint32_t i = 0; i < count; i++) {
    if (!read_hints_of_function(reader, module, hints)) return false;
  }
  return reader->cursor == reader->end ||
         module_reader_fail(reader, CAY_ERROR_MALFORMED, reader->cursor, "%u bytes follow the last function",
                            reader->end - reader->cursor);
}

/* There may be one such section, before the code. */
static bool check_place(struct module_reader *reader, const struct module *module,
                        const struct module_custom *section) {
  const struct module_custom *end = module->customs + module->custom_count;
  for (const struct module_custom *other = section + 1; other < end; other++) {
    if (module_name_compare(other->name, section->name) == 0) {
      return module_reader_fail(reader, CAY_ERROR_MALFORMED, other->offset, "there is more than one");
    }
  }
  return module->code_offset == 0 || section->offset < module->code_offset ||
         module_reader_fail(reader, CAY_ERROR_MALFORMED, section->offset, "it stands behind the code section");
}

/* Reads the section, if there is one, into `*hints`, which is empty. */
static enum cay_status read_hints(const struct module *module, struct module_hints *hints, struct cay_error *error) {
  const struct module_custom *section = module_custom_find(module, SECTION_NAME);
  if (!section) return CAY_OK;
  struct cay_error failure = {0};
  struct module_reader reader = {.bytes = module->bytes,
                                 .cursor = section->offset,
                                 .end = section->offset + section->len_bytes,
                                 .error = &failure};
  if (check_place(&reader, module, section) && read_section(&reader, module, hints)) return CAY_OK;
  if (failure.status != CAY_ERROR_MEMORY) base_error_prefix(&failure, "custom section " SECTION_NAME);
  if (error) *error = failure;
  return failure.status;
}

/* ---- Look-up ----------------------------------------------------------------------------------------------------- */

/* NULL: out of memory. */
static struct module_hints *hints_new(const struct module *module) {
  struct module_hints *hints = base_alloc_zero(1, sizeof *hints);
  enum cay_status status = hints ? read_hints(module, hints, NULL) : CAY_ERROR_MEMORY;
  if (status == CAY_OK) return hints;
  module_hints_free(hints);
  return status == CAY_ERROR_MEMORY ? NULL : base_alloc_zero(1, sizeof *hints);
}

static const struct module_hints *hints_of(const struct module *module) {
  _Atomic(struct module_hints *) *published = &module->private_part->hints;
  struct module_hints *hints = atomic_load_explicit(published, memory_order_acquire);
  if (hints) return hints;
  hints = hints_new(module);
  struct module_hints *before = NULL;
  if (!hints ||
      atomic_compare_exchange_strong_explicit(published, &before, hints, memory_order_acq_rel, memory_order_acquire)) {
    return hints;
  }
  assert(before);
  module_hints_free(hints);
  return before;
}

static const struct func_hints *find_function(const struct module_hints *hints, uint32_t func) {
  size_t low = 0, high = hints->funcs.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const struct func_hints *entry = &hints->funcs.items[middle];
    if (entry->func == func) return entry;
    if (entry->func < func) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return NULL;
}

enum module_hint module_branch_hint(const struct module *module, uint32_t func, uint32_t offset) {
  const struct module_hints *hints = hints_of(module);
  const struct func_hints *entry = hints ? find_function(hints, func) : NULL;
  if (!entry || offset < module->funcs[func].body_offset) return MODULE_HINT_NONE;
  uint32_t wanted = offset - module->funcs[func].body_offset, low = entry->first, high = entry->end;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2, hint = hints->hints.items[middle];
    if (hint >> VALUE_BITS == wanted) return hint & 1 ? MODULE_HINT_LIKELY : MODULE_HINT_UNLIKELY;
    if (hint >> VALUE_BITS < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return MODULE_HINT_NONE;
}

/* ---- The check --------------------------------------------------------------------------------------------------- */

/* Walks the function once, because only that tells where its instructions start. */
static enum cay_status check_targets(const struct module *module, const struct module_hints *hints,
                                     const struct func_hints *entry, struct module_body *body,
                                     struct cay_error *error) {
  enum cay_status status = module_body_begin(body, module, entry->func, error);
  uint32_t cursor = body->cursor, base = module->funcs[entry->func].body_offset, next = entry->first;
  while (status == CAY_OK && next < entry->end && cursor < body->end) {
    struct module_insn insn;
    status = module_insn_decode(module, &cursor, body->end, &insn, error);
    bool may_have_one = insn.op == MODULE_OP_IF || insn.op == MODULE_OP_BR_IF;
    if (may_have_one && insn.offset - base == hints->hints.items[next] >> VALUE_BITS) next++;
  }
  if (status != CAY_OK || next == entry->end) return status;
  uint32_t missed = hints->hints.items[next] >> VALUE_BITS;
  return base_error_set_at(error, CAY_ERROR_INVALID, base + missed,
                           "custom section " SECTION_NAME ": invalid target: neither if nor br_if stands at byte %u of "
                           "function %u",
                           missed, entry->func);
}

enum cay_status module_branch_hints_check(const struct module *module, struct cay_error *error) {
  struct module_hints hints = {0};
  struct module_body body = {0};
  enum cay_status status = read_hints(module, &hints, error);
  for (size_t i = 0; status == CAY_OK && i < hints.funcs.count; i++)
    status = check_targets(module, &hints, &hints.funcs.items[i], &body, error);
  module_body_deinit(&body);
  BASE_VEC_DEINIT(&hints.funcs);
  BASE_VEC_DEINIT(&hints.hints);
  return status;
}
