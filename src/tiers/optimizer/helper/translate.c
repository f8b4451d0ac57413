/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A function of the module as functions of LLVM: the native one, made of the front-end's register code, and its adapter.
 *
 * Register code is read once, in order. What it has no way for is refused, for this function alone; what is half done then is
 * thrown away with the batch (batch.c). */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tiers/optimizer/helper/helper.h"

enum { MOST_INSNS = 100000 };

/* ---- Declarations -------------------------------------------------------------------------------------------------------- */

static void set_attribute(struct batch *b, LLVMValueRef function, const char *name, const char *value) {
  LLVMAttributeRef attribute =
      LLVMCreateStringAttribute(b->context, name, (unsigned)strlen(name), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, attribute);
}

static void set_enum_attribute(struct batch *b, LLVMValueRef function, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(b->context, kind, 0));
}

/* Frame pointers link the frames for whoever walks them, so each function has a frame of its own. */
static LLVMValueRef add_function(struct batch *b, const char *name, LLVMTypeRef type) {
  LLVMValueRef function = LLVMAddFunction(b->llvm, name, type);
  LLVMSetVisibility(function, LLVMHiddenVisibility);
  set_enum_attribute(b, function, "nounwind");
  set_enum_attribute(b, function, "noinline");
  set_attribute(b, function, "frame-pointer", "all");
  set_attribute(b, function, "target-cpu", b->job->cpu);
  set_attribute(b, function, "target-features", b->job->features);
  return function;
}

static const struct module_func_type *type_of_entry(const struct batch *b, uint32_t entry) {
  return module_func_type_of(b->job->module, b->job->module->imported_func_count + entry);
}

LLVMValueRef translate_declare(struct batch *b, uint32_t entry) { return b->natives[entry]; }

/* How much of the native stack it takes at most, or LLVM says so. */
static void promise(struct batch *b, const struct batch_function *own, LLVMValueRef function) {
  char promised[16];
  snprintf(promised, sizeof promised, "%u", own->native_limit);
  set_attribute(b, function, "warn-stack-size", promised);
}

void translate_add(struct batch *b, const struct batch_function *own) {
  char name[24];
  snprintf(name, sizeof name, "f%u", own->entry);
  LLVMValueRef function = add_function(b, name, value_function_type(b, type_of_entry(b, own->entry)));
  promise(b, own, function);
  value_pin_instance(b, function);
  value_set_convention(b, function);
  b->natives[own->entry] = function;
}

/* ---- Locals ---------------------------------------------------------------------------------------------------------------- */

static void add_local(struct batch *b, uint32_t *slot, module_type type, LLVMValueRef value) {
  enum value_type kind = value_type_of(type);
  b->local_types[*slot] = kind;
  b->locals[*slot] = LLVMBuildAlloca(b->entry_builder, b->types[kind], "");
  if (!value && b->is_at_loop)
    value = value_load_slot(b, b->fp, *slot, kind);
  else if (!value)
    value = kind == VALUE_V128 ? LLVMConstNull(b->types[kind]) : value_number(b, kind, 0);
  LLVMBuildStore(b->builder, value, b->locals[*slot]);
  if (!b->is_at_loop) root_write(b, *slot, value);
  *slot += module_type_slots(type);
}

static LLVMValueRef parameter(struct batch *b, uint32_t slot, module_type type, uint32_t index) {
  bool is_in_frame = b->is_at_loop || values_are_in_frames(b);
  return is_in_frame ? value_load_slot(b, b->fp, slot, value_type_of(type)) : LLVMGetParam(b->function, 2 + index);
}

