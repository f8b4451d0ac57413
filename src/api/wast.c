/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The script runner: executes the JSON form of the conformance suite's scripts, one store for each script.
 *
 * Counting. An assertion passes or fails; a `module`, `register` or plain action counts only when it fails. Assertions on
 * malformed text need a parser of the text format and are counted apart. Messages are not compared: they
 * are the reference interpreter's; but a trap has to be of the expected kind, a module that is asserted to be invalid
 * may not be called malformed, nor the other way round.
 * A script refers to instances by name or means the last one. A module that could not be instantiated leaves no "last
 * one", so that its assertions fail instead of meeting another module. */
#include "api/wast.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

struct named_instance {
  const char *name; /* in the JSON document */
  struct engine_instance *instance;
};
struct named_module {
  const char *name;
  struct module *module;
};

struct script {
  const struct api_wast_options *options;
  struct api_wast_counts *counts;
  const struct api_json_table *json;
  struct api_json *document;
  const char *path;
  module_features features;
  struct engine *engine;
  struct engine_store *store;
  struct engine_linker *linker;
  struct engine_instance *last;   /* NULL: none, or the last module failed */
  struct module *last_definition; /* the vector's */
  BASE_VEC(struct named_instance) instances;
  BASE_VEC(struct named_module) definitions; /* all of them, named or not; one reference each */
  BASE_VEC(uint64_t) slots;
  int64_t line;
  const char *command;
};

static const char *text_of(const struct script *script, const struct api_json *value, const char *key) {
  size_t ignored;
  return script->json->text(script->json->member(value, key), &ignored);
}

/* ---- Reporting ------------------------------------------------------------------------------------------------------- */

static void passed(struct script *script) { script->counts->passed++; }

static void BASE_PRINTF(2, 3) failed(struct script *script, const char *format, ...) {
  script->counts->failed++;
  if (!script->options->failed) return;
  char line[1024];
  int used = snprintf(line, sizeof line, "%s:%" PRId64 ": %s: ", script->path, script->line, script->command);
  if (used < 0 || (size_t)used >= sizeof line) used = 0;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line + used, sizeof line - (size_t)used, format, arguments);
  va_end(arguments);
  script->options->failed(script->options->failed_env, line);
}

/* ---- Modules ---------------------------------------------------------------------------------------------------------- */

/* The path of a file beside the script. Names that lead elsewhere are refused: scripts are input. */
static bool path_beside(const struct script *script, const char *name, char out[PATH_MAX]) {
  if (!name || !name[0] || strchr(name, '/')) return false;
  const char *slash = strrchr(script->path, '/');
  int folder_bytes = slash ? (int)(slash - script->path + 1) : 0;
  int len = snprintf(out, PATH_MAX, "%.*s%s", folder_bytes, script->path, name);
  return len > 0 && len < PATH_MAX;
}

/* The file of a command that is a binary module; NULL when it is text only. */
static const char *binary_of(const struct script *script, const struct api_json *command) {
  const char *binary = text_of(script, command, "binary_filename");
  if (binary) return binary;
  const char *type = text_of(script, command, "module_type");
  return type && strcmp(type, "text") == 0 ? NULL : text_of(script, command, "filename");
}

static enum cay_status load(struct script *script, const struct api_json *command, struct module **out,
                            struct cay_error *error) {
  char path[PATH_MAX];
  const char *name = binary_of(script, command);
  if (!path_beside(script, name, path))
    return base_error_set(error, CAY_ERROR_ARGUMENT, "the command names no file beside the script");
  struct base_file file = {0};
  enum cay_status status = base_file_read(path, &file, error);
  if (status != CAY_OK) return status;
  status = module_load_file(&file, script->features, NULL, out, error);
  if (status != CAY_OK) base_file_deinit(&file);
  return status;
}

