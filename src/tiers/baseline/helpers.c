/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Operations of compiled code by C functions: memory and table management, references, objects, throwing.
 *
 * A helper finds its operands in the frame and leaves its result there; nothing is in registers, and the position is
 * published, so it may collect. What it returns is raised by the code that called it.
 *
 * Operands are the fields of the register instruction: d, a, b, c and imm, whose low half is the first index and whose
 * high half the second. Not so: struct.get, struct.set: imm is the field's place, c the form (fields.h); array.get: c is the
 * form; array.set: d is the form, c the value; array.new, array.fill: c is how many slots a value takes;
 * waiting and notifying: imm is the offset, b the memory; throw: imm is the tag. A 32-bit size, address or index is zero-extended in its slot, so that one helper serves both address types. */
#include "tiers/baseline/baseline.h"
#include "tiers/fields.h"
#include "tiers/narrow.h"

#include <assert.h>

#define HELPER(name) \
  int baseline_helper_##name(uint64_t *fp, struct engine_instance *inst, uint64_t operands, uint64_t imm)
#define D ((uint16_t)operands)
#define A ((uint16_t)(operands >> 16))
#define B ((uint16_t)(operands >> 32))
#define C ((uint16_t)(operands >> 48))
#define INDEX ((uint32_t)imm)
#define SECOND ((uint32_t)(imm >> 32))
#define OPERAND(n) fp[A + (n)]
#define NARROW(n) ((uint32_t)OPERAND(n))
#define TRAP_IF(condition, name)                             \
  do {                                                       \
    if (BASE_UNLIKELY(condition)) return ENGINE_TRAP_##name; \
  } while (0)

/* ---- Memories and tables. a: first operand; d: result; imm: indices ---- */

HELPER(memory_size) {
  fp[D] = inst->memories[INDEX]->page_count;
  return ENGINE_TRAP_NONE;
}
HELPER(memory_grow) {
  struct engine_memory *memory = inst->memories[INDEX];
  uint64_t old = engine_memory_grow(memory, OPERAND(0));
  fp[D] = memory->type.limits.is_64 ? old : (uint32_t)old;
  return ENGINE_TRAP_NONE;
}
HELPER(memory_fill) { return (int)engine_memory_fill(inst->memories[INDEX], OPERAND(0), NARROW(1), OPERAND(2)); }
HELPER(memory_copy) {
  return (int)engine_memory_copy(inst->memories[INDEX], OPERAND(0), inst->memories[SECOND], OPERAND(1), OPERAND(2));
}
HELPER(memory_init) { return (int)engine_memory_init(inst, SECOND, INDEX, OPERAND(0), OPERAND(1), OPERAND(2)); }
HELPER(data_drop) {
  engine_data_drop(inst, INDEX);
  return ENGINE_TRAP_NONE;
}

HELPER(table_get) {
  const struct engine_table *table = inst->tables[INDEX];
  TRAP_IF(OPERAND(0) >= table->count, TABLE_BOUNDS);
  fp[D] = table->elems[tiers_narrowed(OPERAND(0), table->count)];
  return ENGINE_TRAP_NONE;
}
HELPER(table_set) {
  const struct engine_table *table = inst->tables[INDEX];
  TRAP_IF(OPERAND(0) >= table->count, TABLE_BOUNDS);
  table->elems[OPERAND(0)] = OPERAND(1);
  return ENGINE_TRAP_NONE;
}
HELPER(table_size) {
  fp[D] = inst->tables[INDEX]->count;
  return ENGINE_TRAP_NONE;
}
HELPER(table_grow) {
  struct engine_table *table = inst->tables[INDEX];
  uint64_t old = engine_table_grow(table, OPERAND(1), OPERAND(0));
  fp[D] = table->type.limits.is_64 ? old : (uint32_t)old;
  return ENGINE_TRAP_NONE;
}
HELPER(table_fill) { return (int)engine_table_fill(inst->tables[INDEX], OPERAND(0), OPERAND(1), OPERAND(2)); }
HELPER(table_copy) {
  return (int)engine_table_copy(inst->tables[INDEX], OPERAND(0), inst->tables[SECOND], OPERAND(1), OPERAND(2));
}
HELPER(table_init) { return (int)engine_table_init(inst, SECOND, INDEX, OPERAND(0), OPERAND(1), OPERAND(2)); }
HELPER(elem_drop) {
  engine_elem_drop(inst, INDEX);
  return ENGINE_TRAP_NONE;
}

/* ---- Fields and elements. Memory of objects is the store's alone: no other thread, no faults. ---- */

static uint8_t *object(uint64_t reference) { return (uint8_t *)(uintptr_t)reference; }

