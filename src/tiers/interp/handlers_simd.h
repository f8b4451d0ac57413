/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The handlers written by hand for vectors and for wide arithmetic. Included by handlers.c only, after handlers_hand.h;
 * families_simd.h says how vectors are kept. */

/* clang-format off: one handler a line where it fits. */

/* ---- Moves, returns, select, variables: operand fields as for numbers ---- */

V(move_v, SLOT_v(ip->a))
H(return_v) { LEAVE(VECTOR_AT(fp) = SLOT_v(ip->a)); }
V(select_vs, SLOT_v(SLOT_i(ip->hi) ? ip->a : ip->lo))
V(select_vr, SLOT_v(ACC_i ? ip->a : ip->lo))
V(global_get_v, VECTOR_AT((char *)inst + ip->b))
H(global_set_v) { VECTOR_AT((char *)inst + ip->b) = SLOT_v(ip->a); NEXT(); }
V(import_get_v, VECTOR_AT(inst->globals[ip->b].cell))
H(import_set_v) { VECTOR_AT(inst->globals[ip->b].cell) = SLOT_v(ip->a); NEXT(); }

/* ---- With sixteen bytes behind the instruction ---- */

#define NEXT_BEHIND_v128() do { ip += 1 + INTERP_V128_INSNS; JUMP(); } while (0)
H(v128_const) { SET_v(VECTOR_AT(ip + 1)); NEXT_BEHIND_v128(); }
H(i8x16_shuffle) { SET_v(sem_i8x16_shuffle(SLOT_v(ip->a), SLOT_v(ip->lo), VECTOR_AT(ip + 1))); NEXT_BEHIND_v128(); }

/* Where the processor has an instruction for it; elsewhere nobody asks for these. */
#ifdef ARCH_SHUFFLE_TARGET
ARCH_SHUFFLE_TARGET H(i8x16_shuffle_fast) {
  SET_v(arch_shuffle(SLOT_v(ip->a), SLOT_v(ip->lo), VECTOR_AT(ip + 1)));
  NEXT_BEHIND_v128();
}
ARCH_SHUFFLE_TARGET V(i8x16_swizzle_fast, arch_swizzle(SLOT_v(ip->a), SLOT_v(ip->lo)))
#else
H(i8x16_shuffle_fast) { TRAP(ENGINE_TRAP_UNREACHABLE); }
H(i8x16_swizzle_fast) { TRAP(ENGINE_TRAP_UNREACHABLE); }
#endif

/* ---- Wide arithmetic. d, d + 1 <- a and lo; of 128-bit operands these are the halves of the first, hi and the next
 * instruction's a those of the second ---- */

#define WIDE(name, result, insns)                                     \
  H(name) {                                                           \
    struct sem_wide wide = result;                                    \
    fp[ip->d] = wide.low;                                             \
    fp[ip->d + 1] = wide.high;                                        \
    ip += insns;                                                      \
    JUMP();                                                           \
  }
WIDE(i64_add128, sem_i64_add128(fp[ip->a], fp[ip->lo], fp[ip->hi], fp[ip[1].a]), 2)
WIDE(i64_sub128, sem_i64_sub128(fp[ip->a], fp[ip->lo], fp[ip->hi], fp[ip[1].a]), 2)
WIDE(i64_mul_wide_s, sem_i64_mul_wide_s(fp[ip->a], fp[ip->lo]), 1)
WIDE(i64_mul_wide_u, sem_i64_mul_wide_u(fp[ip->a], fp[ip->lo]), 1)
