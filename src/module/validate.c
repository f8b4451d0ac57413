/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The validation algorithm of the specification's appendix, as a reader that hands out one instruction at a time.
 *
 * Most instructions are rows with fixed types: `plain` pops and pushes what the row says. The SPECIAL rows have a
 * function each. The same code validates while loading and drives the translators later, so that what a translator
 * sees has been checked by the very state it reads.
 *
 * Invariants
 *  1. operands.count >= top frame's height; what lies below belongs to outer frames and is never touched.
 *  2. operand_slots is the sum of the slots of all operands; max_operand_slots its maximum so far.
 *  3. frames.items[0] is the function (or constant expression); no frames means that the last `end` was read.
 *  4. After a failure the body must not be read further.
 *
 * Memory is bounded by the limits: operands by frame_slots (a block with a thousand results takes two bytes), frames
 * by nesting. All vectors keep their capacity from body to body. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/internal.h"
#include "module/validate.h"

/* ---- Failures ---------------------------------------------------------------------------------------------------- */

void validate_report(struct module_body *body, enum cay_status status, const struct module_insn *insn,
                     const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  base_error_set_at(body->error, status, insn ? insn->offset : body->cursor, "%s", text);
}
#define fail(...) validate_fail(__VA_ARGS__)

BASE_COLD static bool fail_memory(struct module_body *body) {
  base_error_memory(body->error);
  return false;
}

bool validate_fail_unknown(struct module_body *body, const struct module_insn *insn, const char *what, uint32_t index) {
  return fail(body, CAY_ERROR_INVALID, insn, "%s: unknown %s %u", module_ops[insn->op].mnemonic, what, index);
}

bool validate_fail_operand(struct module_body *body, const struct module_insn *insn, module_type expected,
                           const module_type *found) {
  char expected_name[32], found_name[32];
  const char *wanted = expected == MODULE_BOTTOM ? "a value" : module_type_name(expected, expected_name);
  return fail(body, CAY_ERROR_INVALID, insn, "type mismatch: %s expects %s, but %s%s", module_ops[insn->op].mnemonic,
              wanted, found ? "found " : "the operand stack is empty",
              found ? module_type_name(*found, found_name) : "");
}

BASE_COLD static bool fail_frame_slots(struct module_body *body) {
  return fail(body, CAY_ERROR_LIMIT, NULL, "locals and operands need more than the %u slots that a frame may have",
              body->limits->frame_slots);
}

/* A failed body is always reported with its function. */
BASE_COLD static int give_up(struct module_body *body) {
  if (!body->is_const && body->error && body->error->status != CAY_ERROR_MEMORY) {
    base_error_prefix(body->error, "function %u", body->func);
  }
  return -1;
}

/* ---- Operands ---------------------------------------------------------------------------------------------------- */

static struct module_frame *top_frame(struct module_body *body) {
  assert(body->frames.count > 0);
  return &body->frames.items[body->frames.count - 1];
}

BASE_COLD static bool grow_operands(struct module_body *body, size_t wanted) {
  if (body->operand_slots > body->limits->frame_slots) return fail_frame_slots(body);
  return BASE_VEC_RESERVE(&body->operands, wanted) || fail_memory(body);
}

static inline bool push(struct module_body *body, module_type type) {
  if (BASE_UNLIKELY(body->operands.count == body->operands.capacity) &&
      !grow_operands(body, body->operands.count + 1)) {
    return false;
  }
  body->operands.items[body->operands.count++] = type;
  body->operand_slots += module_type_slots(type);
  if (body->operand_slots > body->max_operand_slots) body->max_operand_slots = body->operand_slots;
  return true;
}

/* Equality decides nearly always; what needs more stays out of the way. */
static __attribute__((noinline)) bool matches_as_subtype(const struct module_body *body, module_type actual,
                                                         module_type expected) {
  return expected == MODULE_BOTTOM || module_types_match(body->module->types, actual, expected);
}

static inline bool matches(const struct module_body *body, module_type actual, module_type expected) {
  return BASE_LIKELY(actual == expected) || matches_as_subtype(body, actual, expected);
}

/* Pops a value of type `expected` (MODULE_BOTTOM: any); `*actual`, if wanted, is its type, MODULE_BOTTOM when the code
 * is unreachable and nothing is known. */
static inline bool pop(struct module_body *body, const struct module_insn *insn, module_type expected,
                       module_type *actual) {
  const struct module_frame *frame = top_frame(body);
  if (BASE_UNLIKELY(body->operands.count == frame->height)) {
    if (!frame->unreachable) return validate_fail_operand(body, insn, expected, NULL);
    if (actual) *actual = MODULE_BOTTOM;
    return true;
  }
  module_type found = body->operands.items[body->operands.count - 1];
  if (BASE_UNLIKELY(!matches(body, found, expected))) return validate_fail_operand(body, insn, expected, &found);
  assert(body->operands.count > frame->height && body->operand_slots >= module_type_slots(found));
  body->operands.count--;
  body->operand_slots -= module_type_slots(found);
  if (actual) *actual = found;
  return true;
}

/* Are the top operands above `height` exactly these? */
static bool top_is(const struct module_body *body, uint32_t height, const module_type *types, uint32_t count) {
  if (body->operands.count - height < count) return false;
  const module_type *top = body->operands.items + body->operands.count - count;
  return count == 0 || memcmp(top, types, count * sizeof *types) == 0;
}

/* Are there enough operands above `height`, and do they fit these types? */
static bool top_fits(const struct module_body *body, uint32_t height, const module_type *types, uint32_t count) {
  return body->operands.count - height >= count &&
         module_type_lists_match(body->module->types, body->operands.items + body->operands.count - count, types,
                                 count);
}

