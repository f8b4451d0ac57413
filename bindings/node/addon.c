/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What index.js is made of: modules and instances as externals of Node-API, calls, and copies from and to memories.
 *
 * Memory is copied and never lent: a guest's memory may move when it grows, and hosts such as Electron allow no array over
 * memory that is not their own. A function of the host's is called on the thread of the call that the guest is in, within
 * it; what it throws stays pending, ends the guest as a trap, and comes out of the outer call as it was thrown.
 *
 * Ownership: an external owns its object; an instance holds its engine and its functions' references. `close` ends it
 * before the collector does. Threads: one environment's objects are used by its thread alone, as Node-API has it. */
#include <cay.h>
#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256, PATH_BYTES = 4096, MOST_VALUES = 64 };

struct engine {
  size_t references;
  cay_engine *engine;
};
struct module {
  struct engine *engine;
  cay_module *module;
};
/* A function of the host's. */
struct function {
  napi_env env;
  napi_ref call;
  size_t param_count, result_count;
  enum cay_type params[MOST_VALUES], results[MOST_VALUES];
};
struct instance {
  struct engine *engine;
  cay_module *module;
  cay_imports *imports;
  cay_run *run; /* NULL: closed */
  cay_budget *budget;
  uint64_t call_ns; /* of computing, that each call may use; 0: it is not limited */
  bool is_running;
  struct function *functions;
  size_t function_count;
};

static const napi_type_tag module_tag = {0x6361792e6d6f6475, 0x6c65000000000001};
static const napi_type_tag instance_tag = {0x6361792e696e7374, 0x616e636500000001};

/* ---- Errors ------------------------------------------------------------------------------------------------------------- */

static napi_value throw_text(napi_env env, const char *code, const char *text) {
  napi_throw_error(env, code, text);
  return NULL;
}

static bool is_pending(napi_env env) {
  bool pending = false;
  return napi_is_exception_pending(env, &pending) != napi_ok || pending;
}

/* An Error whose code is the status, with the guest's calls as `backtrace`. What a function of the host's threw stays. */
static napi_value throw_status(napi_env env, cay_run *run, const struct cay_error *error) {
  napi_value code, text, object, backtrace;
  const char *frames = run ? cay_run_backtrace(run, 0) : "";
  if (is_pending(env)) return NULL;
  if (napi_create_string_utf8(env, cay_status_name(error->status), NAPI_AUTO_LENGTH, &code) == napi_ok &&
      napi_create_string_utf8(env, error->text, NAPI_AUTO_LENGTH, &text) == napi_ok &&
      napi_create_string_utf8(env, frames ? frames : "", NAPI_AUTO_LENGTH, &backtrace) == napi_ok &&
      napi_create_error(env, code, text, &object) == napi_ok &&
      napi_set_named_property(env, object, "backtrace", backtrace) == napi_ok)
    napi_throw(env, object);
  return NULL;
}

static napi_value misused(napi_env env, const char *text) { return throw_text(env, "argument", text); }

/* ---- Values ------------------------------------------------------------------------------------------------------------- */

static bool slot_from(napi_env env, int type, napi_value value, cay_slot *slot) {
  bool lossless;
  double number;
  slot->u64 = 0;
  switch (type) {
  case CAY_I32: return napi_get_value_int32(env, value, &slot->i32) == napi_ok;
  case CAY_I64: return napi_get_value_bigint_int64(env, value, &slot->i64, &lossless) == napi_ok;
  case CAY_F64: return napi_get_value_double(env, value, &slot->f64) == napi_ok;
  case CAY_F32:
    if (napi_get_value_double(env, value, &number) != napi_ok) return false;
    slot->f32 = (float)number;
    return true;
  default: return false; /* a vector */
  }
}

static bool slot_to(napi_env env, int type, const cay_slot *slot, napi_value *value) {
  switch (type) {
  case CAY_I32: return napi_create_int32(env, slot->i32, value) == napi_ok;
  case CAY_I64: return napi_create_bigint_int64(env, slot->i64, value) == napi_ok;
  case CAY_F32: return napi_create_double(env, (double)slot->f32, value) == napi_ok;
  case CAY_F64: return napi_create_double(env, slot->f64, value) == napi_ok;
  default: return false;
  }
}

