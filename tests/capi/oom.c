/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The standard C API while allocation number 1, 2, 3 ... fails, until a round needs no more than were allowed. Whatever
 * fails returns NULL, an empty vector or a trap; no round may crash, lose memory, run a finalizer twice or not at all, or
 * take a call that failed for one that returned. Meant for AddressSanitizer, too. */
#include <cay.h>
#include <wasm.h>

#include "failing.h"
#include "modules.h"
#include "test.h"

static int finalizers_due, finalizers_run;
static void note_end(void *info) { finalizers_run++; }

/* ---- What came of a call ------------------------------------------------------------------------------------------- */

/* A trap for want of memory; if that went so far that its message could not be copied, it is taken for one. */
static bool is_of_memory(const wasm_message_t *message) {
  static const char *const texts[] = {"the host is out of memory", "out of memory",
                                      "no memory left for objects: the memory limit is reached"};
  bool is = message->size == 0;
  for (size_t i = 0; i < 3; i++) is |= message->size > 0 && strcmp(message->data, texts[i]) == 0;
  return is;
}

/* Ends the trap. True: the call returned as it should, with the trap `expected` if that is not NULL. */
static bool went_well(wasm_trap_t *trap, const char *expected) {
  if (!trap) {
    CHECK(!expected);
    return true;
  }
  wasm_frame_vec_t trace;
  wasm_message_t message;
  wasm_trap_trace(trap, &trace);
  wasm_frame_delete(wasm_trap_origin(trap));
  wasm_trap_message(trap, &message);
  bool is_expected = expected && message.size > 0 && strcmp(message.data, expected) == 0;
  if (!is_expected && !is_of_memory(&message)) {
    fprintf(stderr, "allocation %lu: %s\n", allowed + 1, message.data);
    test_failures++;
  }
  wasm_frame_vec_delete(&trace);
  wasm_byte_vec_delete(&message);
  wasm_trap_delete(trap);
  return is_expected;
}

static bool call(const wasm_extern_vec_t *exports, size_t index, wasm_val_vec_t *args, wasm_val_vec_t *results,
                 const char *expected) {
  return went_well(wasm_func_call(wasm_extern_as_func(exports->data[index]), args, results), expected);
}

/* ---- Scenarios ------------------------------------------------------------------------------------------------------ */

static const char *tier;

static wasm_engine_t *engine_new(void) {
  wasm_config_t *config = wasm_config_new();
  if (config && cay_engine_config_set_tier(cay_wasm_config(config), tier, NULL) == CAY_OK)
    return wasm_engine_new_with_config(config);
  wasm_config_delete(config);
  return NULL;
}

static wasm_module_t *module_new(wasm_store_t *store, const unsigned char *bytes, size_t len_bytes) {
  wasm_byte_vec_t binary;
  wasm_byte_vec_new(&binary, len_bytes, (const char *)bytes);
  wasm_module_t *module = binary.size ? wasm_module_new(store, &binary) : NULL;
  wasm_byte_vec_delete(&binary);
  return module;
}
#define MODULE(store, BYTES) module_new((store), (const unsigned char[]){BYTES}, sizeof((const unsigned char[]){BYTES}))

/* What a module says of itself, copied; the vectors are whole or empty. */
static bool describe(const wasm_module_t *module) {
  wasm_importtype_vec_t imports, import_copies;
  wasm_exporttype_vec_t exports, export_copies;
  wasm_byte_vec_t bytes;
  wasm_module_imports(module, &imports);
  wasm_module_exports(module, &exports);
  wasm_importtype_vec_copy(&import_copies, &imports);
  wasm_exporttype_vec_copy(&export_copies, &exports);
  wasm_module_serialize(module, &bytes);
  bool is_whole = exports.size > 0 && export_copies.size == exports.size && bytes.size > 0;
  for (size_t i = 0; i < export_copies.size; i++) CHECK(wasm_exporttype_type(export_copies.data[i]) != NULL);
  for (size_t i = 0; i < import_copies.size; i++) CHECK(wasm_importtype_type(import_copies.data[i]) != NULL);
  wasm_importtype_vec_delete(&imports);
  wasm_importtype_vec_delete(&import_copies);
  wasm_exporttype_vec_delete(&exports);
  wasm_exporttype_vec_delete(&export_copies);
  wasm_byte_vec_delete(&bytes);
  return is_whole;
}

static wasm_trap_t *host_function(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  if (args->data[0].of.i32 == 0) {
    results->data[0].of.i32 = 5;
    return NULL;
  }
  wasm_message_t message;
  wasm_name_new_from_string_nt(&message, "refused");
  wasm_trap_t *trap = wasm_trap_new(env, &message);
  wasm_name_delete(&message);
  return trap;
}

