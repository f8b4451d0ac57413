/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The handlers that are written by hand: frames, moves, control, calls, variables, memory and table management.
 * Included by handlers.c only, after the macros; operand fields are named in each group's comment. */

/* clang-format off: one handler a line where it fits. */

/* ---- Frames. d: link slot, a: locals to zero, b: frame slots. acc: the call's site. ---- */

#define ENTER(name, zero_locals)                                                                            \
  H(name) {                                                                                                 \
    const struct interp_insn *site = SITE(acc);                                                             \
    uintptr_t limit = (uintptr_t)atomic_load_explicit(&inst->thread->stack_limit, memory_order_relaxed);    \
    if (BASE_UNLIKELY((uintptr_t)fp + (uintptr_t)ip->b * 8 > limit)) GO(no_room);                           \
    uint64_t *link = fp + ip->d;                                                                            \
    link[0] = BITS(site);                                                                                   \
    link[1] = BITS(fp - site->d);                                                                           \
    zero_locals;                                                                                            \
    NEXT();                                                                                                 \
  }
ENTER(enter_0, (void)0)
ENTER(enter_1, link[-1] = 0)
ENTER(enter_2, link[-1] = link[-2] = 0)
ENTER(enter_3, link[-1] = link[-2] = link[-3] = 0)
ENTER(enter_n, memset(link - ip->a, 0, (size_t)ip->a * 8))

H(translate) { /* stands in for a function that has not been called yet; b: its entry */
  if (BASE_UNLIKELY(!interp_runs(inst->interp_code, ip->b))) GO(elsewhere);
  const struct interp_insn *code = interp_translate(inst->interp_code, ip->b);
  if (BASE_UNLIKELY(!code)) {
    ip = SITE(acc);
    fp -= ip->d;
    TRAP(ENGINE_TRAP_OUT_OF_MEMORY);
  }
  ip = code;
  JUMP();
}
H(exit) { return ENGINE_TRAP_NONE; }

/* ---- Moves. d <- a ---- */

H(move) { fp[ip->d] = fp[ip->a]; NEXT(); }
H(move2) { /* d <- a, d + 1 <- lo */
  uint64_t first = fp[ip->a], second = fp[ip->lo];
  fp[ip->d] = first;
  fp[ip->d + 1] = second;
  NEXT();
}
H(move_n) { memmove(fp + ip->d, fp + ip->a, (size_t)ip->b * 8); NEXT(); }
H(move_r) { fp[ip->d] = acc; NEXT(); }
H(move_f) { KEEP_f; NEXT(); }
H(move_g) { KEEP_F; NEXT(); }
H(get) { acc = fp[ip->a]; NEXT(); }
H(get_f) { f = SLOT_f(ip->a); NEXT(); }
H(get_g) { g = SLOT_F(ip->a); NEXT(); }
H(const_32) { fp[ip->d] = ip->b; NEXT(); }
H(const_64) { fp[ip->d] = *(const uint64_t *)((const char *)ip + (int32_t)ip->b); NEXT(); }

/* ---- Branches. b: distance in instructions; a: condition ---- */

H(br) { ip += (int32_t)ip->b; JUMP(); } /* forward */
H(br_loop) { TAKE(); }
TEST_AND_BRANCH(br_if_s, SLOT_i(ip->a))
TEST_AND_BRANCH(br_if_r, ACC_i)
TEST_AND_BRANCH(br_unless_s, !SLOT_i(ip->a))
TEST_AND_BRANCH(br_unless_r, !ACC_i)
TEST_AND_BRANCH(br_if64_s, fp[ip->a])
TEST_AND_BRANCH(br_if64_r, acc)
TEST_AND_BRANCH(br_unless64_s, !fp[ip->a])
TEST_AND_BRANCH(br_unless64_r, !acc)