/* "i32", "i64" ... in an array. */
static bool types_from(napi_env env, napi_value array, enum cay_type *types, size_t *count) {
  static const struct {
    const char *name;
    enum cay_type type;
  } known[] = {{"i32", CAY_I32}, {"i64", CAY_I64}, {"f32", CAY_F32}, {"f64", CAY_F64}};
  uint32_t length = 0;
  if (napi_get_array_length(env, array, &length) != napi_ok || length > MOST_VALUES) return false;
  for (*count = 0; *count < length; (*count)++) {
    napi_value item;
    char name[8];
    size_t len_bytes, i = 0;
    if (napi_get_element(env, array, (uint32_t)*count, &item) != napi_ok ||
        napi_get_value_string_utf8(env, item, name, sizeof name, &len_bytes) != napi_ok)
      return false;
    while (i < 4 && strcmp(name, known[i].name) != 0) i++;
    if (i == 4) return false;
    types[*count] = known[i].type;
  }
  return true;
}

/* ---- Functions of the host ------------------------------------------------------------------------------------------------ */

static enum cay_status thrown(struct cay_error *why) {
  snprintf(why->text, sizeof why->text, "a function of the host threw");
  return CAY_ERROR_TRAP;
}

static bool results_take(const struct function *function, napi_value result, cay_slot *slots) {
  napi_env env = function->env;
  if (function->result_count == 0) return true;
  if (function->result_count == 1) return slot_from(env, function->results[0], result, &slots[0]);
  for (size_t i = 0; i < function->result_count; i++) {
    napi_value item;
    if (napi_get_element(env, result, (uint32_t)i, &item) != napi_ok ||
        !slot_from(env, function->results[i], item, &slots[i]))
      return false;
  }
  return true;
}

static enum cay_status call_host(const struct function *function, cay_slot *slots, struct cay_error *why) {
  napi_env env = function->env;
  napi_value args[MOST_VALUES], call, receiver, result;
  for (size_t i = 0; i < function->param_count; i++)
    if (!slot_to(env, function->params[i], &slots[i], &args[i])) return CAY_ERROR_MEMORY;
  if (napi_get_reference_value(env, function->call, &call) != napi_ok || napi_get_undefined(env, &receiver) != napi_ok)
    return CAY_ERROR_MEMORY;
  if (napi_call_function(env, receiver, call, function->param_count, args, &result) != napi_ok) return thrown(why);
  if (results_take(function, result, slots)) return CAY_OK;
  if (!is_pending(env))
    napi_throw_type_error(env, "argument", "a function of the host returned something of another type");
  return thrown(why);
}

static enum cay_status callback(void *env, cay_caller *caller, cay_slot *slots, struct cay_error *why) {
  const struct function *function = env;
  napi_handle_scope scope;
  (void)caller;
  if (napi_open_handle_scope(function->env, &scope) != napi_ok) return CAY_ERROR_MEMORY;
  enum cay_status status = call_host(function, slots, why);
  napi_close_handle_scope(function->env, scope);
  return status;
}

/* ---- Objects -------------------------------------------------------------------------------------------------------------- */

static void engine_release(struct engine *engine) {
  if (!engine || --engine->references > 0) return;
  cay_engine_free(engine->engine);
  free(engine);
}

static void module_end(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  struct module *module = data;
  cay_module_release(module->module);
  engine_release(module->engine);
  free(module);
}

/* Everything but the struct itself. */
static void instance_deinit(napi_env env, struct instance *instance) {
  cay_run_free(instance->run);
  cay_budget_release(instance->budget);
  cay_imports_release(instance->imports);
  cay_module_release(instance->module);
  for (size_t i = 0; i < instance->function_count; i++) napi_delete_reference(env, instance->functions[i].call);
  free(instance->functions);
  engine_release(instance->engine);
  *instance = (struct instance){0};
}

static void instance_end(napi_env env, void *data, void *hint) {
  (void)hint;
  instance_deinit(env, data);
  free(data);
}

