/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The handlers' macros for atomic instructions, included by handlers.c. They serve any memory and address type: operands
 * in consecutive slots from a, place in the pool, result in d. */

/* clang-format off: the macros are tables; their columns are the point. */

/* Where an atomic access goes, or the trap. Alignment comes first. */
static inline int find_atomic(const struct interp_insn *ip, const uint64_t *fp, const struct engine_instance *inst,
                              uint64_t bytes, uint8_t **out) {
  const struct interp_place *place = (const struct interp_place *)((const char *)ip + (int32_t)ip->b);
  if (BASE_UNLIKELY((fp[ip->a] + place->offset) & (bytes - 1))) return ENGINE_TRAP_UNALIGNED_ATOMIC;
  return BASE_LIKELY(find_place(ip, fp, inst, bytes, out)) ? ENGINE_TRAP_NONE : ENGINE_TRAP_MEMORY_BOUNDS;
}
#define ATOMIC(name, type, body)                                                     \
  H(name) {                                                                          \
    uint8_t *bytes;                                                                  \
    int trap = find_atomic(ip, fp, inst, sizeof(type), &bytes);                      \
    if (BASE_UNLIKELY(trap)) TRAP((uint64_t)trap);                                   \
    _Atomic type *at = (_Atomic type *)bytes;                                        \
    body;                                                                            \
    NEXT();                                                                          \
  }
#define ATOMIC_RESULT(value) acc = (value), fp[ip->d] = acc
#define OPERAND(n) fp[ip->a + (n)]
#define ATOMIC_LOAD(name, type, t) ATOMIC(name, type, ATOMIC_RESULT(atomic_load(at)))
#define ATOMIC_STORE(name, type, t) ATOMIC(name, type, atomic_store(at, (type)OPERAND(1)))
#define ATOMIC_RMW(name, type, t, function) ATOMIC(name, type, ATOMIC_RESULT(function(at, (type)OPERAND(1))))
/* A narrow one compares what is left of the expected value in its width. */
#define ATOMIC_CMPXCHG(name, type, t)                                                \
  ATOMIC(name, type, {                                                               \
    type found = (type)OPERAND(1);                                                   \
    atomic_compare_exchange_strong(at, &found, (type)OPERAND(2));                    \
    ATOMIC_RESULT(found);                                                            \
  })
#define ATOMIC_CALL(name, call)                                                      \
  H(name) {                                                                          \
    const struct interp_place *place = (const struct interp_place *)((const char *)ip + (int32_t)ip->b); \
    uint32_t result = 0;                                                             \
    enum engine_trap trap = call;                                                    \
    if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) TRAP((uint64_t)trap);               \
    ATOMIC_RESULT(result);                                                           \
    NEXT();                                                                          \
  }
#define ATOMIC_NOTIFY(name, type, t)                                                                                   \
  ATOMIC_CALL(name, engine_memory_notify(inst->memories[place->memory], OPERAND(0), place->offset, (type)OPERAND(1),   \
                                         &result))
#define ATOMIC_WAIT(name, type, t)                                                                                     \
  ATOMIC_CALL(name, engine_memory_wait(inst->thread, inst->memories[place->memory], OPERAND(0), place->offset,         \
                                       sizeof(type), OPERAND(1), (int64_t)OPERAND(2), &result))
