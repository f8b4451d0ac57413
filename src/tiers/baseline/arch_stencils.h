/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the C of the stencils is made of (tools/gen_stencils.py writes it; nothing else includes this): the machine's
 * state as parameters, holes, and the ways of reading them that become the instructions wanted.
 *
 * A hole is the address of a symbol that nobody defines: the compiler leaves a relocation where its value belongs, and
 * tools/extract_stencils.py makes a hole of it. Where C leads to detours, a line of assembly names the instruction. */
#ifndef TIERS_BASELINE_ARCH_STENCILS_H
#define TIERS_BASELINE_ARCH_STENCILS_H

#include "base/base.h"
#include "module/ops/sem_simd.h"
#include "tiers/baseline/arch_state.h"

#include <stddef.h>
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

/* clang-format off: the macros are tables; their columns are the point. */

extern char STENCIL_D[], STENCIL_A[], STENCIL_B[], STENCIL_C[], STENCIL_IMM[], STENCIL_IMM2[], STENCIL_SITE[];
TIERS_GUEST_CC void STENCIL_NEXT(void);
TIERS_GUEST_CC void STENCIL_TARGET(void);
TIERS_GUEST_CC void STENCIL_TRAP_INTEGER_OVERFLOW(void);
TIERS_GUEST_CC void STENCIL_TRAP_INTEGER_DIVIDE_BY_ZERO(void);
TIERS_GUEST_CC void STENCIL_TRAP_INVALID_CONVERSION(void);
struct engine_instance;

/* ---- The state ------------------------------------------------------------------------------------------------------ */

/* A file with STENCIL_INTS_ONLY is compiled so that no float register is touched: what is no parameter costs no time.
 * FLOATS_<types>, one letter each, are the float registers' types, written by the generator. */
#ifdef STENCIL_INTS_ONLY
#define PARAMETERS(types) STATE, INTS
#define ARGUMENTS fp, mem, inst, INT_ARGUMENTS
#else
#define PARAMETERS(types) STATE, INTS, FLOATS_##types
#define ARGUMENTS fp, mem, inst, INT_ARGUMENTS, x0, x1, x2, x3, x4, x5, x6, x7
#endif
#define STENCIL(name, types, ...)                                                            \
  TIERS_GUEST_CC void name(PARAMETERS(types));                                            \
  TIERS_GUEST_CC void name(PARAMETERS(types)) {                                           \
    typedef TIERS_GUEST_CC void continuation(PARAMETERS(types));                          \
    __VA_ARGS__;                                                                             \
    GO(STENCIL_NEXT);                                                                        \
  }
#define GO(to)                                                                               \
  do {                                                                                       \
    SCRATCH();                                                                               \
    __attribute__((musttail)) return ((continuation *)to)(ARGUMENTS);                        \
  } while (0)
#define GO_IF(condition) do { if (condition) GO(STENCIL_TARGET); } while (0)
#define TRAP_IF(condition, trap) do { if (BASE_UNLIKELY(condition)) GO(STENCIL_TRAP_##trap); } while (0)

/* ---- Holes ---------------------------------------------------------------------------------------------------------- */

#define UNALIGNED(type) typedef struct { type value; } __attribute__((packed, may_alias)) unaligned_##type;
UNALIGNED(int8_t) UNALIGNED(uint8_t) UNALIGNED(int16_t) UNALIGNED(uint16_t) UNALIGNED(int32_t) UNALIGNED(uint32_t)
UNALIGNED(uint64_t) UNALIGNED(float) UNALIGNED(double)
/* Guest accesses are volatile: other threads may race with them, and a fault must happen where it is written. */
#define MEMORY(type, address) (((volatile unaligned_##type *)(address))->value)

/* Below, by processor: SYMBOL is a hole's value as a number that C adds to a pointer, of 32 bits unsigned (slots on AArch64:
 * of 16); IMM_i of 32 bits, IMM_I of 32 bits sign-extended, IMM64 of 64. */
