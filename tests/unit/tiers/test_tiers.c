/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The tiers on small modules made here, byte by byte: what the official suite does not look at.
 *
 *  - every memory instruction, in every form of its operands, traps at its own offset (with guard pages this proves
 *    that the handlers keep their registers where the fault handler expects them);
 *  - frames are walked through recursion, and the depth at which the stack ends is the documented sum of frames;
 *  - a loop without calls can be interrupted from another thread;
 *  - the largest module that is allowed still runs right, and translating it takes no more than linear time. */
#include "every_tier.h"

#include <pthread.h>
#include <time.h>

struct bytes {
  uint8_t at[4096];
  size_t count;
};

static void put(struct bytes *to, uint8_t byte) { to->at[to->count++] = byte; }
static void put_all(struct bytes *to, const void *from, size_t count) {
  memcpy(to->at + to->count, from, count);
  to->count += count;
}
#define PUT(to, ...) put_all(to, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
static void put_leb(struct bytes *to, uint32_t value) {
  for (; value >= 0x80; value >>= 7) put(to, (uint8_t)(value | 0x80));
  put(to, (uint8_t)value);
}
static void put_section(struct bytes *to, uint8_t id, const struct bytes *contents) {
  put(to, id);
  put_leb(to, (uint32_t)contents->count);
  put_all(to, contents->at, contents->count);
}

/* A module with one memory page and one exported function "f" of the given type and body (locals included). */
static struct bytes module_of(const struct bytes *type, const struct bytes *body) {
  struct bytes module = {0}, section = {0};
  PUT(&module, 0, 'a', 's', 'm', 1, 0, 0, 0);
  PUT(&section, 1, 0x60);
  put_all(&section, type->at, type->count);
  put_section(&module, 1, &section);
  put_section(&module, 3, &(struct bytes){.at = {1, 0}, .count = 2});
  put_section(&module, 5, &(struct bytes){.at = {1, 0, 1}, .count = 3});
  put_section(&module, 7, &(struct bytes){.at = {1, 1, 'f', 0, 0}, .count = 5});
  section = (struct bytes){0};
  put(&section, 1);
  put_leb(&section, (uint32_t)body->count);
  put_all(&section, body->at, body->count);
  put_section(&module, 10, &section);
  return module;
}

struct running {
  struct engine *engine;
  struct engine_store *store;
  struct module *module;
  struct engine_instance *instance;
  struct engine_function *f;
};

static struct running start_bytes(const uint8_t *bytes, size_t len_bytes, size_t stack_bytes) {
  struct running r = {0};
  struct cay_error error = {0};
  struct engine_options options = {.tier = tested_tier, .stack_bytes = stack_bytes};
  struct engine_extern found;
  bool ok =
      engine_new(&options, &r.engine, &error) == CAY_OK &&
      engine_store_new(r.engine, NULL, &r.store, &error) == CAY_OK &&
      module_load(bytes, len_bytes, MODULE_BYTES_COPY, MODULE_FEATURES_DEFAULT, NULL, &r.module, &error) == CAY_OK &&
      engine_instantiate(r.store, r.module, NULL, "test", &r.instance, &error) == CAY_OK &&
      engine_export(r.instance, "f", 1, &found);
  if (!ok) {
    fprintf(stderr, "cannot start: %s (offset %" PRIu64 ")\n", error.text, error.offset);
    exit(1);
  }
  r.f = found.func;
  return r;
}

static struct running start(const struct bytes *bytes, size_t stack_bytes) {
  return start_bytes(bytes->at, bytes->count, stack_bytes);
}

static void stop(struct running *r) {
  engine_store_free(r->store);
  module_release(r->module);
  engine_free(r->engine);
}

/* ---- Memory instructions trap where they stand ---- */

enum place { SLOT, ACCUMULATOR, CONSTANT };

/* Pushes parameter `local` so that the encoder takes it from a slot, or from the accumulator. */
static void put_i32_operand(struct bytes *body, uint8_t local, enum place place) {
  if (place == CONSTANT) {
    PUT(body, 0x41, 5);
    return;
  }
  PUT(body, 0x20, local);
  if (place == ACCUMULATOR) PUT(body, 0x41, 0, 0x6A); /* i32.const 0; i32.add */
}

static void put_value(struct bytes *body, uint8_t type, enum place place) {
  static const uint8_t local_of[] = {1, 2, 3, 4, 5}; /* i32 i64 f32 f64 v128 */
  uint8_t index = (uint8_t)(0x7F - type);
  if (index == 0) {
    put_i32_operand(body, 1, place);
    return;
  }
  if (index == 1 && place == CONSTANT) {
    PUT(body, 0x42, 5);
    return;
  }
  PUT(body, 0x20, local_of[index]);
  if (place != ACCUMULATOR) return;
  if (index == 1) PUT(body, 0x42, 0, 0x7C);
  if (index == 2) PUT(body, 0x8C);       /* f32.neg */
  if (index == 3) PUT(body, 0x9A);       /* f64.neg */
  if (index == 4) PUT(body, 0xFD, 0x4D); /* v128.not */
}