/* Types beyond this number are handled as blocks of memory: a call with a thousand operands takes two bytes of code,
 * and going through them one by one would make such code a thousand times slower to load than any other. */
enum { MANY_TYPES = 16 };

static uint32_t slots_of(const struct module_body *body, const module_type *types, uint32_t count) {
  if (!body->module->private_part->has_vector_types) return count;
  uint32_t slots = 0;
  for (uint32_t i = 0; i < count; i++) slots += module_type_slots(types[i]);
  return slots;
}

static bool pop_types(struct module_body *body, const struct module_insn *insn, const module_type *types,
                      uint32_t count) {
  const struct module_frame *frame = top_frame(body);
  if (BASE_UNLIKELY(count > MANY_TYPES) && top_fits(body, frame->height, types, count)) {
    body->operands.count -= count;
    body->operand_slots -= slots_of(body, body->operands.items + body->operands.count, count);
    return true;
  }
  for (uint32_t i = count; i-- > 0;) {
    if (body->operands.count == frame->height && frame->unreachable) return true;
    if (!pop(body, insn, types[i], NULL)) return false;
  }
  return true;
}

static bool push_types(struct module_body *body, const module_type *types, uint32_t count) {
  if (BASE_UNLIKELY(count > MANY_TYPES)) {
    size_t wanted = body->operands.count + count;
    if (wanted > body->operands.capacity && !grow_operands(body, wanted)) return false;
    memcpy(body->operands.items + body->operands.count, types, count * sizeof *types);
    body->operands.count = wanted;
    body->operand_slots += slots_of(body, types, count);
    if (body->operand_slots > body->max_operand_slots) body->max_operand_slots = body->operand_slots;
    return true;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (!push(body, types[i])) return false;
  }
  return true;
}

/* Do the top operands fit, missing ones being allowed in unreachable code? Leaves them as they are. */
static bool check_top(struct module_body *body, const struct module_insn *insn, const module_type *types,
                      uint32_t count) {
  const struct module_frame *frame = top_frame(body);
  if (count > MANY_TYPES && top_fits(body, frame->height, types, count)) return true;
  size_t at = body->operands.count;
  for (uint32_t i = count; i-- > 0;) {
    if (at == frame->height) return frame->unreachable || validate_fail_operand(body, insn, types[i], NULL);
    at--;
    if (!matches(body, body->operands.items[at], types[i]))
      return validate_fail_operand(body, insn, types[i], &body->operands.items[at]);
  }
  return true;
}

static void cut_operands(struct module_body *body, uint32_t height) {
  while (body->operands.count > height) {
    body->operand_slots -= module_type_slots(body->operands.items[--body->operands.count]);
  }
}

static void set_unreachable(struct module_body *body) {
  struct module_frame *frame = top_frame(body);
  assert(body->operands.count >= frame->height);
  cut_operands(body, frame->height);
  frame->unreachable = true;
}

/* ---- Frames ------------------------------------------------------------------------------------------------------ */

const struct module_func_type *validate_func_type(struct module_body *body, const struct module_insn *insn,
                                                  uint32_t type) {
  const struct module *module = body->module;
  if (type >= module->type_count) {
    validate_fail_unknown(body, insn, "type", type);
  } else if (module->types[type].kind != MODULE_DEF_FUNC) {
    validate_report(body, CAY_ERROR_INVALID, insn, "%s: type %u is not a function type", module_ops[insn->op].mnemonic,
                    type);
  } else {
    return &module->types[type].func;
  }
  return NULL;
}

static bool resolve_block_type(struct module_body *body, const struct module_insn *insn, struct module_frame *frame) {
  int64_t raw = insn->imm.block.raw;
  if (raw == MODULE_BLOCK_EMPTY) return true;
  if (raw < 0) {
    frame->single = module_block_value_type(raw);
    frame->result_count = 1;
    return true;
  }
  const struct module_func_type *type = validate_func_type(body, insn, (uint32_t)raw);
  if (!type) return false;
  frame->params = type->params;
  frame->param_count = type->param_count;
  frame->results = type->results;
  frame->result_count = type->result_count;
  return true;
}

/* `frame` has its kind and types; its parameters are on the stack no more. */
static bool push_frame(struct module_body *body, struct module_frame *frame) {
  if (body->frames.count > body->limits->nesting) {
    return fail(body, CAY_ERROR_LIMIT, NULL, "more than %u nested blocks", body->limits->nesting);
  }
  assert(body->operands.count <= UINT32_MAX);
  frame->height = (uint32_t)body->operands.count;
  frame->init_height = (uint32_t)body->inits.count;
  struct module_frame *slot = BASE_VEC_PUSH(&body->frames);
  if (!slot) return fail_memory(body);
  *slot = *frame;
  return push_types(body, frame->params, frame->param_count);
}

bool validate_open_block(struct module_body *body, const struct module_insn *insn, enum module_frame_kind kind) {
  struct module_frame frame = {.kind = (uint8_t)kind, .entered_unreachable = body->was_unreachable};
  return (kind != MODULE_FRAME_IF || pop(body, insn, MODULE_I32, NULL)) && resolve_block_type(body, insn, &frame) &&
         pop_types(body, insn, frame.params, frame.param_count) && push_frame(body, &frame);
}

/* What an arm sets is not known to be set behind it. */
static void forget_inits(struct module_body *body, uint32_t height) {
  while (body->inits.count > height) {
    uint32_t local = body->inits.items[--body->inits.count];
    body->init_bits.items[local / 8] &= (uint8_t)~(1u << (local % 8));
  }
}