/* Instantiates; `name` may be NULL. */
static enum cay_status instantiate(struct script *script, struct module *module, const char *name,
                                   struct cay_error *error) {
  struct engine_instance *instance = NULL;
  enum cay_status status = engine_linker_instantiate(script->linker, module, name ? name : "", &instance, error);
  if (status != CAY_OK) return status;
  if (name) {
    struct named_instance *entry = BASE_VEC_PUSH(&script->instances);
    if (!entry) return base_error_memory(error);
    *entry = (struct named_instance){name, instance};
  }
  script->last = instance;
  return CAY_OK;
}

static void run_module(struct script *script, const struct api_json *command) {
  struct cay_error error;
  struct module *module = NULL;
  script->last = NULL;
  enum cay_status status = load(script, command, &module, &error);
  if (status == CAY_OK) status = instantiate(script, module, text_of(script, command, "name"), &error);
  module_release(module);
  if (status != CAY_OK) failed(script, "%s", error.text);
}

static void run_module_definition(struct script *script, const struct api_json *command) {
  struct cay_error error;
  struct module *module = NULL;
  script->last_definition = NULL;
  if (load(script, command, &module, &error) != CAY_OK) {
    failed(script, "%s", error.text);
    return;
  }
  struct named_module *entry = BASE_VEC_PUSH(&script->definitions);
  if (!entry) {
    module_release(module);
    failed(script, "out of memory");
    return;
  }
  *entry = (struct named_module){text_of(script, command, "name"), module};
  script->last_definition = module;
}

static void run_module_instance(struct script *script, const struct api_json *command) {
  const char *name = text_of(script, command, "module");
  struct module *module = name ? NULL : script->last_definition;
  for (size_t i = 0; name && i < script->definitions.count; i++) {
    const struct named_module *entry = &script->definitions.items[i];
    if (entry->name && strcmp(entry->name, name) == 0) module = entry->module;
  }
  struct cay_error error;
  script->last = NULL;
  if (!module)
    failed(script, "there is no module definition %s", name ? name : "before it");
  else if (instantiate(script, module, text_of(script, command, "instance"), &error) != CAY_OK)
    failed(script, "%s", error.text);
}

/* The instance called `name`, or the last one when it is NULL. */
static struct engine_instance *instance_find(const struct script *script, const char *name) {
  if (!name) return script->last;
  for (size_t i = script->instances.count; i-- > 0;)
    if (strcmp(script->instances.items[i].name, name) == 0) return script->instances.items[i].instance;
  return NULL;
}

static void run_register(struct script *script, const struct api_json *command) {
  struct engine_instance *instance = instance_find(script, text_of(script, command, "name"));
  size_t len = 0;
  const char *as = script->json->text(script->json->member(command, "as"), &len);
  struct cay_error error;
  if (!instance || !as)
    failed(script, "there is no such instance");
  else if (engine_linker_define_instance(script->linker, as, len, instance, &error) != CAY_OK)
    failed(script, "%s", error.text);
}

/* ---- Actions ------------------------------------------------------------------------------------------------------------ */

/* What an action gave: results in script->slots, or a trap, or nothing because it could not be done. */
struct outcome {
  bool done;
  enum engine_trap trap;
  const struct engine_instance *instance; /* whose types the indices in `types` mean; NULL: there are none */
  const module_type *types;
  uint32_t count;
  char why_not[512];
};

static void BASE_PRINTF(2, 3) not_done(struct outcome *outcome, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(outcome->why_not, sizeof outcome->why_not, format, arguments);
  va_end(arguments);
}

static void get_global(struct script *script, const struct engine_instance *instance, const char *field, size_t len,
                       struct engine_global_ref global, struct outcome *out) {
  const struct module_export *export = module_export_find(instance->module, field, len);
  out->instance = instance;
  out->types = &instance->module->globals[export->index].type.type;
  out->count = 1;
  memcpy(script->slots.items, global.cell->value, sizeof global.cell->value);
  out->done = true;
}

