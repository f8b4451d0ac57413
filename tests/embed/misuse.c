/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What cay.h and wasm.h forbid ends the process, with a sentence that says what was wrong, in a library that was built with
 * assertions. Each misuse is tried in a process of its own. */
#include <cay.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wasm.h>

#include "modules.h"
#include "test.h"

static struct cay_error error;
static cay_engine *engine;
static cay_module *module;

/* Never gives memory to anybody else, so that what looks at an object that has ended finds it. */
static void *keep_all(void *owner, void *old, size_t new_bytes) {
  (void)owner;
  return new_bytes ? realloc(old, new_bytes) : NULL;
}

static void begin(void) {
  static const unsigned char kinds[] = {KINDS_WASM};
  cay_set_allocator(&(cay_allocator){keep_all, NULL});
  if (cay_engine_new(NULL, &engine, &error) || cay_module_load(engine, kinds, sizeof kinds, &module, &error)) exit(2);
}

static cay_run *run_new(void) {
  cay_run *run = NULL;
  return cay_run_new(module, NULL, &run, &error) == CAY_OK ? run : NULL;
}

static cay_run *opened_run(void) {
  cay_run *run = run_new();
  if (!run || cay_run_open(run, &error) != CAY_OK) exit(2);
  return run;
}

/* ---- Engines, modules, budgets -------------------------------------------------------------------------------------------- */

static void allocator_too_late(void) { cay_set_allocator(NULL); }

static void engine_before_its_runs(void) {
  run_new();
  cay_engine_free(engine);
}

static void module_of_nothing(void) { cay_module_load(engine, NULL, 1, &module, &error); }

static void engine_after_its_end(void) {
  static const unsigned char kinds[] = {KINDS_WASM};
  cay_module_release(module);
  cay_engine_free(engine);
  cay_module_load(engine, kinds, sizeof kinds, &module, &error);
}

static void module_after_its_end(void) {
  cay_module_release(module);
  run_new();
}

static void module_twice(void) {
  cay_module_release(module);
  cay_module_release(module);
}

static void budget_twice(void) {
  cay_budget *budget = NULL;
  cay_budget_new(NULL, &budget, &error);
  cay_budget_release(budget);
  cay_budget_release(budget);
}

static void no_limit(void) { cay_run_limit(run_new(), (enum cay_limit)99); }

/* ---- Runs -------------------------------------------------------------------------------------------------------------------- */

static void tables_too_late(void) { cay_run_set_table_elements(opened_run(), 1); }
static void unknown_too_late(void) { cay_run_set_unknown_imports(opened_run(), CAY_UNKNOWN_TRAP); }
static void digest_too_late(void) { cay_run_set_digest(opened_run(), true); }

static const cay_function *function_of(const cay_module *of, const char *name) {
  const cay_function *function = NULL;
  if (cay_module_function(of, name, &function, &error) != CAY_OK) exit(2);
  return function;
}

static void function_of_another(void) {
  static const unsigned char reactor[] = {REACTOR_WASM};
  cay_module *other = NULL;
  cay_module_load(engine, reactor, sizeof reactor, &other, &error);
  cay_function_params(function_of(other, "get"), module);
}

static void call_without_slots(void) { cay_run_call(opened_run(), function_of(module, "add"), NULL, &error); }
static void invoke_without_arguments(void) {
  cay_value result;
  cay_run_invoke(opened_run(), "add", NULL, 2, &result, 1, NULL, &error);
}

static cay_run *ended_run(void) {
  cay_run *run = opened_run();
  cay_run_free(run);
  return run;
}

static void call_after_its_end(void) {
  cay_run_call(ended_run(), function_of(module, "add"), (cay_slot[2]){{0}}, &error);
}
static void open_after_its_end(void) { cay_run_open(ended_run(), &error); }
static void run_twice(void) { cay_run_free(ended_run()); }
static void run_of_nothing(void) {
  cay_run *run;
  cay_run_new(NULL, NULL, &run, &error);
}
static void call_of_nothing(void) { cay_run_call(opened_run(), NULL, NULL, &error); }
static void budget_of_nothing(void) { cay_run_set_budget(run_new(), NULL, &error); }
static void preload_of_nothing(void) { cay_run_preload(run_new(), "lib", NULL, &error); }

/* ---- What programs get --------------------------------------------------------------------------------------------------------- */

static cay_wasi *wasi_new(void) {
  cay_wasi *wasi = NULL;
  if (cay_wasi_new(&wasi, &error) != CAY_OK) exit(2);
  return wasi;
}

static void argument_of_nothing(void) { cay_wasi_add_arg(wasi_new(), NULL, &error); }
static void variable_of_nothing(void) { cay_wasi_set_env(wasi_new(), "NAME", NULL, &error); }
static void grant_of_nothing(void) { cay_wasi_grant(wasi_new(), &(cay_grant){.rights = CAY_RIGHTS_READ}, &error); }
static void bytes_of_nothing(void) { cay_wasi_grant_bytes(wasi_new(), "/file", NULL, 1, NULL, &error); }
static void stream_of_nobody(void) { cay_wasi_set_stream(wasi_new(), 1, NULL, NULL, &error); }

