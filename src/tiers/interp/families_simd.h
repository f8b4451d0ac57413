/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Families of vector instructions: the macros that gen_interp.py calls. Included by handlers.c only, after the macros
 * for memory.
 *
 * A vector lies in two slots, which are aligned to 8 bytes only (to 4 on 32-bit hosts). There is no accumulator for vectors: a handler takes
 * them from slots and leaves them there, whole, so that the next one need not wait for two stores to be joined. It leaves
 * the other accumulators alone. The encoder's side is encode_simd.c. */

/* clang-format off: the macros are tables; their columns are the point. */

typedef struct { sem_v128 value; } __attribute__((packed, aligned(_Alignof(struct interp_insn)), may_alias)) slot_v128;
UNALIGNED(sem_v128)
#define VECTOR_AT(place) (((slot_v128 *)(uintptr_t)(place))->value)
#define SLOT_v(slot) VECTOR_AT(fp + (slot))
#define SET_v(result) VECTOR_AT(fp + ip->d) = (result)

/* ---- Families. d <- a, lo, hi ---- */

#define V(name, result) H(name) { SET_v(result); NEXT(); }
#define V_UNARY(name, sem) V(name, sem(SLOT_v(ip->a)))
#define V_BINARY(name, sem) V(name, sem(SLOT_v(ip->a), SLOT_v(ip->lo)))
#define V_TERNARY(name, sem) V(name, sem(SLOT_v(ip->a), SLOT_v(ip->lo), SLOT_v(ip->hi)))
#define V_SPLAT(name, sem, t)                                         \
  V(name##_s, sem(SLOT_##t(ip->a)))                                   \
  V(name##_r, sem(ACC_##t))
#define V_SHIFT(name, sem, t)                                         \
  V(name##_s, sem(SLOT_v(ip->a), SLOT_##t(ip->lo)))                   \
  V(name##_r, sem(SLOT_v(ip->a), ACC_##t))                            \
  V(name##_i, sem(SLOT_v(ip->a), IMM_##t))
/* hi: lane */
#define V_REPLACE(name, sem, t)                                       \
  V(name##_s, sem(SLOT_v(ip->a), SLOT_##t(ip->lo), ip->hi))           \
  V(name##_r, sem(SLOT_v(ip->a), ACC_##t, ip->hi))
#define V_TEST(name, sem, t)                                          \
  PURE(name##_r, t, sem(SLOT_v(ip->a)), NO_KEEP)                      \
  PURE(name##_s, t, sem(SLOT_v(ip->a)), KEEP_##t)
#define V_EXTRACT(name, sem, t)                                       \
  PURE(name##_r, t, sem(SLOT_v(ip->a), ip->lo), NO_KEEP)              \
  PURE(name##_s, t, sem(SLOT_v(ip->a), ip->lo), KEEP_##t)

/* ---- Memory ---- */

#define V_LOAD_FORM(name, type, sem, from)                            \
  H(name) {                                                           \
    uint64_t address = (uint64_t)(from) + ip->b;                      \
    CHECK_BOUNDS(address, sizeof(type));                              \
    type value = ACCESS(type, address);                               \
    PIN();                                                            \
    SET_v(sem(value));                                                \
    NEXT();                                                           \
  }
#define V_LOAD(name, type, sem)                                       \
  V_LOAD_FORM(name##_s, type, sem, SLOT_i(ip->a))                     \
  V_LOAD_FORM(name##_r, type, sem, ACC_i)                             \
  V_LOAD_FORM(name##_i, type, sem, 0)
#define V_STORE(name)                                                 \
  STORE_FORM(name##_s, sem_v128, SLOT_i(ip->a), SLOT_v(ip->d))        \
  STORE_FORM(name##_r, sem_v128, ACC_i, SLOT_v(ip->d))                \
  STORE_FORM(name##_i, sem_v128, 0, SLOT_v(ip->d))
#define V_LOAD_GENERAL(name, type, sem)                               \
  H(name##_m) {                                                       \
    uint8_t *from;                                                    \
    if (!find_place(ip, fp, inst, sizeof(type), &from)) TRAP(ENGINE_TRAP_MEMORY_BOUNDS); \
    SET_v(sem(((const volatile unaligned_##type *)from)->value));     \
    NEXT();                                                           \
  }