static void invoke(struct script *script, struct engine_function *function, const struct api_json *args,
                   struct outcome *out) {
  const struct module_func_type *type = function->type;
  size_t wanted = (size_t)type->param_slots + type->result_slots + 2;
  if (!BASE_VEC_RESERVE(&script->slots, wanted)) {
    not_done(out, "out of memory");
    return;
  }
  if (script->json->count(args) != type->param_count) {
    not_done(out, "%zu arguments for a function of %" PRIu32, script->json->count(args), type->param_count);
    return;
  }
  uint64_t *slot = script->slots.items;
  for (uint32_t i = 0; i < type->param_count; slot += module_type_slots(type->params[i++])) {
    if (api_wast_arg(script->json, script->json->item(args, i), function->instance, type->params[i], slot)) continue;
    not_done(out, "argument %" PRIu32 " is not understood", i);
    return;
  }
  assert(slot == script->slots.items + type->param_slots);
  out->trap = engine_call(script->store, function, script->slots.items);
  out->instance = function->instance;
  out->types = type->results;
  out->count = type->result_count;
  out->done = true;
}

static void act(struct script *script, const struct api_json *command, struct outcome *out) {
  *out = (struct outcome){0};
  const struct api_json *action = script->json->member(command, "action");
  const char *type = text_of(script, action, "type");
  size_t len = 0;
  const char *field = script->json->text(script->json->member(action, "field"), &len);
  struct engine_instance *instance = instance_find(script, text_of(script, action, "module"));
  struct engine_extern export;
  if (!instance)
    not_done(out, "there is no such instance");
  else if (!type || !field || !engine_export(instance, field, len, &export))
    not_done(out, "there is no export \"%s\"", field ? field : "");
  else if (strcmp(type, "get") == 0 && export.kind == MODULE_GLOBAL)
    get_global(script, instance, field, len, export.global, out);
  else if (strcmp(type, "invoke") == 0 && export.kind == MODULE_FUNC)
    invoke(script, export.func, script->json->member(action, "args"), out);
  else
    not_done(out, "the export \"%s\" is a %s", field, module_extern_kind_name(export.kind));
}

/* Adds the values that a call returned. */
static void results_text(const struct script *script, const struct outcome *outcome, struct base_text *out) {
  const uint64_t *slot = script->slots.items;
  for (uint32_t i = 0; i < outcome->count; slot += module_type_slots(outcome->types[i++])) {
    char name[32];
    base_text_format(out, "%s%s ", i ? ", " : "", module_type_name(outcome->types[i], name));
    bool is_traced =
        module_type_is_traced(outcome->instance ? outcome->instance->module->types : NULL, outcome->types[i]);
    api_value_text(outcome->types[i], is_traced, slot, out);
  }
  if (outcome->count == 0) base_text_addz(out, "nothing");
}

static bool results_match(const struct script *script, const struct api_json *expected, const struct outcome *outcome) {
  if (script->json->count(expected) != outcome->count) return false;
  const uint64_t *slot = script->slots.items;
  for (uint32_t i = 0; i < outcome->count; slot += module_type_slots(outcome->types[i++]))
    if (!api_wast_matches(script->json, script->json->item(expected, i), outcome->instance, outcome->types[i], slot))
      return false;
  return true;
}

static void report_mismatch(struct script *script, const struct api_json *expected, const struct outcome *outcome) {
  struct base_text text = {0};
  base_text_addz(&text, "got ");
  results_text(script, outcome, &text);
  base_text_addz(&text, ", expected ");
  for (size_t i = 0; i < script->json->count(expected); i++) {
    if (i) base_text_addz(&text, ", ");
    api_wast_expected_text(script->json, script->json->item(expected, i), &text);
  }
  if (script->json->count(expected) == 0) base_text_addz(&text, "nothing");
  failed(script, "%s", text.bytes ? text.bytes : "out of memory");
  base_text_deinit(&text);
}

static void run_action(struct script *script, const struct api_json *command) {
  struct outcome outcome;
  act(script, command, &outcome);
  if (!outcome.done)
    failed(script, "%s", outcome.why_not);
  else if (outcome.trap != ENGINE_TRAP_NONE)
    failed(script, "trap: %s", engine_trap_text(outcome.trap));
}