/* The table of distances, default last, lies behind the instruction; b: index of the default. */
#define BR_TABLE(name, from)                                                                                \
  H(name) {                                                                                                 \
    uint32_t index = from;                                                                                  \
    TAKE_TO(((const int32_t *)(ip + 1))[index < ip->b ? index : ip->b]);                                    \
  }
BR_TABLE(br_table_s, SLOT_i(ip->a))
BR_TABLE(br_table_r, ACC_i)

/* ---- Returns. d: link slot; a: value. The link is read first, for results may lie over it. ---- */

#define LEAVE(give_results)                                                     \
  do {                                                                          \
    const struct interp_insn *site = SITE(fp[ip->d]);                           \
    uint64_t *caller = FRAME(fp[ip->d + 1]);                                    \
    give_results;                                                               \
    ip = site + 1;                                                              \
    fp = caller;                                                                \
    JUMP();                                                                     \
  } while (0)
H(return_void) { LEAVE((void)0); }
H(return_const) { LEAVE(acc = fp[0] = ip->b); } /* a 32-bit constant, not a float */
H(return_s) { LEAVE(acc = fp[0] = fp[ip->a]); }
H(return_r) { LEAVE(fp[0] = acc); }
H(return_fs) { LEAVE(f = SLOT_f(ip->a); fp[0] = f32_bits(f)); }
H(return_fr) { LEAVE(fp[0] = f32_bits(f)); }
H(return_gs) { LEAVE(g = SLOT_F(ip->a); fp[0] = f64_bits(g)); }
H(return_gr) { LEAVE(fp[0] = f64_bits(g)); }
H(return_n) { LEAVE(memmove(fp, fp + ip->a, (size_t)ip->b * 8)); }

/* ---- Calls. d: first argument slot; b: entry, function or type; a: table ---- */

H(call) {
  acc = BITS(ip);
  fp += ip->d;
  ip = SITE(BITS(inst->interp_entries[ip->b]));
  JUMP();
}
#define LEAVE_BY_CALL(function)                                          \
  do {                                                                   \
    int trap = call_out(ip, fp, inst, function, fp + ip->d);             \
    if (BASE_UNLIKELY(trap == ENGINE_TRAP_EXCEPTION)) GO(unwind);        \
    if (BASE_UNLIKELY(trap)) return trap;                                \
    RELOAD(ip->d);                                                       \
    NEXT();                                                              \
  } while (0)
H(call_import) { LEAVE_BY_CALL(inst->functions[ip->b]); }
H(call_away) LABEL(call_away) { LEAVE_BY_CALL((struct engine_function *)(uintptr_t)acc); } /* how call_indirect leaves the instance */
H(call_indirect) { /* the index is in acc */
  int trap;
  struct engine_function *function = indirect_callee(inst, ip->a, ip->b, acc, &trap);
  if (BASE_UNLIKELY(!function)) TRAP((uint64_t)trap);
  if (BASE_UNLIKELY(function->instance != inst)) {
    acc = BITS(function);
    GO(call_away);
  }
  acc = BITS(ip);
  fp += ip->d;
  ip = SITE(BITS(inst->interp_entries[function->entry]));
  JUMP();
}

H(tail_check) { /* before the frame goes: a tail call through table d with type b and index a must find its callee */
  int trap;
  if (BASE_UNLIKELY(!indirect_callee(inst, ip->d, ip->b, fp[ip->a], &trap))) TRAP((uint64_t)trap);
  NEXT();
}
H(tail_move) { /* d: first argument slot; a: argument slots; b: link slot. Leaves the site in acc. */
  acc = fp[ip->b];
  memmove(fp, fp + ip->d, (size_t)ip->a * 8);
  NEXT();
}
H(tail_call) { ip = SITE(BITS(inst->interp_entries[ip->b])); JUMP(); }
/* To what called at `site`, from a frame that is gone after it has `ended` so elsewhere. */
#define COME_BACK(site, ended)                                              \
  do {                                                                      \
    if ((ended) == ENGINE_TRAP_EXCEPTION && !IS_FIRST(site)) {              \
      ip = site;                                                            \
      fp -= site->d;                                                        \
      GO(unwind);                                                           \
    }                                                                       \
    if (ended) return ended;                                                \
    RELOAD(0);                                                              \
    ip = site + 1;                                                          \
    fp -= site->d;                                                          \
    JUMP();                                                                 \
  } while (0)
