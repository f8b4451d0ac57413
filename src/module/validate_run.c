/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Validating fast what nearly all code is made of.
 *
 * Of a hundred instructions of a usual program 97 are local.get, constants, memory accesses, numbers and simple control,
 * on types that are a number in one slot, and right. `validate_run` goes over those with its whole state in registers, by
 * the generated table of short forms, and stops in front of the first instruction that is anything else: longer, rarer, or
 * wrong. module_body_next takes that one and says what there is to say. So the rules that refuse a module, and the
 * messages, are in one place only; here is where the usual case is recognised. Doing this in module_body_next itself, one
 * instruction at a time, takes four times as long: state goes through memory, and what an instruction was is decided
 * three times.
 *
 * Invariants
 *  1. Whatever is accepted here module_body_next would accept, with the same effect on operands and frames (the fuzz target
 *     fuzz_module compares). Nothing is refused here.
 *  2. An instruction has all of its effect or none.
 *  3. `at` stays 16 bytes in front of the module's end, so that immediates can be read before it is known where they end. */
#include "module/validate.h"

#include <assert.h>

#define RUN static inline __attribute__((always_inline))

enum { BYTES_AHEAD = 16 };

struct run {
  struct module_body *body;
  const uint8_t *at, *end;
  module_type *top, *floor, *limit, *highest; /* behind the newest operand; of the frame; of the memory; seen so far */
  struct module_frame *frame;
  size_t frame_limit;
  bool all_narrow; /* every operand takes one slot */
  bool has_memory; /* memory 0, with 32-bit addresses */
};

/* ---- Pieces ------------------------------------------------------------------------------------------------------ */

/* The bytes of the LEB128 number at `at`; more than 8: it is longer. */
RUN uint32_t leb_bytes(const uint8_t *at) {
  uint64_t ends = ~base_load_u64(at) & UINT64_C(0x8080808080808080);
  return ends ? ((uint32_t)__builtin_ctzll(ends) >> 3) + 1 : UINT32_MAX;
}

/* The same for numbers of 32 bits; UINT32_MAX: too long, or bits that must not be there. Five bytes are what a linker
 * leaves for what it fills in. */
RUN uint32_t u32_bytes(const uint8_t *at) {
  uint32_t len_bytes = leb_bytes(at);
  return len_bytes < 5 || (len_bytes == 5 && at[4] < 0x10) ? len_bytes : UINT32_MAX;
}

RUN uint32_t s32_bytes(const uint8_t *at) {
  uint32_t len_bytes = leb_bytes(at);
  return len_bytes < 5 || (len_bytes == 5 && ((at[4] + 8) & 0x7F) < 0x10) ? len_bytes : UINT32_MAX;
}

/* The bytes of an index, or UINT32_MAX. */
RUN uint32_t read_index(const uint8_t *at, uint32_t *index) {
  *index = at[0];
  if (at[0] < 0x80) return 1;
  uint32_t len_bytes = u32_bytes(at);
  if (len_bytes > 5) return UINT32_MAX;
  *index = 0;
  for (uint32_t i = 0; i < len_bytes; i++) *index |= (at[i] & 0x7Fu) << 7 * i;
  return len_bytes;
}

RUN bool has_bytes(const struct run *run, uint32_t len_bytes) { return len_bytes <= (size_t)(run->end - run->at); }

RUN bool has_operands(const struct run *run, uint32_t count) { return count <= (size_t)(run->top - run->floor); }

RUN bool has_top(const struct run *run, module_type type) { return has_operands(run, 1) && run->top[-1] == type; }

RUN bool has_two(const struct run *run, module_type first, module_type second) {
  return has_operands(run, 2) && ((run->top[-2] ^ first) | (run->top[-1] ^ second)) == 0;
}

RUN bool push(struct run *run, module_type type) {
  if (BASE_UNLIKELY(run->top == run->limit)) return false;
  *run->top++ = type;
  if (run->top > run->highest) run->highest = run->top;
  return true;
}

/* At most one value of `types`, above the floor. */
RUN bool has_values(const struct run *run, const module_type *types, uint32_t count) {
  return count == 0 || (count == 1 && has_top(run, types[0]));
}

