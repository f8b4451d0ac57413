/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The standard C API, function by function and where embedders trip: values and references in both directions, host info
 * and finalizers, traps and their frames, imports that do not fit, growth, types, what the standard cannot express, and
 * the order in which things are deleted. Everything runs in every tier; meant for AddressSanitizer, too. */
#include <pthread.h>
#include <time.h>

#include "world.h"

#define I32(value) ((wasm_val_t){.kind = WASM_I32, .of.i32 = (value)})
#define REF(value) ((wasm_val_t)WASM_REF_VAL(value))

/* ---- Values ------------------------------------------------------------------------------------------------------ */

static wasm_functype_t *mix_type(void) {
  static const wasm_valkind_t kinds[] = {WASM_I32, WASM_I64, WASM_F32, WASM_F64, WASM_EXTERNREF, WASM_FUNCREF};
  wasm_valtype_vec_t params, results;
  wasm_valtype_vec_new_uninitialized(&params, 6);
  wasm_valtype_vec_new_uninitialized(&results, 6);
  for (int i = 0; i < 6; i++) {
    params.data[i] = wasm_valtype_new(kinds[i]);
    results.data[5 - i] = wasm_valtype_new(kinds[i]);
  }
  return wasm_functype_new(&params, &results);
}

struct mixing {
  int calls;
  enum { MIX, LEAVE_ZEROS, WRONG_KIND, WRONG_REF } what;
};

static wasm_trap_t *mix(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  struct mixing *mixing = env;
  static const wasm_valkind_t kinds[] = {WASM_FUNCREF, WASM_EXTERNREF, WASM_F64, WASM_F32, WASM_I64, WASM_I32};
  mixing->calls++;
  CHECK_INT(args->size, 6);
  CHECK_INT(results->size, 6);
  for (int i = 0; i < 6; i++) {
    CHECK_INT(results->data[i].kind, kinds[i]);
    CHECK_INT(args->data[i].kind, kinds[5 - i]);
    if (mixing->what != LEAVE_ZEROS) wasm_val_copy(&results->data[i], &args->data[5 - i]);
  }
  if (mixing->what == WRONG_KIND) results->data[5].kind = WASM_I64;
  if (mixing->what == WRONG_REF) {
    wasm_ref_delete(results->data[0].of.ref);
    results->data[0].of.ref = wasm_ref_copy(args->data[4].of.ref);
  }
  return NULL;
}

TEST(values_cross_both_ways) {
  struct world world = world_new();
  struct mixing mixing = {0};
  wasm_func_t *mixer = host(world.store, mix_type(), mix, &mixing);
  LOAD(&world, MIX_WASM);
  INSTANTIATE(&world, wasm_func_as_extern(mixer));
  wasm_foreign_t *foreign = wasm_foreign_new(world.store);
  wasm_val_t args[6] = {I32(INT32_MIN),      WASM_I64_VAL(INT64_MIN + 1),       WASM_F32_VAL(-0.5f),
                        WASM_F64_VAL(1e300), REF(wasm_foreign_as_ref(foreign)), REF(wasm_func_as_ref(mixer))};
  wasm_val_t out[7] = {[6] = WASM_I32_VAL(77)};
  wasm_val_vec_t arguments = WASM_ARRAY_VEC(args), results = WASM_ARRAY_VEC(out);
  /* Once through the guest, once the host's own function; more room than needed is no harm. */
  const wasm_func_t *both[] = {world_func(&world, "mix"), mixer};
  for (int i = 0; i < 2; i++) {
    CHECK_TEXT(trap_text(wasm_func_call(both[i], &arguments, &results)), "no trap");
    CHECK(out[0].kind == WASM_FUNCREF && wasm_ref_same(out[0].of.ref, wasm_func_as_ref(mixer)));
    CHECK(out[1].kind == WASM_EXTERNREF && wasm_ref_same(out[1].of.ref, wasm_foreign_as_ref(foreign)));
    CHECK(out[2].kind == WASM_F64 && out[2].of.f64 == 1e300);
    CHECK(out[3].kind == WASM_F32 && out[3].of.f32 == -0.5f);
    CHECK(out[4].kind == WASM_I64 && out[4].of.i64 == INT64_MIN + 1);
    CHECK(out[5].kind == WASM_I32 && out[5].of.i32 == INT32_MIN);
    CHECK_INT(out[6].of.i32, 77);
    wasm_val_delete(&out[0]);
    wasm_val_delete(&out[1]);
  }
  args[4].of.ref = args[5].of.ref = NULL;
  CHECK_TEXT(trap_text(wasm_func_call(both[0], &arguments, &results)), "no trap");
  CHECK(!out[0].of.ref && !out[1].of.ref);
  mixing.what = LEAVE_ZEROS;
  CHECK_TEXT(trap_text(wasm_func_call(both[0], &arguments, &results)), "no trap");
  CHECK(!out[0].of.ref && !out[1].of.ref && out[4].of.i64 == 0 && out[5].of.i32 == 0);
  CHECK_INT(mixing.calls, 4);
  wasm_foreign_delete(foreign);
  wasm_func_delete(mixer);
  world_free(&world);
}