/* A value that fits a slot, as it lies there; 32 bits of a float as of an integer. */
static uint64_t number_at(enum fields_get form, const uint8_t *from) {
  switch (form) {
  case FIELDS_GET_8S: return (uint32_t)(int8_t)*from;
  case FIELDS_GET_8U: return *from;
  case FIELDS_GET_16S: return (uint32_t)(int16_t)base_load_u16(from);
  case FIELDS_GET_16U: return base_load_u16(from);
  case FIELDS_GET_32:
  case FIELDS_GET_F32: return base_load_u32(from);
  default: return base_load_u64(from);
  }
}

static void get(uint64_t *to, enum fields_get form, const uint8_t *from) {
  uint64_t low = number_at(form, from);
  if (form == FIELDS_GET_V128) to[1] = base_load_u64(from + 8);
  to[0] = low;
}

static void set(uint8_t *to, enum fields_set form, const uint64_t *from) {
  switch (form) {
  case FIELDS_SET_8: *to = (uint8_t)from[0]; break;
  case FIELDS_SET_16: base_store_u16(to, (uint16_t)from[0]); break;
  case FIELDS_SET_32: base_store_u32(to, (uint32_t)from[0]); break;
  case FIELDS_SET_64: base_store_u64(to, from[0]); break;
  case FIELDS_SET_V128:
    base_store_u64(to, from[0]);
    base_store_u64(to + 8, from[1]);
    break;
  }
}

HELPER(struct_get) {
  TRAP_IF(!fp[A], NULL_REFERENCE);
  get(&fp[D], (enum fields_get)C, object(fp[A]) + imm);
  return ENGINE_TRAP_NONE;
}
HELPER(struct_set) {
  TRAP_IF(!fp[A], NULL_REFERENCE);
  set(object(fp[A]) + imm, (enum fields_set)C, &fp[B]);
  return ENGINE_TRAP_NONE;
}

/* Elements are as large as their type says. */
static uint8_t *element(uint64_t reference, uint64_t index) {
  struct engine_array *array = (struct engine_array *)(void *)object(reference);
  return engine_array_elems(array) + ((size_t)(uint32_t)index << array->type->elem_log2);
}
static bool is_outside(uint64_t reference, uint64_t index) {
  return (uint32_t)index >= ((const struct engine_array *)(void *)object(reference))->length;
}
HELPER(array_get) {
  TRAP_IF(!fp[A], NULL_REFERENCE);
  TRAP_IF(is_outside(fp[A], fp[B]), ARRAY_BOUNDS);
  get(&fp[D], (enum fields_get)C, element(fp[A], fp[B]));
  return ENGINE_TRAP_NONE;
}
HELPER(array_set) {
  TRAP_IF(!fp[A], NULL_REFERENCE);
  TRAP_IF(is_outside(fp[A], fp[B]), ARRAY_BOUNDS);
  set(element(fp[A], fp[B]), (enum fields_set)D, &fp[C]);
  return ENGINE_TRAP_NONE;
}
HELPER(array_len) {
  TRAP_IF(!fp[A], NULL_REFERENCE);
  fp[D] = ((const struct engine_array *)(void *)object(fp[A]))->length;
  return ENGINE_TRAP_NONE;
}

/* ---- References. a: operand; d: result; imm: type ---- */

HELPER(ref_i31) {
  fp[D] = engine_ref_i31((uint32_t)fp[A]);
  return ENGINE_TRAP_NONE;
}
HELPER(i31_get_s) {
  TRAP_IF(!fp[A], NULL_REFERENCE);
  fp[D] = (uint32_t)engine_ref_i31_signed(fp[A]);
  return ENGINE_TRAP_NONE;
}
HELPER(i31_get_u) {
  TRAP_IF(!fp[A], NULL_REFERENCE);
  fp[D] = engine_ref_i31_unsigned(fp[A]);
  return ENGINE_TRAP_NONE;
}
HELPER(ref_test) {
  fp[D] = engine_ref_matches(inst, fp[A], INDEX);
  return ENGINE_TRAP_NONE;
}
HELPER(ref_cast) {
  TRAP_IF(!engine_ref_matches(inst, fp[A], INDEX), CAST);
  return ENGINE_TRAP_NONE;
}
HELPER(ref_as_non_null) {
  TRAP_IF(!fp[A], NULL_REFERENCE);
  return ENGINE_TRAP_NONE;
}

/* ---- Objects. a: first operand, and the result; imm: type, and length or segment ---- */

#define MAKE(name, call)      \
  HELPER(name) {              \
    uint64_t *slots = &fp[A]; \
    return (int)(call);       \
  }