RUN bool cut(struct run *run) {
  run->top = run->floor;
  run->frame->unreachable = true;
  return true;
}

/* ---- Numbers and memory ------------------------------------------------------------------------------------------ */

RUN bool run_constant(struct run *run, const struct module_op_short *form, uint32_t len_bytes) {
  if (!has_bytes(run, len_bytes) || !push(run, form->result)) return false;
  run->at += len_bytes;
  return true;
}

RUN bool run_integer(struct run *run, const struct module_op_short *form) {
  uint32_t len_bytes = form->result == MODULE_I32 ? s32_bytes(run->at + 1) : leb_bytes(run->at + 1);
  return len_bytes <= 8 && run_constant(run, form, 1 + len_bytes);
}

RUN bool run_unary(struct run *run, const struct module_op_short *form) {
  module_features feature = form->feature;
  if (!has_top(run, form->params[0]) || (feature & ~run->body->module->features)) return false;
  run->body->features_used |= feature;
  run->top[-1] = form->result;
  run->at++;
  return true;
}

RUN bool run_binary(struct run *run, const struct module_op_short *form) {
  if (!has_two(run, form->params[0], form->params[1])) return false;
  run->top--;
  run->top[-1] = form->result;
  run->at++;
  return true;
}

/* The bytes of an access to memory 0, or 0. */
RUN uint32_t access_bytes(const struct run *run, const struct module_op_short *form) {
  uint32_t len_bytes = u32_bytes(run->at + 2);
  bool fits = run->has_memory && run->at[1] <= form->access_log2 && len_bytes <= 5 && has_bytes(run, 2 + len_bytes);
  return fits ? 2 + len_bytes : 0;
}

RUN bool run_load(struct run *run, const struct module_op_short *form) {
  uint32_t len_bytes = access_bytes(run, form);
  if (len_bytes == 0 || !has_top(run, MODULE_I32)) return false;
  run->top[-1] = form->result;
  run->at += len_bytes;
  return true;
}

RUN bool run_store(struct run *run, const struct module_op_short *form) {
  uint32_t len_bytes = access_bytes(run, form);
  if (len_bytes == 0 || !has_two(run, MODULE_I32, form->params[1])) return false;
  run->top -= 2;
  run->at += len_bytes;
  return true;
}

/* ---- Variables and operands -------------------------------------------------------------------------------------- */

RUN bool run_local(struct run *run, uint8_t kind) {
  uint8_t local = run->at[1];
  if (local >= MODULE_SHORT_LOCALS || !has_bytes(run, 2)) return false;
  module_type type = run->body->short_locals[local];
  if (type == 0) return false;
  if (kind == MODULE_SHORT_LOCAL_GET ? !push(run, type) : !has_top(run, type)) return false;
  if (kind == MODULE_SHORT_LOCAL_SET) run->top--;
  run->at += 2;
  return true;
}

RUN bool run_global(struct run *run, bool is_set) {
  const struct module *module = run->body->module;
  uint32_t global, len_bytes = read_index(run->at + 1, &global);
  if (len_bytes > 5 || global >= module->global_count || !has_bytes(run, 1 + len_bytes)) return false;
  const struct module_global_type *type = &module->globals[global].type;
  if (module_type_slots(type->type) != 1) return false;
  if (is_set ? !type->is_mutable || !has_top(run, type->type) : !push(run, type->type)) return false;
  run->top -= is_set;
  run->at += 1 + len_bytes;
  return true;
}

RUN bool run_drop(struct run *run) {
  if (!has_operands(run, 1) || module_type_slots(run->top[-1]) != 1) return false;
  run->top--;
  run->at++;
  return true;
}

RUN bool run_select(struct run *run) {
  if (!has_operands(run, 3)) return false;
  const module_type *top = run->top;
  if (top[-1] != MODULE_I32 || top[-2] != top[-3] || top[-2] < MODULE_F64 || top[-2] > MODULE_I32) return false;
  run->top -= 2;
  run->at++;
  return true;
}

/* ---- Control ----------------------------------------------------------------------------------------------------- */

