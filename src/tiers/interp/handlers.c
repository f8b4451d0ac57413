/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The interpreter's handlers: one small function per instruction form, each ending in a jump to the next.
 *
 * Handlers pass the machine state on in registers by guaranteed tail calls, so that none of them needs a stack frame;
 * the bodies of numeric and memory handlers are made from the instruction table (interp_bodies.gen.h) and the macros
 * below, which spell the ways of getting operands (slot, constant, accumulator) and leaving results. Without tail
 * calls (other compilers) the same text becomes the cases of one `switch`.
 *
 * The file is compiled twice: with explicit bounds checks (INTERP_EXPLICIT 1) and for guarded memories. In the latter
 * a bad address faults; fault.c then continues at h_fault with the registers of the faulting handler, so the first
 * four arguments must still be in their places: PIN keeps the compiler from advancing `ip` before the access.
 *
 * Rejected: one handler for each instruction that decodes its operand kinds (2.4 times the dispatches), and `setjmp`
 * for traps (a trap is an ordinary return of the handler chain). */
#include "module/ops/sem_simd.h"
#include "tiers/interp/arch_shuffle.h"
#include "tiers/interp/fault.h"
#include "tiers/interp/insn.h"

#include <stddef.h>

#define SITE(bits) ((const struct interp_insn *)(uintptr_t)(bits))
#define FRAME(bits) ((uint64_t *)(uintptr_t)(bits))
#define BITS(pointer) ((uint64_t)(uintptr_t)(pointer))

/* clang-format off: the macros are tables; their columns are the point. */

/* ---- Chaining ----------------------------------------------------------------------------------------------------- */

#define STATE const struct interp_insn *ip, uint64_t *fp, uint8_t *mem, struct engine_instance *inst, uint64_t acc, float f, double g

#if INTERP_TAIL_CALLS
#if !INTERP_DISTANCES
#define TEXT
#elif INTERP_EXPLICIT
#define TEXT __attribute__((section("cay_interp_explicit")))
#else
#define TEXT __attribute__((section("cay_interp")))
#endif
#define H(name) static TEXT TIERS_GUEST_CC __attribute__((used)) int h_##name(STATE)
#define JUMP() __attribute__((musttail)) return ip->handler(ip, fp, mem, inst, acc, f, g)
#define LABEL(name)
#define GO(name) __attribute__((musttail)) return h_##name(ip, fp, mem, inst, acc, f, g)
#define TRAP(code)                                                           \
  do {                                                                       \
    acc = (code);                                                            \
    GO(trap);                                                                \
  } while (0)
#else
#define H(name) case INTERP_##name:
#define JUMP() goto dispatch
#define GO(name) goto go_##name
#define LABEL(name) go_##name:
#define TRAP(code)  \
  do {              \
    acc = (code);   \
    GO(trap);       \
  } while (0)
#endif
#define NEXT() do { ip++; JUMP(); } while (0)

/* A taken branch; it also sees a request to stop or to look, which is a missing stack limit. */
#define TAKE_TO(distance)                                                                                   \
  do {                                                                                                      \
    if (BASE_UNLIKELY(!atomic_load_explicit(&inst->thread->stack_limit, memory_order_relaxed))) {           \
      acc = BITS(ip + (distance));                                                                          \
      GO(poll);                                                                                             \
    }                                                                                                       \
    ip += (distance);                                                                                       \
    JUMP();                                                                                                 \
  } while (0)
#define TAKE() TAKE_TO((int32_t)ip->b)

/* ---- Values --------------------------------------------------------------------------------------------------------- */

static inline uint32_t f32_bits(float value) { uint32_t bits; memcpy(&bits, &value, 4); return bits; }
static inline uint64_t f64_bits(double value) { uint64_t bits; memcpy(&bits, &value, 8); return bits; }
static inline float f32_from(uint64_t slot) { uint32_t bits = (uint32_t)slot; float v; memcpy(&v, &bits, 4); return v; }
static inline double f64_from(uint64_t slot) { double v; memcpy(&v, &slot, 8); return v; }
static inline double f64_at(const char *bytes) { double v; memcpy(&v, bytes, 8); return v; } /* 32-bit hosts: aligned to 4 */