/* The end of an arm: exactly the results are there. They are popped. */
bool validate_close_arm(struct module_body *body, const struct module_insn *insn) {
  const struct module_frame *frame = top_frame(body);
  if (!pop_types(body, insn, module_frame_results(frame), frame->result_count)) return false;
  forget_inits(body, frame->init_height);
  if (body->operands.count == frame->height) return true;
  return fail(body, CAY_ERROR_INVALID, insn, "type mismatch: %zu values too many at the end of a block",
              body->operands.count - frame->height);
}

static bool check_else(struct module_body *body, const struct module_insn *insn) {
  struct module_frame *frame = top_frame(body);
  if (frame->kind != MODULE_FRAME_IF) return fail(body, CAY_ERROR_MALFORMED, insn, "else without if");
  if (!validate_close_arm(body, insn)) return false;
  frame->kind = MODULE_FRAME_ELSE;
  frame->unreachable = false;
  return push_types(body, frame->params, frame->param_count);
}

/* An `if` without `else` passes its parameters on as its results. */
static bool check_missing_else(struct module_body *body, const struct module_insn *insn,
                               const struct module_frame *frame) {
  bool fits = frame->param_count == frame->result_count;
  const module_type *results = module_frame_results(frame);
  for (uint32_t i = 0; fits && i < frame->param_count; i++) fits = matches(body, frame->params[i], results[i]);
  return fits || fail(body, CAY_ERROR_INVALID, insn, "type mismatch: an if without else must leave what it takes");
}

bool validate_end(struct module_body *body, const struct module_insn *insn) {
  const struct module_frame *frame = top_frame(body);
  if (frame->kind == MODULE_FRAME_IF && !check_missing_else(body, insn, frame)) return false;
  if (!validate_close_arm(body, insn)) return false;
  if (frame->kind == MODULE_FRAME_CATCH || frame->kind == MODULE_FRAME_CATCH_ALL) body->operand_slots -= CATCH_SLOTS;
  body->frames.count--; /* the frame stays where it is until another is opened */
  if (body->frames.count == 0 && body->locals_slots + body->max_operand_slots > body->limits->frame_slots) {
    return fail_frame_slots(body);
  }
  return push_types(body, module_frame_results(frame), frame->result_count);
}

/* ---- Branches ---------------------------------------------------------------------------------------------------- */

bool validate_find_label(struct module_body *body, const struct module_insn *insn, uint32_t depth,
                         struct validate_label *out) {
  if (depth >= body->frames.count) return validate_fail_unknown(body, insn, "label", depth);
  const struct module_frame *frame = &body->frames.items[body->frames.count - 1 - depth];
  bool is_loop = frame->kind == MODULE_FRAME_LOOP;
  *out = is_loop ? (struct validate_label){frame->params, frame->param_count}
                 : (struct validate_label){module_frame_results(frame), frame->result_count};
  return true;
}

static bool check_br(struct module_body *body, const struct module_insn *insn) {
  struct validate_label label = {0};
  if (!validate_find_label(body, insn, insn->imm.index[0], &label) ||
      !pop_types(body, insn, label.types, label.count)) {
    return false;
  }
  set_unreachable(body);
  return true;
}

static bool check_br_if(struct module_body *body, const struct module_insn *insn) {
  struct validate_label label = {0};
  if (!pop(body, insn, MODULE_I32, NULL) || !validate_find_label(body, insn, insn->imm.index[0], &label)) return false;
  if (top_is(body, top_frame(body)->height, label.types, label.count)) return true;
  return pop_types(body, insn, label.types, label.count) && push_types(body, label.types, label.count);
}

static bool check_br_table(struct module_body *body, const struct module_insn *insn) {
  uint32_t count = insn->imm.br_table.target_count;
  if (count > body->limits->br_table_targets) {
    return fail(body, CAY_ERROR_LIMIT, insn, "br_table has %u labels; at most %u are allowed", count,
                body->limits->br_table_targets);
  }
  if (!pop(body, insn, MODULE_I32, NULL)) return false;
  struct module_reader reader = {.bytes = body->module->bytes,
                                 .cursor = insn->imm.br_table.targets_offset,
                                 .end = body->end,
                                 .error = body->error};
  struct validate_label label = {0}, last = {0};
  for (uint32_t i = 0; i <= count; i++) {
    uint32_t depth;
    if (!module_read_u32(&reader, "label", &depth) || !validate_find_label(body, insn, depth, &label)) return false;
    if (i > 0 && label.types == last.types && label.count == last.count) continue; /* was just checked */
    if (i > 0 && label.count != last.count) {
      return fail(body, CAY_ERROR_INVALID, insn, "type mismatch: labels of br_table take %u and %u values", last.count,
                  label.count);
    }
    if (!check_top(body, insn, label.types, label.count)) return false;
    last = label;
  }
  set_unreachable(body);
  return true;
}

static bool check_return(struct module_body *body, const struct module_insn *insn) {
  const struct module_frame *outermost = &body->frames.items[0];
  if (!pop_types(body, insn, module_frame_results(outermost), outermost->result_count)) return false;
  set_unreachable(body);
  return true;
}

/* ---- Calls ------------------------------------------------------------------------------------------------------- */

bool validate_call_type(struct module_body *body, const struct module_insn *insn, const struct module_func_type *type) {
  if (!pop_types(body, insn, type->params, type->param_count)) return false;
  if (!(module_ops[insn->op].flags & MODULE_OP_TERMINATES)) return push_types(body, type->results, type->result_count);
  const struct module_frame *outermost = &body->frames.items[0];
  const module_type *results = module_frame_results(outermost);
  bool fits = type->result_count == outermost->result_count;
  for (uint32_t i = 0; fits && i < type->result_count; i++) fits = matches(body, type->results[i], results[i]);
  if (!fits) {
    return fail(body, CAY_ERROR_INVALID, insn, "type mismatch: %s to a function with other results than this one",
                module_ops[insn->op].mnemonic);
  }
  set_unreachable(body);
  return true;
}