static void run_assert_return(struct script *script, const struct api_json *command) {
  struct outcome outcome;
  act(script, command, &outcome);
  const struct api_json *expected = script->json->member(command, "expected");
  if (!outcome.done)
    failed(script, "%s", outcome.why_not);
  else if (outcome.trap != ENGINE_TRAP_NONE)
    failed(script, "trap: %s", engine_trap_text(outcome.trap));
  else if (!results_match(script, expected, &outcome))
    report_mismatch(script, expected, &outcome);
  else
    passed(script);
}

/* ---- Traps -------------------------------------------------------------------------------------------------------------- */

/* Whether a trap is of the kind that the suite's text names, which may say more behind it. */
static bool trap_matches(const char *text, enum engine_trap trap) {
  static const struct {
    const char *text;
    enum engine_trap trap;
  } kinds[] = {
      {"unreachable", ENGINE_TRAP_UNREACHABLE},
      {"out of bounds memory access", ENGINE_TRAP_MEMORY_BOUNDS},
      {"out of bounds table access", ENGINE_TRAP_TABLE_BOUNDS},
      {"undefined element", ENGINE_TRAP_UNDEFINED_ELEMENT},
      {"uninitialized element", ENGINE_TRAP_NULL_ELEMENT},
      {"indirect call type mismatch", ENGINE_TRAP_CALL_TYPE},
      {"integer overflow", ENGINE_TRAP_INTEGER_OVERFLOW},
      {"integer divide by zero", ENGINE_TRAP_INTEGER_DIVIDE_BY_ZERO},
      {"invalid conversion to integer", ENGINE_TRAP_INVALID_CONVERSION},
      {"call stack exhausted", ENGINE_TRAP_STACK_EXHAUSTED},
      {"unaligned atomic", ENGINE_TRAP_UNALIGNED_ATOMIC},
      {"expected shared memory", ENGINE_TRAP_NOT_SHARED},
      {"null reference", ENGINE_TRAP_NULL_REFERENCE},
      {"null function reference", ENGINE_TRAP_NULL_REFERENCE},
      {"null structure reference", ENGINE_TRAP_NULL_REFERENCE},
      {"null array reference", ENGINE_TRAP_NULL_REFERENCE},
      {"null i31 reference", ENGINE_TRAP_NULL_REFERENCE},
      {"null exception reference", ENGINE_TRAP_NULL_REFERENCE},
      {"cast failure", ENGINE_TRAP_CAST},
      {"out of bounds array access", ENGINE_TRAP_ARRAY_BOUNDS},
  };
  for (size_t i = 0; text && i < BASE_ARRAY_LEN(kinds); i++)
    if (strncmp(text, kinds[i].text, strlen(kinds[i].text)) == 0) return trap == kinds[i].trap;
  return false;
}

static void run_assert_trap(struct script *script, const struct api_json *command) {
  struct outcome outcome;
  act(script, command, &outcome);
  const char *text = text_of(script, command, "text");
  struct base_text values = {0};
  if (!outcome.done) {
    failed(script, "%s", outcome.why_not);
  } else if (outcome.trap == ENGINE_TRAP_NONE) {
    results_text(script, &outcome, &values);
    failed(script, "got %s, expected the trap \"%s\"", values.bytes ? values.bytes : "", text ? text : "");
  } else if (!trap_matches(text, outcome.trap)) {
    failed(script, "got the trap \"%s\", expected \"%s\"", engine_trap_text(outcome.trap), text ? text : "");
  } else {
    passed(script);
  }
  base_text_deinit(&values);
}

static void run_assert_exception(struct script *script, const struct api_json *command) {
  struct outcome outcome;
  act(script, command, &outcome);
  if (!outcome.done)
    failed(script, "%s", outcome.why_not);
  else if (outcome.trap != ENGINE_TRAP_EXCEPTION)
    failed(script, "got %s%s, expected an exception", outcome.trap == ENGINE_TRAP_NONE ? "" : "the trap ",
           outcome.trap == ENGINE_TRAP_NONE ? "results" : engine_trap_text(outcome.trap));
  else
    passed(script);
}

/* ---- Modules that may not load, link or start ----------------------------------------------------------------------------- */

/* A refusal because the bytes mean something else, a component, or in a proposal that is off, is as good as the one that
 * the script names. */