#define SLOT(hole, type) (*(type *)((char *)fp + SYMBOL(hole)))
#define FIELD(base, hole, type) (*(type *)((char *)(base) + SYMBOL(hole)))

#if defined(__x86_64__)
#define SYMBOL(hole) ((uintptr_t)STENCIL_##hole)
#define IMM_i(hole) ((uint32_t)SYMBOL(hole))
#define IMM_I(hole) ({ uint64_t bits; __asm__("movq %1, %0" : "=r"(bits) : "i"(STENCIL_##hole)); bits; })
#define SIGNED(hole) SYMBOL(hole) /* a number of 32 bits with a sign, where C adds it to an address */
#define IMM64(hole) ({ uint64_t bits; __asm__("movabsq %1, %0" : "=r"(bits) : "i"(STENCIL_##hole)); bits; })
/* A tail call through a pointer would need a register that is not there; this one leaves all as they are. */
#define JUMP_BY_TABLE(index)                                                                                           \
  do {                                                                                                                 \
    uint64_t table, place = (index);                                                                                   \
    __asm__ volatile("leaq STENCIL_TARGET(%%rip), %0\n movslq (%0,%1,4), %1\n addq %0, %1\n notrack jmp *%1"           \
                     : "=&r"(table), "+r"(place));                                                                     \
  } while (0)
#define DEMOTE(to, from) __asm__("cvtsd2ss %1, %0" : "=x"(to) : "x"(from))
#define PROMOTE(to, from) __asm__("cvtss2sd %1, %0" : "=x"(to) : "x"(from))

/* d <- d op the constant; whether a compares with the constant as the condition says. */
#define ARITHMETIC_i(instruction, d) __asm__(instruction " %1, %k0" : "+r"(d) : "i"(STENCIL_IMM) : "cc")
#define ARITHMETIC_I(instruction, d) __asm__(instruction " %1, %0" : "+r"(d) : "i"(STENCIL_IMM) : "cc")
#define MULTIPLY_i(d) __asm__("imull %1, %k0, %k0" : "+r"(d) : "i"(STENCIL_IMM) : "cc")
#define MULTIPLY_I(d) __asm__("imulq %1, %0, %0" : "+r"(d) : "i"(STENCIL_IMM) : "cc")
#define ADD3_i(d, a) __asm__("leal %c2(%q1), %k0" : "=r"(d) : "r"(a), "i"(STENCIL_IMM))
#define COMPARES_i(condition, a) \
  ({ int holds; __asm__("cmpl %2, %k1" : "=@cc" condition(holds) : "r"(a), "i"(STENCIL_IMM)); holds; })
#define COMPARES_I(condition, a) \
  ({ int holds; __asm__("cmpq %2, %1" : "=@cc" condition(holds) : "r"(a), "i"(STENCIL_IMM)); holds; })
/* The compiler must not learn from a branch that two registers are equal, or it copies one to the other. */
#define SAME_I(condition, a, b) \
  ({ int holds; __asm__("cmpq %2, %1" : "=@cc" condition(holds) : "r"(a), "r"(b)); holds; })
#define ZERO_I(condition, a) ({ int holds; __asm__("testq %1, %1" : "=@cc" condition(holds) : "r"(a)); holds; })

#define LOAD_SIGNED(instruction, d) \
  __asm__ volatile(instruction " %c1(%2), %k0" : "=r"(d) : "i"(STENCIL_IMM), "r"(mem) : "memory")
#define LOAD_SIGNED_AT(instruction, d, index) \
  __asm__ volatile(instruction " %c1(%2,%3), %k0" : "=r"(d) : "i"(STENCIL_IMM), "r"(mem), "r"(index) : "memory")