static bool check_call(struct module_body *body, const struct module_insn *insn) {
  const struct module *module = body->module;
  uint32_t func = insn->imm.index[0];
  if (func >= module->func_count) return validate_fail_unknown(body, insn, "function", func);
  return validate_call_type(body, insn, module_func_type_of(module, func));
}

static bool check_call_indirect(struct module_body *body, const struct module_insn *insn) {
  const struct module *module = body->module;
  uint32_t type = insn->imm.index[0], table = insn->imm.index[1];
  if (table >= module->table_count) return validate_fail_unknown(body, insn, "table", table);
  if (!matches(body, module->tables[table].type.elem, MODULE_FUNCREF)) {
    return fail(body, CAY_ERROR_INVALID, insn, "type mismatch: table %u does not hold functions", table);
  }
  const struct module_func_type *callee = validate_func_type(body, insn, type);
  module_type index = module_address_type(&module->tables[table].type.limits);
  return callee && pop(body, insn, index, NULL) && validate_call_type(body, insn, callee);
}

/* ---- Variables and values ---------------------------------------------------------------------------------------- */

static bool is_init(const struct module_body *body, uint32_t local) {
  if (local < body->type->param_count) return true;
  return local / 8 < body->init_bits.count && body->init_bits.items[local / 8] >> (local % 8) & 1;
}

/* A local without a default has to be set before it is read. */
static bool check_init(struct module_body *body, const struct module_insn *insn, uint32_t local) {
  if (is_init(body, local)) return true;
  if (insn->op == MODULE_OP_LOCAL_GET) {
    return fail(body, CAY_ERROR_INVALID, insn, "uninitialized local: local %u is read before it is set", local);
  }
  size_t bytes = body->local_count / 8 + 1, before = body->init_bits.count;
  if (!BASE_VEC_RESERVE(&body->init_bits, bytes)) return fail_memory(body);
  if (before < bytes) memset(body->init_bits.items + before, 0, bytes - before);
  if (before < bytes) body->init_bits.count = bytes;
  uint32_t *entry = BASE_VEC_PUSH(&body->inits);
  if (!entry) return fail_memory(body);
  *entry = local;
  body->init_bits.items[local / 8] |= (uint8_t)(1u << (local % 8));
  return true;
}

static bool check_local(struct module_body *body, const struct module_insn *insn) {
  uint32_t local = insn->imm.index[0];
  if (local >= body->local_count) return validate_fail_unknown(body, insn, "local", local);
  module_type type = module_body_local(body, local);
  if (BASE_UNLIKELY(!module_type_has_default(type)) && !check_init(body, insn, local)) return false;
  return (insn->op == MODULE_OP_LOCAL_GET || pop(body, insn, type, NULL)) &&
         (insn->op == MODULE_OP_LOCAL_SET || push(body, type));
}

/* A constant expression sees imported globals; with GC also those defined before it. */
static bool check_const_global(struct module_body *body, const struct module_insn *insn, uint32_t global) {
  const struct module *module = body->module;
  if (module->globals[global].type.is_mutable) {
    return fail(body, CAY_ERROR_INVALID, insn, "constant expression required: global %u is mutable", global);
  }
  if (global < module->imported_global_count) return true;
  struct module_reader reader = {.features = module->features, .error = body->error};
  bool is_enabled = module_reader_need(&reader, MODULE_FEATURE_GC, insn->offset,
                                       "global.get %u, which is not imported, in a constant expression", global);
  body->features_used |= reader.features_used;
  return is_enabled;
}

static bool check_global_get(struct module_body *body, const struct module_insn *insn) {
  const struct module *module = body->module;
  uint32_t global = insn->imm.index[0];
  if (global >= module->global_count) return validate_fail_unknown(body, insn, "global", global);
  if (body->is_const && !check_const_global(body, insn, global)) return false;
  return push(body, module->globals[global].type.type);
}

static bool check_global_set(struct module_body *body, const struct module_insn *insn) {
  const struct module *module = body->module;
  uint32_t global = insn->imm.index[0];
  if (global >= module->global_count) return validate_fail_unknown(body, insn, "global", global);
  if (!module->globals[global].type.is_mutable) {
    return fail(body, CAY_ERROR_INVALID, insn, "global %u is immutable", global);
  }
  return pop(body, insn, module->globals[global].type.type, NULL);
}

static bool check_select(struct module_body *body, struct module_insn *insn) {
  module_type second = MODULE_BOTTOM, first = MODULE_BOTTOM;
  if (!pop(body, insn, MODULE_I32, NULL) || !pop(body, insn, MODULE_BOTTOM, &second) ||
      !pop(body, insn, MODULE_BOTTOM, &first)) {
    return false;
  }
  if (module_type_is_ref(first) || module_type_is_ref(second)) {
    return fail(body, CAY_ERROR_INVALID, insn, "type mismatch: select of references needs its type written");
  }
  if (first != MODULE_BOTTOM && !matches(body, second, first)) return validate_fail_operand(body, insn, first, &second);
  insn->imm.type = first == MODULE_BOTTOM ? second : first;
  return push(body, insn->imm.type);
}