/* By the letters of the instruction table's signatures: i i32, I i64, f f32, F f64. */
#define TYPE_i uint32_t
#define TYPE_I uint64_t
#define TYPE_f float
#define TYPE_F double
#define SLOT_i(slot) ((uint32_t)fp[slot])
#define SLOT_I(slot) (fp[slot])
#define SLOT_f(slot) f32_from(fp[slot])
#define SLOT_F(slot) f64_from(fp[slot])
#define ACC_i ((uint32_t)acc)
#define ACC_I acc
#define ACC_f f
#define ACC_F g
#define IMM_i (ip->b)
#define IMM_I ((uint64_t)(int64_t)(int32_t)ip->b)
#define IMM_f f32_from(ip->b)
#define IMM_F f64_at((const char *)ip + (int32_t)ip->b) /* in the function's constant pool */
#define IMM16_i ((uint32_t)(int32_t)(int16_t)ip->d)
#define IMM16_I ((uint64_t)(int64_t)(int16_t)ip->d)
#define SET_i(value) acc = (uint32_t)(value)
#define SET_I(value) acc = (uint64_t)(value)
#define SET_f(value) f = (value)
#define SET_F(value) g = (value)
#define KEEP_i fp[ip->d] = acc
#define KEEP_I fp[ip->d] = acc
#define KEEP_f fp[ip->d] = f32_bits(f)
#define KEEP_F fp[ip->d] = f64_bits(g)
#define NO_KEEP (void)0

static inline int trap_of(enum sem_trap trap) {
  return trap == SEM_DIVIDE_BY_ZERO     ? ENGINE_TRAP_INTEGER_DIVIDE_BY_ZERO
         : trap == SEM_INTEGER_OVERFLOW ? ENGINE_TRAP_INTEGER_OVERFLOW
                                        : ENGINE_TRAP_INVALID_CONVERSION;
}

/* ---- Families ---------------------------------------------------------------------------------------------------------- */

/* What reads or leaves a value in an accumulator alone: the library that is built for size has none of it. */
#if INTERP_FEW
#define MORE(handler)
#else
#define MORE(handler) handler
#endif