/* The instruction with an offset of 1, and lane 0. */
static void put_access(struct bytes *body, const struct module_op_info *row) {
  if (row->prefix) put(body, row->prefix);
  if (row->prefix)
    put_leb(body, row->code);
  else
    put(body, (uint8_t)row->code);
  PUT(body, 0, 1);
  if (row->imm == MODULE_IMM_MEMARG_LANE) put(body, 0);
}

static bool is_access(const struct module_op_info *row) {
  return (row->flags & (MODULE_OP_LOAD | MODULE_OP_STORE)) && !(row->flags & MODULE_OP_ATOMIC);
}

/* i32 i32 i64 f32 f64 v128, which is two slots: see put_value. */
static const struct bytes access_type = {.at = {6, 0x7F, 0x7F, 0x7E, 0x7D, 0x7C, 0x7B, 0}, .count = 8};
enum { ACCESS_SLOTS = 7 };

static void check_access(const struct module_op_info *row, enum place address, enum place value, bool to_local) {
  bool is_load = row->flags & MODULE_OP_LOAD;
  struct bytes body = {0};
  put(&body, 0);
  put_i32_operand(&body, 0, address);
  if (row->param_count > 1) put_value(&body, row->params[1], value);
  size_t at = body.count;
  put_access(&body, row);
  if (is_load) {
    if (to_local)
      PUT(&body, 0x21, (uint8_t)(0x7F - row->results[0] + 1));
    else
      put(&body, 0x1A);
  }
  put(&body, 0x0B);
  struct bytes module = module_of(&access_type, &body);
  struct running r = start(&module, 0);
  uint64_t in_bounds[ACCESS_SLOTS] = {16, 7, 7, 7, 7};
  CHECK_INT(engine_call(r.store, r.f, in_bounds), ENGINE_TRAP_NONE);
  uint64_t bytes = UINT64_C(1) << row->access_log2;
  uint64_t out_of_bounds[ACCESS_SLOTS] = {65536 - bytes, 7, 7, 7, 7}; /* one byte too far, with the offset of 1 */
  enum engine_trap trap = engine_call(r.store, r.f, out_of_bounds);
  CHECK_INT(trap, ENGINE_TRAP_MEMORY_BOUNDS);
  struct engine_frame frame = {0};
  CHECK(engine_backtrace_frame(engine_store_thread(r.store), 0, &frame));
  uint32_t expected = r.module->funcs[0].body_offset + (uint32_t)at;
  if (frame.offset != expected) fprintf(stderr, "%s: ", row->mnemonic);
  CHECK_INT(frame.offset, expected);
  uint64_t last[ACCESS_SLOTS] = {UINT32_MAX, 7, 7, 7, 7};
  CHECK_INT(engine_call(r.store, r.f, last), ENGINE_TRAP_MEMORY_BOUNDS);
  uint64_t edge[ACCESS_SLOTS] = {65536 - bytes - 1, 7, 7, 7, 7};
  CHECK_INT(engine_call(r.store, r.f, edge), ENGINE_TRAP_NONE);
  stop(&r);
}

TEST(memory_instructions_trap_at_their_own_offset) {
  for (uint16_t op = 0; op < MODULE_OP_COUNT; op++) {
    const struct module_op_info *row = &module_ops[op];
    if (!is_access(row)) continue;
    bool is_load = row->flags & MODULE_OP_LOAD;
    for (enum place address = SLOT; address <= ACCUMULATOR; address++)
      for (enum place value = SLOT; value <= (is_load ? ACCUMULATOR : CONSTANT); value++)
        check_access(row, address, value, value == ACCUMULATOR);
  }
}

/* A constant address joins the offset in one instruction; the trap must be the same. */
static void check_constant_access(const struct module_op_info *row, uint32_t address, enum place value,
                                  enum engine_trap expected) {
  bool is_load = row->flags & MODULE_OP_LOAD;
  struct bytes body = {0};
  put(&body, 0);
  PUT(&body, 0x41, (uint8_t)(address | 0x80), (uint8_t)(address >> 7 | 0x80), (uint8_t)(address >> 14 & 0x7F));
  if (row->param_count > 1) put_value(&body, row->params[1], value);
  put_access(&body, row);
  if (is_load) put(&body, 0x1A);
  put(&body, 0x0B);
  struct bytes module = module_of(&access_type, &body);
  struct running r = start(&module, 0);
  CHECK_INT(engine_call(r.store, r.f, (uint64_t[ACCESS_SLOTS]){0, 7, 7, 7, 7}), expected);
  stop(&r);
}

