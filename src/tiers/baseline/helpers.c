/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Operations of compiled code by C functions: memory and table management, references, objects, throwing.
 *
 * A helper finds its operands in the frame and leaves its result there; nothing is in registers, and the position is
 * published, so it may collect. What it returns is raised by the code that called it.
 *
 * Operands are the fields of the register instruction: d, a, b, c and imm, whose low half is the first index and whose
 * high half the second. Not so: struct.get, struct.set: imm is the field's place, c the form (fields.h); array.get: c is the
 * form; array.set: d is the form, c the value; array.new, array.fill: c is how many slots a value takes; throw: imm is the
 * tag. A 32-bit size, address or index is zero-extended in its slot, so that one helper serves both address types. */
#include "tiers/baseline/baseline.h"
#include "tiers/fields.h"

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
  fp[D] = table->elems[OPERAND(0)];
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

/* ---- The stack limit is missing: somebody asks the guest to stop, if it was not withdrawn since ---- */

HELPER(poll) {
  TRAP_IF(!atomic_load_explicit(&inst->thread->stack_limit, memory_order_relaxed), INTERRUPTED);
  return ENGINE_TRAP_NONE;
}

/* ---- Which helper ------------------------------------------------------------------------------------------------- */

static enum baseline_helper_index helper_of(uint16_t op) {
  switch (op) {
#define CASE(OP, name) \
  case MODULE_OP_##OP: return BASELINE_HELPER_##name;
    CASE(MEMORY_SIZE, memory_size)
    CASE(MEMORY_GROW, memory_grow)
    CASE(MEMORY_FILL, memory_fill) CASE(MEMORY_COPY, memory_copy) CASE(MEMORY_INIT, memory_init)
        CASE(DATA_DROP, data_drop) CASE(TABLE_GET, table_get) CASE(TABLE_SET, table_set) CASE(TABLE_SIZE, table_size)
            CASE(TABLE_GROW, table_grow) CASE(TABLE_FILL, table_fill) CASE(TABLE_COPY, table_copy)
                CASE(TABLE_INIT, table_init) CASE(ELEM_DROP, elem_drop) CASE(STRUCT_NEW, struct_new)
                    CASE(STRUCT_NEW_DEFAULT, struct_new_default) CASE(STRUCT_GET, struct_get)
                        CASE(STRUCT_GET_S, struct_get) CASE(STRUCT_GET_U, struct_get) CASE(STRUCT_SET, struct_set)
                            CASE(ARRAY_NEW, array_new) CASE(ARRAY_NEW_DEFAULT, array_new_default)
                                CASE(ARRAY_NEW_FIXED, array_new_fixed) CASE(ARRAY_NEW_DATA, array_new_data)
                                    CASE(ARRAY_NEW_ELEM, array_new_elem) CASE(ARRAY_GET, array_get)
                                        CASE(ARRAY_GET_S, array_get) CASE(ARRAY_GET_U, array_get)
                                            CASE(ARRAY_SET, array_set) CASE(ARRAY_LEN, array_len)
                                                CASE(ARRAY_FILL, array_fill) CASE(ARRAY_COPY, array_copy)
                                                    CASE(ARRAY_INIT_DATA, array_init_data)
                                                        CASE(ARRAY_INIT_ELEM, array_init_elem) CASE(REF_I31, ref_i31)
                                                            CASE(I31_GET_S, i31_get_s) CASE(I31_GET_U, i31_get_u)
                                                                CASE(REF_TEST, ref_test) CASE(REF_CAST, ref_cast)
                                                                    CASE(REF_AS_NON_NULL, ref_as_non_null)
                                                                        CASE(THROW, throw) CASE(THROW_REF, throw_ref)
#undef CASE
                                                                            default : return BASELINE_HELPER_COUNT;
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
  default: break;
  }
  return true;
}