#define LEAVE_BY_TAIL_CALL(function)                                        \
  do {                                                                      \
    const struct interp_insn *site = SITE(acc);                             \
    int ended = tail_out(site, fp, inst, function, IS_FIRST(site));         \
    COME_BACK(site, ended);                                                 \
  } while (0)
H(elsewhere) LABEL(elsewhere) { LEAVE_BY_TAIL_CALL(&inst->own_functions[ip->b]); } /* how translate leaves the tier */
H(tail_call_import) { LEAVE_BY_TAIL_CALL(inst->functions[ip->b]); }
H(tail_call_indirect) { /* a: index (above the moved arguments); d: table; checked before */
  int trap;
  struct engine_function *function = indirect_callee(inst, ip->d, ip->b, fp[ip->a], &trap);
  if (BASE_UNLIKELY(function->instance != inst)) LEAVE_BY_TAIL_CALL(function);
  ip = SITE(BITS(inst->interp_entries[function->entry]));
  JUMP();
}

/* ---- Looking: never encoded ---- */

H(no_room) LABEL(no_room) { /* ip: a function's start; acc: the call's site */
  const struct interp_insn *site = SITE(acc);
  bool has_limit = atomic_load_explicit(&inst->thread->stack_limit, memory_order_relaxed) != NULL;
  if (!has_limit && engine_thread_looks(inst->thread)) {
    int ended = interp_poll_call(ip, site, fp, inst);
    if (ended == INTERP_STAYS) JUMP();
    COME_BACK(site, ended);
  }
  ip = site;
  fp -= site->d;
  TRAP(has_limit ? ENGINE_TRAP_STACK_EXHAUSTED : ENGINE_TRAP_INTERRUPTED);
}
H(poll) LABEL(poll) { /* ip: a branch; acc: where it goes */
  const struct interp_insn *target = SITE(acc), *site = NULL;
  int ended = interp_poll(ip, target, fp, inst, &site);
  if (BASE_UNLIKELY(site != NULL)) COME_BACK(site, ended);
  if (ended == ENGINE_TRAP_INTERRUPTED) TRAP(ENGINE_TRAP_INTERRUPTED);
  if (ended != INTERP_STAYS) return ended;
  ip = target;
  JUMP();
}

/* ---- Fuel. The accumulators are empty where it is charged ---- */

H(fuel) {
  if (BASE_UNLIKELY((inst->thread->fuel -= ip->b) < 0)) GO(fuel_more);
  NEXT();
}
H(fuel_bytes) {
  if (BASE_UNLIKELY((inst->thread->fuel -= engine_fuel_of_bytes(fp[ip->a], ip->b)) < 0)) GO(fuel_more);
  NEXT();
}
H(fuel_more) LABEL(fuel_more) {
  if (!engine_fuel_more(inst->thread)) TRAP(ENGINE_TRAP_LIMIT);
  NEXT();
}

/* ---- Select. d <- hi or acc ? a : lo ---- */

H(select_s) { acc = fp[SLOT_i(ip->hi) ? ip->a : ip->lo]; KEEP_I; NEXT(); }
H(select_r) { acc = fp[ACC_i ? ip->a : ip->lo]; KEEP_I; NEXT(); }
H(select_fs) { f = SLOT_f(SLOT_i(ip->hi) ? ip->a : ip->lo); KEEP_f; NEXT(); }
H(select_fr) { f = SLOT_f(ACC_i ? ip->a : ip->lo); KEEP_f; NEXT(); }
H(select_gs) { g = SLOT_F(SLOT_i(ip->hi) ? ip->a : ip->lo); KEEP_F; NEXT(); }
H(select_gr) { g = SLOT_F(ACC_i ? ip->a : ip->lo); KEEP_F; NEXT(); }