/* As TRAPS_WASM and mix have it; a type that lost a part does not come into being. */
static wasm_functype_t *int_to_int(void) {
  wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  if (type) CHECK(wasm_functype_params(type)->size == 1 && wasm_functype_results(type)->size == 1);
  return type;
}

static wasm_func_t *host_new(wasm_store_t *store) {
  wasm_functype_t *type = int_to_int();
  wasm_func_t *func = type ? wasm_func_new_with_env(store, type, host_function, store, note_end) : NULL;
  finalizers_due += func != NULL;
  wasm_functype_delete(type);
  return func;
}

static bool use_traps(const wasm_extern_vec_t *exports) {
  if (exports->size == 0) return false; /* in the module's order: fail, boom, divide, deep, spin, throw */
  wasm_val_t argument = WASM_I32_VAL(1), result = WASM_INIT_VAL;
  wasm_val_vec_t none = WASM_EMPTY_VEC, args = {1, &argument}, results = {1, &result};
  bool is_done = call(exports, 1, &none, &none, "unreachable instruction executed");
  is_done &= call(exports, 0, &args, &results, "refused");
  is_done &= call(exports, 5, &none, &none, "uncaught exception of tag 0 with i32 5");
  argument.of.i32 = 0;
  if (!call(exports, 0, &args, &results, NULL)) return false;
  CHECK_INT(result.of.i32, 5);
  return is_done;
}