static void run_assert_load(struct script *script, const struct api_json *command, enum cay_status wanted) {
  if (!binary_of(script, command)) {
    script->counts->text++;
    return;
  }
  struct cay_error error = {0};
  struct module *module = NULL;
  enum cay_status status = load(script, command, &module, &error);
  module_release(module);
  const char *text = text_of(script, command, "text");
  if (status == CAY_OK)
    failed(script, "the module was accepted, expected \"%s\"", text ? text : "");
  else if (status != wanted && status != CAY_ERROR_UNSUPPORTED)
    failed(script, "%s: %s, expected \"%s\"", cay_status_name(status), error.text, text ? text : "");
  else
    passed(script);
}

static void run_assert_malformed(struct script *script, const struct api_json *command) {
  run_assert_load(script, command, CAY_ERROR_MALFORMED);
}

static void run_assert_invalid(struct script *script, const struct api_json *command) {
  run_assert_load(script, command, CAY_ERROR_INVALID);
}

/* The module is valid, but a custom section of it is not. */
static void run_assert_custom(struct script *script, const struct api_json *command, enum cay_status wanted) {
  if (!binary_of(script, command)) {
    script->counts->text++;
    return;
  }
  struct cay_error error = {0};
  struct module *module = NULL;
  const char *text = text_of(script, command, "text");
  enum cay_status status = load(script, command, &module, &error);
  if (status != CAY_OK)
    failed(script, "the module itself was refused: %s", error.text);
  else if ((status = module_branch_hints_check(module, &error)) == CAY_OK)
    failed(script, "the custom sections were accepted, expected \"%s\"", text ? text : "");
  else if (status != wanted)
    failed(script, "%s: %s, expected \"%s\"", cay_status_name(status), error.text, text ? text : "");
  else
    passed(script);
  module_release(module);
}

static void run_assert_malformed_custom(struct script *script, const struct api_json *command) {
  run_assert_custom(script, command, CAY_ERROR_MALFORMED);
}

static void run_assert_invalid_custom(struct script *script, const struct api_json *command) {
  run_assert_custom(script, command, CAY_ERROR_INVALID);
}

static void run_assert_instantiation(struct script *script, const struct api_json *command, enum cay_status wanted) {
  struct cay_error error = {0};
  struct module *module = NULL;
  struct engine_instance *last = script->last;
  const char *text = text_of(script, command, "text");
  enum cay_status status = load(script, command, &module, &error);
  if (status == CAY_OK) status = instantiate(script, module, NULL, &error);
  script->last = last;
  module_release(module);
  enum engine_trap trap = engine_store_thread(script->store)->trap;
  if (status == CAY_OK)
    failed(script, "the module was instantiated, expected \"%s\"", text ? text : "");
  else if (status != wanted)
    failed(script, "%s: %s, expected \"%s\"", cay_status_name(status), error.text, text ? text : "");
  else if (status == CAY_ERROR_TRAP && !trap_matches(text, trap))
    failed(script, "got the trap \"%s\", expected \"%s\"", engine_trap_text(trap), text ? text : "");
  else
    passed(script);
}

static void run_assert_unlinkable(struct script *script, const struct api_json *command) {
  run_assert_instantiation(script, command, CAY_ERROR_LINK);
}

static void run_assert_uninstantiable(struct script *script, const struct api_json *command) {
  run_assert_instantiation(script, command, CAY_ERROR_TRAP);
}

/* ---- The script ------------------------------------------------------------------------------------------------------------- */

static const struct {
  const char *type;
  void (*run)(struct script *script, const struct api_json *command);
} commands[] = {
    {"module", run_module},
    {"module_definition", run_module_definition},
    {"module_instance", run_module_instance},
    {"register", run_register},
    {"action", run_action},
    {"assert_return", run_assert_return},
    {"assert_trap", run_assert_trap},
    {"assert_exhaustion", run_assert_trap},
    {"assert_exception", run_assert_exception},
    {"assert_malformed", run_assert_malformed},
    {"assert_invalid", run_assert_invalid},
    {"assert_malformed_custom", run_assert_malformed_custom},
    {"assert_invalid_custom", run_assert_invalid_custom},
    {"assert_unlinkable", run_assert_unlinkable},
    {"assert_uninstantiable", run_assert_uninstantiable},
};