TEST(wrong_values_are_refused) {
  struct world world = world_new(), other = world_new();
  struct mixing mixing = {0};
  wasm_func_t *mixer = host(world.store, mix_type(), mix, &mixing);
  LOAD(&world, MIX_WASM);
  INSTANTIATE(&world, wasm_func_as_extern(mixer));
  wasm_func_t *func = world_func(&world, "mix");
  wasm_foreign_t *foreign = wasm_foreign_new(world.store), *stranger = wasm_foreign_new(other.store);
  wasm_val_t args[6] = {I32(0),
                        WASM_I64_VAL(0),
                        WASM_F32_VAL(0),
                        WASM_F64_VAL(0),
                        REF(wasm_foreign_as_ref(foreign)),
                        REF(wasm_func_as_ref(mixer))};
  wasm_val_t out[6];
  memset(out, 0x55, sizeof out);
  wasm_val_vec_t arguments = WASM_ARRAY_VEC(args), results = WASM_ARRAY_VEC(out);
  mixing.what = WRONG_KIND;
  CHECK_TEXT(trap_text(wasm_func_call(func, &arguments, &results)),
             "result 5 of the host's function: a number of another type where a value of type i32 is expected");
  mixing.what = WRONG_REF;
  CHECK_TEXT(trap_text(wasm_func_call(func, &arguments, &results)),
             "result 0 of the host's function: another reference where a value of type funcref is expected");
  int calls = mixing.calls;
  arguments.size = 5;
  CHECK_TEXT(trap_text(wasm_func_call(func, &arguments, &results)), "the function takes 6 arguments, 5 were given");
  arguments.size = 6;
  args[0] = (wasm_val_t)WASM_F32_VAL(1);
  CHECK_TEXT(trap_text(wasm_func_call(func, &arguments, &results)),
             "argument 0: a number of another type where a value of type i32 is expected");
  args[0] = I32(0);
  args[5] = REF(wasm_foreign_as_ref(foreign));
  CHECK_TEXT(trap_text(wasm_func_call(func, &arguments, &results)),
             "argument 5: another reference where a value of type funcref is expected");
  args[5] = REF(NULL);
  args[4] = REF(wasm_foreign_as_ref(stranger));
  CHECK_TEXT(trap_text(wasm_func_call(func, &arguments, &results)),
             "argument 4: a reference to an object of another store");
  CHECK_INT(cay_wasm_store_error(world.store)->status, CAY_ERROR_ARGUMENT);
  args[4] = REF(NULL);
  CHECK_INT(mixing.calls, calls);
  mixing.what = LEAVE_ZEROS;
  results.size = 5;
  CHECK_TEXT(trap_text(wasm_func_call(func, &arguments, &results)), "the function has 6 results, there is room for 5");
  CHECK_INT(out[0].kind, 0x55); /* nothing was written */
  wasm_foreign_delete(stranger);
  wasm_foreign_delete(foreign);
  wasm_func_delete(mixer);
  world_free(&other);
  world_free(&world);
}

/* ---- References, host info ----------------------------------------------------------------------------------------- */

static int ended[8];
static void note_end(void *info) { ended[(intptr_t)info]++; }

TEST(host_info_belongs_to_the_object) {
  struct world world = world_new();
  memset(ended, 0, sizeof ended);
  LOAD(&world, STATE_WASM);
  INSTANTIATE(&world, NULL);
  wasm_ref_t *plain = wasm_foreign_as_ref(wasm_foreign_new(world.store));
  wasm_ref_set_host_info_with_finalizer(plain, (void *)1, note_end);
  wasm_ref_t *copy = wasm_ref_copy(plain);
  wasm_ref_delete(plain);
  CHECK(wasm_ref_get_host_info(copy) == (void *)1 && ended[1] == 0);
  wasm_ref_set_host_info_with_finalizer(copy, (void *)2, note_end); /* replaces */
  CHECK_INT(ended[1], 1);
  wasm_ref_delete(copy);
  CHECK_INT(ended[2], 1);

  /* What the guest holds stays, with its info, when no reference is left outside. */
  wasm_ref_t *held = wasm_foreign_as_ref(wasm_foreign_new(world.store));
  wasm_ref_set_host_info_with_finalizer(held, (void *)3, note_end);
  wasm_global_t *global = wasm_extern_as_global(world_export(&world, "held"));
  wasm_val_t value = WASM_REF_VAL(held);
  wasm_global_set(global, &value);
  wasm_ref_delete(held);
  CHECK_INT(ended[3], 0);
  wasm_global_get(global, &value);
  CHECK(value.kind == WASM_EXTERNREF && wasm_ref_get_host_info(value.of.ref) == (void *)3);
  CHECK(wasm_ref_as_foreign(value.of.ref) && !wasm_ref_as_func(value.of.ref) && !wasm_ref_as_extern(value.of.ref));
  wasm_val_delete(&value);

  /* So do functions and instances, which exist as long as the store. */
  wasm_func_t *add = wasm_func_copy(world_func(&world, "add"));
  wasm_func_set_host_info_with_finalizer(add, (void *)4, note_end);
  wasm_instance_set_host_info_with_finalizer(world.instance, (void *)5, note_end);
  wasm_func_delete(add);
  wasm_extern_vec_delete(&world.exports);
  wasm_instance_exports(world.instance, &world.exports);
  CHECK(wasm_func_get_host_info(world_func(&world, "add")) == (void *)4);
  /* Every object can be an externref. */
  value = (wasm_val_t)WASM_REF_VAL(wasm_instance_as_ref(world.instance));
  wasm_global_set(global = wasm_extern_as_global(world_export(&world, "held")), &value);
  wasm_global_get(global, &value);
  CHECK(wasm_instance_same(wasm_ref_as_instance(value.of.ref), world.instance));
  wasm_val_delete(&value);
  wasm_module_set_host_info_with_finalizer(world.module, (void *)6, note_end);
  CHECK(ended[4] == 0 && ended[5] == 0);
  world_free(&world);
  for (int i = 1; i <= 6; i++) CHECK_INT(ended[i], 1);
}

/* A guest that is given many objects and keeps few: the others end long before the store, whether they lay in a global or
 * were arguments; what it still has, in a table, a global or a frame, does not. */
static wasm_trap_t *make_many(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  const struct world *state = env;
  wasm_global_t *held = wasm_extern_as_global(world_export(state, "held"));
  for (int i = 0; i < 10000; i++) {
    wasm_foreign_t *foreign = wasm_foreign_new(state->store);
    wasm_foreign_set_host_info_with_finalizer(foreign, (void *)2, note_end);
    wasm_global_set(held, &(wasm_val_t)WASM_REF_VAL(wasm_foreign_as_ref(foreign)));
    wasm_foreign_delete(foreign);
  }
  for (int i = 0; i < 6; i++) wasm_val_copy(&results->data[i], &args->data[5 - i]);
  return NULL;
}