static void *object_of(napi_env env, napi_value value, const napi_type_tag *tag) {
  bool is_it = false;
  void *object = NULL;
  if (napi_check_object_type_tag(env, value, tag, &is_it) != napi_ok || !is_it ||
      napi_get_value_external(env, value, &object) != napi_ok)
    return NULL;
  return object;
}

static bool arguments(napi_env env, napi_callback_info info, napi_value *args, size_t count) {
  size_t given = count;
  return napi_get_cb_info(env, info, &given, args, NULL, NULL) == napi_ok && given == count;
}

/* The opened instance of the first argument; NULL, and thrown: there is none. */
static struct instance *instance_of(napi_env env, napi_callback_info info, napi_value *args, size_t count) {
  struct instance *instance = arguments(env, info, args, count) ? object_of(env, args[0], &instance_tag) : NULL;
  if (instance && instance->run) return instance;
  misused(env, "the instance was closed");
  return NULL;
}

static napi_value wrap(napi_env env, void *object, napi_finalize end, const napi_type_tag *tag) {
  napi_value external;
  if (napi_create_external(env, object, end, NULL, &external) != napi_ok) {
    end(env, object, NULL);
    return throw_text(env, "memory", "no memory for an object");
  }
  return napi_type_tag_object(env, external, tag) == napi_ok ? external : NULL;
}

/* ---- Loading and making --------------------------------------------------------------------------------------------------- */

/* `cache`: a folder, "-": that of the command, "": none. */
static struct engine *engine_new(const char *tier, const char *cache, struct cay_error *error) {
  struct engine *engine = calloc(1, sizeof *engine);
  cay_engine_config *config = NULL;
  enum cay_status status = engine ? cay_engine_config_new(&config, error) : CAY_ERROR_MEMORY;
  if (status == CAY_OK && tier[0]) status = cay_engine_config_set_tier(config, tier, error);
  if (status == CAY_OK && cache[0])
    status = cay_engine_config_set_cache(config, strcmp(cache, "-") == 0 ? NULL : cache, 0, error);
  if (status == CAY_OK) status = cay_engine_new(config, &engine->engine, error);
  cay_engine_config_free(config);
  if (status == CAY_OK) {
    engine->references = 1;
    return engine;
  }
  free(engine);
  return NULL;
}

/* load(bytes, tier, cache): an external. */
static napi_value load(napi_env env, napi_callback_info info) {
  napi_value args[3];
  napi_typedarray_type kind;
  void *bytes;
  size_t len_bytes, text_bytes;
  char tier[NAME_BYTES], cache[PATH_BYTES];
  struct cay_error error = {.status = CAY_ERROR_MEMORY, .text = "out of memory"};
  if (!arguments(env, info, args, 3) ||
      napi_get_typedarray_info(env, args[0], &kind, &len_bytes, &bytes, NULL, NULL) != napi_ok ||
      kind != napi_uint8_array || napi_get_value_string_utf8(env, args[1], tier, sizeof tier, &text_bytes) != napi_ok ||
      napi_get_value_string_utf8(env, args[2], cache, sizeof cache, &text_bytes) != napi_ok)
    return misused(env, "a module is a Uint8Array");
  struct module *module = calloc(1, sizeof *module);
  if (module) module->engine = engine_new(tier, cache, &error);
  if (!module || !module->engine ||
      cay_module_load(module->engine->engine, bytes, len_bytes, &module->module, &error)) {
    if (module) module_end(env, module, NULL);
    return throw_status(env, NULL, &error);
  }
  return wrap(env, module, module_end, &module_tag);
}

/* setHelperFolder(folder) */
static napi_value set_helper_folder(napi_env env, napi_callback_info info) {
  static char folder[PATH_BYTES]; /* the library has no copy */
  napi_value args[1];
  size_t text_bytes;
  if (!arguments(env, info, args, 1) ||
      napi_get_value_string_utf8(env, args[0], folder, sizeof folder, &text_bytes) != napi_ok)
    return misused(env, "a folder is a string");
  cay_set_helper_folder(folder);
  return NULL;
}