static enum cay_status run_command(struct script *script, const struct api_json *command, struct cay_error *error) {
  assert(script->store && script->linker);
  script->line = script->json->number(script->json->member(command, "line"));
  script->command = text_of(script, command, "type");
  for (size_t i = 0; script->command && i < BASE_ARRAY_LEN(commands); i++)
    if (strcmp(commands[i].type, script->command) == 0) {
      commands[i].run(script, command);
      return CAY_OK;
    }
  char type[64] = "";
  if (script->command) base_printable(type, sizeof type, script->command, strlen(script->command));
  return base_error_set(error, CAY_ERROR_ARGUMENT, "line %" PRId64 ": a command of the unknown type \"%s\"",
                        script->line, type);
}

static enum cay_status run_commands(struct script *script, struct cay_error *error) {
  const struct api_json *list = script->json->member(script->document, "commands");
  if (!list) return base_error_set(error, CAY_ERROR_ARGUMENT, "it is not a script: it has no \"commands\"");
  enum cay_status status = CAY_OK;
  for (size_t i = 0; status == CAY_OK && i < script->json->count(list); i++)
    status = run_command(script, script->json->item(list, i), error);
  return status;
}

static enum cay_status parse(struct script *script, struct cay_error *error) {
  struct base_file file = {0};
  enum cay_status status = base_file_read(script->path, &file, error);
  if (status != CAY_OK) return status;
  char why[256] = "";
  script->document =
      script->json->parse((const char *)file.bytes, file.len_bytes, base_alloc, base_free, why, sizeof why);
  base_file_deinit(&file);
  return script->document ? CAY_OK : base_error_set(error, CAY_ERROR_ARGUMENT, "it is not JSON: %s", why);
}

static enum cay_status prepare(struct script *script, struct cay_error *error) {
  struct engine_options options = {.tier = api_tier_find(script->options->tier, error),
                                   .stack_bytes = script->options->stack_bytes,
                                   .explicit_bounds = script->options->explicit_bounds,
                                   .deterministic_relaxed_simd = script->options->deterministic_relaxed_simd};
  if (!options.tier) return CAY_ERROR_ARGUMENT;
  if (!BASE_VEC_RESERVE(&script->slots, 2)) return base_error_memory(error);
  enum cay_status status = engine_new(&options, &script->engine, error);
  if (status == CAY_OK) status = engine_store_new(script->engine, NULL, &script->store, error);
  if (status == CAY_OK) status = engine_linker_new(script->store, &script->linker, error);
  if (status == CAY_OK) status = api_wast_define_spectest(script->store, script->linker, script->features, error);
  return status;
}

static void script_deinit(struct script *script) {
  if (script->linker) engine_linker_free(script->linker);
  if (script->store) engine_store_free(script->store);
  if (script->engine) engine_free(script->engine);
  for (size_t i = 0; i < script->definitions.count; i++) module_release(script->definitions.items[i].module);
  BASE_VEC_DEINIT(&script->definitions);
  BASE_VEC_DEINIT(&script->instances);
  BASE_VEC_DEINIT(&script->slots);
  script->json->free(script->document);
}

enum cay_status api_wast_run(const char *path, const struct api_wast_options *options, struct api_wast_counts *counts,
                             struct cay_error *error) {
  const struct api_json_table *json = base_os_plugin("json", "api_json_table", error);
  if (!json) return CAY_ERROR_UNSUPPORTED;
  struct script script = {.options = options, .counts = counts, .json = json, .path = path};
  script.features = options->proposals == API_PROPOSALS_DEFAULT ? MODULE_FEATURES_DEFAULT : options->proposals;
  enum cay_status status = parse(&script, error);
  if (status == CAY_OK) status = prepare(&script, error);
  if (status == CAY_OK) status = run_commands(&script, error);
  script_deinit(&script);
  return status;
}