TEST(what_the_guest_dropped_ends) {
  struct world world = world_new(), mixing = world;
  memset(ended, 0, sizeof ended);
  LOAD(&world, STATE_WASM);
  INSTANTIATE(&world, NULL);
  LOAD(&mixing, MIX_WASM);
  wasm_func_t *many = host(world.store, mix_type(), make_many, &world);
  INSTANTIATE(&mixing, wasm_func_as_extern(many));
  wasm_tabletype_t *type = wasm_tabletype_new(wasm_valtype_new_externref(), &(wasm_limits_t){1, 1});
  wasm_foreign_t *kept = wasm_foreign_new(world.store), *passed = wasm_foreign_new(world.store);
  wasm_foreign_set_host_info_with_finalizer(kept, (void *)1, note_end);
  wasm_foreign_set_host_info_with_finalizer(passed, (void *)1, note_end);
  wasm_table_t *table = wasm_table_new(world.store, type, wasm_foreign_as_ref(kept));
  wasm_foreign_delete(kept);
  wasm_val_t args[6] = {I32(0),   WASM_I64_VAL(0), WASM_F32_VAL(0), WASM_F64_VAL(2), REF(wasm_foreign_as_ref(passed)),
                        REF(NULL)};
  wasm_val_t out[6];
  wasm_val_vec_t arguments = WASM_ARRAY_VEC(args), results = WASM_ARRAY_VEC(out);
  CHECK_TEXT(trap_text(wasm_func_call(world_func(&mixing, "mix"), &arguments, &results)), "no trap");
  CHECK(wasm_ref_same(out[1].of.ref, args[4].of.ref));
  wasm_val_delete(&out[1]);
  CHECK(ended[2] > 7000 && ended[2] < 10000);
  CHECK_INT(ended[1], 0);
  wasm_foreign_delete(passed); /* nobody has it now */
  args[4] = REF(NULL);
  CHECK_TEXT(trap_text(wasm_func_call(many, &arguments, &results)), "no trap");
  CHECK_INT(ended[1], 1); /* the one that was passed */
  wasm_ref_t *found = wasm_table_get(table, 0);
  CHECK(wasm_ref_get_host_info(found) == (void *)1);
  wasm_ref_delete(found);
  wasm_tabletype_delete(type);
  wasm_table_delete(table);
  wasm_func_delete(many);
  mixing.store = NULL;
  mixing.engine = NULL;
  world_free(&mixing);
  world_free(&world);
  CHECK_INT(ended[1], 2);
  CHECK_INT(ended[2], 20000);
}

/* One that only a frame of the guest has lives on. */
struct keeping {
  wasm_store_t *store;
  wasm_foreign_t *given;
};

static wasm_trap_t *drop_and_make_many(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  struct keeping *keeping = env;
  wasm_foreign_delete(keeping->given);
  wasm_limits_t one = {1, 1};
  wasm_tabletype_t *type = wasm_tabletype_new(wasm_valtype_new_externref(), &one);
  wasm_table_t *table = wasm_table_new(keeping->store, type, NULL);
  wasm_tabletype_delete(type);
  for (int i = 0; i < 5000; i++) {
    wasm_foreign_t *foreign = wasm_foreign_new(keeping->store);
    wasm_foreign_set_host_info_with_finalizer(foreign, (void *)2, note_end);
    CHECK(wasm_table_set(table, 0, wasm_foreign_as_ref(foreign)));
    wasm_foreign_delete(foreign);
  }
  wasm_table_delete(table);
  return NULL;
}

TEST(what_a_frame_of_the_guest_has_lives) {
  struct world world = world_new();
  memset(ended, 0, sizeof ended);
  struct keeping keeping = {world.store, wasm_foreign_new(world.store)};
  wasm_func_t *many = host(world.store, wasm_functype_new_0_0(), drop_and_make_many, &keeping);
  LOAD(&world, KEEP_WASM);
  INSTANTIATE(&world, wasm_func_as_extern(many));
  wasm_foreign_set_host_info_with_finalizer(keeping.given, (void *)1, note_end);
  wasm_val_t args[1] = {REF(wasm_foreign_as_ref(keeping.given))}, result;
  CHECK_TEXT(trap_text(call(world_func(&world, "keep"), 1, args, &result)), "no trap");
  CHECK(ended[1] == 0 && ended[2] > 2000);
  CHECK(wasm_ref_get_host_info(result.of.ref) == (void *)1);
  wasm_val_delete(&result);
  wasm_func_delete(many);
  world_free(&world);
  CHECK(ended[1] == 1 && ended[2] == 5000);
}

static wasm_trap_t *do_nothing(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) { return NULL; }

TEST(functions_end_with_the_store) {
  struct world world = world_new();
  memset(ended, 0, sizeof ended);
  wasm_functype_t *type = wasm_functype_new_0_0();
  wasm_func_t *func = wasm_func_new_with_env(world.store, type, do_nothing, (void *)1, note_end);
  wasm_functype_delete(type);
  wasm_func_delete(func);
  CHECK_INT(ended[1], 0);
  world_free(&world);
  CHECK_INT(ended[1], 1);
}

/* ---- Traps --------------------------------------------------------------------------------------------------------- */

struct failing {
  const struct world *world;
  wasm_trap_t *trap; /* that was returned; a copy */
  enum { FAIL, SUCCEED, NEST_AND_PASS_ON, NEST_AND_CATCH } what;
};

static wasm_trap_t *fail(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  struct failing *failing = env;
  wasm_trap_t *trap = NULL;
  if (failing->what == FAIL) trap = trap_new(failing->world->store, "no such luck");
  if (failing->what >= NEST_AND_PASS_ON) trap = call(world_func(failing->world, "boom"), 0, NULL, NULL);
  if (failing->what == NEST_AND_CATCH) {
    CHECK_TEXT(trap_text(trap), "unreachable instruction executed");
    trap = NULL;
  }
  failing->trap = wasm_trap_copy(trap);
  results->data[0] = I32(args->data[0].of.i32 + 1);
  return trap;
}

static struct world trap_world(struct failing *failing) {
  struct world world = world_new();
  wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_func_t *func = host(world.store, type, fail, failing);
  LOAD(&world, TRAPS_WASM);
  INSTANTIATE(&world, wasm_func_as_extern(func));
  wasm_func_delete(func);
  return world;
}

/* "2+0x4 1+0x2": function and offset in the function of each frame. */
static const char *trace_text(const struct world *world, const wasm_trap_t *trap) {
  static char text[256];
  wasm_frame_vec_t trace;
  wasm_trap_trace(trap, &trace);
  text[0] = '\0';
  for (size_t i = 0; i < trace.size; i++) {
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u+0x%zx", i ? " " : "",
             wasm_frame_func_index(trace.data[i]), wasm_frame_func_offset(trace.data[i]));
    CHECK(wasm_instance_same(wasm_frame_instance(trace.data[i]), world->instance));
  }
  wasm_frame_t *origin = wasm_trap_origin(trap);
  CHECK((origin != NULL) == (trace.size > 0));
  if (origin) CHECK_INT(wasm_frame_module_offset(origin), wasm_frame_module_offset(trace.data[0]));
  wasm_frame_delete(origin);
  wasm_frame_vec_delete(&trace);
  return text;
}

