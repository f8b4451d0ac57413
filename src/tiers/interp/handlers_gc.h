/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The handlers of references, structures, arrays and exceptions. Included by handlers.c only.
 *
 * What may collect publishes the frame first: the position is how the collector learns which slots hold references. */

/* clang-format off: one handler a line where it fits. */

#define OBJECT(slot) ((uint8_t *)(uintptr_t)fp[slot])
#define CHECK_NULL(slot) if (BASE_UNLIKELY(fp[slot] == 0)) TRAP(ENGINE_TRAP_NULL_REFERENCE)

/* Memory of objects is the store's alone: no other thread, no faults. */
#define READ(type, address) (((const unaligned_##type *)(const void *)(address))->value)
#define WRITE(type, address) (((unaligned_##type *)(void *)(address))->value)

#define GET_32(to, from) acc = READ(uint32_t, from); fp[to] = acc
#define GET_64(to, from) acc = READ(uint64_t, from); fp[to] = acc
#define GET_8s(to, from) acc = (uint32_t)(int32_t)READ(int8_t, from); fp[to] = acc
#define GET_8u(to, from) acc = READ(uint8_t, from); fp[to] = acc
#define GET_16s(to, from) acc = (uint32_t)(int32_t)READ(int16_t, from); fp[to] = acc
#define GET_16u(to, from) acc = READ(uint16_t, from); fp[to] = acc
#define GET_f(to, from) f = READ(float, from); fp[to] = f32_bits(f)
#define GET_g(to, from) g = READ(double, from); fp[to] = f64_bits(g)
#define GET_v(to, from)                               \
  do {                                                \
    uint64_t low = READ(uint64_t, from);              \
    fp[(to) + 1] = READ(uint64_t, (from) + 8);        \
    fp[to] = low;                                     \
  } while (0)
#define PUT_8(to, slot) WRITE(uint8_t, to) = (uint8_t)fp[slot]
#define PUT_16(to, slot) WRITE(uint16_t, to) = (uint16_t)fp[slot]
#define PUT_32(to, slot) WRITE(uint32_t, to) = (uint32_t)fp[slot]
#define PUT_64(to, slot) WRITE(uint64_t, to) = fp[slot]
#define PUT_v(to, slot)                               \
  do {                                                \
    WRITE(uint64_t, to) = fp[slot];                   \
    WRITE(uint64_t, (to) + 8) = fp[(slot) + 1];       \
  } while (0)

/* ---- Fields. a: object; d: result or value; b: place in the object ---- */

#define STRUCT_GET(form)                              \
  H(struct_get_##form) {                              \
    CHECK_NULL(ip->a);                                \
    const uint8_t *from = OBJECT(ip->a) + ip->b;      \
    GET_##form(ip->d, from);                          \
    NEXT();                                           \
  }
STRUCT_GET(8s) STRUCT_GET(8u) STRUCT_GET(16s) STRUCT_GET(16u) STRUCT_GET(32) STRUCT_GET(64) STRUCT_GET(f)
STRUCT_GET(g) STRUCT_GET(v)

#define STRUCT_SET(form)                              \
  H(struct_set_##form) {                              \
    CHECK_NULL(ip->a);                                \
    uint8_t *to = OBJECT(ip->a) + ip->b;              \
    PUT_##form(to, ip->d);                            \
    NEXT();                                           \
  }
STRUCT_SET(8) STRUCT_SET(16) STRUCT_SET(32) STRUCT_SET(64) STRUCT_SET(v)

/* ---- Elements. a: array; lo: index; d: result or value. Where they begin depends on their size. ---- */

#define ELEMENT(bytes)                                                                  \
  CHECK_NULL(ip->a);                                                                    \
  uint32_t index = SLOT_i(ip->lo);                                                      \
  if (BASE_UNLIKELY(index >= ((const struct engine_array *)(void *)OBJECT(ip->a))->length))  \
    TRAP(ENGINE_TRAP_ARRAY_BOUNDS);                                                     \
  uint8_t *element = OBJECT(ip->a) + ((bytes) <= 4 ? 12 : 16) + (size_t)index * (bytes)

#define ARRAY_GET(form, bytes) H(array_get_##form) { ELEMENT(bytes); GET_##form(ip->d, element); NEXT(); }
ARRAY_GET(8s, 1) ARRAY_GET(8u, 1) ARRAY_GET(16s, 2) ARRAY_GET(16u, 2) ARRAY_GET(32, 4) ARRAY_GET(64, 8)
ARRAY_GET(f, 4) ARRAY_GET(g, 8) ARRAY_GET(v, 16)

#define ARRAY_SET(form, bytes) H(array_set_##form) { ELEMENT(bytes); PUT_##form(element, ip->d); NEXT(); }
ARRAY_SET(8, 1) ARRAY_SET(16, 2) ARRAY_SET(32, 4) ARRAY_SET(64, 8) ARRAY_SET(v, 16)

H(array_len) {
  CHECK_NULL(ip->a);
  acc = ((const struct engine_array *)(void *)OBJECT(ip->a))->length;
  KEEP_I;
  NEXT();
}

/* ---- References. a: operand; d: result; b: type ---- */