static bool check_select_typed(struct module_body *body, const struct module_insn *insn) {
  if (insn->imm.index[1] != 1) {
    return fail(body, CAY_ERROR_INVALID, insn, "invalid result arity: select of %u types", insn->imm.index[1]);
  }
  module_type type = insn->imm.type;
  return pop(body, insn, MODULE_I32, NULL) && pop(body, insn, type, NULL) && pop(body, insn, type, NULL) &&
         push(body, type);
}

static bool check_ref_is_null(struct module_body *body, const struct module_insn *insn) {
  module_type type = MODULE_BOTTOM;
  if (!pop(body, insn, MODULE_BOTTOM, &type)) return false;
  if (type != MODULE_BOTTOM && !module_type_is_ref(type))
    return validate_fail_operand(body, insn, MODULE_FUNCREF, &type);
  return push(body, MODULE_I32);
}

static bool check_ref_func(struct module_body *body, const struct module_insn *insn) {
  uint32_t func = insn->imm.index[0];
  if (func >= body->module->func_count) return validate_fail_unknown(body, insn, "function", func);
  if (!body->is_const && !module_func_is_referenced(body->module, func)) {
    return fail(body, CAY_ERROR_INVALID, insn,
                "undeclared function reference: function %u is neither exported nor in an element segment or global",
                func);
  }
  bool is_typed = body->module->features & MODULE_FEATURE_BIT(FUNCTION_REFERENCES);
  return push(body, is_typed ? MODULE_REF | validate_canonical(body, body->module->funcs[func].type) : MODULE_FUNCREF);
}

/* ---- Tables and memories ----------------------------------------------------------------------------------------- */

static const struct module_table *find_table(struct module_body *body, const struct module_insn *insn, uint32_t index) {
  if (index < body->module->table_count) return &body->module->tables[index];
  validate_fail_unknown(body, insn, "table", index);
  return NULL;
}

static bool has_memory(struct module_body *body, const struct module_insn *insn, uint32_t index) {
  return BASE_LIKELY(index < body->module->memory_count) || validate_fail_unknown(body, insn, "memory", index);
}

static bool has_elem(struct module_body *body, const struct module_insn *insn, uint32_t index) {
  return index < body->module->elem_count || validate_fail_unknown(body, insn, "element segment", index);
}

bool validate_has_data(struct module_body *body, const struct module_insn *insn, uint32_t index) {
  const struct module_private *private_part = body->module->private_part;
  if (!private_part->has_data_count) {
    return fail(body, CAY_ERROR_MALFORMED, insn, "%s needs a data count section", module_ops[insn->op].mnemonic);
  }
  return index < private_part->declared_data_count || validate_fail_unknown(body, insn, "data segment", index);
}

/* Pops a length, an address or index of type `from`, and one of type `to`. */
static bool pop_copied(struct module_body *body, const struct module_insn *insn, module_type to, module_type from,
                       module_type length) {
  return pop(body, insn, length, NULL) && pop(body, insn, from, NULL) && pop(body, insn, to, NULL);
}

/* What is copied between two address ranges is as long as the smaller allows. */
static module_type shorter(module_type a, module_type b) { return a == MODULE_I64 ? b : a; }

static bool check_table(struct module_body *body, const struct module_insn *insn) {
  const struct module_table *table = find_table(body, insn, insn->imm.index[0]);
  if (!table) return false;
  module_type elem = table->type.elem, index = module_address_type(&table->type.limits);
  switch (insn->op) {
  case MODULE_OP_TABLE_GET: return pop(body, insn, index, NULL) && push(body, elem);
  case MODULE_OP_TABLE_SET: return pop(body, insn, elem, NULL) && pop(body, insn, index, NULL);
  case MODULE_OP_TABLE_SIZE: return push(body, index);
  case MODULE_OP_TABLE_GROW: return pop(body, insn, index, NULL) && pop(body, insn, elem, NULL) && push(body, index);
  default: /* count, value, index */
    assert(insn->op == MODULE_OP_TABLE_FILL);
    return pop(body, insn, index, NULL) && pop(body, insn, elem, NULL) && pop(body, insn, index, NULL);
  }
}

static bool same_elem_type(struct module_body *body, const struct module_insn *insn, module_type from, module_type to) {
  char from_name[32], to_name[32];
  return matches(body, from, to) ||
         fail(body, CAY_ERROR_INVALID, insn, "type mismatch: %s from %s to a table of %s",
              module_ops[insn->op].mnemonic, module_type_name(from, from_name), module_type_name(to, to_name));
}

static bool check_table_copy(struct module_body *body, const struct module_insn *insn) {
  const struct module_table *to = find_table(body, insn, insn->imm.index[0]);
  const struct module_table *from = to ? find_table(body, insn, insn->imm.index[1]) : NULL;
  if (!from || !same_elem_type(body, insn, from->type.elem, to->type.elem)) return false;
  module_type to_type = module_address_type(&to->type.limits), from_type = module_address_type(&from->type.limits);
  return pop_copied(body, insn, to_type, from_type, shorter(to_type, from_type));
}

static bool check_table_init(struct module_body *body, const struct module_insn *insn) {
  uint32_t elem = insn->imm.index[0];
  const struct module_table *to = find_table(body, insn, insn->imm.index[1]);
  return to && has_elem(body, insn, elem) &&
         same_elem_type(body, insn, body->module->elems[elem].type, to->type.elem) &&
         pop_copied(body, insn, module_address_type(&to->type.limits), MODULE_I32, MODULE_I32);
}

static bool check_memory_copy(struct module_body *body, const struct module_insn *insn) {
  const struct module_memory_type *memories = body->module->memories;
  uint32_t to = insn->imm.index[0], from = insn->imm.index[1];
  if (!has_memory(body, insn, to) || !has_memory(body, insn, from)) return false;
  module_type to_type = module_address_type(&memories[to].limits);
  module_type from_type = module_address_type(&memories[from].limits);
  return pop_copied(body, insn, to_type, from_type, shorter(to_type, from_type));
}