/* ---- Functions of the host ---------------------------------------------------------------------------------------------------- */

static enum cay_status free_the_caller(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *why) {
  (void)env, (void)slots, (void)why;
  cay_run_free(cay_caller_run(caller));
  return CAY_OK;
}

static cay_imports *imports_new(void) {
  static const enum cay_type i32[] = {CAY_I32};
  cay_imports *imports = NULL;
  if (cay_imports_new(&imports, &error) ||
      cay_imports_add(imports, "lib", "get", NULL, 0, i32, 1, free_the_caller, NULL, &error))
    exit(2);
  return imports;
}

static void run_within_its_call(void) {
  static const unsigned char importer[] = {IMPORTER_WASM};
  cay_value result;
  cay_run *run = NULL;
  if (cay_module_load(engine, importer, sizeof importer, &module, &error) || !(run = run_new())) exit(2);
  cay_run_set_imports(run, imports_new(), &error);
  cay_run_invoke(run, "twice", NULL, 0, &result, 1, NULL, &error);
}

static void imports_too_late(void) {
  cay_imports *imports = imports_new();
  cay_run_set_imports(run_new(), imports, &error);
  cay_imports_add(imports, "lib", "more", NULL, 0, NULL, 0, free_the_caller, NULL, &error);
}

static void import_of_nothing(void) {
  cay_imports_add(imports_new(), "lib", "none", NULL, 0, NULL, 0, NULL, NULL, &error);
}

static void imports_twice(void) {
  cay_imports *imports = imports_new();
  cay_imports_release(imports);
  cay_imports_release(imports);
}

/* ---- Pools -------------------------------------------------------------------------------------------------------------------- */

static cay_pool *taken_from(cay_run **out) {
  cay_pool *pool = NULL;
  if (cay_pool_new(module, NULL, &pool, &error) || cay_pool_take(pool, out, &error)) exit(2);
  return pool;
}

static void pool_of_nothing(void) {
  cay_pool *pool;
  cay_pool_new(NULL, NULL, &pool, &error);
}

static void pool_before_its_runs(void) {
  cay_run *run;
  cay_pool_free(taken_from(&run));
}

static void run_given_back_twice(void) {
  cay_run *run;
  taken_from(&run);
  cay_run_free(run);
  cay_run_free(run);
}

static void digest_of_a_pools_run(void) {
  cay_run *run;
  taken_from(&run);
  cay_run_set_digest(run, true);
}

/* ---- wasm.h ------------------------------------------------------------------------------------------------------------------- */

static void reference_twice(void) {
  wasm_store_t *store = wasm_store_new(wasm_engine_new());
  wasm_foreign_t *foreign = wasm_foreign_new(store);
  wasm_foreign_delete(foreign);
  wasm_foreign_delete(foreign);
}

static void store_of_nothing(void) { wasm_store_new(NULL); }

static wasm_func_t *ended_function(void) {
  static const unsigned char kinds[] = {KINDS_WASM};
  wasm_store_t *store = wasm_store_new(wasm_engine_new());
  wasm_byte_vec_t binary = {sizeof kinds, (char *)(uintptr_t)kinds};
  wasm_extern_vec_t nothing = WASM_EMPTY_VEC, exports;
  wasm_instance_exports(wasm_instance_new(store, wasm_module_new(store, &binary), &nothing, NULL), &exports);
  wasm_func_t *add = wasm_extern_as_func(exports.data[0]);
  wasm_extern_vec_delete(&exports);
  return add;
}

static void function_after_its_end(void) {
  wasm_val_vec_t nothing = WASM_EMPTY_VEC;
  wasm_func_call(ended_function(), &nothing, &nothing);
}
static void fast_function_after_its_end(void) { cay_wasm_func_call(ended_function(), (cay_slot[2]){{0}}); }
static void function_of_nothing(void) { wasm_func_call(NULL, NULL, NULL); }
static void instance_of_nothing(void) { wasm_instance_new(wasm_store_new(wasm_engine_new()), NULL, NULL, NULL); }
static void binary_of_nothing(void) { wasm_module_new(wasm_store_new(wasm_engine_new()), NULL); }

static wasm_trap_t *delete_the_store(void *store, const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  (void)args, (void)results;
  wasm_store_delete(store);
  return NULL;
}