MAKE(struct_new, engine_struct_new(inst, INDEX, slots, slots))
MAKE(struct_new_default, engine_struct_new(inst, INDEX, NULL, slots))
MAKE(array_new, engine_array_new(inst, INDEX, (uint32_t)slots[C], slots, slots))
MAKE(array_new_default, engine_array_new(inst, INDEX, NARROW(0), NULL, slots))
MAKE(array_new_fixed, engine_array_new_fixed(inst, INDEX, SECOND, slots, slots))
MAKE(array_new_data, engine_array_new_data(inst, INDEX, SECOND, NARROW(0), NARROW(1), slots))
MAKE(array_new_elem, engine_array_new_elem(inst, INDEX, SECOND, NARROW(0), NARROW(1), slots))
MAKE(array_fill, engine_array_fill(slots[0], NARROW(1), slots + 2, (uint32_t)slots[2 + C]))
MAKE(array_copy, engine_array_copy(slots[0], NARROW(1), slots[2], NARROW(3), NARROW(4)))
MAKE(array_init_data, engine_array_init_data(inst, slots[0], NARROW(1), SECOND, NARROW(2), NARROW(3)))
MAKE(array_init_elem, engine_array_init_elem(inst, slots[0], NARROW(1), SECOND, NARROW(2), NARROW(3)))

/* ---- Exceptions. a: first value, or the exception; imm: tag ---- */

HELPER(throw) {
  enum engine_trap trap = engine_exception_new(inst->store, inst->tags[INDEX], &fp[A], &inst->thread->exception);
  if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) return (int)trap;
  inst->thread->trap = ENGINE_TRAP_NONE;
  return ENGINE_TRAP_EXCEPTION;
}
HELPER(throw_ref) {
  TRAP_IF(!fp[A], NULL_REFERENCE);
  inst->thread->exception = fp[A];
  inst->thread->trap = ENGINE_TRAP_NONE;
  return ENGINE_TRAP_EXCEPTION;
}

/* ---- Threads. a: first operand; b: memory; imm: offset ---- */

HELPER(atomic_notify) {
  uint32_t woken = 0;
  enum engine_trap trap = engine_memory_notify(inst->memories[B], OPERAND(0), imm, NARROW(1), &woken);
  if (trap == ENGINE_TRAP_NONE) fp[D] = woken;
  return (int)trap;
}

static int await(uint64_t *fp, struct engine_instance *inst, uint64_t operands, uint64_t offset, unsigned bytes) {
  uint32_t result = 0;
  enum engine_trap trap = engine_memory_wait(inst->thread, inst->memories[B], OPERAND(0), offset, bytes, OPERAND(1),
                                             (int64_t)OPERAND(2), &result);
  if (trap == ENGINE_TRAP_NONE) fp[D] = result;
  return (int)trap;
}
HELPER(atomic_wait32) { return await(fp, inst, operands, imm, 4); }
HELPER(atomic_wait64) { return await(fp, inst, operands, imm, 8); }

/* ---- Fuel ---- */

HELPER(fuel) { /* it has been charged already */
  (void)fp, (void)operands, (void)imm;
  return engine_fuel_more(inst->thread) ? ENGINE_TRAP_NONE : ENGINE_TRAP_LIMIT;
}
HELPER(fuel_bytes) {
  inst->thread->fuel -= engine_fuel_of_bytes(OPERAND(0), (uint32_t)imm);
  return inst->thread->fuel >= 0 || engine_fuel_more(inst->thread) ? ENGINE_TRAP_NONE : ENGINE_TRAP_LIMIT;
}

/* ---- Which helper ------------------------------------------------------------------------------------------------- */