static bool check_memarg(struct module_body *body, const struct module_insn *insn, const struct module_op_info *row) {
  const struct module_memarg *memarg = &insn->imm.memarg;
  if (!has_memory(body, insn, memarg->memory)) return false;
  if (BASE_UNLIKELY(memarg->offset > UINT32_MAX) && !body->module->memories[memarg->memory].limits.is_64) {
    return fail(body, CAY_ERROR_INVALID, insn, "%s: offset out of range: %llu does not fit in 32 bits", row->mnemonic,
                (unsigned long long)memarg->offset);
  }
  bool is_atomic = (row->flags & MODULE_OP_ATOMIC) != 0;
  if (BASE_LIKELY(memarg->align_log2 <= row->access_log2) && (!is_atomic || memarg->align_log2 == row->access_log2)) {
    return true;
  }
  return fail(body, CAY_ERROR_INVALID, insn, "%s: the alignment must %s natural (2**%u bytes), found 2**%u",
              row->mnemonic, is_atomic ? "be" : "not be larger than", row->access_log2, memarg->align_log2);
}

/* How many lanes a shape has: the number behind the x of "i8x16". */
static unsigned lanes_of(const struct module_op_info *row) {
  const char *x = strchr(row->mnemonic, 'x');
  assert(x);
  return (unsigned)strtoul(x + 1, NULL, 10);
}

static bool check_lane(struct module_body *body, const struct module_insn *insn, unsigned lane, unsigned lanes) {
  return lane < lanes || fail(body, CAY_ERROR_INVALID, insn, "%s: invalid lane index %u; there are %u lanes",
                              module_ops[insn->op].mnemonic, lane, lanes);
}

static bool check_shuffle(struct module_body *body, const struct module_insn *insn) {
  for (unsigned i = 0; i < 16; i++) {
    if (!check_lane(body, insn, insn->imm.v128[i], 32)) return false;
  }
  return true;
}

/* ---- For validate_gc.c and validate_eh.c -------------------------------------------------------------------------- */

bool validate_push(struct module_body *body, module_type type) { return push(body, type); }

bool validate_pop(struct module_body *body, const struct module_insn *insn, module_type expected, module_type *actual) {
  return pop(body, insn, expected, actual);
}

bool validate_push_types(struct module_body *body, const module_type *types, uint32_t count) {
  return push_types(body, types, count);
}

bool validate_pop_types(struct module_body *body, const struct module_insn *insn, const module_type *types,
                        uint32_t count) {
  return pop_types(body, insn, types, count);
}

void validate_set_unreachable(struct module_body *body) { set_unreachable(body); }

void validate_reserve_slots(struct module_body *body, uint32_t slots) {
  validate_need_slots(body, slots);
  body->operand_slots += slots;
}

/* ---- One instruction --------------------------------------------------------------------------------------------- */

static bool check_indices(struct module_body *body, const struct module_insn *insn, const struct module_op_info *row) {
  switch (row->imm) {
  case MODULE_IMM_MEMORY: return has_memory(body, insn, insn->imm.index[0]);
  case MODULE_IMM_DATA: return validate_has_data(body, insn, insn->imm.index[0]);
  case MODULE_IMM_DATA_MEMORY:
    return has_memory(body, insn, insn->imm.index[1]) && validate_has_data(body, insn, insn->imm.index[0]);
  case MODULE_IMM_ELEM: return has_elem(body, insn, insn->imm.index[0]);
  case MODULE_IMM_LANE: return check_lane(body, insn, insn->imm.index[0], lanes_of(row));
  case MODULE_IMM_SHUFFLE: return check_shuffle(body, insn);
  case MODULE_IMM_MEMARG_LANE:
    return check_memarg(body, insn, row) && check_lane(body, insn, insn->imm.memarg.lane, 16u >> row->access_log2);
  default: return true;
  }
}

/* The memory that an instruction with addresses in its row works on. */
static uint32_t memory_of(const struct module_insn *insn, const struct module_op_info *row) {
  switch (row->imm) {
  case MODULE_IMM_MEMORY: return insn->imm.index[0];
  case MODULE_IMM_DATA_MEMORY: return insn->imm.index[1];
  default: return insn->imm.memarg.memory;
  }
}

/* A row whose addresses are those of a 64-bit memory. */
static bool apply_wide(struct module_body *body, const struct module_insn *insn, const struct module_op_info *row) {
  for (unsigned i = row->param_count; i-- > 0;) {
    if (!pop(body, insn, row->addresses >> i & 1 ? MODULE_I64 : row->params[i], NULL)) return false;
  }
  for (unsigned i = 0; i < row->result_count; i++) {
    bool is_address = row->addresses >> (BASE_ARRAY_LEN(row->params) + i) & 1;
    if (!push(body, is_address ? MODULE_I64 : row->results[i])) return false;
  }
  return true;
}

static bool is_wide(const struct module_body *body, const struct module_insn *insn, const struct module_op_info *row) {
  return row->addresses != 0 && body->module->memories[memory_of(insn, row)].limits.is_64;
}