static void store_within_its_call(void) {
  static const unsigned char importer[] = {IMPORTER_WASM};
  wasm_store_t *store = wasm_store_new(wasm_engine_new());
  wasm_byte_vec_t binary = {sizeof importer, (char *)(uintptr_t)importer};
  wasm_functype_t *type = wasm_functype_new_0_1(wasm_valtype_new_i32());
  wasm_extern_t *given[] = {wasm_func_as_extern(wasm_func_new_with_env(store, type, delete_the_store, store, NULL))};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(given), exports;
  wasm_instance_t *instance = wasm_instance_new(store, wasm_module_new(store, &binary), &imports, NULL);
  wasm_val_t value = WASM_INIT_VAL;
  wasm_val_vec_t nothing = WASM_EMPTY_VEC, results = {1, &value};
  wasm_instance_exports(instance, &exports);
  wasm_trap_delete(wasm_func_call(wasm_extern_as_func(exports.data[0]), &nothing, &results));
}

/* ---- Each in its process ------------------------------------------------------------------------------------------------------ */

static void die(void (*misuse)(void), int output) {
  const struct rlimit no_core = {0};
  setrlimit(RLIMIT_CORE, &no_core);
  dup2(output, STDERR_FILENO);
  begin();
  misuse();
  _exit(0); /* nobody noticed */
}

static void check_dies(const char *name, void (*misuse)(void), const char *sentence) {
  char said[4096];
  size_t used = 0;
  int ends[2], status = 0;
  CHECK_INT(pipe(ends), 0);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) die(misuse, ends[1]);
  close(ends[1]);
  for (ssize_t got; (got = read(ends[0], said + used, sizeof said - 1 - used)) > 0;) used += (size_t)got;
  said[used] = 0;
  close(ends[0]);
  CHECK(waitpid(child, &status, 0) == child);
  test_checks++;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(said, sentence)) return;
  test_failures++;
  fprintf(stderr, "%s: status 0x%x, said: %s\n", name, (unsigned)status, said);
}

#define DIES(misuse, sentence) check_dies(#misuse, misuse, sentence)

int main(int argc, char **argv) {
#ifdef NDEBUG
  printf("skipped: the library is built without assertions\n");
  return argc > 1 ? 1 : 77;
#endif
  (void)argc, (void)argv;
  DIES(allocator_too_late, "the allocator is replaced before the first engine, or after the last");
  DIES(engine_before_its_runs, "an engine ends after its runs");
  DIES(module_twice, "a module was released more often than it was made and retained");
  DIES(budget_twice, "a budget was released more often than it was made and retained");
  DIES(no_limit, "this is no limit");
  DIES(tables_too_late, "tables are limited before the run has any");
  DIES(unknown_too_late, "what becomes of unknown imports is said before the run is opened");
  DIES(digest_too_late, "a digest is of the whole run: it is wanted before the first start, and not of a pool's run");
  DIES(digest_of_a_pools_run, "and not of a pool's run");
  DIES(function_of_another, "a function is asked about with the module that it is of");
  DIES(call_without_slots, "a call has room for its arguments and results");
  DIES(invoke_without_arguments, "a call has its arguments and room for its results");
  DIES(run_within_its_call, "a run was freed by a function that it was calling");
  DIES(imports_too_late, "functions are added before a run has them");
  DIES(imports_twice, "imports were released more often than they were made");
  DIES(pool_before_its_runs, "a pool ends after its runs");
  DIES(run_given_back_twice, "a run was given back to its pool twice");
  DIES(reference_twice, "a reference was deleted more often than it was made");
  DIES(store_within_its_call, "a store was deleted by a function that it was calling");
  DIES(module_of_nothing, "a module is loaded in an engine, from bytes");
  DIES(engine_after_its_end, "an engine was used after its end");
  DIES(module_after_its_end, "a module was used after its end");
  DIES(call_after_its_end, "a run was called after its end");
  DIES(open_after_its_end, "a run was used after its end");
  DIES(run_twice, "a run was freed twice");
  DIES(run_of_nothing, "a run is of a module");
  DIES(call_of_nothing, "a call is of a function");
  DIES(budget_of_nothing, "a run is given a budget");
  DIES(preload_of_nothing, "what is preloaded has a name and is a module");
  DIES(argument_of_nothing, "an argument is a text");
  DIES(variable_of_nothing, "a variable has a name and a value");
  DIES(grant_of_nothing, "a grant says what it grants, and under which name");
  DIES(bytes_of_nothing, "bytes are granted under a name");
  DIES(stream_of_nobody, "a stream of the host's has a function");
  DIES(import_of_nothing, "a function of the host has a module, a name and a callback");
  DIES(pool_of_nothing, "a pool is of a module");
  DIES(store_of_nothing, "a store is of an engine");
  DIES(function_after_its_end, "a function was called after its end");
  DIES(fast_function_after_its_end, "what is called is a function");
  DIES(function_of_nothing, "a call has a function, arguments and room for results");
  DIES(instance_of_nothing, "an instance is made in a store, of a module");
  DIES(binary_of_nothing, "a module is loaded in a store, from bytes");
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