#define PURE(name, result, value, keep) H(name) { SET_##result(value); keep; NEXT(); }
#define UNARY(name, sem, t, r)                                \
  MORE(PURE(name##_sr, r, sem(SLOT_##t(ip->a)), NO_KEEP))     \
  PURE(name##_ss, r, sem(SLOT_##t(ip->a)), KEEP_##r)          \
  MORE(PURE(name##_rr, r, sem(ACC_##t), NO_KEEP))             \
  MORE(PURE(name##_rs, r, sem(ACC_##t), KEEP_##r))
#define BINARY(name, sem, t, r)                                              \
  MORE(PURE(name##_ss_r, r, sem(SLOT_##t(ip->a), SLOT_##t(ip->lo)), NO_KEEP)) \
  PURE(name##_ss_s, r, sem(SLOT_##t(ip->a), SLOT_##t(ip->lo)), KEEP_##r)     \
  MORE(PURE(name##_si_r, r, sem(SLOT_##t(ip->a), IMM_##t), NO_KEEP))         \
  PURE(name##_si_s, r, sem(SLOT_##t(ip->a), IMM_##t), KEEP_##r)              \
  MORE(PURE(name##_rs_r, r, sem(ACC_##t, SLOT_##t(ip->lo)), NO_KEEP))        \
  MORE(PURE(name##_rs_s, r, sem(ACC_##t, SLOT_##t(ip->lo)), KEEP_##r))       \
  MORE(PURE(name##_ri_r, r, sem(ACC_##t, IMM_##t), NO_KEEP))                 \
  MORE(PURE(name##_ri_s, r, sem(ACC_##t, IMM_##t), KEEP_##r))                \
  MORE(PURE(name##_sr_r, r, sem(SLOT_##t(ip->a), ACC_##t), NO_KEEP))         \
  MORE(PURE(name##_sr_s, r, sem(SLOT_##t(ip->a), ACC_##t), KEEP_##r))

#define CHECKED(name, result, call, keep)                     \
  H(name) {                                                   \
    TYPE_##result value;                                      \
    enum sem_trap trap = call;                                \
    if (BASE_UNLIKELY(trap != SEM_OK)) TRAP(trap_of(trap));   \
    SET_##result(value);                                      \
    keep;                                                     \
    NEXT();                                                   \
  }
#define UNARY_TRAPPING(name, sem, t, r)                                \
  MORE(CHECKED(name##_sr, r, sem(SLOT_##t(ip->a), &value), NO_KEEP))   \
  CHECKED(name##_ss, r, sem(SLOT_##t(ip->a), &value), KEEP_##r)        \
  MORE(CHECKED(name##_rr, r, sem(ACC_##t, &value), NO_KEEP))           \
  MORE(CHECKED(name##_rs, r, sem(ACC_##t, &value), KEEP_##r))
#define BINARY_TRAPPING(name, sem, t, r)                                              \
  MORE(CHECKED(name##_ss_r, r, sem(SLOT_##t(ip->a), SLOT_##t(ip->lo), &value), NO_KEEP)) \
  CHECKED(name##_ss_s, r, sem(SLOT_##t(ip->a), SLOT_##t(ip->lo), &value), KEEP_##r)   \
  MORE(CHECKED(name##_si_r, r, sem(SLOT_##t(ip->a), IMM_##t, &value), NO_KEEP))       \
  CHECKED(name##_si_s, r, sem(SLOT_##t(ip->a), IMM_##t, &value), KEEP_##r)            \
  MORE(CHECKED(name##_rs_r, r, sem(ACC_##t, SLOT_##t(ip->lo), &value), NO_KEEP))      \
  MORE(CHECKED(name##_rs_s, r, sem(ACC_##t, SLOT_##t(ip->lo), &value), KEEP_##r))     \
  MORE(CHECKED(name##_ri_r, r, sem(ACC_##t, IMM_##t, &value), NO_KEEP))               \
  MORE(CHECKED(name##_ri_s, r, sem(ACC_##t, IMM_##t, &value), KEEP_##r))              \
  MORE(CHECKED(name##_sr_r, r, sem(SLOT_##t(ip->a), ACC_##t, &value), NO_KEEP))       \
  MORE(CHECKED(name##_sr_s, r, sem(SLOT_##t(ip->a), ACC_##t, &value), KEEP_##r))

#define TEST_AND_BRANCH(name, condition) H(name) { if (condition) TAKE(); NEXT(); }
#define BRANCH_FLOAT(name, sem, t, sense)                                              \
  TEST_AND_BRANCH(name##_ss, sense sem(SLOT_##t(ip->a), SLOT_##t(ip->d)))              \
  MORE(TEST_AND_BRANCH(name##_rs, sense sem(ACC_##t, SLOT_##t(ip->d))))
#define BRANCH(name, sem, t, sense)                                                    \
  BRANCH_FLOAT(name, sem, t, sense)                                                    \
  TEST_AND_BRANCH(name##_si, sense sem(SLOT_##t(ip->a), IMM16_##t))                    \
  MORE(TEST_AND_BRANCH(name##_ri, sense sem(ACC_##t, IMM16_##t)))

/* The end of a counting loop: local a += lo, compared with local or constant d; hi: distance when it holds. */
#define COUNT_FORM(name, sem, limit)                                                                        \
  H(name) {                                                                                                 \
    uint32_t value = SLOT_i(ip->a) + (uint32_t)(int32_t)(int16_t)ip->lo;                                    \
    acc = fp[ip->a] = value;                                                                                \
    if (sem(value, limit)) TAKE_TO((int16_t)ip->hi);                                                        \
    NEXT();                                                                                                 \
  }
#define COUNT(name, sem)                       \
  COUNT_FORM(name##_s, sem, SLOT_i(ip->d))     \
  COUNT_FORM(name##_i, sem, IMM16_i)

/* ---- Memory --------------------------------------------------------------------------------------------------------------- */

/* Guest accesses are volatile: other threads may race with them, and a fault must happen where it is written. */
static inline uint64_t length_of(const struct engine_memory *memory) {
  return atomic_load_explicit(&memory->len_bytes, memory_order_relaxed);
}
#if INTERP_EXPLICIT
#define PIN() (void)0
#define CHECK_BOUNDS(address, bytes)                                                                       \
  if (BASE_UNLIKELY((address) + (bytes) > length_of(inst->memory0))) TRAP(ENGINE_TRAP_MEMORY_BOUNDS)
#else
#define PIN() __asm__ volatile("" : "+r"(ip))
#define CHECK_BOUNDS(address, bytes) (void)0
#endif
#define UNALIGNED(type) typedef struct { type value; } __attribute__((packed, may_alias)) unaligned_##type;
UNALIGNED(int8_t) UNALIGNED(uint8_t) UNALIGNED(int16_t) UNALIGNED(uint16_t) UNALIGNED(int32_t) UNALIGNED(uint32_t)
UNALIGNED(uint64_t) UNALIGNED(float) UNALIGNED(double)
#define ACCESS(type, address) (((volatile unaligned_##type *)(mem + (address)))->value)

#define LOAD_FORM(name, type, r, from, keep)                     \
  H(name) {                                                      \
    uint64_t address = (uint64_t)(from) + ip->b;                 \
    CHECK_BOUNDS(address, sizeof(type));                         \
    type value = ACCESS(type, address);                          \
    PIN();                                                       \
    SET_##r(value);                                              \
    keep;                                                        \
    NEXT();                                                      \
  }
#define LOAD(name, type, r)                                      \
  MORE(LOAD_FORM(name##_sr, type, r, SLOT_i(ip->a), NO_KEEP))    \
  LOAD_FORM(name##_ss, type, r, SLOT_i(ip->a), KEEP_##r)         \
  MORE(LOAD_FORM(name##_rr, type, r, ACC_i, NO_KEEP))            \
  MORE(LOAD_FORM(name##_rs, type, r, ACC_i, KEEP_##r))           \
  MORE(LOAD_FORM(name##_ir, type, r, 0, NO_KEEP))                \
  LOAD_FORM(name##_is, type, r, 0, KEEP_##r)

/* Address a + b (offset in hi) or a + (b << k) (k in the low three bits of hi, offset above), wrapping as i32.add. */
#define LOAD_AT(name, type, r, sum, offset, keep)                \
  H(name) {                                                      \
    uint64_t address = (uint64_t)(uint32_t)(sum) + (offset);     \
    CHECK_BOUNDS(address, sizeof(type));                         \
    type value = ACCESS(type, address);                          \
    PIN();                                                       \
    SET_##r(value);                                              \
    keep;                                                        \
    NEXT();                                                      \
  }
#define SHIFTED(base, index) ((base) + ((index) << (ip->hi & 7)))
#define LOAD_INDEXED(name, type, r)                                                                               \
  MORE(LOAD_AT(name##_add_ss_r, type, r, SLOT_i(ip->a) + SLOT_i(ip->lo), ip->hi, NO_KEEP))                        \
  LOAD_AT(name##_add_ss_s, type, r, SLOT_i(ip->a) + SLOT_i(ip->lo), ip->hi, KEEP_##r)                             \
  MORE(LOAD_AT(name##_add_rs_r, type, r, ACC_i + SLOT_i(ip->lo), ip->hi, NO_KEEP))                                \
  MORE(LOAD_AT(name##_add_rs_s, type, r, ACC_i + SLOT_i(ip->lo), ip->hi, KEEP_##r))                               \
  MORE(LOAD_AT(name##_shl_ss_r, type, r, SHIFTED(SLOT_i(ip->a), SLOT_i(ip->lo)), (uint32_t)ip->hi >> 3, NO_KEEP)) \
  LOAD_AT(name##_shl_ss_s, type, r, SHIFTED(SLOT_i(ip->a), SLOT_i(ip->lo)), (uint32_t)ip->hi >> 3, KEEP_##r)      \
  MORE(LOAD_AT(name##_shl_rs_r, type, r, SHIFTED(ACC_i, SLOT_i(ip->lo)), (uint32_t)ip->hi >> 3, NO_KEEP))         \
  MORE(LOAD_AT(name##_shl_rs_s, type, r, SHIFTED(ACC_i, SLOT_i(ip->lo)), (uint32_t)ip->hi >> 3, KEEP_##r))        \
  MORE(LOAD_AT(name##_shl_sr_r, type, r, SHIFTED(SLOT_i(ip->a), ACC_i), (uint32_t)ip->hi >> 3, NO_KEEP))          \
  MORE(LOAD_AT(name##_shl_sr_s, type, r, SHIFTED(SLOT_i(ip->a), ACC_i), (uint32_t)ip->hi >> 3, KEEP_##r))

#define STORE_FORM(name, type, to, from)                         \
  H(name) {                                                      \
    uint64_t address = (uint64_t)(to) + ip->b;                   \
    CHECK_BOUNDS(address, sizeof(type));                         \
    ACCESS(type, address) = (type)(from);                        \
    PIN();                                                       \
    NEXT();                                                      \
  }
#define STORE_SLOTS(name, type, t)                               \
  STORE_FORM(name##_ss, type, SLOT_i(ip->a), SLOT_##t(ip->d))    \
  MORE(STORE_FORM(name##_rs, type, ACC_i, SLOT_##t(ip->d)))      \
  MORE(STORE_FORM(name##_sr, type, SLOT_i(ip->a), ACC_##t))
#define STORE_FLOAT(name, type, t)                               \
  STORE_SLOTS(name, type, t)                                     \
  MORE(STORE_FORM(name##_rr, type, ACC_i, ACC_##t))              \
  STORE_FORM(name##_is, type, 0, SLOT_##t(ip->d))                \
  MORE(STORE_FORM(name##_ir, type, 0, ACC_##t))
#define STORE(name, type, t)                                     \
  STORE_SLOTS(name, type, t)                                     \
  STORE_FORM(name##_si, type, SLOT_i(ip->a), IMM16_##t)          \
  MORE(STORE_FORM(name##_ri, type, ACC_i, IMM16_##t))            \
  STORE_FORM(name##_is, type, 0, SLOT_##t(ip->d))                \
  MORE(STORE_FORM(name##_ir, type, 0, ACC_##t))                  \
  STORE_FORM(name##_ii, type, 0, IMM16_##t)

/* The general form, for any memory, address type and offset: address in slot a, place in the pool. It checks bounds even
 * where the others rely on guard pages. */
static inline bool find_place(const struct interp_insn *ip, const uint64_t *fp, const struct engine_instance *inst,
                              uint64_t bytes, uint8_t **out) {
  const struct interp_place *place = (const struct interp_place *)((const char *)ip + (int32_t)ip->b);
  const struct engine_memory *memory = inst->memories[place->memory];
  uint64_t address, end;
  if (BASE_UNLIKELY(__builtin_add_overflow(fp[ip->a], place->offset, &address))) return false;
  if (BASE_UNLIKELY(__builtin_add_overflow(address, bytes, &end) || end > length_of(memory))) return false;
  *out = memory->base + address;
  return true;
}
#define LOAD_GENERAL(name, type, r)                                                  \
  H(name) {                                                                          \
    uint8_t *from;                                                                   \
    if (!find_place(ip, fp, inst, sizeof(type), &from)) TRAP(ENGINE_TRAP_MEMORY_BOUNDS); \
    SET_##r(((const volatile unaligned_##type *)from)->value);                       \
    KEEP_##r;                                                                        \
    NEXT();                                                                          \
  }
#define STORE_GENERAL(name, type, t)                                                 \
  H(name) {                                                                          \
    uint8_t *to;                                                                     \
    if (!find_place(ip, fp, inst, sizeof(type), &to)) TRAP(ENGINE_TRAP_MEMORY_BOUNDS);   \
    ((volatile unaligned_##type *)to)->value = (type)SLOT_##t(ip->d);                \
    NEXT();                                                                          \
  }

/* Memory 0 with 64-bit addresses. A length is below 2**63, so that after the first comparison no sum wraps. */
static inline bool is_outside_wide(const struct engine_memory *memory, uint64_t address, uint32_t offset, uint64_t bytes) {
  uint64_t len_bytes = length_of(memory);
  return address >= len_bytes || address + offset + bytes > len_bytes;
}
#define CHECK_WIDE(address, bytes)                                                                    \
  if (BASE_UNLIKELY(is_outside_wide(inst->memory0, address, ip->b, bytes))) TRAP(ENGINE_TRAP_MEMORY_BOUNDS)
#define LOAD_WIDE_FORM(name, type, r, from, keep)                     \
  H(name) {                                                           \
    uint64_t address = from;                                          \
    CHECK_WIDE(address, sizeof(type));                                \
    type value = ACCESS(type, address + ip->b);                       \
    SET_##r(value);                                                   \
    keep;                                                             \
    NEXT();                                                           \
  }
#define LOAD_WIDE(name, type, r)                                      \
  MORE(LOAD_WIDE_FORM(name##_wsr, type, r, fp[ip->a], NO_KEEP))       \
  LOAD_WIDE_FORM(name##_wss, type, r, fp[ip->a], KEEP_##r)            \
  MORE(LOAD_WIDE_FORM(name##_wrr, type, r, acc, NO_KEEP))             \
  MORE(LOAD_WIDE_FORM(name##_wrs, type, r, acc, KEEP_##r))            \
  MORE(LOAD_WIDE_FORM(name##_wir, type, r, 0, NO_KEEP))               \
  LOAD_WIDE_FORM(name##_wis, type, r, 0, KEEP_##r)

#define STORE_WIDE_FORM(name, type, to, from)                         \
  H(name) {                                                           \
    uint64_t address = to;                                            \
    CHECK_WIDE(address, sizeof(type));                                \
    ACCESS(type, address + ip->b) = (type)(from);                     \
    NEXT();                                                           \
  }
#define STORE_WIDE_SLOTS(name, type, t)                               \
  STORE_WIDE_FORM(name##_wss, type, fp[ip->a], SLOT_##t(ip->d))       \
  MORE(STORE_WIDE_FORM(name##_wrs, type, acc, SLOT_##t(ip->d)))       \
  MORE(STORE_WIDE_FORM(name##_wsr, type, fp[ip->a], ACC_##t))
#define STORE_WIDE_FLOAT(name, type, t)                               \
  STORE_WIDE_SLOTS(name, type, t)                                     \
  MORE(STORE_WIDE_FORM(name##_wrr, type, acc, ACC_##t))               \
  STORE_WIDE_FORM(name##_wis, type, 0, SLOT_##t(ip->d))               \
  MORE(STORE_WIDE_FORM(name##_wir, type, 0, ACC_##t))
#define STORE_WIDE(name, type, t)                                     \
  STORE_WIDE_SLOTS(name, type, t)                                     \
  STORE_WIDE_FORM(name##_wsi, type, fp[ip->a], IMM16_##t)             \
  MORE(STORE_WIDE_FORM(name##_wri, type, acc, IMM16_##t))             \
  STORE_WIDE_FORM(name##_wis, type, 0, SLOT_##t(ip->d))               \
  MORE(STORE_WIDE_FORM(name##_wir, type, 0, ACC_##t))                 \
  STORE_WIDE_FORM(name##_wii, type, 0, IMM16_##t)

#include "tiers/interp/families_simd.h"
#include "tiers/interp/families_atomic.h"

/* ---- Calls out of the instance -------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) int call_out(const struct interp_insn *ip, uint64_t *fp, struct engine_instance *inst,
                                              struct engine_function *function, uint64_t *slots) {
  engine_publish(inst, ip, fp);
  return (int)engine_call_from_guest(inst->thread, function, slots);
}

/* A tail call to another instance or to the host, after the arguments have been moved to `fp`. The frame is gone: the
 * position is the caller's. In the first frame of an activation the activation itself is handed over, so that such
 * calls do not use up the native stack. */
static __attribute__((noinline)) int tail_out(const struct interp_insn *site, uint64_t *fp,
                                              struct engine_instance *inst, struct engine_function *function,
                                              bool is_first) {
  struct engine_activation *activation = engine_publish(inst, is_first ? NULL : site, fp - site->d);
  if (!is_first || !function->instance) return (int)engine_call_from_guest(inst->thread, function, fp);
  activation->function = function;
  activation->instance = function->instance;
  return INTERP_AGAIN;
}

/* The callee of an indirect call, or the trap in *trap. */
static inline struct engine_function *indirect_callee(struct engine_instance *inst, uint32_t table_index,
                                                      uint32_t type, uint64_t index, int *trap) {
  const struct engine_table *table = inst->tables[table_index];
  *trap = ENGINE_TRAP_UNDEFINED_ELEMENT;
  if (BASE_UNLIKELY(index >= table->count)) return NULL;
  struct engine_function *function = (struct engine_function *)(uintptr_t)table->elems[index];
  *trap = ENGINE_TRAP_NULL_ELEMENT;
  if (BASE_UNLIKELY(!function)) return NULL;
  *trap = ENGINE_TRAP_CALL_TYPE;
  if (BASE_UNLIKELY(!engine_type_matches(function->def, inst->types[type]))) return NULL;
  return function;
}

/* After code outside the frame ran: the memory may have moved, the result is in a slot. */
#define RELOAD(result_slot)                    \
  do {                                         \
    mem = inst->memory0->base;                 \
    acc = fp[result_slot];                     \
    f = f32_from(acc);                         \
    g = f64_from(acc);                         \
  } while (0)

/* An exception that nothing in this activation catches leaves it like a trap. It is reported where it was thrown, while
 * all frames are still there. */
static __attribute__((noinline)) int leave_by_exception(const struct interp_insn *ip, uint64_t *fp,
                                                        struct engine_instance *inst) {
  engine_publish(inst, ip, fp);
  if (inst->thread->trap == ENGINE_TRAP_EXCEPTION) return ENGINE_TRAP_EXCEPTION;
  return (int)engine_trap_raise(inst->thread, ENGINE_TRAP_EXCEPTION);
}

#define IS_FIRST(site) ((site)[1].handler == EXIT_HANDLER)

#if INTERP_TAIL_CALLS
#define EXIT_HANDLER h_exit
static TEXT TIERS_GUEST_CC __attribute__((cold, noinline)) int h_trap(STATE) {
  engine_publish(inst, ip, fp);
  return (int)engine_trap_raise(inst->thread, (enum engine_trap)acc);
}
static TEXT TIERS_GUEST_CC __attribute__((cold, noinline, used)) int h_fault(STATE) {
  TRAP(ENGINE_TRAP_MEMORY_BOUNDS);
}
static TEXT TIERS_GUEST_CC __attribute__((used)) int h_unwind(STATE);
static TEXT TIERS_GUEST_CC __attribute__((used)) int h_elsewhere(STATE);
static TEXT TIERS_GUEST_CC __attribute__((used)) int h_no_room(STATE);
static TEXT TIERS_GUEST_CC __attribute__((used)) int h_poll(STATE);
static TEXT TIERS_GUEST_CC __attribute__((used)) int h_fuel_more(STATE);
#include "tiers/interp_bodies.gen.h"
#include "tiers/interp/handlers_hand.h"
#include "tiers/interp/handlers_gc.h"
#include "tiers/interp/handlers_simd.h"

static int run(const struct interp_insn *ip, uint64_t *fp, struct engine_instance *inst,
               const struct interp_insn *exit_pair) {
  return ip->handler(ip, fp, inst->memory0->base, inst, BITS(exit_pair), 0, 0);
}
#define HANDLER(name) h_##name
#else
#define EXIT_HANDLER INTERP_exit
static int run(const struct interp_insn *ip, uint64_t *fp, struct engine_instance *inst,
               const struct interp_insn *exit_pair) {
  uint8_t *mem = inst->memory0->base;
  uint64_t acc = BITS(exit_pair);
  float f = 0;
  double g = 0;
dispatch:
  switch (ip->handler) {
#include "tiers/interp_bodies.gen.h"
#include "tiers/interp/handlers_hand.h"
#include "tiers/interp/handlers_gc.h"
#include "tiers/interp/handlers_simd.h"
  default: __builtin_unreachable();
  }
go_trap:
  engine_publish(inst, ip, fp);
  return (int)engine_trap_raise(inst->thread, (enum engine_trap)acc);
}
#define HANDLER(name) INTERP_##name
#endif

#if INTERP_DISTANCES
/* C has no constant for the distance of two functions; the assembler has. */
#if INTERP_EXPLICIT
#define DISTANCES "interp_distances_explicit"
#else
#define DISTANCES "interp_distances_guarded"
#endif
#define X(name) ".long h_" #name " - h_exit\n"
__asm__(".pushsection .rodata." DISTANCES ",\"a\"\n.balign 4\n" DISTANCES ":\n"
#include "tiers/interp_names.gen.h"
        INTERP_HAND_WRITTEN(X) ".popsection\n");
#undef X
extern const int32_t distances[] __asm__(DISTANCES) __attribute__((visibility("hidden")));
#else
static const interp_handler addresses[] = {
#define X(name) HANDLER(name),
#include "tiers/interp_names.gen.h"
  INTERP_HAND_WRITTEN(X)
#undef X
};
#endif

static const struct interp_handlers handlers = {
#if INTERP_DISTANCES
  .distances = distances,
  .base = (uintptr_t)h_exit,
#else
  .addresses = addresses,
#endif
  .run = run,
};

#if INTERP_EXPLICIT
const struct interp_handlers *interp_handlers_explicit(void) { return &handlers; }
#else
extern const char __start_cay_interp[] __attribute__((visibility("hidden")));
extern const char __stop_cay_interp[] __attribute__((visibility("hidden")));
void interp_fault_text(uintptr_t *entry, uintptr_t *start, uintptr_t *end) {
  *entry = (uintptr_t)h_fault;
  *start = (uintptr_t)__start_cay_interp;
  *end = (uintptr_t)__stop_cay_interp;
}
const struct interp_handlers *interp_handlers_guarded(void) { return &handlers; }
#endif