/* ---- Globals. b: the cell's place in the instance, or the index of an imported global; a: value ---- */

#define CELL (*(uint64_t *)((char *)inst + ip->b))
H(global_get) { acc = CELL; KEEP_I; NEXT(); }
H(global_get_f) { f = f32_from(CELL); KEEP_f; NEXT(); }
H(global_get_g) { g = f64_from(CELL); KEEP_F; NEXT(); }
H(global_set_s) { CELL = fp[ip->a]; NEXT(); }
H(global_set_r) { CELL = acc; NEXT(); }
H(global_set_f) { CELL = f32_bits(f); NEXT(); }
H(global_set_g) { CELL = f64_bits(g); NEXT(); }
H(import_get) { fp[ip->d] = inst->globals[ip->b].cell->value[0]; NEXT(); }
H(import_set) { inst->globals[ip->b].cell->value[0] = fp[ip->a]; NEXT(); }

/* ---- The rest. a: first operand slot; d: result slot or second index; b: index. A 32-bit size, address or index is
 * zero-extended in its slot, so that one handler serves both address types. ---- */

H(unreachable) { TRAP(ENGINE_TRAP_UNREACHABLE); }
H(memory_size) { acc = inst->memories[ip->b]->page_count; KEEP_I; NEXT(); }
H(memory_grow) {
  struct engine_memory *memory = inst->memories[ip->b];
  acc = engine_memory_grow(memory, fp[ip->a]);
  if (!memory->type.limits.is_64) acc = (uint32_t)acc;
  mem = inst->memory0->base;
  KEEP_I;
  NEXT();
}
#define MAY_TRAP(call)                                                    \
  {                                                                       \
    enum engine_trap trap = call;                                         \
    if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE)) TRAP((uint64_t)trap);    \
    NEXT();                                                               \
  }
H(memory_fill) MAY_TRAP(engine_memory_fill(inst->memories[ip->b], OPERAND(0), (uint32_t)OPERAND(1), OPERAND(2)))
H(memory_copy) MAY_TRAP(engine_memory_copy(inst->memories[ip->b], OPERAND(0), inst->memories[ip->d], OPERAND(1), OPERAND(2)))
H(memory_init) MAY_TRAP(engine_memory_init(inst, ip->d, ip->b, OPERAND(0), OPERAND(1), OPERAND(2)))
H(data_drop) { engine_data_drop(inst, ip->b); NEXT(); }
H(table_get) {
  const struct engine_table *table = inst->tables[ip->b];
  uint64_t index = OPERAND(0);
  if (BASE_UNLIKELY(index >= table->count)) TRAP(ENGINE_TRAP_TABLE_BOUNDS);
  acc = table->elems[index];
  KEEP_I;
  NEXT();
}
H(table_set) {
  const struct engine_table *table = inst->tables[ip->b];
  uint64_t index = OPERAND(0);
  if (BASE_UNLIKELY(index >= table->count)) TRAP(ENGINE_TRAP_TABLE_BOUNDS);
  table->elems[index] = OPERAND(1);
  NEXT();
}
H(table_size) { acc = inst->tables[ip->b]->count; KEEP_I; NEXT(); }
H(table_grow) {
  struct engine_table *table = inst->tables[ip->b];
  acc = engine_table_grow(table, OPERAND(1), OPERAND(0));
  if (!table->type.limits.is_64) acc = (uint32_t)acc;
  KEEP_I;
  NEXT();
}
H(table_fill) MAY_TRAP(engine_table_fill(inst->tables[ip->b], OPERAND(0), OPERAND(1), OPERAND(2)))
H(table_copy) MAY_TRAP(engine_table_copy(inst->tables[ip->b], OPERAND(0), inst->tables[ip->d], OPERAND(1), OPERAND(2)))
H(table_init) MAY_TRAP(engine_table_init(inst, ip->d, ip->b, OPERAND(0), OPERAND(1), OPERAND(2)))
H(elem_drop) { engine_elem_drop(inst, ip->b); NEXT(); }
H(atomic_fence) { atomic_thread_fence(memory_order_seq_cst); NEXT(); }
H(ref_func) { acc = BITS(inst->functions[ip->b]); KEEP_I; NEXT(); }