TEST(constant_addresses_trap_at_the_edge) {
  for (uint16_t op = 0; op < MODULE_OP_COUNT; op++) {
    const struct module_op_info *row = &module_ops[op];
    if (!is_access(row)) continue;
    for (enum place value = SLOT; value <= CONSTANT; value++) {
      uint32_t edge = 65536 - (1u << row->access_log2);
      check_constant_access(row, edge - 1, value, ENGINE_TRAP_NONE);
      check_constant_access(row, edge, value, ENGINE_TRAP_MEMORY_BOUNDS);
    }
  }
}

/* ---- Recursion: frames and depth ---- */

/* f(n) = n == 0 ? unreachable : f(n - 1) */
static struct bytes recursion(void) {
  struct bytes type = {0}, body = {0};
  PUT(&type, 1, 0x7F, 1, 0x7F);
  PUT(&body, 0, 0x20, 0, 0x45, 0x04, 0x40, 0x00, 0x0B, 0x20, 0, 0x41, 1, 0x6B, 0x10, 0, 0x0B);
  return module_of(&type, &body);
}

TEST(frames_are_walked_through_recursion) {
  struct bytes module = recursion();
  struct running r = start(&module, 0);
  uint64_t slots[1] = {20};
  CHECK_INT(engine_call(r.store, r.f, slots), ENGINE_TRAP_UNREACHABLE);
  struct engine_thread *thread = engine_store_thread(r.store);
  CHECK_INT(thread->backtrace_total, 21);
  struct engine_frame frame;
  for (uint32_t i = 0; i < 21; i++) {
    CHECK(engine_backtrace_frame(thread, i, &frame));
    CHECK_INT(frame.func, 0);
    CHECK_INT(frame.offset, r.module->funcs[0].body_offset + (i == 0 ? 6 : 13));
  }
  CHECK(!engine_backtrace_frame(thread, 21, &frame));
  stop(&r);
}