static bool traps(wasm_store_t *store) {
  wasm_module_t *module = MODULE(store, TRAPS_WASM);
  wasm_func_t *host = module ? host_new(store) : NULL;
  wasm_trap_t *trap = NULL;
  wasm_extern_vec_t exports = WASM_EMPTY_VEC;
  wasm_extern_t *given[] = {wasm_func_as_extern(host)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(given);
  wasm_instance_t *instance = host ? wasm_instance_new(store, module, &imports, &trap) : NULL;
  bool is_done = host && went_well(trap, NULL) && describe(module);
  CHECK(!is_done || instance);
  if (instance) wasm_instance_exports(instance, &exports);
  is_done = use_traps(&exports) && is_done;
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_func_delete(host);
  wasm_module_delete(module);
  return is_done;
}

static bool use_state(wasm_store_t *store, const wasm_extern_vec_t *exports) {
  if (exports->size == 0) return false; /* count, limit, held, table, memory, add, apply, load, grow, bump */
  wasm_table_t *table = wasm_extern_as_table(exports->data[3]);
  wasm_ref_t *add = wasm_func_as_ref(wasm_extern_as_func(exports->data[5])), *found;
  bool is_done = wasm_table_grow(table, 3, add);
  found = wasm_table_get(table, 1); /* exists already: needs no memory */
  CHECK(wasm_ref_same(found, add));
  wasm_ref_delete(found);
  wasm_val_t args[3] = {WASM_I32_VAL(1), WASM_I32_VAL(40), WASM_I32_VAL(2)}, result = WASM_INIT_VAL;
  wasm_val_vec_t three = WASM_ARRAY_VEC(args), one = {1, &result};
  if (call(exports, 6, &three, &one, NULL))
    CHECK_INT(result.of.i32, 42);
  else
    is_done = false;
  wasm_foreign_t *foreign = wasm_foreign_new(store);
  if (!foreign) return false;
  wasm_foreign_set_host_info_with_finalizer(foreign, &live, note_end);
  finalizers_due++;
  wasm_val_t value = WASM_REF_VAL(wasm_foreign_as_ref(foreign));
  wasm_global_set(wasm_extern_as_global(exports->data[2]), &value);
  wasm_global_get(wasm_extern_as_global(exports->data[2]), &value);
  CHECK(wasm_ref_same(value.of.ref, wasm_foreign_as_ref(foreign)));
  wasm_val_delete(&value);
  wasm_foreign_delete(foreign);
  return wasm_memory_grow(wasm_extern_as_memory(exports->data[4]), 1) && is_done;
}

static bool state(wasm_store_t *store) {
  wasm_module_t *first = MODULE(store, STATE_WASM);
  wasm_shared_module_t *shared = first ? wasm_module_share(first) : NULL;
  wasm_module_delete(first);
  wasm_module_t *module = shared ? wasm_module_obtain(store, shared) : NULL;
  wasm_shared_module_delete(shared);
  wasm_extern_vec_t exports = WASM_EMPTY_VEC, none = WASM_EMPTY_VEC;
  wasm_trap_t *trap = NULL;
  wasm_instance_t *instance = module ? wasm_instance_new(store, module, &none, &trap) : NULL;
  if (instance) {
    wasm_instance_set_host_info_with_finalizer(instance, &live, note_end);
    finalizers_due++;
    wasm_instance_exports(instance, &exports);
  }
  bool is_done = module && went_well(trap, NULL);
  is_done = use_state(store, &exports) && is_done;
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  return is_done;
}

static bool use_objects(const wasm_extern_vec_t *exports) {
  if (exports->size == 0) return false; /* make is the seventh, read the eighth */
  wasm_val_t argument = WASM_I32_VAL(9), cells[40], result = WASM_INIT_VAL;
  wasm_val_vec_t args = {1, &argument};
  size_t count = 0;
  for (bool goes_on = true; goes_on && count < 40; count += goes_on) {
    wasm_val_vec_t one = {1, &cells[count]};
    goes_on = call(exports, 6, &args, &one, NULL);
  }
  wasm_val_vec_t one = {1, &result};
  bool is_done = count == 40;
  for (size_t i = 0; i < count; i++) {
    wasm_val_vec_t cell = {1, &cells[i]};
    bool was_read = call(exports, 7, &cell, &one, NULL);
    if (was_read) CHECK_INT(result.of.i32, 9);
    is_done &= was_read;
    wasm_val_delete(&cells[i]);
  }
  return is_done;
}

static bool objects(wasm_store_t *store) {
  wasm_module_t *module = MODULE(store, BEYOND_WASM);
  wasm_extern_vec_t exports = WASM_EMPTY_VEC, none = WASM_EMPTY_VEC;
  wasm_trap_t *trap = NULL;
  wasm_instance_t *instance = module ? wasm_instance_new(store, module, &none, &trap) : NULL;
  if (instance) wasm_instance_exports(instance, &exports);
  bool is_done = module && went_well(trap, NULL) && describe(module);
  is_done = use_objects(&exports) && is_done;
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  return is_done;
}

/* What the embedder makes without any guest. */
static bool own_objects(wasm_store_t *store) {
  wasm_limits_t limits = {1, 2};
  wasm_memorytype_t *memory_type = wasm_memorytype_new(&limits);
  wasm_tabletype_t *table_type = wasm_tabletype_new(wasm_valtype_new_externref(), &limits);
  wasm_globaltype_t *global_type = wasm_globaltype_new(wasm_valtype_new_i64(), WASM_VAR);
  wasm_functype_t *func_type = int_to_int();
  wasm_externtype_t *copy = func_type ? wasm_externtype_copy(wasm_functype_as_externtype(func_type)) : NULL;
  wasm_memory_t *memory = memory_type ? wasm_memory_new(store, memory_type) : NULL;
  wasm_table_t *table = table_type ? wasm_table_new(store, table_type, NULL) : NULL;
  wasm_val_t seven = WASM_I64_VAL(7);
  wasm_global_t *global = global_type ? wasm_global_new(store, global_type, &seven) : NULL;
  wasm_externtype_t *type = table ? wasm_extern_type(wasm_table_as_extern(table)) : NULL;
  bool is_done = memory && table && global && copy && type;
  wasm_externtype_delete(type);
  wasm_externtype_delete(copy);
  wasm_functype_delete(func_type);
  wasm_globaltype_delete(global_type);
  wasm_tabletype_delete(table_type);
  wasm_memorytype_delete(memory_type);
  wasm_memory_delete(memory);
  wasm_table_delete(table);
  wasm_global_delete(global);
  return is_done;
}

static bool run_all(void) {
  wasm_engine_t *engine = engine_new();
  wasm_store_t *store = engine ? wasm_store_new(engine) : NULL;
  wasm_engine_delete(engine);
  bool is_done = store && own_objects(store);
  is_done = store && traps(store) && is_done;
  is_done = store && state(store) && is_done;
  is_done = store && objects(store) && is_done;
  wasm_store_delete(store);
  return is_done;
}

static void fail_in_turn(void) {
  CHECK(run_all()); /* loads what stays loaded */
  bool is_done = false;
  for (allowed = 0; test_failures == 0; allowed++) {
    allocations = 0;
    finalizers_due = finalizers_run = 0;
    is_done = run_all();
    CHECK_INT(live, 0);
    CHECK_INT(finalizers_run, finalizers_due);
    if (allocations <= allowed) break;
  }
  CHECK(is_done);
  printf("%s: %lu allocations failed in turn; %d failed checks\n", tier, allowed, test_failures);
}

static bool has_tier(void) {
  wasm_engine_t *engine = engine_new();
  wasm_engine_delete(engine);
  return engine != NULL;
}

int main(void) {
  static const char *const tiers[] = {"interp", "baseline"};
  cay_set_allocator(&(cay_allocator){failing_resize, NULL});
  for (int i = 0; i < 2; i++) {
    allowed = 1000000;
    tier = tiers[i];
    if (has_tier()) fail_in_turn();
  }
  return test_failures != 0;
}