/* Constants into memory at `base` (a pointer) plus the offset hole. */
#define PUT_CONSTANT(instruction, base, at, constant) \
  __asm__ volatile(instruction " %0, %c1(%2)" : : "i"(STENCIL_##constant), "i"(STENCIL_##at), "r"(base) : "memory")
#define PUT_CONSTANT_AT(instruction, base, index, at, constant)                           \
  __asm__ volatile(instruction " %0, %c1(%2,%3)"                                          \
                   : : "i"(STENCIL_##constant), "i"(STENCIL_##at), "r"(base), "r"(index) : "memory")
#define PUT_SIGNED(base, at, constant) PUT_CONSTANT("movq", base, at, constant)
/* Takes the constant off a number in memory; whether it is negative then. */
#define CHARGE(fuel)                                                                                                   \
  ({ int is_out; __asm__ volatile("subq %2, %0" : "+m"(fuel), "=@ccs"(is_out) : "i"(STENCIL_IMM)); is_out; })
#define END_OF_ACCESS(a) ({ uint64_t sum; __asm__("leaq %c2(%1), %0" : "=r"(sum) : "r"(a), "i"(STENCIL_IMM)); sum; })
/* Processors do not guess what a conditional move does. The jump is here because a flag that comes out beside a number goes
 * through a register; who traps needs none. */
#define CHECK_END(a, end, instead)                                                                                     \
  __asm__ volatile("cmpq %[length], %[end]\n cmovaq %[other], %[place]\n ja STENCIL_TRAP_MEMORY_BOUNDS"                \
                   : [place] "+r"(a)                                                                                   \
                   : [length] "m"(LENGTH()), [end] "r"(end), [other] "r"(instead)                                      \
                   : "cc")
#define CHECK(a)                                                                                                       \
  do {                                                                                                                 \
    uint64_t length = LENGTH(), other;                                                                                 \
    __asm__ volatile("xorl %k[other], %k[other]\n subq %[most], %[length]\n cmpq %[length], %[place]\n"               \
                     "cmovaeq %[other], %[place]\n jae STENCIL_TRAP_MEMORY_BOUNDS"                                     \
                     : [place] "+r"(a), [length] "+r"(length), [other] "=&r"(other)                                    \
                     : [most] "i"(STENCIL_IMM)                                                                         \
                     : "cc");                                                                                          \
  } while (0)
#elif defined(__aarch64__)
/* The code model of clang is "tiny", in which an address of a symbol is one instruction; the extractor turns it into one
 * that loads a number of 16 bits. */
#define SYMBOL(hole) SYMBOL_##hole
#define SYMBOL_D ((uintptr_t)STENCIL_D)
#define SYMBOL_A ((uintptr_t)STENCIL_A)
#define SYMBOL_B ((uintptr_t)STENCIL_B)
#define SYMBOL_C ((uintptr_t)STENCIL_C)
#define SYMBOL_IMM ((uintptr_t)NUMBER32(IMM))
#define SYMBOL_IMM2 ((uintptr_t)NUMBER32(IMM2))
#define SYMBOL_SITE ((uintptr_t)NUMBER32(SITE))
#define NUMBER32(hole)                                                                                                 \
  ({ uint64_t bits;                                                                                                    \
     __asm__("movz %w0, #:abs_g0:STENCIL_" #hole "\n movk %w0, #:abs_g1_nc:STENCIL_" #hole : "=r"(bits));              \
     __builtin_assume(bits <= UINT32_MAX);                                                                             \
     bits; })
#define IMM_i(hole) ((uint32_t)NUMBER32(hole))
#define IMM_I(hole) ((uint64_t)(int64_t)(int32_t)NUMBER32(hole))
#define SIGNED(hole) IMM_I(hole)
#define IMM64(hole)                                                                                                    \
  ({ uint64_t bits;                                                                                                    \
     __asm__("movz %0, #:abs_g0:STENCIL_" #hole "\n movk %0, #:abs_g1_nc:STENCIL_" #hole "\n"                           \
             "movk %0, #:abs_g2_nc:STENCIL_" #hole "\n movk %0, #:abs_g3:STENCIL_" #hole : "=r"(bits));                \
     bits; })
#define JUMP_BY_TABLE(index)                                                                                           \
  do {                                                                                                                 \
    uint64_t table, place = (index);                                                                                   \
    __asm__ volatile("adr %0, STENCIL_TARGET\n ldrsw %1, [%0, %1, lsl #2]\n add %1, %0, %1\n br %1"                    \
                     : "=&r"(table), "+r"(place));                                                                     \
  } while (0)
#define DEMOTE(to, from) __asm__("fcvt %s0, %d1" : "=w"(to) : "w"(from))
#define PROMOTE(to, from) __asm__("fcvt %d0, %s1" : "=w"(to) : "w"(from))
#define SAME_I(condition, a, b) \
  ({ int holds; __asm__("cmp %1, %2" : "=@cc" condition(holds) : "r"(a), "r"(b)); holds; })
#define ZERO_I(condition, a) ({ int holds; __asm__("cmp %1, #0" : "=@cc" condition(holds) : "r"(a)); holds; })
#define PUT_SIGNED(base, at, constant) FIELD(base, at, uint64_t) = IMM_I(constant)
#else
/* RISC-V: every number is made of two instructions. Where C makes it, it is wrong within 2 KiB of 2^31, which slots are not.
 * The upper half of 64 bits is a symbol of its own. */
#define SYMBOL(hole) SYMBOL_##hole
#define SYMBOL_D ((uintptr_t)STENCIL_D)
#define SYMBOL_A ((uintptr_t)STENCIL_A)
#define SYMBOL_B ((uintptr_t)STENCIL_B)
#define SYMBOL_C ((uintptr_t)STENCIL_C)
#define SYMBOL_SITE ((uintptr_t)STENCIL_SITE)
#define SYMBOL_IMM ((uintptr_t)NUMBER32(IMM))
#define SYMBOL_IMM2 ((uintptr_t)NUMBER32(IMM2))
#define NUMBER32(hole)                                                                                                 \
  ({ uint64_t bits;                                                                                                    \
     __asm__("lui %0, %%hi(STENCIL_" #hole ")\n addiw %0, %0, %%lo(STENCIL_" #hole ")" : "=r"(bits));                   \
     bits; })
#define IMM_i(hole) ((uint32_t)NUMBER32(hole))
#define IMM_I(hole) NUMBER32(hole)
#define SIGNED(hole) IMM_I(hole)
#define IMM64(hole)                                                                                                    \
  ({ uint64_t bits, low;                                                                                               \
     __asm__("lui %0, %%hi(STENCIL_" #hole "_UPPER)\n addi %0, %0, %%lo(STENCIL_" #hole "_UPPER)\n slli %0, %0, 32\n"   \
             "lui %1, %%hi(STENCIL_" #hole ")\n addi %1, %1, %%lo(STENCIL_" #hole ")\n"                                \
             "slli %1, %1, 32\n srli %1, %1, 32\n or %0, %0, %1" : "=&r"(bits), "=&r"(low));                          \
     bits; })
#define JUMP_BY_TABLE(index)                                                                                           \
  do {                                                                                                                 \
    uint64_t table, place = (index);                                                                                   \
    __asm__ volatile("1: auipc %0, %%pcrel_hi(STENCIL_TARGET)\n addi %0, %0, %%pcrel_lo(1b)\n"                         \
                     "slli %1, %1, 2\n add %1, %1, %0\n lw %1, 0(%1)\n add %1, %1, %0\n jr %1"                        \
                     : "=&r"(table), "+r"(place));                                                                     \
  } while (0)
#define DEMOTE(to, from) __asm__("fcvt.s.d %0, %1" : "=f"(to) : "f"(from))
#define PROMOTE(to, from) __asm__("fcvt.d.s %0, %1" : "=f"(to) : "f"(from))
#define PUT_SIGNED(base, at, constant) FIELD(base, at, uint64_t) = IMM_I(constant)
#endif

#if !defined(__x86_64__)
#define CHARGE(fuel) (((fuel) -= (int64_t)NUMBER32(IMM)) < 0)
#endif

/* ---- Vectors, in slots ------------------------------------------------------------------------------------------------ */

typedef struct { sem_v128 value; } __attribute__((packed, aligned(8), may_alias)) slot_v128;
UNALIGNED(sem_v128)
#define VECTOR(hole) (((slot_v128 *)((char *)fp + SYMBOL(hole)))->value)
/* Read as a whole: a hole has no room for the distance of a part. */
#if defined(__riscv)
#define OPERAND(hole) ({ const char *at = (const char *)fp + SYMBOL(hole); __asm__("" : "+r"(at)); VECTOR_AT(at); })
#elif defined(__aarch64__)
#define OPERAND(hole) ({ sem_v128 operand = VECTOR(hole); __asm__("" : "+w"(operand)); operand; })
#else
#define OPERAND(hole) ({ sem_v128 operand = VECTOR(hole); __asm__("" : "+x"(operand)); operand; })
#endif
#define VECTOR_AT(place) (((slot_v128 *)(uintptr_t)(place))->value)
#define RESULT_i(result) SLOT(D, uint64_t) = (uint32_t)(result)
#define RESULT_I(result) SLOT(D, uint64_t) = (uint64_t)(result)
#define RESULT_f(result) SLOT(D, float) = (result)
#define RESULT_F(result) SLOT(D, double) = (result)
#define RESULT_v(result) VECTOR(D) = (result)
/* A lane, from memory: the number is not known to the compiler. */
#define LANE(type) (((const type *)((const char *)fp + SYMBOL(A)))[SYMBOL(IMM)])
#define LANES() ((sem_v128){IMM64(IMM), IMM64(IMM2)})
static inline struct sem_wide signed_product(uint64_t a, uint64_t b) {
  __int128 product = (__int128)(int64_t)a * (int64_t)b;
  return (struct sem_wide){(uint64_t)product, (uint64_t)(product >> 64)};
}
#define WIDE(result)                                                                                                   \
  do {                                                                                                                 \
    struct sem_wide wide = (result);                                                                                   \
    uint64_t *to = &SLOT(D, uint64_t);                                                                                 \
    __asm__("" : "+r"(to));                                                                                            \
    to[0] = wide.low;                                                                                                  \
    to[1] = wide.high;                                                                                                 \
  } while (0)

#if defined(__aarch64__)
static inline sem_v128 fast_swizzle(sem_v128 a, sem_v128 lanes) {
  return (sem_v128)vqtbl1q_u8((uint8x16_t)a, (uint8x16_t)lanes);
}
static inline sem_v128 fast_shuffle(sem_v128 a, sem_v128 b, sem_v128 lanes) {
  return (sem_v128)vqtbl2q_u8((uint8x16x2_t){{(uint8x16_t)a, (uint8x16_t)b}}, (uint8x16_t)lanes);
}
#elif defined(__SSSE3__)
/* The instruction takes lanes modulo 16, and zero for those with the highest bit set: all from 16 on have it after the
 * addition, which stops at 255, and all below 16 after the subtraction. */
typedef char bytes_v128 __attribute__((vector_size(16)));
static inline sem_v128 pick(sem_v128 a, sem_v128 lanes) {
  return (sem_v128)__builtin_ia32_pshufb128((bytes_v128)a, (bytes_v128)lanes);
}
static inline sem_v128 fast_swizzle(sem_v128 a, sem_v128 lanes) {
  return pick(a, sem_i8x16_add_sat_u(lanes, sem_i8x16_splat(0x70)));
}
static inline sem_v128 fast_shuffle(sem_v128 a, sem_v128 b, sem_v128 lanes) {
  return fast_swizzle(a, lanes) | pick(b, sem_i8x16_sub(lanes, sem_i8x16_splat(16)));
}
#endif

/* ---- Pieces --------------------------------------------------------------------------------------------------------- */

static inline float float_of(uint32_t bits) { float value; memcpy(&value, &bits, 4); return value; }
static inline double double_of(uint64_t bits) { double value; memcpy(&value, &bits, 8); return value; }

#define IS_LOW(r) __builtin_assume((r) <= UINT32_MAX) /* i32 values are zero-extended */
#define BRANCH_BY_TABLE(index)                                                                                         \
  do {                                                                                                                 \
    uint32_t last = IMM_i(IMM), chosen = (uint32_t)(index);                                                            \
    JUMP_BY_TABLE(chosen < last ? chosen : last);                                                                      \
  } while (0)

/* Word by word, for loops that the compiler takes for memmove become calls. */
#define COPY_WORD(i) do { to[i] = from[i]; __asm__ volatile("" : : : "memory"); } while (0)
#define COPY_SLOTS()                                                                                                   \
  do {                                                                                                                 \
    uint64_t *to = &SLOT(D, uint64_t);                                                                                 \
    const uint64_t *from = &SLOT(A, const uint64_t);                                                                   \
    uint64_t count = IMM_i(IMM);                                                                                       \
    __asm__("" : "+r"(to), "+r"(from));                                                                                \
    if (to <= from) for (uint64_t i = 0; i < count; i++) COPY_WORD(i);                                                 \
    else for (uint64_t i = count; i-- > 0;) COPY_WORD(i);                                                              \
  } while (0)
#define ZERO_SLOTS()                                                                                                   \
  do {                                                                                                                 \
    uint64_t *to = &SLOT(D, uint64_t);                                                                                 \
    __asm__("" : "+r"(to));                                                                                            \
    for (uint64_t count = IMM_i(IMM); count; count--, to++) { *to = 0; __asm__ volatile("" : : : "memory"); }          \
  } while (0)

/* ---- With the engine ------------------------------------------------------------------------------------------------ */

/* Only the files that need it see its structs, so that a change of them does not cost the time of all. */
#ifdef STENCIL_WITH_ENGINE
#include "tiers/baseline/baseline.h"
#include "tiers/narrow.h"

#define X(name, text) TIERS_GUEST_CC void STENCIL_TRAP_##name(void);
ENGINE_TRAPS(X)
#undef X

/* Plain reads, which can be operands: that they are made each time, and at once, lies in the nature of the code. */
#define LENGTH() (*(const uint64_t *)&inst->memory0->len_bytes)
#define LIMIT() (*(const uint64_t *)&inst->thread->stack_limit)
#define RUNTIME() (*(const struct baseline_runtime *const *)inst->code)

#if !defined(__x86_64__)
#define CHECK(a)                                                                                                       \
  do {                                                                                                                 \
    uint64_t count = LENGTH() - SYMBOL(IMM);                                                                           \
    TRAP_IF(a >= count, MEMORY_BOUNDS);                                                                                \
    a = tiers_narrowed(a, count);                                                                                      \
  } while (0)
#define END_OF_ACCESS(a) ((a) + SYMBOL(IMM))
#define CHECK_END(a, end, instead)                                                                                     \
  do {                                                                                                                 \
    uint64_t other = (instead), length = LENGTH();                                                                     \
    TRAP_IF((end) > length, MEMORY_BOUNDS);                                                                            \
    a = tiers_narrowed_place(a - other, end, length) + other;                                                          \
  } while (0)
#endif
#define CHECK32(a) uint64_t end = END_OF_ACCESS(a); CHECK_END(a, end, IMM_I(IMM2))
#define CHECK64(a)                                                                                                     \
  uint64_t end;                                                                                                        \
  bool wraps = __builtin_add_overflow(a, IMM64(IMM), &end);                                                            \
  end |= -(uint64_t)wraps;                                                                                             \
  CHECK_END(a, end, IMM64(IMM2))

/* From a function to what calls it: r0 <- code, r1 <- function. */
#define CALLEE(callee)                                                                                                 \
  do {                                                                                                                 \
    const struct engine_function *function = (callee);                                                                 \
    r1 = (uint64_t)(uintptr_t)function;                                                                                \
    if (BASE_UNLIKELY(function->instance != inst)) r0 = (uint64_t)(uintptr_t)RUNTIME()->away;                          \
    else r0 = (uint64_t)(uintptr_t)inst->entries[function->entry];                                                     \
  } while (0)

/* As struct baseline_target says. */
#define NOTE_TARGET(callee)                                                                                            \
  do {                                                                                                                 \
    const struct engine_function *function = (callee);                                                                 \
    struct baseline_target *target = (struct baseline_target *)(uintptr_t)IMM64(IMM);                                  \
    if (BASE_LIKELY(!target->left)) break;                                                                             \
    uint32_t entry = function->instance == inst ? function->entry : BASELINE_NO_ENTRY, votes = target->votes;          \
    target->left--;                                                                                                    \
    if (target->entry == entry) target->votes = votes + 1;                                                             \
    else if (votes >= 2) target->votes = votes - 2;                                                                    \
    else target->entry = entry, target->votes = 1;                                                                     \
  } while (0)

/* For stencils at which no other register lives. */
#define STENCIL_ALONE(name, ...)                                                             \
  TIERS_GUEST_CC void name(STATE, uint64_t r0, uint64_t r1, uint64_t r2);                 \
  TIERS_GUEST_CC void name(STATE, uint64_t r0, uint64_t r1, uint64_t r2) {                \
    __VA_ARGS__;                                                                             \
    GO_ALONE((baseline_code_pointer)STENCIL_NEXT);                                           \
  }
#define GO_ALONE(to) __attribute__((musttail)) return (to)(fp, mem, inst, r0, r1, r2)
#define TRAP_ALONE_IF(condition, trap) \
  do { if (BASE_UNLIKELY(condition)) GO_ALONE((baseline_code_pointer)STENCIL_TRAP_##trap); } while (0)
#define FORGET() __asm__("" : "=r"(r0), "=r"(r1), "=r"(r2))

#define CALL_HELPER()                                                                                                  \
  do {                                                                                                                 \
    engine_publish(inst, (const void *)SYMBOL(SITE), fp);                                                              \
    int trap = FIELD(RUNTIME(), IMM, const baseline_helper)(fp, inst, IMM64(D), IMM64(IMM2));                          \
    if (BASE_UNLIKELY(trap)) {                                                                                         \
      r0 = (uint32_t)trap;                                                                                             \
      r1 = SYMBOL(SITE);                                                                                               \
      __asm__("" : "=r"(r2));                                                                                          \
      GO_ALONE(RUNTIME()->leave);                                                                                      \
    }                                                                                                                  \
    mem = inst->memory0->base;                                                                                         \
    FORGET();                                                                                                          \
  } while (0)

/* ---- Any memory ------------------------------------------------------------------------------------------------------- */

/* Where an access goes: `place`. */
#define FIND(bytes)                                                                                                    \
  const struct engine_memory *memory = inst->memories[SYMBOL(IMM2)];                                                   \
  uint64_t address, end;                                                                                               \
  TRAP_IF(__builtin_add_overflow(SLOT(A, uint64_t), IMM64(IMM), &address) ||                                           \
          __builtin_add_overflow(address, (uint64_t)(bytes), &end) || end > *(const uint64_t *)&memory->len_bytes,     \
          MEMORY_BOUNDS);                                                                                              \
  uint8_t *place = memory->base + tiers_narrowed_place(address, end, *(const uint64_t *)&memory->len_bytes)
#define FIND_ATOMIC(type)                                                                                              \
  TRAP_IF((SLOT(A, uint64_t) + IMM64(IMM)) & (sizeof(type) - 1), UNALIGNED_ATOMIC);                                    \
  FIND(sizeof(type));                                                                                                  \
  _Atomic type *at = (_Atomic type *)place
#endif

#endif