/* [module, name, params, results, call] */
static enum cay_status import_add(napi_env env, napi_value entry, cay_imports *imports, struct function *function,
                                  struct cay_error *error) {
  napi_value parts[5];
  char module[NAME_BYTES], name[NAME_BYTES];
  size_t len_bytes;
  for (uint32_t i = 0; i < 5; i++)
    if (napi_get_element(env, entry, i, &parts[i]) != napi_ok) return CAY_ERROR_ARGUMENT;
  if (napi_get_value_string_utf8(env, parts[0], module, sizeof module, &len_bytes) != napi_ok ||
      napi_get_value_string_utf8(env, parts[1], name, sizeof name, &len_bytes) != napi_ok ||
      !types_from(env, parts[2], function->params, &function->param_count) ||
      !types_from(env, parts[3], function->results, &function->result_count) ||
      napi_create_reference(env, parts[4], 1, &function->call) != napi_ok) {
    snprintf(error->text, sizeof error->text, "an import is a function with params and results of i32, i64, f32, f64");
    return error->status = CAY_ERROR_ARGUMENT;
  }
  function->env = env;
  return cay_imports_add(imports, module, name, function->params, function->param_count, function->results,
                         function->result_count, callback, function, error);
}

static enum cay_status imports_take(napi_env env, napi_value list, struct instance *instance, struct cay_error *error) {
  uint32_t count = 0;
  enum cay_status status = cay_imports_new(&instance->imports, error);
  if (status != CAY_OK) return status;
  napi_get_array_length(env, list, &count);
  instance->functions = calloc((size_t)count + 1, sizeof *instance->functions);
  if (!instance->functions) return error->status = CAY_ERROR_MEMORY;
  for (uint32_t i = 0; status == CAY_OK && i < count; i++) {
    napi_value entry;
    if (napi_get_element(env, list, i, &entry) != napi_ok) return CAY_ERROR_ARGUMENT;
    status = import_add(env, entry, instance->imports, &instance->functions[i], error);
    instance->function_count += instance->functions[i].call != NULL;
  }
  return status;
}

static enum cay_status limit_set(cay_run *run, enum cay_limit limit, double most, struct cay_error *error) {
  return most > 0 ? cay_run_set_limit(run, limit, (uint64_t)most, error) : CAY_OK;
}

/* A call may use what is left of the instance's budget, so each begins with so much more than was used. */
static enum cay_status call_begin(struct instance *instance, struct cay_error *error) {
  if (!instance->call_ns) return CAY_OK;
  uint64_t used_ns = cay_budget_used(instance->budget, CAY_LIMIT_CPU_TIME);
  return cay_budget_set_limit(instance->budget, CAY_LIMIT_CPU_TIME, used_ns + instance->call_ns, error);
}

/* Says in the call's terms what the budget says of all of them, unless it was the limit of all that is over. */
static void call_error(const struct instance *instance, struct cay_error *error) {
  if (!instance->call_ns || !instance->run || cay_run_result(instance->run)->limit != CAY_LIMIT_CPU_TIME ||
      cay_run_used(instance->run, CAY_LIMIT_CPU_TIME) >= cay_run_limit(instance->run, CAY_LIMIT_CPU_TIME))
    return;
  snprintf(error->text, sizeof error->text, "the call's budget of %g ms is used up", (double)instance->call_ns / 1e6);
}

/* In the order of instantiate. */
enum { MEMORY_BYTES, CALL_MS, ALL_CPU_MS, CALL_CPU_MS, LIMITS };

/* Memories come in whole pages; what else an instance takes, tables and the like, may be less than one more. */
static double memory_limit(double bytes) {
  uint64_t page = 65536, whole = (uint64_t)bytes / page;
  return bytes > 0 ? (double)(whole * page + page - 1) : 0;
}

