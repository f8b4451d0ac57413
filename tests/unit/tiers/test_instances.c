/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The engine with translated code: several instances that share a table, re-entrance, bounds with both kinds of
 * memory, the end of the stack. */
#include "../engine/fake_tier.h"
#include "every_tier.h"

static struct engine_instance *instance_of(struct world *world, const struct bytes *bytes,
                                           const struct engine_extern *imports, enum cay_status expected) {
  struct module *module = module_of(bytes);
  struct engine_instance *instance = NULL;
  struct cay_error error = {0};
  enum cay_status status = engine_instantiate(world->store, module, imports, "real", &instance, &error);
  if (status != expected) fprintf(stderr, "%s\n", error.text);
  CHECK_INT(status, expected);
  module_release(module);
  return instance;
}

static enum engine_trap call_export(struct world *world, struct engine_instance *instance, const char *name,
                                    uint64_t *slots) {
  struct engine_extern found = {0};
  CHECK(engine_export(instance, name, strlen(name), &found));
  return engine_call(world->store, found.func, slots);
}

/* ---- Instances that share a table ------------------------------------------------------------------------------------ */

/* Exports the table "t" of two elements and "f": call_indirect of element 0, plus one. */
static struct bytes caller_module(void) {
  struct bytes bytes = module_start();
  SECTION(&bytes, 1, 1, 0x60, 0, 1, 0x7F);
  SECTION(&bytes, 3, 1, 0);
  SECTION(&bytes, 4, 1, 0x70, 0, 2);
  SECTION(&bytes, 7, 2, 1, 't', 1, 0, 1, 'f', 0, 0);
  SECTION(&bytes, 10, 1, 10, 0, 0x41, 0, 0x11, 0, 0, 0x41, 1, 0x6A, 0x0B);
  return bytes;
}

/* Imports the table and sets element 0 to a function of its own: `opcode`, `immediate`. With `too_long`, a data segment
 * that does not fit comes after that. */
static struct bytes callee_module(uint8_t opcode, uint8_t immediate, bool too_long) {
  struct bytes bytes = module_start();
  SECTION(&bytes, 1, 1, 0x60, 0, 1, 0x7F);
  SECTION(&bytes, 2, 1, 1, 'e', 1, 't', 1, 0x70, 0, 2);
  SECTION(&bytes, 3, 1, 0);
  SECTION(&bytes, 5, 1, 0, 0);
  SECTION(&bytes, 9, 1, 0, 0x41, 0, 0x0B, 1, 0);
  SECTION(&bytes, 10, 1, 4, 0, opcode, immediate, 0x0B);
  if (too_long) SECTION(&bytes, 11, 1, 0, 0x41, 0, 0x0B, 1, 'x');
  return bytes;
}