RUN void enter(struct run *run, size_t frame_count) {
  run->frame = run->body->frames.items + frame_count - 1;
  run->floor = run->body->operands.items + run->frame->height;
  run->body->frames.count = frame_count;
}

/* A block without parameters and with at most one number as its result. */
RUN bool run_block(struct run *run, enum module_frame_kind kind) {
  struct module_body *body = run->body;
  uint8_t code = run->at[1];
  bool has_result = code >= MODULE_F64 && code <= MODULE_I32;
  if ((code != 0x40 && !has_result) || body->frames.count >= run->frame_limit || !has_bytes(run, 2)) return false;
  if (kind == MODULE_FRAME_IF) {
    if (!has_top(run, MODULE_I32)) return false;
    run->top--;
  }
  run->frame[1] =
      (struct module_frame){.kind = (uint8_t)kind,
                            .entered_unreachable = run->frame->unreachable || run->frame->entered_unreachable,
                            .height = (uint32_t)(run->top - body->operands.items),
                            .init_height = (uint32_t)body->inits.count,
                            .result_count = has_result,
                            .single = code};
  enter(run, body->frames.count + 1);
  run->at += 2;
  return true;
}

/* Exactly the results are there, and no local has been initialised. */
RUN bool ends_simply(const struct run *run) {
  const struct module_frame *frame = run->frame;
  return run->top - run->floor == (ptrdiff_t)frame->result_count &&
         has_values(run, module_frame_results(frame), frame->result_count) &&
         run->body->inits.count == frame->init_height;
}

RUN bool run_else(struct run *run) {
  struct module_frame *frame = run->frame;
  if (frame->kind != MODULE_FRAME_IF || frame->param_count != 0 || !ends_simply(run)) return false;
  run->top = run->floor;
  frame->kind = MODULE_FRAME_ELSE;
  frame->unreachable = false;
  run->at++;
  return true;
}

RUN bool run_end(struct run *run) {
  enum { SIMPLE = 1 << MODULE_FRAME_BLOCK | 1 << MODULE_FRAME_LOOP | 1 << MODULE_FRAME_ELSE };
  const struct module_frame *frame = run->frame;
  bool is_simple = SIMPLE >> frame->kind & 1 ||
                   (frame->kind == MODULE_FRAME_IF && frame->param_count == 0 && frame->result_count == 0);
  if (!is_simple || !ends_simply(run)) return false;
  enter(run, run->body->frames.count - 1);
  run->at++;
  return true;
}

RUN bool run_br(struct run *run, bool is_conditional) {
  struct module_body *body = run->body;
  uint8_t depth = run->at[1];
  if (depth >= 0x80 || depth >= body->frames.count || !has_bytes(run, 2)) return false;
  const struct module_frame *target = run->frame - depth;
  bool is_loop = target->kind == MODULE_FRAME_LOOP;
  const module_type *types = is_loop ? target->params : module_frame_results(target);
  uint32_t count = is_loop ? target->param_count : target->result_count;
  if (is_conditional) {
    if (!has_top(run, MODULE_I32)) return false;
    run->top--;
    if (BASE_UNLIKELY(!has_values(run, types, count))) {
      run->top++;
      return false;
    }
  } else if (!run->all_narrow || !has_values(run, types, count) || !cut(run)) {
    return false;
  }
  run->at += 2;
  return true;
}

RUN bool run_return(struct run *run) {
  const struct module_frame *outermost = run->body->frames.items;
  if (!run->all_narrow || !has_values(run, module_frame_results(outermost), outermost->result_count)) return false;
  run->at++;
  return cut(run);
}