static enum baseline_helper_index helper_of(uint16_t op) {
  switch (op) {
  case MODULE_OP_MEMORY_SIZE: return BASELINE_HELPER_memory_size;
  case MODULE_OP_MEMORY_GROW: return BASELINE_HELPER_memory_grow;
  case MODULE_OP_MEMORY_FILL: return BASELINE_HELPER_memory_fill;
  case MODULE_OP_MEMORY_COPY: return BASELINE_HELPER_memory_copy;
  case MODULE_OP_MEMORY_INIT: return BASELINE_HELPER_memory_init;
  case MODULE_OP_DATA_DROP: return BASELINE_HELPER_data_drop;
  case MODULE_OP_TABLE_GET: return BASELINE_HELPER_table_get;
  case MODULE_OP_TABLE_SET: return BASELINE_HELPER_table_set;
  case MODULE_OP_TABLE_SIZE: return BASELINE_HELPER_table_size;
  case MODULE_OP_TABLE_GROW: return BASELINE_HELPER_table_grow;
  case MODULE_OP_TABLE_FILL: return BASELINE_HELPER_table_fill;
  case MODULE_OP_TABLE_COPY: return BASELINE_HELPER_table_copy;
  case MODULE_OP_TABLE_INIT: return BASELINE_HELPER_table_init;
  case MODULE_OP_ELEM_DROP: return BASELINE_HELPER_elem_drop;
  case MODULE_OP_STRUCT_NEW: return BASELINE_HELPER_struct_new;
  case MODULE_OP_STRUCT_NEW_DEFAULT: return BASELINE_HELPER_struct_new_default;
  case MODULE_OP_STRUCT_SET: return BASELINE_HELPER_struct_set;
  case MODULE_OP_ARRAY_NEW: return BASELINE_HELPER_array_new;
  case MODULE_OP_ARRAY_NEW_DEFAULT: return BASELINE_HELPER_array_new_default;
  case MODULE_OP_ARRAY_NEW_FIXED: return BASELINE_HELPER_array_new_fixed;
  case MODULE_OP_ARRAY_NEW_DATA: return BASELINE_HELPER_array_new_data;
  case MODULE_OP_ARRAY_NEW_ELEM: return BASELINE_HELPER_array_new_elem;
  case MODULE_OP_ARRAY_SET: return BASELINE_HELPER_array_set;
  case MODULE_OP_ARRAY_LEN: return BASELINE_HELPER_array_len;
  case MODULE_OP_ARRAY_FILL: return BASELINE_HELPER_array_fill;
  case MODULE_OP_ARRAY_COPY: return BASELINE_HELPER_array_copy;
  case MODULE_OP_ARRAY_INIT_DATA: return BASELINE_HELPER_array_init_data;
  case MODULE_OP_ARRAY_INIT_ELEM: return BASELINE_HELPER_array_init_elem;
  case MODULE_OP_REF_I31: return BASELINE_HELPER_ref_i31;
  case MODULE_OP_I31_GET_S: return BASELINE_HELPER_i31_get_s;
  case MODULE_OP_I31_GET_U: return BASELINE_HELPER_i31_get_u;
  case MODULE_OP_REF_TEST: return BASELINE_HELPER_ref_test;
  case MODULE_OP_REF_CAST: return BASELINE_HELPER_ref_cast;
  case MODULE_OP_REF_AS_NON_NULL: return BASELINE_HELPER_ref_as_non_null;
  case MODULE_OP_THROW: return BASELINE_HELPER_throw;
  case MODULE_OP_THROW_REF: return BASELINE_HELPER_throw_ref;
  case MODULE_OP_STRUCT_GET:
  case MODULE_OP_STRUCT_GET_S:
  case MODULE_OP_STRUCT_GET_U: return BASELINE_HELPER_struct_get;
  case MODULE_OP_ARRAY_GET:
  case MODULE_OP_ARRAY_GET_S:
  case MODULE_OP_ARRAY_GET_U: return BASELINE_HELPER_array_get;
  case MODULE_OP_MEMORY_ATOMIC_NOTIFY: return BASELINE_HELPER_atomic_notify;
  case MODULE_OP_MEMORY_ATOMIC_WAIT32: return BASELINE_HELPER_atomic_wait32;
  case MODULE_OP_MEMORY_ATOMIC_WAIT64: return BASELINE_HELPER_atomic_wait64;
  default: return BASELINE_HELPER_COUNT;
  }
}

static bool has_result(const struct ir_insn *insn) { return insn->d != IR_NO_SLOT; }

bool baseline_helper_find(const struct module *module, const struct ir_insn *insn, struct baseline_helper_call *out) {
  bool is_signed = insn->op == MODULE_OP_STRUCT_GET_S || insn->op == MODULE_OP_ARRAY_GET_S;
  *out = (struct baseline_helper_call){helper_of(insn->op), has_result(insn) ? insn->d : 0, insn->a, 0, 0, insn->imm};
  switch (out->helper) {
  case BASELINE_HELPER_COUNT: return false;
  case BASELINE_HELPER_struct_get:
    out->c = fields_get_of(fields_field(module, insn)->type, is_signed);
    out->imm = fields_field(module, insn)->offset;
    break;
  case BASELINE_HELPER_struct_set:
    out->b = insn->b;
    out->c = fields_set_of(fields_field(module, insn)->type);
    out->imm = fields_field(module, insn)->offset;
    break;
  case BASELINE_HELPER_array_get:
    out->b = insn->b;
    out->c = fields_get_of(fields_element(module, insn)->type, is_signed);
    break;
  case BASELINE_HELPER_array_set:
    out->d = fields_set_of(fields_element(module, insn)->type);
    out->b = insn->b;
    out->c = insn->c;
    break;
  case BASELINE_HELPER_array_new:
  case BASELINE_HELPER_array_fill: out->c = module_type_slots(fields_element(module, insn)->type); break;
  case BASELINE_HELPER_atomic_notify:
  case BASELINE_HELPER_atomic_wait32:
  case BASELINE_HELPER_atomic_wait64: out->b = insn->c; break;
  default: break;
  }
  return (out->d | out->a | out->b | out->c) <= UINT16_MAX;
}