TEST(the_stack_ends_at_the_sum_of_frames) {
  struct bytes module = recursion();
  size_t stack_bytes = 1 << 20;
  struct running r = start(&module, stack_bytes);
  /* Each call adds: parameter slot reused as first temporary; frame 1 + 2 link + up to it. */
  uint64_t deepest = 0;
  for (uint64_t low = 0, high = stack_bytes; low < high;) {
    uint64_t middle = low + (high - low) / 2;
    uint64_t slots[1] = {middle};
    enum engine_trap trap = engine_call(r.store, r.f, slots);
    CHECK(trap == ENGINE_TRAP_UNREACHABLE || trap == ENGINE_TRAP_STACK_EXHAUSTED);
    if (trap == ENGINE_TRAP_UNREACHABLE) {
      deepest = middle;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  uint64_t advance = 3, frame = r.module->funcs[0].frame_slots + 2; /* slots from frame to frame; of the last one */
  CHECK_INT(deepest, (stack_bytes / 8 - frame) / advance);
  stop(&r);
}

/* ---- Interruption ---- */

static void *interrupt_later(void *store) {
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  engine_interrupt(store);
  return NULL;
}

/* The body of a function that takes nothing, returns nothing and never ends. */
static void check_interruption(const struct bytes *body) {
  struct bytes type = {0};
  PUT(&type, 0, 0);
  struct bytes module = module_of(&type, body);
  struct running r = start(&module, 0);
  pthread_t other;
  pthread_create(&other, NULL, interrupt_later, r.store);
  uint64_t slots[1] = {0};
  CHECK_INT(engine_call(r.store, r.f, slots), ENGINE_TRAP_INTERRUPTED);
  pthread_join(other, NULL);
  engine_interrupt_clear(r.store);
  stop(&r);
}

TEST(an_endless_loop_is_interrupted) {
  struct bytes body = {0};
  PUT(&body, 0, 0x03, 0x40, 0x0C, 0, 0x0B, 0x0B);
  check_interruption(&body);
}

TEST(endless_tail_calls_are_interrupted) {
  struct bytes body = {0};
  PUT(&body, 0, 0x12, 0, 0x0B);
  check_interruption(&body);
}

/* ---- Large modules ---- */

static void put_at(uint8_t **at, const void *bytes, size_t count) {
  memcpy(*at, bytes, count);
  *at += count;
}
#define PUT_AT(at, ...) put_at(at, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
static void put_repeated(uint8_t **at, const void *bytes, size_t count, size_t times) {
  while (times-- > 0) put_at(at, bytes, count);
}
/* A number in five bytes, so that lengths are known beforehand. */
static void put_long_leb(uint8_t **at, uint32_t value) {
  PUT_AT(at, (uint8_t)(value | 0x80), (uint8_t)(value >> 7 | 0x80), (uint8_t)(value >> 14 | 0x80),
         (uint8_t)(value >> 21 | 0x80), (uint8_t)(value >> 28));
}

/* The last of all the tables a module may have holds a function that returns 7; "f" calls it there. */
TEST(the_last_table_is_reached) {
  uint32_t count = module_default_limits.tables, last = count - 1;
  uint8_t *module = malloc(1000 + 3 * (size_t)count), *at = module;
  PUT_AT(&at, 0, 'a', 's', 'm', 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7F, 3, 3, 2, 0, 0, 4);
  put_long_leb(&at, 5 + 3 * count);
  put_long_leb(&at, count);
  put_repeated(&at, (const uint8_t[]){0x70, 0, 0}, 3, last);
  PUT_AT(&at, 0x70, 0, 1, 7, 5, 1, 1, 'f', 0, 0, 9, 13, 1, 2);
  put_long_leb(&at, last);
  PUT_AT(&at, 0x41, 0, 0x0B, 0, 1, 1, 10, 18, 2, 11, 0, 0x41, 0, 0x11, 0);
  put_long_leb(&at, last);
  PUT_AT(&at, 0x0B, 4, 0, 0x41, 7, 0x0B);
  struct running r = start_bytes(module, (size_t)(at - module), 0);
  free(module);
  uint64_t slots[1] = {0};
  CHECK_INT(engine_call(r.store, r.f, slots), ENGINE_TRAP_NONE);
  CHECK_INT(slots[0], 7);
  stop(&r);
}

/* An operand that names a local keeps the old value when the local is set, however deep it lies. */
TEST(a_local_that_is_named_far_below_can_be_set) {
  for (unsigned depth = 60; depth <= 70; depth++) {
    struct bytes type = {0}, body = {0};
    PUT(&type, 1, 0x7F, 1, 0x7F);
    PUT(&body, 0, 0x20, 0);
    for (unsigned i = 0; i < depth; i++) PUT(&body, 0x41, 1);
    PUT(&body, 0x41, 50, 0x21, 0);
    for (unsigned i = 0; i < depth; i++) put(&body, 0x6A);
    PUT(&body, 0x20, 0, 0x6A, 0x0B);
    struct bytes module = module_of(&type, &body);
    struct running r = start(&module, 0);
    uint64_t slots[1] = {7};
    CHECK_INT(engine_call(r.store, r.f, slots), ENGINE_TRAP_NONE);
    CHECK_INT(slots[0], 7 + depth + 50);
    stop(&r);
  }
}

static double cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Behind a stack of `depth` operands stands `code`, `times` over. A walk down the stack for each takes a minute. */
static void check_deep(const uint8_t *operand, uint32_t depth, const uint8_t *code, uint32_t code_bytes,
                       uint32_t times) {
  uint32_t body_bytes = 3 + 2 * depth + code_bytes * times + depth + 1;
  uint8_t *module = malloc(100 + (size_t)body_bytes), *at = module;
  PUT_AT(&at, 0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 'f', 0, 0, 10);
  put_long_leb(&at, 1 + 5 + body_bytes);
  PUT_AT(&at, 1);
  put_long_leb(&at, body_bytes);
  PUT_AT(&at, 1, 2, 0x7F);
  put_repeated(&at, operand, 2, depth);
  put_repeated(&at, code, code_bytes, times);
  put_repeated(&at, (const uint8_t[]){0x1A}, 1, depth);
  PUT_AT(&at, 0x0B);
  struct running r = start_bytes(module, (size_t)(at - module), 0);
  free(module);
  double before = cpu_seconds();
  CHECK_INT(engine_call(r.store, r.f, (uint64_t[1]){0}), ENGINE_TRAP_NONE);
  CHECK(cpu_seconds() - before < 5);
  stop(&r);
}

TEST(a_deep_stack_slows_nothing_down) {
  static const uint8_t zero[] = {0x41, 0}, get[] = {0x20, 0}, block[] = {0x02, 0x40, 0x0B};
  check_deep(zero, 60000, block, sizeof block, 700000);
  check_deep(get, 60000, block, sizeof block, 700000);
}

TIERS_TEST_MAIN(RUN(memory_instructions_trap_at_their_own_offset) RUN(constant_addresses_trap_at_the_edge)
                    RUN(frames_are_walked_through_recursion) RUN(the_stack_ends_at_the_sum_of_frames)
                        RUN(an_endless_loop_is_interrupted) RUN(endless_tail_calls_are_interrupted)
                            RUN(the_last_table_is_reached) RUN(a_local_that_is_named_far_below_can_be_set)
                                RUN(a_deep_stack_slows_nothing_down))