TEST(traps_tell_where) {
  struct failing failing = {0};
  struct world world = trap_world(&failing);
  failing.world = &world;
  wasm_trap_t *trap = call(world_func(&world, "boom"), 0, NULL, NULL);
  CHECK_TEXT(trace_text(&world, trap), "3+0x2 4+0x3");
  wasm_frame_t *origin = wasm_trap_origin(trap);
  CHECK_INT(wasm_frame_module_offset(origin), 0x7c);
  wasm_frame_delete(origin);
  CHECK_TEXT(trap_text(trap), "unreachable instruction executed");
  wasm_val_t args[2] = {I32(1), I32(0)}, result;
  CHECK_TEXT(trap_text(call(world_func(&world, "divide"), 2, args, &result)), "integer divide by zero");
  CHECK_TEXT(trap_text(call(world_func(&world, "throw"), 0, NULL, NULL)), "uncaught exception of tag 0 with i32 5");
  /* A trap is a call's result, not the store's state. */
  args[1] = I32(-1);
  CHECK_INT(call_int(&world, "divide", 2, args), -1);
  world_free(&world);
}

TEST(exhaustion_is_a_trap) {
  struct failing failing = {0};
  struct world world = trap_world(&failing);
  CHECK_TEXT(trap_text(call(world_func(&world, "deep"), 0, NULL, NULL)), "call stack exhausted");
  world_free(&world);
}

TEST(traps_of_the_host_come_out_as_themselves) {
  struct failing failing = {0};
  struct world world = trap_world(&failing);
  failing.world = &world;
  wasm_val_t args[1] = {I32(41)}, result = WASM_I32_VAL(7);
  wasm_trap_t *trap = call(world_func(&world, "fail"), 1, args, &result);
  CHECK(wasm_trap_same(trap, failing.trap));
  CHECK_INT(result.of.i32, 7);
  CHECK_TEXT(trace_text(&world, trap), "1+0x3 2+0x3");
  wasm_trap_delete(failing.trap);
  CHECK_TEXT(trap_text(trap), "no such luck");

  failing.what = NEST_AND_PASS_ON;
  trap = call(world_func(&world, "fail"), 1, args, &result);
  CHECK(wasm_trap_same(trap, failing.trap));
  CHECK_TEXT(trace_text(&world, trap), "3+0x2 4+0x3 1+0x3 2+0x3");
  wasm_trap_delete(failing.trap);
  CHECK_TEXT(trap_text(trap), "unreachable instruction executed");

  failing.what = NEST_AND_CATCH;
  CHECK_INT(call_int(&world, "fail", 1, args), 42);
  failing.what = SUCCEED;
  CHECK_INT(call_int(&world, "fail", 1, args), 42);
  world_free(&world);
}

/* Two of one store, two ways of deleting: the trap outlives everything. */
TEST(traps_outlive_the_store) {
  struct failing failing = {0};
  struct world world = trap_world(&failing);
  wasm_trap_t *trap = call(world_func(&world, "boom"), 0, NULL, NULL), *made = trap_new(world.store, "mine");
  wasm_frame_t *origin = wasm_trap_origin(trap);
  world_free(&world);
  CHECK(wasm_frame_instance(origin) != NULL);
  CHECK_INT(wasm_frame_func_index(origin), 3);
  wasm_frame_delete(origin);
  CHECK_TEXT(trap_text(trap), "unreachable instruction executed");
  CHECK_TEXT(trap_text(made), "mine");
}

TEST(references_may_outlive_the_store) {
  struct world world = world_new();
  LOAD(&world, STATE_WASM);
  INSTANTIATE(&world, NULL);
  wasm_foreign_t *foreign = wasm_foreign_new(world.store);
  wasm_store_delete(world.store);
  world.store = NULL;
  wasm_val_t args[2] = {I32(1), I32(2)}, result;
  CHECK_TEXT(trap_text(call(world_func(&world, "add"), 2, args, &result)), "the function's store was deleted");
  wasm_memory_t *memory = wasm_extern_as_memory(world_export(&world, "memory"));
  wasm_table_t *table = wasm_extern_as_table(world_export(&world, "table"));
  wasm_global_t *global = wasm_extern_as_global(world_export(&world, "count"));
  CHECK(!wasm_memory_data(memory) && wasm_memory_data_size(memory) == 0 && !wasm_memory_grow(memory, 1));
  CHECK(!wasm_table_get(table, 0) && wasm_table_size(table) == 0 && !wasm_table_set(table, 0, NULL));
  CHECK(!wasm_table_grow(table, 1, NULL) && !wasm_func_type(world_func(&world, "add")));
  wasm_global_get(global, &result);
  CHECK(result.kind == WASM_I64 && result.of.i64 == 0);
  wasm_global_set(global, &args[0]);
  wasm_extern_vec_t exports;
  wasm_instance_exports(world.instance, &exports);
  CHECK_INT(exports.size, 0);
  CHECK(!wasm_module_share(world.module));
  wasm_extern_t *copy = wasm_extern_copy(world_export(&world, "add"));
  CHECK(wasm_extern_same(copy, world_export(&world, "add")) && wasm_extern_kind(copy) == WASM_EXTERN_FUNC);
  wasm_extern_delete(copy);
  wasm_foreign_delete(foreign);
  world_free(&world);
}

/* ---- Instances ----------------------------------------------------------------------------------------------------- */

static wasm_trap_t *count_calls(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  ++*(int *)env;
  return NULL;
}
static wasm_trap_t *stop(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  return trap_new(env, "not today");
}

static wasm_memory_t *memory_new(wasm_store_t *store, uint32_t min, uint32_t max) {
  wasm_limits_t limits = {min, max};
  wasm_memorytype_t *type = wasm_memorytype_new(&limits);
  wasm_memory_t *memory = wasm_memory_new(store, type);
  wasm_memorytype_delete(type);
  return memory;
}

#define CHECK_REFUSED(world, text, ...)                                         \
  do {                                                                          \
    wasm_extern_t *given[] = {__VA_ARGS__};                                     \
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(given);                          \
    CHECK_TEXT(world_instantiate(world, &imports), text);                       \
    CHECK(!wasm_instance_new((world)->store, (world)->module, &imports, NULL)); \
  } while (0)