/* A row's types are the codes of number types; its rows with references are all SPECIAL. */
static inline __attribute__((always_inline)) bool check_plain(struct module_body *body,
                                                              const struct module_insn *insn) {
  const struct module_op_info *row = &module_ops[insn->op];
  assert(!(row->flags & MODULE_OP_SPECIAL));
  if (row->imm == MODULE_IMM_MEMARG) {
    if (!check_memarg(body, insn, row)) return false;
  } else if ((row->prefix != 0 || row->imm == MODULE_IMM_MEMORY) && !check_indices(body, insn, row)) {
    return false;
  }
  if (BASE_UNLIKELY(body->has_memory64) && is_wide(body, insn, row)) return apply_wide(body, insn, row);
  for (unsigned i = row->param_count; i-- > 0;) {
    if (!pop(body, insn, row->params[i], NULL)) return false;
  }
  for (unsigned i = 0; i < row->result_count; i++) {
    if (!push(body, row->results[i])) return false;
  }
  if (row->flags & MODULE_OP_TERMINATES) set_unreachable(body);
  return true;
}

static inline bool check(struct module_body *body, struct module_insn *insn) {
  switch (insn->op) {
  case MODULE_OP_BLOCK: return validate_open_block(body, insn, MODULE_FRAME_BLOCK);
  case MODULE_OP_LOOP: return validate_open_block(body, insn, MODULE_FRAME_LOOP);
  case MODULE_OP_IF: return validate_open_block(body, insn, MODULE_FRAME_IF);
  case MODULE_OP_ELSE: return check_else(body, insn);
  case MODULE_OP_END: return validate_end(body, insn);
  case MODULE_OP_BR: return check_br(body, insn);
  case MODULE_OP_BR_IF: return check_br_if(body, insn);
  case MODULE_OP_BR_TABLE: return check_br_table(body, insn);
  case MODULE_OP_RETURN: return check_return(body, insn);
  case MODULE_OP_CALL:
  case MODULE_OP_RETURN_CALL: return check_call(body, insn);
  case MODULE_OP_CALL_INDIRECT:
  case MODULE_OP_RETURN_CALL_INDIRECT: return check_call_indirect(body, insn);
  case MODULE_OP_DROP: return pop(body, insn, MODULE_BOTTOM, &insn->imm.type);
  case MODULE_OP_SELECT: return check_select(body, insn);
  case MODULE_OP_SELECT_TYPED: return check_select_typed(body, insn);
  case MODULE_OP_LOCAL_GET:
  case MODULE_OP_LOCAL_SET:
  case MODULE_OP_LOCAL_TEE: return check_local(body, insn);
  case MODULE_OP_GLOBAL_GET: return check_global_get(body, insn);
  case MODULE_OP_GLOBAL_SET: return check_global_set(body, insn);
  case MODULE_OP_TABLE_GET:
  case MODULE_OP_TABLE_SET:
  case MODULE_OP_TABLE_SIZE:
  case MODULE_OP_TABLE_GROW:
  case MODULE_OP_TABLE_FILL: return check_table(body, insn);
  case MODULE_OP_TABLE_COPY: return check_table_copy(body, insn);
  case MODULE_OP_TABLE_INIT: return check_table_init(body, insn);
  case MODULE_OP_MEMORY_COPY: return check_memory_copy(body, insn);
  case MODULE_OP_REF_NULL: return push(body, insn->imm.type);
  case MODULE_OP_REF_IS_NULL: return check_ref_is_null(body, insn);
  case MODULE_OP_REF_FUNC: return check_ref_func(body, insn);
  case MODULE_OP_TRY_TABLE:
  case MODULE_OP_THROW:
  case MODULE_OP_THROW_REF:
  case MODULE_OP_TRY:
  case MODULE_OP_CATCH:
  case MODULE_OP_CATCH_ALL:
  case MODULE_OP_DELEGATE:
  case MODULE_OP_RETHROW: return validate_exceptions(body, insn);
  case MODULE_OP_CALL_REF:
  case MODULE_OP_RETURN_CALL_REF:
  case MODULE_OP_REF_EQ ... MODULE_OP_BR_ON_NON_NULL:
  case MODULE_OP_STRUCT_NEW ... MODULE_OP_I31_GET_U: return validate_references(body, insn);
  default: return check_plain(body, insn);
  }
}

static bool is_allowed(struct module_reader *reader, const struct module_insn *insn, const struct module_op_info *row,
                       bool is_const) {
  if (row->feature != MODULE_FEATURE_COUNT &&
      !module_reader_need(reader, row->feature, insn->offset, "%s", row->mnemonic)) {
    return false;
  }
  if (!is_const || (row->flags & MODULE_OP_CONST)) return true;
  if (row->flags & MODULE_OP_CONST_EXT) {
    return module_reader_need(reader, MODULE_FEATURE_EXTENDED_CONST, insn->offset, "%s in a constant expression",
                              row->mnemonic);
  }
  return module_reader_fail(reader, CAY_ERROR_INVALID, insn->offset,
                            "constant expression required: %s is not allowed in one", row->mnemonic);
}

/* The last `end` has been read. */
static int finish(struct module_body *body) {
  if (body->is_const || body->cursor == body->end) return 0;
  validate_report(body, CAY_ERROR_MALFORMED, NULL, "%u bytes follow the final end", body->end - body->cursor);
  return give_up(body);
}

static bool read_any(struct module_body *body, struct module_insn *out) {
  struct module_reader reader = {.bytes = body->module->bytes,
                                 .cursor = body->cursor,
                                 .end = body->end,
                                 .features = body->module->features,
                                 .module = body->module,
                                 .type_limit = body->module->type_count,
                                 .error = body->error};
  if (!module_read_insn(&reader, out)) return false;
  const struct module_op_info *row = &module_ops[out->op];
  if (!is_allowed(&reader, out, row, body->is_const)) return false;
  body->cursor = reader.cursor;
  body->features_used |= reader.features_used;
  return true;
}