static bool add_locals(struct batch *b) {
  struct module_body body = {0};
  struct cay_error error;
  bool done = module_body_begin(&body, b->job->module, b->ir->func, &error) == CAY_OK;
  uint32_t slot = 0, local = done ? body.type->param_count : 0;
  for (uint32_t i = 0; i < local; i++)
    add_local(b, &slot, body.type->params[i], parameter(b, slot, body.type->params[i], i));
  for (size_t i = 0; done && i < body.local_runs.count; i++)
    for (; local < body.local_runs.items[i].end; local++) add_local(b, &slot, body.local_runs.items[i].type, NULL);
  assert(!done || slot == b->ir->link_slot);
  module_body_deinit(&body);
  return done;
}

/* ---- Refusals ---------------------------------------------------------------------------------------------------------------- */

/* A move of many slots is made of as many. */
static size_t work_of(const struct ir_function *ir) {
  size_t work = ir->insns.count;
  for (size_t i = 0; i < ir->insns.count; i++)
    if (ir->insns.items[i].op == IR_MOVE_SLOTS) work += ir->insns.items[i].b;
  return work;
}

static int refusal_of(const struct ir_function *ir) {
  if (ir->frame_slots > baseline_max_frame_slots || work_of(ir) > MOST_INSNS) return WIRE_REASON_TOO_LARGE;
  return -1;
}

static bool is_call(const struct ir_insn *insn) {
  return insn->op == IR_CALL || insn->op == IR_CALL_INDIRECT || insn->op == IR_CALL_REF;
}

/* How far the frames of what it calls lie above its own, in slots, at least; UINT32_MAX: it calls nothing. */
static uint32_t least_distance(const struct ir_function *ir) {
  uint32_t least = UINT32_MAX;
  for (size_t i = 0; i < ir->insns.count; i++)
    if (is_call(&ir->insns.items[i]) && ir->insns.items[i].d < least) least = ir->insns.items[i].d;
  return least;
}

/* ---- The function ------------------------------------------------------------------------------------------------------------- */

void translate_position(struct batch *b, uint32_t offset) {
  LLVMMetadataRef place = LLVMDIBuilderCreateDebugLocation(b->context, offset, 0, b->scope, NULL);
  LLVMSetCurrentDebugLocation2(b->builder, place);
}

/* The line of a function is its entry, by which places.c knows it where it is inlined. */
static void begin_debug(struct batch *b) {
  size_t len;
  const char *name = LLVMGetValueName2(b->function, &len);
  b->scope = LLVMDIBuilderCreateFunction(b->debug, b->file, name, len, "", 0, b->file, b->own->entry,
                                         b->function_debug_type, true, true, 0, LLVMDIFlagZero, true);
  LLVMSetSubprogram(b->function, b->scope);
}

void translate_insn(struct batch *b, const struct ir_insn *insn) {
  if (insn->op != IR_LABEL && control_has_ended(b)) { /* nothing comes here, but it has to be somewhere */
    LLVMPositionBuilderAtEnd(b->builder, control_block(b));
    values_forget(b);
  }
  translate_position(b, insn->offset);
  if (!control_insn(b, insn) && !memory_insn(b, insn) && !numeric_insn(b, insn) && !atomic_insn(b, insn) &&
      !references_insn(b, insn) && !catches_insn(b, insn) && !call_insn(b, insn))
    b->refusal = WIRE_REASON_INSTRUCTION;
}

/* What calls nothing and has nothing in its frame needs no room for it; but where runs are the same on every machine, the
 * stack ends at the same call, too. What is entered at a loop looks for interruptions that came before (optimizer.md). */
static bool needs_room(const struct batch *b) {
  return b->is_at_loop || b->needs_frame || least_distance(b->ir) != UINT32_MAX ||
         (b->job->flags & WIRE_CANONICAL_NANS);
}

/* Who looks into a frame of its own, or makes tail calls, stays a function. */
static void allow_inlining(struct batch *b) {
  if (b->told || b->is_at_loop || b->job->module->features_used & MODULE_FEATURE_BIT(TAIL_CALL)) return;
  unsigned kind = LLVMGetEnumAttributeKindForName("noinline", 8);
  LLVMRemoveEnumAttributeAtIndex(b->function, LLVMAttributeFunctionIndex, kind);
}