TEST(imports_have_to_fit) {
  struct world world = world_new(), other = world_new();
  int calls = 0;
  wasm_func_t *begin = host(world.store, wasm_functype_new_0_0(), count_calls, &calls);
  wasm_func_t *wrong = host(world.store, wasm_functype_new_0_1(wasm_valtype_new_i64()), count_calls, &calls);
  wasm_func_t *trapping = host(world.store, wasm_functype_new_0_0(), stop, world.store);
  wasm_func_t *stranger = host(other.store, wasm_functype_new_0_0(), count_calls, &calls);
  wasm_memory_t *memory = memory_new(world.store, 1, 2), *large = memory_new(world.store, 1, wasm_limits_max_default);
  wasm_extern_t *first = wasm_func_as_extern(begin), *second = wasm_memory_as_extern(memory);
  LOAD(&world, START_WASM);
  CHECK_REFUSED(&world, "import 1, \"host\" \"memory\", is given nothing", first);
  CHECK_REFUSED(&world, "import 1, \"host\" \"memory\", is given nothing", first, NULL);
  CHECK_REFUSED(&world, "import \"host\" \"begin\" is a function () -> (), but a memory of 1 page, at most 2 was given",
                second, first);
  CHECK_REFUSED(&world, "import \"host\" \"begin\" is a function () -> (), but a function () -> (i64) was given",
                wasm_func_as_extern(wrong), second);
  CHECK_REFUSED(&world,
                "import \"host\" \"memory\" is a memory of at least 1 page, at most 2, but a memory of 1 page, "
                "no maximum was given",
                first, wasm_memory_as_extern(large));
  CHECK_REFUSED(&world, "import 0, \"host\" \"begin\", is given an object of another store",
                wasm_func_as_extern(stranger), second);
  CHECK_INT(calls, 0);
  CHECK_REFUSED(&world, "not today", wasm_func_as_extern(trapping), second); /* by the start function */
  INSTANTIATE(&world, first, second, NULL);                                  /* one too many is ignored */
  CHECK_INT(calls, 1);
  wasm_func_delete(begin);
  wasm_func_delete(wrong);
  wasm_func_delete(trapping);
  wasm_func_delete(stranger);
  wasm_memory_delete(memory);
  wasm_memory_delete(large);
  world_free(&other);
  world_free(&world);
}

/* ---- Globals, tables, memories --------------------------------------------------------------------------------------- */

TEST(globals) {
  struct world world = world_new();
  LOAD(&world, STATE_WASM);
  INSTANTIATE(&world, NULL);
  wasm_global_t *count = wasm_extern_as_global(world_export(&world, "count"));
  wasm_global_t *limit = wasm_extern_as_global(world_export(&world, "limit"));
  wasm_val_t value, result;
  wasm_global_get(count, &value);
  CHECK(value.kind == WASM_I64 && value.of.i64 == 7);
  value.of.i64 = -3;
  wasm_global_set(count, &value);
  CHECK_TEXT(trap_text(call(world_func(&world, "bump"), 0, NULL, &result)), "no trap");
  CHECK_INT(result.of.i64, -2);
  wasm_global_set(count, &I32(9)); /* of another type */
  wasm_global_get(count, &value);
  CHECK_INT(value.of.i64, -2);
  wasm_global_set(limit, &(wasm_val_t)WASM_F32_VAL(9));
  wasm_global_get(limit, &value);
  CHECK(value.kind == WASM_F32 && value.of.f32 == 1.5f);
  CHECK_TEXT(cay_wasm_store_error(world.store)->text, "the global is a constant");
  wasm_globaltype_t *type = wasm_globaltype_new(wasm_valtype_new_f64(), WASM_VAR);
  CHECK(!wasm_global_new(world.store, type, &value)); /* an f32 */
  wasm_global_t *own = wasm_global_new(world.store, type, &(wasm_val_t)WASM_F64_VAL(2.5));
  wasm_globaltype_delete(type);
  wasm_global_get(own, &value);
  CHECK(value.of.f64 == 2.5 && !wasm_global_same(own, count));
  type = wasm_global_type(own);
  CHECK_INT(wasm_valtype_kind(wasm_globaltype_content(type)), WASM_F64);
  CHECK_INT(wasm_globaltype_mutability(type), WASM_VAR);
  wasm_globaltype_delete(type);
  wasm_global_delete(own);
  world_free(&world);
}

TEST(tables) {
  struct world world = world_new();
  LOAD(&world, STATE_WASM);
  INSTANTIATE(&world, NULL);
  wasm_table_t *table = wasm_extern_as_table(world_export(&world, "table"));
  wasm_ref_t *add = wasm_func_as_ref(world_func(&world, "add"));
  wasm_foreign_t *foreign = wasm_foreign_new(world.store);
  wasm_ref_t *found = wasm_table_get(table, 1);
  CHECK(wasm_ref_same(found, add) && !wasm_table_get(table, 0) && !wasm_table_get(table, 2));
  wasm_ref_delete(found);
  wasm_val_t args[3] = {I32(0), I32(40), I32(2)}, result;
  CHECK(wasm_table_set(table, 0, add));
  CHECK_INT(call_int(&world, "apply", 3, args), 42);
  CHECK(wasm_table_set(table, 0, NULL));
  CHECK_TEXT(trap_text(call(world_func(&world, "apply"), 3, args, &result)),
             "uninitialized element: the table's entry is null");
  CHECK(!wasm_table_set(table, 2, add) && !wasm_table_set(table, 0, wasm_foreign_as_ref(foreign)));
  CHECK(wasm_table_grow(table, 2, add) && wasm_table_size(table) == 4);
  CHECK(!wasm_table_grow(table, 2, add) && !wasm_table_grow(table, 1, wasm_foreign_as_ref(foreign)));
  CHECK(wasm_table_grow(table, 1, NULL) && wasm_table_grow(table, 0, NULL) && wasm_table_size(table) == 5);
  args[0] = I32(3);
  CHECK_INT(call_int(&world, "apply", 3, args), 42);
  wasm_limits_t limits = {3, 2};
  wasm_tabletype_t *backwards = wasm_tabletype_new(wasm_valtype_new_funcref(), &limits);
  wasm_tabletype_t *numbers = wasm_tabletype_new(wasm_valtype_new_i32(), &(wasm_limits_t){1, 1});
  wasm_tabletype_t *any = wasm_tabletype_new(wasm_valtype_new_externref(), &(wasm_limits_t){2, 0xffffffff});
  CHECK(!wasm_table_new(world.store, backwards, NULL) && !wasm_table_new(world.store, numbers, NULL));
  wasm_table_t *own = wasm_table_new(world.store, any, wasm_foreign_as_ref(foreign));
  found = wasm_table_get(own, 1);
  CHECK(wasm_ref_same(found, wasm_foreign_as_ref(foreign)));
  wasm_ref_delete(found);
  wasm_tabletype_delete(backwards);
  wasm_tabletype_delete(numbers);
  wasm_tabletype_delete(any);
  wasm_table_delete(own);
  wasm_foreign_delete(foreign);
  world_free(&world);
}