RUN bool same_types(const module_type *a, const module_type *b, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

RUN bool run_call(struct run *run) {
  const struct module *module = run->body->module;
  uint32_t func, len_bytes = read_index(run->at + 1, &func);
  if (len_bytes > 5 || func >= module->func_count || !has_bytes(run, 1 + len_bytes)) return false;
  const struct module_func_type *type = module_func_type_of(module, func);
  bool is_narrow = type->param_slots == type->param_count && type->result_slots == type->result_count;
  if (!is_narrow || type->result_count > 1 || !has_operands(run, type->param_count) ||
      !same_types(run->top - type->param_count, type->params, type->param_count)) {
    return false;
  }
  if (type->result_count > type->param_count && run->top == run->limit) return false;
  run->top -= type->param_count;
  if (type->result_count == 1) push(run, type->results[0]);
  run->at += 1 + len_bytes;
  return true;
}

/* ---- The loop ---------------------------------------------------------------------------------------------------- */

RUN bool run_one(struct run *run) {
  const struct module_op_short *form = &module_op_shorts[*run->at];
  switch ((enum module_short_kind)form->kind) {
  case MODULE_SHORT_NONE: return false;
  case MODULE_SHORT_UNARY: return run_unary(run, form);
  case MODULE_SHORT_BINARY: return run_binary(run, form);
  case MODULE_SHORT_LOAD: return run_load(run, form);
  case MODULE_SHORT_STORE: return run_store(run, form);
  case MODULE_SHORT_INTEGER: return run_integer(run, form);
  case MODULE_SHORT_FLOAT: return run_constant(run, form, form->len_bytes);
  case MODULE_SHORT_NOP: run->at++; return true;
  case MODULE_SHORT_BLOCK: return run_block(run, MODULE_FRAME_BLOCK);
  case MODULE_SHORT_LOOP: return run_block(run, MODULE_FRAME_LOOP);
  case MODULE_SHORT_IF: return run_block(run, MODULE_FRAME_IF);
  case MODULE_SHORT_ELSE: return run_else(run);
  case MODULE_SHORT_END: return run_end(run);
  case MODULE_SHORT_BR: return run_br(run, false);
  case MODULE_SHORT_BR_IF: return run_br(run, true);
  case MODULE_SHORT_RETURN: return run_return(run);
  case MODULE_SHORT_CALL: return run_call(run);
  case MODULE_SHORT_DROP: return run_drop(run);
  case MODULE_SHORT_SELECT: return run_select(run);
  case MODULE_SHORT_LOCAL_GET: return run_local(run, MODULE_SHORT_LOCAL_GET);
  case MODULE_SHORT_LOCAL_SET: return run_local(run, MODULE_SHORT_LOCAL_SET);
  case MODULE_SHORT_LOCAL_TEE: return run_local(run, MODULE_SHORT_LOCAL_TEE);
  case MODULE_SHORT_GLOBAL_GET: return run_global(run, false);
  case MODULE_SHORT_GLOBAL_SET: return run_global(run, true);
  }
  __builtin_unreachable();
}

void validate_run(struct module_body *body) {
  const struct module *module = body->module;
  if (body->frames.count == 0 || module->len_bytes < BYTES_AHEAD) return;
  const struct module_frame *frame = &body->frames.items[body->frames.count - 1];
  size_t nesting = (size_t)body->limits->nesting + 1, frame_capacity = body->frames.capacity;
  struct run run = {.body = body,
                    .at = module->bytes + body->cursor,
                    .end = module->bytes + body->end,
                    .top = body->operands.items + body->operands.count,
                    .floor = body->operands.items + frame->height,
                    .limit = body->operands.items + body->operands.capacity,
                    .highest = body->operands.items + body->operands.count,
                    .frame = &body->frames.items[body->frames.count - 1],
                    .frame_limit = nesting < frame_capacity ? nesting : frame_capacity,
                    .all_narrow = body->operand_slots == body->operands.count,
                    .has_memory = module->memory_count > 0 && !body->has_memory64};
  assert(!body->is_const && body->operand_slots >= body->operands.count);
  const uint8_t *stop = module->bytes + module->len_bytes - BYTES_AHEAD + 1;
  if (stop > run.end) stop = run.end;
  while (run.at < stop && run_one(&run)) {
  }
  uint32_t wide = body->operand_slots - (uint32_t)body->operands.count;
  uint32_t deepest = (uint32_t)(run.highest - body->operands.items) + wide;
  if (deepest > body->max_operand_slots) body->max_operand_slots = deepest;
  body->cursor = (uint32_t)(run.at - module->bytes);
  body->operands.count = (size_t)(run.top - body->operands.items);
  body->operand_slots = (uint32_t)body->operands.count + wide;
  assert(body->cursor <= body->end && body->operands.count <= body->operands.capacity);
}