int module_body_next(struct module_body *body, struct module_insn *out) {
  if (body->frames.count == 0) return finish(body);
  assert(body->cursor <= body->end && body->end <= body->module->len_bytes);
  const struct module_frame *frame = top_frame(body);
  body->was_unreachable = frame->unreachable || frame->entered_unreachable;
  if (!read_any(body, out)) return give_up(body);
  return check(body, out) ? 1 : give_up(body);
}

/* ---- Beginning --------------------------------------------------------------------------------------------------- */

static void reset(struct module_body *body, const struct module *module, uint32_t func, struct cay_error *error) {
  body->module = module;
  body->limits = &module->private_part->limits;
  body->func = func;
  body->is_const = func == UINT32_MAX;
  body->has_memory64 = module->private_part->has_memory64;
  body->error = error;
  body->type = NULL;
  forget_inits(body, 0);
  body->local_runs.count = body->operands.count = body->frames.count = 0;
  body->local_count = 0;
  body->operand_slots = body->max_operand_slots = body->locals_slots = 0;
  body->features_used = 0;
  body->was_unreachable = false;
}

static bool add_locals(struct module_body *body, uint32_t count, module_type type) {
  if (count == 0) return true;
  size_t runs = body->local_runs.count;
  struct module_local_run *run = runs ? &body->local_runs.items[runs - 1] : NULL;
  if (!run || run->type != type) run = BASE_VEC_PUSH(&body->local_runs);
  if (!run) return fail_memory(body);
  body->local_count += count;
  body->locals_slots += count * module_type_slots(type);
  *run = (struct module_local_run){body->local_count, type};
  return true;
}

static void fill_short_locals(struct module_body *body, uint32_t from, uint32_t end, module_type type) {
  bool is_number = type >= MODULE_F64 && type <= MODULE_I32;
  for (uint32_t i = from; is_number && i < end && i < MODULE_SHORT_LOCALS; i++) body->short_locals[i] = (uint8_t)type;
}

static void note_short_locals(struct module_body *body) {
  uint32_t from = body->type->param_count;
  memset(body->short_locals, 0, sizeof body->short_locals);
  for (uint32_t i = 0; i < from && i < MODULE_SHORT_LOCALS; i++)
    fill_short_locals(body, i, i + 1, body->type->params[i]);
  for (size_t i = 0; i < body->local_runs.count && from < MODULE_SHORT_LOCALS; i++) {
    fill_short_locals(body, from, body->local_runs.items[i].end, body->local_runs.items[i].type);
    from = body->local_runs.items[i].end;
  }
}

static bool read_locals(struct module_body *body, struct module_reader *reader) {
  uint32_t groups;
  if (!module_read_count(reader, "number of groups of locals", 2, UINT32_MAX, &groups)) return false;
  uint64_t total = body->local_count;
  for (uint32_t i = 0; i < groups; i++) {
    uint32_t start = reader->cursor, count;
    module_type type;
    if (!module_read_u32(reader, "number of locals", &count)) return false;
    total += count;
    if (total > UINT32_MAX) return module_reader_fail(reader, CAY_ERROR_MALFORMED, start, "too many locals");
    if (!module_read_value_type(reader, &type)) return false;
    if (total <= body->limits->locals && !add_locals(body, count, type)) return false;
  }
  return total <= body->limits->locals ||
         module_reader_fail(reader, CAY_ERROR_LIMIT, body->cursor,
                            "too many locals: %llu with the parameters; at most %u are allowed",
                            (unsigned long long)total, body->limits->locals);
}

enum cay_status module_body_begin(struct module_body *body, const struct module *module, uint32_t func,
                                  struct cay_error *error) {
  assert(func < module->func_count && module->funcs[func].body_offset != 0);
  reset(body, module, func, error);
  struct cay_error unwanted;
  if (!error) body->error = &unwanted;
  const struct module_func *from = &module->funcs[func];
  body->type = &module->types[from->type].func;
  body->cursor = from->body_offset;
  body->end = from->body_offset + from->body_bytes;
  struct module_reader reader = {.bytes = module->bytes,
                                 .cursor = body->cursor,
                                 .end = body->end,
                                 .features = module->features,
                                 .module = module,
                                 .type_limit = module->type_count,
                                 .error = body->error};
  body->local_count = body->type->param_count;
  body->locals_slots = body->type->param_slots;
  bool is_begun = read_locals(body, &reader);
  body->cursor = reader.cursor;
  body->features_used = reader.features_used;
  note_short_locals(body);
  struct module_frame outermost = {
      .kind = MODULE_FRAME_FUNC, .results = body->type->results, .result_count = body->type->result_count};
  is_begun = is_begun && push_frame(body, &outermost);
  enum cay_status status = is_begun ? CAY_OK : body->error->status;
  if (!is_begun) give_up(body);
  body->error = error;
  return status;
}

enum cay_status module_body_begin_const(struct module_body *body, const struct module *module, uint32_t offset,
                                        uint32_t end, module_type type, struct cay_error *error) {
  assert(error && offset <= end);
  reset(body, module, UINT32_MAX, error);
  body->cursor = offset;
  body->end = end;
  struct module_frame outermost = {.kind = MODULE_FRAME_FUNC, .single = type, .result_count = 1};
  return push_frame(body, &outermost) ? CAY_OK : error->status;
}

void module_body_deinit(struct module_body *body) {
  BASE_VEC_DEINIT(&body->local_runs);
  BASE_VEC_DEINIT(&body->operands);
  BASE_VEC_DEINIT(&body->frames);
  BASE_VEC_DEINIT(&body->inits);
  BASE_VEC_DEINIT(&body->init_bits);
}