TEST(memories) {
  struct world world = world_new();
  LOAD(&world, STATE_WASM);
  INSTANTIATE(&world, NULL);
  wasm_memory_t *memory = wasm_extern_as_memory(world_export(&world, "memory"));
  CHECK(wasm_memory_size(memory) == 1 && wasm_memory_data_size(memory) == MEMORY_PAGE_SIZE);
  CHECK(memcmp(wasm_memory_data(memory) + 8, "seed", 4) == 0);
  wasm_val_t args[1] = {I32(1)}, result;
  CHECK_INT(call_int(&world, "grow", 1, args), 1); /* by the guest: pointers are asked for anew */
  CHECK_INT(wasm_memory_data_size(memory), 2 * MEMORY_PAGE_SIZE);
  wasm_memory_data(memory)[2 * MEMORY_PAGE_SIZE - 1] = 99;
  args[0] = I32(2 * MEMORY_PAGE_SIZE - 1);
  CHECK_INT(call_int(&world, "load", 1, args), 99);
  args[0] = I32(2 * MEMORY_PAGE_SIZE);
  CHECK_TEXT(trap_text(call(world_func(&world, "load"), 1, args, &result)), "out of bounds memory access");
  CHECK(wasm_memory_grow(memory, 1) && !wasm_memory_grow(memory, 1) && wasm_memory_grow(memory, 0));
  CHECK_INT(call_int(&world, "load", 1, args), 0);
  CHECK(memcmp(wasm_memory_data(memory) + 8, "seed", 4) == 0);
  wasm_memorytype_t *type = wasm_memory_type(memory);
  CHECK(wasm_memorytype_limits(type)->min == 3 && wasm_memorytype_limits(type)->max == 3);
  wasm_memorytype_delete(type);
  CHECK(!memory_new(world.store, 2, 1) && !memory_new(world.store, 65537, 0xffffffff));
  CHECK(!memory_new(world.store, 0, 65537));
  wasm_memory_t *empty = memory_new(world.store, 0, 65536);
  CHECK(wasm_memory_data_size(empty) == 0 && wasm_memory_data(empty) != NULL && wasm_memory_grow(empty, 1));
  wasm_memory_data(empty)[0] = 1;
  wasm_memory_delete(empty);
  world_free(&world);
}

/* ---- Modules and types ------------------------------------------------------------------------------------------------ */

TEST(modules) {
  struct world world = world_new();
  LOAD(&world, START_WASM);
  wasm_importtype_vec_t imports, copies;
  wasm_module_imports(world.module, &imports);
  wasm_importtype_vec_copy(&copies, &imports);
  wasm_importtype_vec_delete(&imports);
  CHECK_INT(copies.size, 2);
  CHECK(memcmp(wasm_importtype_module(copies.data[0])->data, "host", 4) == 0);
  CHECK(memcmp(wasm_importtype_name(copies.data[1])->data, "memory", 6) == 0);
  const wasm_externtype_t *type = wasm_importtype_type(copies.data[1]);
  CHECK_INT(wasm_externtype_kind(type), WASM_EXTERN_MEMORY);
  CHECK(!wasm_externtype_as_functype_const(type));
  CHECK_INT(wasm_memorytype_limits(wasm_externtype_as_memorytype_const(type))->max, 2);
  wasm_importtype_vec_delete(&copies);

  wasm_byte_vec_t bytes;
  wasm_module_serialize(world.module, &bytes);
  wasm_module_t *again = wasm_module_deserialize(world.store, &bytes);
  CHECK(again && !wasm_module_same(again, world.module) && wasm_module_validate(world.store, &bytes));
  wasm_module_delete(again);
  bytes.data[8] = 99;
  CHECK(!wasm_module_new(world.store, &bytes) && !wasm_module_validate(world.store, &bytes));
  CHECK_INT(cay_wasm_store_error(world.store)->status, CAY_ERROR_MALFORMED);
  CHECK_INT(cay_wasm_store_error(world.store)->offset, 8);
  wasm_byte_vec_delete(&bytes);
  wasm_byte_vec_t nothing = WASM_EMPTY_VEC;
  CHECK(!wasm_module_new(world.store, &nothing));

  wasm_shared_module_t *shared = wasm_module_share(world.module);
  wasm_module_t *here = wasm_module_obtain(world.store, shared);
  CHECK(wasm_module_same(here, world.module));
  wasm_module_delete(here);
  wasm_shared_module_delete(shared);
  world_free(&world);
}

TEST(types) {
  wasm_functype_t *type =
      wasm_functype_new_3_2(wasm_valtype_new_i32(), wasm_valtype_new_f64(), wasm_valtype_new_externref(),
                            wasm_valtype_new_funcref(), wasm_valtype_new_i64());
  wasm_externtype_t *copy = wasm_externtype_copy(wasm_functype_as_externtype(type));
  wasm_functype_delete(type);
  const wasm_functype_t *func = wasm_externtype_as_functype(copy);
  CHECK(func && !wasm_externtype_as_globaltype(copy) && !wasm_externtype_as_tabletype(NULL));
  CHECK(wasm_functype_params(func)->size == 3 && wasm_functype_results(func)->size == 2);
  CHECK_INT(wasm_valtype_kind(wasm_functype_params(func)->data[2]), WASM_EXTERNREF);
  CHECK(wasm_valtype_is_ref(wasm_functype_results(func)->data[0]));
  CHECK(wasm_valtype_is_num(wasm_functype_results(func)->data[1]));
  wasm_externtype_delete(copy);
  /* What lacks a part does not come into being, and the rest is not lost. */
  CHECK(!wasm_valtype_new(77) && !wasm_valtype_new(CAY_WASM_V128));
  CHECK(!wasm_functype_new_2_1(wasm_valtype_new_i32(), NULL, wasm_valtype_new_i32()));
  CHECK(!wasm_globaltype_new(NULL, WASM_VAR) && !wasm_tabletype_new(NULL, &(wasm_limits_t){0, 0}));
  wasm_name_t module, name;
  wasm_name_new_from_string(&module, "from");
  wasm_name_new_from_string(&name, "name");
  CHECK(!wasm_importtype_new(&module, &name, NULL));
  wasm_name_new_from_string(&name, "name");
  CHECK(!wasm_exporttype_new(&name, NULL));
  wasm_val_t pointer;
  wasm_val_init_ptr(&pointer, &name);
  CHECK(wasm_val_ptr(&pointer) == &name);
}