H(ref_i31) { acc = engine_ref_i31(SLOT_i(ip->a)); KEEP_I; NEXT(); }
H(i31_get_s) { CHECK_NULL(ip->a); acc = (uint32_t)engine_ref_i31_signed(fp[ip->a]); KEEP_I; NEXT(); }
H(i31_get_u) { CHECK_NULL(ip->a); acc = engine_ref_i31_unsigned(fp[ip->a]); KEEP_I; NEXT(); }
H(ref_test) { acc = engine_ref_matches(inst, fp[ip->a], ip->b); KEEP_I; NEXT(); }
H(ref_cast) { if (BASE_UNLIKELY(!engine_ref_matches(inst, fp[ip->a], ip->b))) TRAP(ENGINE_TRAP_CAST); NEXT(); }
H(ref_as_non_null) { CHECK_NULL(ip->a); NEXT(); }

/* ---- Making objects. a: first operand, and the result; b: type, or where type and segment are ---- */

#define PAIR ((const uint64_t *)(const void *)((const char *)ip + (int32_t)ip->b))
#define MAKE(name, call)                                                  \
  H(name) {                                                               \
    uint64_t *slots = fp + ip->a;                                         \
    engine_publish(inst, ip, fp);                                         \
    enum engine_trap trap = call;                                         \
    if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) TRAP((uint64_t)trap);    \
    NEXT();                                                               \
  }
MAKE(struct_new, engine_struct_new(inst, ip->b, slots, slots))
MAKE(struct_new_default, engine_struct_new(inst, ip->b, NULL, slots))
/* d: slots of a value */
MAKE(array_new, engine_array_new(inst, ip->b, (uint32_t)slots[ip->d], slots, slots))
MAKE(array_new_default, engine_array_new(inst, ip->b, (uint32_t)slots[0], NULL, slots))
MAKE(array_new_fixed, engine_array_new_fixed(inst, ip->b, ip->d, slots, slots)) /* d: length */
MAKE(array_new_data, engine_array_new_data(inst, (uint32_t)PAIR[0], (uint32_t)PAIR[1], (uint32_t)slots[0], (uint32_t)slots[1], slots))
MAKE(array_new_elem, engine_array_new_elem(inst, (uint32_t)PAIR[0], (uint32_t)PAIR[1], (uint32_t)slots[0], (uint32_t)slots[1], slots))
MAKE(array_fill, engine_array_fill(slots[0], (uint32_t)slots[1], slots + 2, (uint32_t)slots[2 + ip->d]))
MAKE(array_copy, engine_array_copy(slots[0], (uint32_t)slots[1], slots[2], (uint32_t)slots[3], (uint32_t)slots[4]))
MAKE(array_init_data, engine_array_init_data(inst, slots[0], (uint32_t)slots[1], (uint32_t)PAIR[1], (uint32_t)slots[2], (uint32_t)slots[3]))
MAKE(array_init_elem, engine_array_init_elem(inst, slots[0], (uint32_t)slots[1], (uint32_t)PAIR[1], (uint32_t)slots[2], (uint32_t)slots[3]))

/* ---- Exceptions ---- */

H(throw) { /* a: first value; b: tag */
  engine_publish(inst, ip, fp);
  enum engine_trap trap = engine_exception_new(inst->store, inst->tags[ip->b], fp + ip->a, &inst->thread->exception);
  if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) TRAP((uint64_t)trap);
  inst->thread->trap = ENGINE_TRAP_NONE;
  GO(unwind);
}
H(throw_ref) { /* a: exception */
  CHECK_NULL(ip->a);
  inst->thread->exception = fp[ip->a];
  inst->thread->trap = ENGINE_TRAP_NONE;
  GO(unwind);
}
H(unwind) LABEL(unwind) { /* the exception is thread->exception; never encoded */
  enum engine_trap trap = interp_land(inst, ip, fp, inst->thread->exception);
  if (BASE_UNLIKELY(trap == ENGINE_TRAP_INTERRUPTED)) TRAP(ENGINE_TRAP_INTERRUPTED);
  if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) return leave_by_exception(ip, fp, inst);
  const struct engine_activation *landed = inst->thread->top;
  ip = landed->site;
  fp = landed->fp;
  mem = inst->memory0->base;
  JUMP();
}

/* ---- Calls by reference. d: first argument slot; a: function ---- */

H(call_ref) { /* the function is in acc */
  struct engine_function *function = (struct engine_function *)(uintptr_t)acc;
  if (BASE_UNLIKELY(!function)) TRAP(ENGINE_TRAP_NULL_REFERENCE);
  if (BASE_UNLIKELY(function->instance != inst)) GO(call_away);
  acc = BITS(ip);
  fp += ip->d;
  ip = SITE(BITS(inst->interp_entries[function->entry]));
  JUMP();
}
H(tail_check_ref) { CHECK_NULL(ip->a); NEXT(); }
H(tail_call_ref) { /* a: above the moved arguments */
  struct engine_function *function = (struct engine_function *)(uintptr_t)fp[ip->a];
  if (BASE_UNLIKELY(function->instance != inst)) LEAVE_BY_TAIL_CALL(function);
  ip = SITE(BITS(inst->interp_entries[function->entry]));
  JUMP();
}