static enum cay_status instance_open(struct instance *instance, const double limits[LIMITS], struct cay_error *error) {
  instance->call_ns = (uint64_t)(limits[CALL_CPU_MS] * 1e6);
  enum cay_status status = cay_budget_new(NULL, &instance->budget, error);
  if (status == CAY_OK) status = cay_run_new(instance->module, NULL, &instance->run, error);
  if (status == CAY_OK) status = cay_run_set_budget(instance->run, instance->budget, error);
  if (status == CAY_OK) status = call_begin(instance, error);
  if (status == CAY_OK) status = cay_run_set_imports(instance->run, instance->imports, error);
  if (status == CAY_OK) status = limit_set(instance->run, CAY_LIMIT_MEMORY, memory_limit(limits[MEMORY_BYTES]), error);
  if (status == CAY_OK) status = limit_set(instance->run, CAY_LIMIT_TIME, limits[CALL_MS] * 1e6, error);
  if (status == CAY_OK) status = limit_set(instance->run, CAY_LIMIT_CPU_TIME, limits[ALL_CPU_MS] * 1e6, error);
  return status == CAY_OK ? cay_run_open(instance->run, error) : status;
}

/* What is no number, negative or endless is no limit that anybody can have meant. */
static bool limits_take(napi_env env, const napi_value *args, double limits[LIMITS]) {
  for (int i = 0; i < LIMITS; i++)
    if (napi_get_value_double(env, args[i], &limits[i]) != napi_ok || !(limits[i] >= 0 && limits[i] < 1e12))
      return false;
  return true;
}

/* instantiate(module, imports, memory in bytes, times in milliseconds: of each call, of computing in all, of computing in each;
 * 0: not limited): an external. */
static napi_value instantiate(napi_env env, napi_callback_info info) {
  napi_value args[2 + LIMITS];
  double limits[LIMITS];
  struct cay_error error = {.status = CAY_ERROR_MEMORY, .text = "out of memory"};
  struct module *module = arguments(env, info, args, 2 + LIMITS) ? object_of(env, args[0], &module_tag) : NULL;
  if (!module || !limits_take(env, args + 2, limits))
    return misused(env, "a module and limits are expected: numbers from 0 on");
  struct instance *instance = calloc(1, sizeof *instance);
  if (!instance) return throw_status(env, NULL, &error);
  instance->engine = module->engine;
  instance->engine->references++;
  instance->module = cay_module_retain(module->module);
  enum cay_status status = imports_take(env, args[1], instance, &error);
  if (status == CAY_OK) status = instance_open(instance, limits, &error);
  if (status == CAY_OK) return wrap(env, instance, instance_end, &instance_tag);
  call_error(instance, &error);
  throw_status(env, instance->run, &error);
  instance_end(env, instance, NULL);
  return NULL;
}

/* close(instance): frees it now; closed already: nothing. */
static napi_value close_instance(napi_env env, napi_callback_info info) {
  napi_value args[1];
  struct instance *instance = arguments(env, info, args, 1) ? object_of(env, args[0], &instance_tag) : NULL;
  if (!instance) return misused(env, "an instance is expected");
  if (instance->is_running) return misused(env, "the instance is running");
  instance_deinit(env, instance);
  return NULL;
}

/* ---- Calls and memory ----------------------------------------------------------------------------------------------------- */

static bool args_take(napi_env env, napi_value list, const cay_function *function, const cay_module *module,
                      cay_slot *slots) {
  uint32_t count = 0;
  if (napi_get_array_length(env, list, &count) != napi_ok) return false;
  for (uint32_t i = 0; i < count; i++) {
    napi_value item;
    int type = cay_function_param_type(function, module, i);
    if (!type || napi_get_element(env, list, i, &item) != napi_ok || !slot_from(env, type, item, &slots[i]))
      return false;
  }
  return cay_function_param_type(function, module, count) == 0;
}

static napi_value results_give(napi_env env, const cay_function *function, const cay_module *module,
                               const cay_slot *slots) {
  napi_value list, item;
  if (napi_create_array(env, &list) != napi_ok) return NULL;
  for (uint32_t i = 0;; i++) {
    int type = cay_function_result_type(function, module, i);
    if (!type) return list;
    if (!slot_to(env, type, &slots[i], &item) || napi_set_element(env, list, i, item) != napi_ok) return NULL;
  }
}