/* ---- Beyond the standard ------------------------------------------------------------------------------------------------ */

TEST(what_the_standard_lacks_is_told) {
  struct world world = world_new();
  LOAD(&world, BEYOND_WASM);
  INSTANTIATE(&world, NULL);
  CHECK_INT(wasm_extern_kind(world_export(&world, "tag")), CAY_WASM_EXTERN_TAG);
  CHECK(!wasm_extern_as_memory(world_export(&world, "tag")));
  wasm_externtype_t *type = wasm_extern_type(world_export(&world, "tag"));
  CHECK_INT(wasm_externtype_kind(type), CAY_WASM_EXTERN_TAG);
  wasm_externtype_delete(type);
  wasm_memory_t *wide = wasm_extern_as_memory(world_export(&world, "wide"));
  wasm_memorytype_t *memory_type = wasm_memory_type(wide);
  CHECK(wasm_memorytype_limits(memory_type)->min == 1 && wasm_memorytype_limits(memory_type)->max == 0xffffffff);
  wasm_memorytype_delete(memory_type);
  CHECK(wasm_memory_data_size(wide) == MEMORY_PAGE_SIZE && wasm_memory_grow(wide, 1) && wasm_memory_size(wide) == 2);

  wasm_functype_t *vectors = wasm_func_type(world_func(&world, "vectors"));
  CHECK_INT(wasm_valtype_kind(wasm_functype_params(vectors)->data[0]), CAY_WASM_V128);
  CHECK(wasm_valtype_is_num(wasm_functype_params(vectors)->data[0]));
  CHECK(!wasm_func_new(world.store, vectors, NULL));
  wasm_functype_delete(vectors);
  wasm_val_t args[1] = {I32(7)}, result;
  CHECK_TEXT(trap_text(call(world_func(&world, "vectors"), 1, args, &result)),
             "result 0 is a v128, which wasm.h does not have");
  wasm_global_get(wasm_extern_as_global(world_export(&world, "vector")), &result);
  CHECK_INT(result.kind, CAY_WASM_V128);
  wasm_functype_t *make = wasm_func_type(world_func(&world, "make"));
  CHECK_INT(wasm_valtype_kind(wasm_functype_results(make)->data[0]), CAY_WASM_REF);
  wasm_functype_delete(make);
  world_free(&world);
}

static wasm_ref_t *call_ref(const struct world *world, const char *name, size_t count, int32_t arg) {
  wasm_val_t args[1] = {I32(arg)}, result = WASM_INIT_VAL;
  CHECK_TEXT(trap_text(call(world_func(world, name), count, args, &result)), "no trap");
  CHECK_INT(result.kind, WASM_EXTERNREF);
  return result.of.ref;
}

TEST(objects_of_the_guest) {
  struct world world = world_new();
  LOAD(&world, BEYOND_WASM);
  INSTANTIATE(&world, NULL);
  enum { COUNT = 100 };
  wasm_ref_t *cells[COUNT];
  for (int i = 0; i < COUNT; i++) cells[i] = call_ref(&world, "make", 1, i);
  for (int i = 0; i < COUNT; i += 2) wasm_ref_delete(cells[i]); /* their places are used again */
  for (int i = 0; i < COUNT; i += 2) cells[i] = call_ref(&world, "make", 1, 1000 + i);
  wasm_val_t args[1] = {I32(1000000)}, result;
  CHECK_TEXT(trap_text(call(world_func(&world, "churn"), 1, args, NULL)), "no trap"); /* collects */
  for (int i = 0; i < COUNT; i++) {
    args[0] = REF(cells[i]);
    CHECK_INT(call_int(&world, "read", 1, args), i % 2 ? i : 1000 + i);
    CHECK_INT(call_int(&world, "typed", 1, args), i % 2 ? i : 1000 + i);
    CHECK(!wasm_ref_as_foreign(cells[i]) && !wasm_ref_as_func(cells[i]));
  }
  wasm_global_t *any = wasm_extern_as_global(world_export(&world, "any"));
  wasm_global_set(any, args); /* not of a type that wasm.h can name */
  wasm_global_get(any, &result);
  CHECK(result.kind == WASM_EXTERNREF && !result.of.ref);
  wasm_ref_t *small = call_ref(&world, "small", 0, 0), *same = call_ref(&world, "small", 0, 0);
  CHECK(wasm_ref_same(small, same) && !wasm_ref_same(small, cells[1]));
  wasm_ref_delete(same);

  args[0] = REF(NULL);
  CHECK_TEXT(trap_text(call(world_func(&world, "typed"), 1, args, &result)),
             "argument 0: null where a value of type (ref 0) is expected");
  args[0] = REF(small);
  CHECK_TEXT(trap_text(call(world_func(&world, "typed"), 1, args, &result)),
             "argument 0: another reference where a value of type (ref 0) is expected");
  CHECK_TEXT(trap_text(call(world_func(&world, "read"), 1, args, &result)),
             "cast failure: the reference is not of the type");
  /* Exceptions are none of the other objects, and those no exceptions. */
  wasm_ref_t *thrown = call_ref(&world, "catch", 0, 0);
  args[0] = REF(thrown);
  CHECK_TEXT(trap_text(call(world_func(&world, "rethrow"), 1, args, NULL)),
             "uncaught exception of tag \"tag\" with i32 5");
  CHECK_TEXT(trap_text(call(world_func(&world, "read"), 1, args, &result)),
             "argument 0: another reference where a value of type anyref is expected");
  args[0] = REF(cells[0]);
  CHECK_TEXT(trap_text(call(world_func(&world, "rethrow"), 1, args, NULL)),
             "argument 0: another reference where a value of type exnref is expected");
  args[0] = REF(wasm_func_as_ref(world_func(&world, "make")));
  CHECK_TEXT(trap_text(call(world_func(&world, "typed"), 1, args, &result)),
             "argument 0: another reference where a value of type (ref 0) is expected");
  wasm_ref_delete(thrown);
  wasm_ref_delete(small);
  for (int i = 0; i < COUNT; i++) wasm_ref_delete(cells[i]);
  world_free(&world);
}