/* Room is checked first, but whether it is needed is known last. */
static void translate_code(struct batch *b) {
  LLVMBasicBlockRef entry = control_block(b), start = control_block(b), body = control_block(b);
  LLVMPositionBuilderAtEnd(b->entry_builder, entry);
  roots_place_told(b);
  LLVMPositionBuilderAtEnd(b->builder, body);
  translate_position(b, b->ir->insns.count ? b->ir->insns.items[0].offset : 0);
  if (!add_locals(b)) b->refusal = WIRE_REASON_TOO_LARGE;
  if (b->is_at_loop) LLVMBuildBr(b->builder, control_label(b, b->own->loop));
  for (size_t i = 0; i < b->ir->insns.count && b->refusal < 0; i++) translate_insn(b, &b->ir->insns.items[i]);
  if (!control_has_ended(b)) LLVMBuildUnreachable(b->builder);
  if (b->refusal < 0) catches_end(b);
  LLVMPositionBuilderAtEnd(b->builder, start);
  if (needs_room(b)) control_check_room(b);
  allow_inlining(b);
  if (b->told) roots_tell_frame(b);
  if (b->is_at_loop) values_load_temporaries(b);
  LLVMBuildBr(b->builder, body);
  LLVMBuildBr(b->entry_builder, start);
}

static bool make_room(struct batch *b) {
  uint32_t slots = b->ir->frame_slots + 2;
  b->locals = base_alloc_zero(slots, sizeof *b->locals);
  b->local_types = base_alloc_zero(slots, 1);
  b->known = base_alloc_zero(slots, sizeof *b->known);
  b->labels = base_alloc_zero(b->ir->label_count + 1, sizeof *b->labels);
  b->label_places = base_alloc_zero(b->ir->label_count + 1, sizeof *b->label_places);
  b->jump_counts = base_alloc_zero(b->ir->insns.count + 1, sizeof *b->jump_counts);
  bool done = roots_begin(b) && catches_begin(b) && b->locals && b->local_types && b->known && b->labels &&
              b->label_places && b->jump_counts;
  for (unsigned i = 0; i <= IR_CLASS_V128; i++) {
    b->homes[i] = base_alloc_zero(slots, sizeof *b->homes[i]);
    done = done && b->homes[i];
  }
  return done;
}

static void give_room(struct batch *b) {
  base_free(b->locals);
  base_free(b->local_types);
  base_free(b->known);
  base_free(b->labels);
  base_free(b->label_places);
  base_free(b->jump_counts);
  base_free(b->is_root);
  base_free(b->landings);
  for (unsigned i = 0; i <= IR_CLASS_V128; i++) base_free(b->homes[i]);
  values_forget(b);
}

/* The native stack is so many times as large as that of values (bridge.c), so a function may take so many times of the
 * former what it takes of the latter where it calls others. One that calls none is the last on the stack. */
static uint32_t native_limit_of(const struct job *job, const struct ir_function *ir) {
  enum { MOST_NATIVE_BYTES = 1 << 15 };
  uint64_t bytes = (uint64_t)least_distance(ir) * 8 * BASELINE_NATIVE_FACTOR;
  uint64_t slack = job->target->slack_bytes + (uint64_t)ir->param_slots * 8;
  if (ir->tries.count > 0) slack += job->target->stub_bytes;
  if (bytes <= slack) return 0;
  return bytes - slack < MOST_NATIVE_BYTES ? (uint32_t)(bytes - slack) : MOST_NATIVE_BYTES;
}

int translate_refusal(struct job *job, struct batch_function *own) {
  const struct ir_function *ir =
      ir_translate(job->frontend, job->module, job->module->imported_func_count + own->entry);
  if (!ir) return WIRE_REASON_TOO_LARGE;
  own->native_limit = native_limit_of(job, ir);
  return refusal_of(ir);
}