/* ---- Fused arithmetic. d <- a + (lo << hi); d <- hi + a * lo, hi - a * lo, a * lo - hi, each rounded twice ---- */

PURE(i32_add_shl_ss_r, i, SLOT_i(ip->a) + (SLOT_i(ip->lo) << (ip->hi & 31)), NO_KEEP)
PURE(i32_add_shl_ss_s, i, SLOT_i(ip->a) + (SLOT_i(ip->lo) << (ip->hi & 31)), KEEP_i)
PURE(i32_add_shl_rs_r, i, ACC_i + (SLOT_i(ip->lo) << (ip->hi & 31)), NO_KEEP)
PURE(i32_add_shl_rs_s, i, ACC_i + (SLOT_i(ip->lo) << (ip->hi & 31)), KEEP_i)
PURE(i32_add_shl_sr_r, i, SLOT_i(ip->a) + (ACC_i << (ip->hi & 31)), NO_KEEP)
PURE(i32_add_shl_sr_s, i, SLOT_i(ip->a) + (ACC_i << (ip->hi & 31)), KEEP_i)
#define MULTIPLY(name, t, add, sub)                                                                   \
  PURE(name##_mul_add_ss_r, t, add(SLOT_##t(ip->hi), SLOT_##t(ip->a) * SLOT_##t(ip->lo)), NO_KEEP)    \
  PURE(name##_mul_add_ss_s, t, add(SLOT_##t(ip->hi), SLOT_##t(ip->a) * SLOT_##t(ip->lo)), KEEP_##t)   \
  PURE(name##_mul_add_rs_r, t, add(SLOT_##t(ip->hi), ACC_##t * SLOT_##t(ip->lo)), NO_KEEP)            \
  PURE(name##_mul_add_rs_s, t, add(SLOT_##t(ip->hi), ACC_##t * SLOT_##t(ip->lo)), KEEP_##t)           \
  PURE(name##_mul_from_ss_r, t, sub(SLOT_##t(ip->hi), SLOT_##t(ip->a) * SLOT_##t(ip->lo)), NO_KEEP)   \
  PURE(name##_mul_from_ss_s, t, sub(SLOT_##t(ip->hi), SLOT_##t(ip->a) * SLOT_##t(ip->lo)), KEEP_##t)  \
  PURE(name##_mul_from_rs_r, t, sub(SLOT_##t(ip->hi), ACC_##t * SLOT_##t(ip->lo)), NO_KEEP)           \
  PURE(name##_mul_from_rs_s, t, sub(SLOT_##t(ip->hi), ACC_##t * SLOT_##t(ip->lo)), KEEP_##t)          \
  PURE(name##_mul_sub_ss_r, t, sub(SLOT_##t(ip->a) * SLOT_##t(ip->lo), SLOT_##t(ip->hi)), NO_KEEP)    \
  PURE(name##_mul_sub_ss_s, t, sub(SLOT_##t(ip->a) * SLOT_##t(ip->lo), SLOT_##t(ip->hi)), KEEP_##t)   \
  PURE(name##_mul_sub_rs_r, t, sub(ACC_##t * SLOT_##t(ip->lo), SLOT_##t(ip->hi)), NO_KEEP)            \
  PURE(name##_mul_sub_rs_s, t, sub(ACC_##t * SLOT_##t(ip->lo), SLOT_##t(ip->hi)), KEEP_##t)
MULTIPLY(f32, f, sem_f32_add, sem_f32_sub)
MULTIPLY(f64, F, sem_f64_add, sem_f64_sub)