/* ---- What cay.h adds ------------------------------------------------------------------------------------------------------ */

static void *interrupt_soon(void *store) {
  nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
  cay_wasm_store_interrupt(store);
  return NULL;
}

TEST(calls_are_interrupted) {
  struct failing failing = {0};
  struct world world = trap_world(&failing);
  failing.world = &world;
  failing.what = SUCCEED;
  pthread_t thread;
  CHECK_INT(pthread_create(&thread, NULL, interrupt_soon, world.store), 0);
  CHECK_TEXT(trap_text(call(world_func(&world, "spin"), 0, NULL, NULL)), "interrupted");
  pthread_join(thread, NULL);
  wasm_val_t args[1] = {I32(1)};
  CHECK_INT(call_int(&world, "fail", 1, args), 2); /* and go on after that */
  cay_wasm_store_interrupt(world.store);
  CHECK_TEXT(trap_text(call(world_func(&world, "spin"), 0, NULL, NULL)), "interrupted");
  cay_wasm_store_interrupt(world.store); /* too late for the one and too early for the next */
  cay_wasm_store_clear_interrupt(world.store);
  CHECK_INT(call_int(&world, "fail", 1, args), 2);
  world_free(&world);
}

TEST(stores_have_budgets) {
  struct world world = {.engine = engine_new()};
  cay_budget *budget = NULL;
  struct cay_error error;
  CHECK_INT(cay_budget_new(NULL, &budget, &error), CAY_OK);
  CHECK_INT(cay_budget_set_limit(budget, CAY_LIMIT_MEMORY, 2 * MEMORY_PAGE_SIZE + 1000, &error), CAY_OK);
  CHECK_INT(cay_wasm_store_new(world.engine, budget, &world.store, &error), CAY_OK);
  LOAD(&world, STATE_WASM);
  INSTANTIATE(&world, NULL);
  wasm_memory_t *memory = wasm_extern_as_memory(world_export(&world, "memory"));
  CHECK(wasm_memory_grow(memory, 1) && !wasm_memory_grow(memory, 1));
  CHECK(!memory_new(world.store, 1, 1));
  CHECK_INT(cay_wasm_store_error(world.store)->status, CAY_ERROR_LIMIT);
  CHECK(cay_budget_used(budget, CAY_LIMIT_MEMORY) >= 2 * MEMORY_PAGE_SIZE);
  world_free(&world);
  CHECK_INT(cay_budget_used(budget, CAY_LIMIT_MEMORY), 0);
  cay_budget_release(budget);
}

/* ---- Threads ---------------------------------------------------------------------------------------------------------------- */

struct sharing {
  wasm_engine_t *engine;
  const wasm_shared_module_t *module;
};

static void *run_shared(void *argument) {
  const struct sharing *sharing = argument;
  intptr_t wrong = 0;
  for (int round = 0; round < 20; round++) {
    wasm_store_t *store = wasm_store_new(sharing->engine);
    wasm_module_t *module = wasm_module_obtain(store, sharing->module);
    wasm_extern_vec_t none = WASM_EMPTY_VEC, exports;
    wasm_instance_t *instance = wasm_instance_new(store, module, &none, NULL);
    wasm_instance_exports(instance, &exports);
    wasm_val_t args[2] = {I32(round), I32(1000)}, result = WASM_I32_VAL(0);
    wasm_trap_t *trap = call(wasm_extern_as_func(exports.data[5]), 2, args, &result);
    wrong += trap != NULL || result.of.i32 != round + 1000;
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_module_delete(module);
    wasm_store_delete(store);
  }
  return (void *)wrong;
}

TEST(modules_are_shared_by_threads) {
  struct world world = world_new();
  LOAD(&world, STATE_WASM);
  wasm_shared_module_t *shared = wasm_module_share(world.module);
  wasm_engine_t *engine = world.engine;
  wasm_module_delete(world.module);
  wasm_store_delete(world.store);
  struct sharing sharing = {engine, shared};
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&threads[i], NULL, run_shared, &sharing), 0);
  for (int i = 0; i < 4; i++) {
    void *wrong;
    pthread_join(threads[i], &wrong);
    CHECK(!wrong);
  }
  wasm_shared_module_delete(shared);
  wasm_engine_delete(engine);
}

static int run_in_tier(const char *tier) {
  cay_engine_config *config = NULL;
  CHECK_INT(cay_engine_config_new(&config, NULL), CAY_OK);
  enum cay_status status = cay_engine_config_set_tier(config, tier, NULL);
  cay_engine_config_free(config);
  if (status != CAY_OK) return 0; /* a build without it */
  printf("in the tier %s:\n", tier);
  test_tier = tier;
  RUN(values_cross_both_ways)
  RUN(wrong_values_are_refused)
  RUN(host_info_belongs_to_the_object)
  RUN(what_the_guest_dropped_ends)
  RUN(what_a_frame_of_the_guest_has_lives)
  RUN(functions_end_with_the_store)
  RUN(traps_tell_where)
  RUN(exhaustion_is_a_trap)
  RUN(traps_of_the_host_come_out_as_themselves)
  RUN(traps_outlive_the_store)
  RUN(references_may_outlive_the_store)
  RUN(imports_have_to_fit)
  RUN(globals)
  RUN(tables)
  RUN(memories)
  RUN(modules)
  RUN(types)
  RUN(what_the_standard_lacks_is_told)
  RUN(objects_of_the_guest)
  RUN(calls_are_interrupted)
  RUN(stores_have_budgets)
  RUN(modules_are_shared_by_threads)
  return 1;
}

int main(void) {
  CHECK(run_in_tier("interp"));
  run_in_tier("baseline");
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