static bool translate(struct batch *b, struct batch_function *own, LLVMValueRef function) {
  struct job *job = b->job;
  b->own = own;
  b->ir = ir_translate(job->frontend, job->module, job->module->imported_func_count + own->entry);
  b->function = function;
  b->inst = LLVMGetParam(b->function, 0);
  b->fp = LLVMGetParam(b->function, 1);
  b->needs_frame = b->ir && b->ir->tries.count > 0; /* who unwinds writes to it */
  b->copied_edges = 0;
  b->is_copying = false;
  b->refusal = -1;
  bool done = b->ir && make_room(b);
  if (done) {
    begin_debug(b);
    dispatch_find(b);
    translate_code(b);
    own->refusal = b->refusal;
  }
  give_room(b);
  return done;
}

bool translate_function(struct batch *b, struct batch_function *own) {
  b->is_at_loop = false;
  return translate(b, own, b->natives[own->entry]);
}

/* ---- What takes everything from the frame ------------------------------------------------------------------------------------------------------------- */

/* Of these forms are code that is entered at a loop, and adapters. */
static LLVMValueRef add_framed(struct batch *b, const char *name) {
  LLVMTypeRef params[] = {b->pointer, b->pointer};
  return add_function(b, name, LLVMFunctionType(b->void_type, params, 2, false));
}

/* Who makes tail calls has the native convention, and not that of frames. */
static bool can_go_on_at(const struct ir_function *ir, uint32_t label) {
  bool has_loop = false;
  for (size_t i = 0; i < ir->insns.count; i++) {
    const struct ir_insn *insn = &ir->insns.items[i];
    if (insn->op == IR_RETURN_CALL || insn->op == IR_RETURN_CALL_INDIRECT || insn->op == IR_RETURN_CALL_REF)
      return false;
    has_loop = has_loop || (insn->op == IR_LABEL && insn->flags & IR_LOOP && insn->imm == label);
  }
  return has_loop;
}

bool translate_loop(struct batch *b, struct batch_function *own) {
  struct job *job = b->job;
  char name[40];
  const struct ir_function *ir =
      ir_translate(job->frontend, job->module, job->module->imported_func_count + own->entry);
  if (!ir || !can_go_on_at(ir, own->loop)) return ir != NULL;
  snprintf(name, sizeof name, "o%u.%u", own->entry, own->loop);
  b->is_at_loop = true;
  LLVMValueRef function = add_framed(b, name);
  promise(b, own, function);
  return translate(b, own, function);
}

void translate_adapter(struct batch *b, const struct batch_function *own) {
  const struct module_func_type *type = type_of_entry(b, own->entry);
  char name[24];
  snprintf(name, sizeof name, "a%u", own->entry);
  b->function = add_framed(b, name);
  b->inst = LLVMGetParam(b->function, 0);
  b->fp = LLVMGetParam(b->function, 1);
  LLVMPositionBuilderAtEnd(b->builder, control_block(b));
  LLVMSetCurrentDebugLocation2(b->builder, NULL);
  control_look_on_entry(b);
  LLVMValueRef arguments[MOST_ARGUMENTS] = {b->inst, b->fp, LLVMGetUndef(b->pointer)};
  LLVMTypeRef native = value_function_type(b, type);
  for (uint32_t i = 0, slot = 0; i < type->param_count && !values_are_in_frames(b); i++) {
    arguments[2 + i] = value_load_slot(b, b->fp, slot, value_type_of(type->params[i]));
    slot += module_type_slots(type->params[i]);
  }
  LLVMValueRef result =
      LLVMBuildCall2(b->builder, native, b->natives[own->entry], arguments, LLVMCountParamTypes(native), "");
  value_pin_instance(b, result);
  value_set_convention(b, result);
  value_keep_call(b, result);
  LLVMSetTailCallKind(result, LLVMTailCallKindNoTail);
  if (type->result_count == 1) value_store_slot(b, b->fp, 0, result);
  LLVMBuildRetVoid(b->builder);
}