TEST(table_between_instances) {
  struct world world = world_new(&(struct engine_options){.tier = tested_tier}, NULL);
  struct engine_thread *thread = engine_store_thread(world.store);
  struct bytes bytes = caller_module();
  struct engine_instance *caller = instance_of(&world, &bytes, NULL, CAY_OK);
  struct engine_extern table = {0};
  CHECK(engine_export(caller, "t", 1, &table));
  uint64_t value = 0;
  CHECK_INT(call_export(&world, caller, "f", &value), ENGINE_TRAP_NULL_ELEMENT);

  bytes = callee_module(0x41, 7, false); /* i32.const 7 */
  struct engine_instance *callee = instance_of(&world, &bytes, &table, CAY_OK);
  CHECK_INT(call_export(&world, caller, "f", &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 8);

  /* The functions of an instance that failed stay where its segments put them. */
  bytes = callee_module(0x41, 9, true);
  instance_of(&world, &bytes, &table, CAY_ERROR_TRAP);
  CHECK_INT(call_export(&world, caller, "f", &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 10);

  bytes = callee_module(0x01, 0x00, false); /* nop, unreachable */
  struct engine_instance *trapping = instance_of(&world, &bytes, &table, CAY_OK);
  CHECK_INT(call_export(&world, caller, "f", &value), ENGINE_TRAP_UNREACHABLE);
  CHECK_INT(thread->backtrace_count, 2);
  struct engine_frame frame;
  CHECK(engine_backtrace_frame(thread, 0, &frame) && frame.instance == trapping);
  CHECK_INT(trapping->module->bytes[frame.offset], 0x00);
  CHECK(engine_backtrace_frame(thread, 1, &frame) && frame.instance == caller);
  CHECK_INT(caller->module->bytes[frame.offset], 0x11);
  CHECK(callee != trapping);
  world_free(&world);
}

/* ---- Re-entrance and the end of the stack ----------------------------------------------------------------------------- */

/* Imports h (i64) -> (i64); "r" calls h with its argument; "s" calls itself without end. */
static struct bytes recursive_module(void) {
  struct bytes bytes = module_start();
  SECTION(&bytes, 1, 1, 0x60, 1, 0x7E, 1, 0x7E);
  SECTION(&bytes, 2, 1, 1, 'e', 1, 'h', 0, 0);
  SECTION(&bytes, 3, 2, 0, 0);
  SECTION(&bytes, 7, 2, 1, 'r', 0, 1, 1, 's', 0, 2);
  SECTION(&bytes, 10, 2, 9, 0, 0x20, 0, 0x10, 0, 0x42, 1, 0x7C, 0x0B, 9, 0, 0x20, 0, 0x10, 2, 0x42, 1, 0x7C, 0x0B);
  return bytes;
}

static int64_t depth_left;
static enum engine_trap host_again(struct engine_call *call, uint64_t *slots) {
  return depth_left-- > 0 ? engine_call(call->thread->store, call->caller->functions[1], slots) : ENGINE_TRAP_NONE;
}

static const module_type i64s[] = {MODULE_I64};
static const struct module_func_type i64_to_i64 = {
    .params = i64s, .param_count = 1, .results = i64s, .result_count = 1};

TEST(reentrance) {
  for (int on_host_stack = 0; on_host_stack < 2; on_host_stack++) {
    struct world world = world_new(&(struct engine_options){.tier = tested_tier}, NULL);
    struct engine_extern import = {.kind = MODULE_FUNC};
    CHECK_INT(engine_function_new(world.store, &i64_to_i64, host_again, NULL, "e", "h", &import.func, NULL), CAY_OK);
    import.func->on_host_stack = on_host_stack;
    struct bytes bytes = recursive_module();
    struct engine_instance *instance = instance_of(&world, &bytes, &import, CAY_OK);
    uint64_t value = 5;
    depth_left = 50;
    CHECK_INT(call_export(&world, instance, "r", &value), ENGINE_TRAP_NONE);
    CHECK_INT(value, 5 + 51);
    depth_left = INT64_MAX;
    CHECK_INT(call_export(&world, instance, "r", &value), ENGINE_TRAP_STACK_EXHAUSTED);
    depth_left = 1;
    value = 0;
    CHECK_INT(call_export(&world, instance, "r", &value), ENGINE_TRAP_NONE);
    CHECK_INT(value, 2);
    world_free(&world);
  }
}

TEST(endless_recursion) {
  struct engine_options options = {.tier = tested_tier, .stack_bytes = 64 * 1024 * 1024};
  struct world world = world_new(&options, NULL);
  struct engine_extern import = {.kind = MODULE_FUNC};
  CHECK_INT(engine_function_new(world.store, &i64_to_i64, host_again, NULL, "e", "h", &import.func, NULL), CAY_OK);
  struct bytes bytes = recursive_module();
  struct engine_instance *instance = instance_of(&world, &bytes, &import, CAY_OK);
  struct engine_thread *thread = engine_store_thread(world.store);
  uint64_t value = 0, start_ns = base_os_monotonic_ns();
  CHECK_INT(call_export(&world, instance, "s", &value), ENGINE_TRAP_STACK_EXHAUSTED);
  printf("%llu frames and back: %.1f ms\n", (unsigned long long)thread->backtrace_total,
         (double)(base_os_monotonic_ns() - start_ns) / 1e6);
  CHECK(thread->backtrace_total > 1000000);
  struct engine_frame frame;
  CHECK(engine_backtrace_frame(thread, 63, &frame));
  CHECK_INT(frame.func, 2);
  CHECK_INT(instance->module->bytes[frame.offset], 0x10);
  world_free(&world);
}

/* A host function that takes a lot of native stack and calls "r" again, which calls it; when little is left, "s", whose
 * frames are small. */
static ptrdiff_t light_from_bytes;
static enum engine_trap host_heavy(struct engine_call *call, uint64_t *slots) {
  enum { HEAVY_BYTES = 400 * 1024 };
  volatile char heavy[HEAVY_BYTES];
  heavy[0] = 1;
  const struct engine_stack *stack = call->thread->stack;
  bool has_room = (char *)__builtin_frame_address(0) - (char *)stack->native_low > light_from_bytes + heavy[0];
  return engine_call(call->thread->store, call->caller->functions[has_room ? 1 : 2], slots);
}

/* The native stack must not end before the value stack does, also where nothing catches faults. */
TEST(recursion_below_heavy_host_functions) {
  if (!engine_arch_switches) return;
  for (int is_explicit = 1; is_explicit >= 0; is_explicit--) { /* first before a handler is installed */
    struct world world = world_new(&(struct engine_options){.tier = tested_tier, .explicit_bounds = is_explicit}, NULL);
    struct engine_extern import = {.kind = MODULE_FUNC};
    CHECK_INT(engine_function_new(world.store, &i64_to_i64, host_heavy, NULL, "e", "h", &import.func, NULL), CAY_OK);
    struct bytes bytes = recursive_module();
    struct engine_instance *instance = instance_of(&world, &bytes, &import, CAY_OK);
    uint64_t value = 0;
    for (light_from_bytes = 700 * 1024; light_from_bytes < 2000 * 1024; light_from_bytes += 200 * 1024)
      CHECK_INT(call_export(&world, instance, "r", &value), ENGINE_TRAP_STACK_EXHAUSTED);
    CHECK_INT(call_export(&world, instance, "s", &value), ENGINE_TRAP_STACK_EXHAUSTED);
    CHECK(engine_store_thread(world.store)->backtrace_total > 300000); /* all of the stack is there again */
    world_free(&world);
  }
}

/* ---- Bounds ------------------------------------------------------------------------------------------------------------ */

/* A memory of one page, at most two; "l": i32.load8_u at the argument plus 0xFFFF0000; "g": memory.grow. */
static struct bytes memory_module(void) {
  struct bytes bytes = module_start();
  SECTION(&bytes, 1, 1, 0x60, 1, 0x7F, 1, 0x7F);
  SECTION(&bytes, 3, 3, 0, 0, 0);
  SECTION(&bytes, 5, 1, 1, 1, 2);
  SECTION(&bytes, 7, 3, 1, 'l', 0, 0, 1, 'm', 0, 1, 1, 'g', 0, 2);
  SECTION(&bytes, 10, 3, 7, 0, 0x20, 0, 0x2D, 0, 0, 0x0B, 11, 0, 0x20, 0, 0x28, 2, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x0B,
          6, 0, 0x20, 0, 0x40, 0, 0x0B);
  return bytes;
}

static void check_bounds(bool is_explicit) {
  struct world world = world_new(&(struct engine_options){.tier = tested_tier, .explicit_bounds = is_explicit}, NULL);
  struct bytes bytes = memory_module();
  struct engine_instance *instance = instance_of(&world, &bytes, NULL, CAY_OK);
  uint64_t value = 65535;
  instance->memory0->base[65535] = 200;
  CHECK_INT(call_export(&world, instance, "l", &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 200);
  for (int i = 0; i < 2; i++) {
    value = 65536;
    CHECK_INT(call_export(&world, instance, "l", &value), ENGINE_TRAP_MEMORY_BOUNDS);
    value = UINT32_MAX;
    CHECK_INT(call_export(&world, instance, "l", &value), ENGINE_TRAP_MEMORY_BOUNDS);
    CHECK_INT(call_export(&world, instance, "m", &value), ENGINE_TRAP_MEMORY_BOUNDS); /* 2 * (4 GiB - 1) */
    value = 0;
    CHECK_INT(call_export(&world, instance, "m", &value), ENGINE_TRAP_MEMORY_BOUNDS);
  }
  value = 1;
  CHECK_INT(call_export(&world, instance, "g", &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 1);
  value = 131071;
  CHECK_INT(call_export(&world, instance, "l", &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 0);
  value = 1;
  CHECK_INT(call_export(&world, instance, "g", &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, UINT32_MAX);
  world_free(&world);
}

/* What a store was interrupted in making may lack what the tier would have made of it: others make it anew, and share that. */
TEST(code_that_was_cut_short_is_nobody_elses) {
  struct world world = world_new(&(struct engine_options){.tier = tested_tier}, NULL);
  struct engine_store *others[2] = {NULL, NULL};
  struct engine_instance *instances[3] = {NULL, NULL, NULL};
  struct bytes bytes = caller_module();
  struct module *module = module_of(&bytes);
  engine_interrupt(world.store);
  CHECK_INT(engine_instantiate(world.store, module, NULL, "first", &instances[0], NULL), CAY_OK);
  for (int i = 0; i < 2; i++) {
    CHECK_INT(engine_store_new(world.engine, NULL, &others[i], NULL), CAY_OK);
    CHECK_INT(engine_instantiate(others[i], module, NULL, "other", &instances[1 + i], NULL), CAY_OK);
  }
  CHECK(instances[1]->code != instances[0]->code);
  CHECK(instances[2]->code == instances[1]->code);
  for (int i = 0; i < 2; i++) engine_store_free(others[i]);
  module_release(module);
  world_free(&world);
}

TEST(bounds) { check_bounds(false); }
TEST(explicit_bounds) { check_bounds(true); }

TIERS_TEST_MAIN(RUN(recursion_below_heavy_host_functions) RUN(table_between_instances) RUN(reentrance)
                    RUN(endless_recursion) RUN(code_that_was_cut_short_is_nobody_elses) RUN(bounds)
                        RUN(explicit_bounds))