/* call(instance, name, arguments): the results, in an array. */
static napi_value call(napi_env env, napi_callback_info info) {
  napi_value args[3];
  char name[NAME_BYTES];
  size_t len_bytes;
  cay_slot slots[MOST_VALUES];
  struct cay_error error;
  const cay_function *function;
  struct instance *instance = instance_of(env, info, args, 3);
  if (!instance) return NULL;
  if (napi_get_value_string_utf8(env, args[1], name, sizeof name, &len_bytes) != napi_ok)
    return misused(env, "the name of a function is expected");
  if (cay_module_function(instance->module, name, &function, &error) != CAY_OK) return throw_status(env, NULL, &error);
  if (cay_function_params(function, instance->module) > MOST_VALUES ||
      cay_function_results(function, instance->module) > MOST_VALUES)
    return misused(env, "the function takes or returns too many values");
  if (!args_take(env, args[2], function, instance->module, slots))
    return is_pending(env) ? NULL : misused(env, "arguments of other types, or as many, are expected");
  bool was_running = instance->is_running;
  enum cay_status status = was_running ? CAY_OK : call_begin(instance, &error);
  instance->is_running = true;
  if (status == CAY_OK) status = cay_run_call(instance->run, function, slots, &error);
  instance->is_running = was_running;
  if (status == CAY_ERROR_LIMIT) call_error(instance, &error);
  if (status != CAY_OK) return throw_status(env, instance->run, &error);
  return results_give(env, function, instance->module, slots);
}

static napi_value memory_size(napi_env env, napi_callback_info info) {
  napi_value args[1], size;
  size_t len_bytes;
  struct instance *instance = instance_of(env, info, args, 1);
  if (!instance) return NULL;
  cay_run_memory(instance->run, &len_bytes);
  return napi_create_double(env, (double)len_bytes, &size) == napi_ok ? size : NULL;
}

/* The guest's bytes at `at`; NULL, and thrown: they are not all in its memory. */
static char *memory_at(napi_env env, struct instance *instance, napi_value at_value, size_t count) {
  double at;
  size_t len_bytes;
  char *memory = cay_run_memory(instance->run, &len_bytes);
  if (memory && napi_get_value_double(env, at_value, &at) == napi_ok && at >= 0 && at <= (double)len_bytes &&
      count <= len_bytes - (size_t)at)
    return memory + (size_t)at;
  napi_throw_range_error(env, "argument", "not in the guest's memory");
  return NULL;
}

/* read(instance, at, count): a Buffer with a copy. */
static napi_value memory_read(napi_env env, napi_callback_info info) {
  napi_value args[3], copy;
  double count;
  struct instance *instance = instance_of(env, info, args, 3);
  if (!instance) return NULL;
  if (napi_get_value_double(env, args[2], &count) != napi_ok || !(count >= 0 && count < 9e15))
    return misused(env, "a number of bytes is expected");
  const char *from = memory_at(env, instance, args[1], (size_t)count);
  return from && napi_create_buffer_copy(env, (size_t)count, from, NULL, &copy) == napi_ok ? copy : NULL;
}

/* write(instance, at, bytes) */
static napi_value memory_write(napi_env env, napi_callback_info info) {
  napi_value args[3];
  napi_typedarray_type kind;
  void *bytes;
  size_t len_bytes;
  struct instance *instance = instance_of(env, info, args, 3);
  if (!instance) return NULL;
  if (napi_get_typedarray_info(env, args[2], &kind, &len_bytes, &bytes, NULL, NULL) != napi_ok ||
      kind != napi_uint8_array)
    return misused(env, "bytes are a Uint8Array");
  char *to = memory_at(env, instance, args[1], len_bytes);
  if (to && len_bytes) memcpy(to, bytes, len_bytes);
  return NULL;
}

static napi_value version(napi_env env, napi_callback_info info) {
  napi_value text;
  (void)info;
  return napi_create_string_utf8(env, cay_version(), NAPI_AUTO_LENGTH, &text) == napi_ok ? text : NULL;
}

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {{"load", load},          {"instantiate", instantiate}, {"close", close_instance},
                   {"call", call},          {"size", memory_size},        {"read", memory_read},
                   {"write", memory_write}, {"version", version},         {"setHelperFolder", set_helper_folder}};
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function) !=
            napi_ok ||
        napi_set_named_property(env, exports, functions[i].name, function) != napi_ok)
      return NULL;
  }
  return exports;
}
