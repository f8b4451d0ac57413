/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The host module "spectest" that the conformance suite imports from: printing functions, which print nothing here,
 * four globals, a table and a memory. */
#include "api/wast.h"

static enum engine_trap print_nothing(struct engine_call *call, uint64_t *slots) { return ENGINE_TRAP_NONE; }

static const struct {
  const char *name;
  uint32_t param_count;
  module_type params[2];
} functions[] = {
    {"print", 0, {0}},
    {"print_i32", 1, {MODULE_I32}},
    {"print_i64", 1, {MODULE_I64}},
    {"print_f32", 1, {MODULE_F32}},
    {"print_f64", 1, {MODULE_F64}},
    {"print_i32_f32", 2, {MODULE_I32, MODULE_F32}},
    {"print_f64_f64", 2, {MODULE_F64, MODULE_F64}},
};

static const struct {
  const char *name;
  module_type type;
  uint64_t bits;
} globals[] = {
    {"global_i32", MODULE_I32, 666},
    {"global_i64", MODULE_I64, 666},
    {"global_f32", MODULE_F32, 0x4426A666},                   /* 666.6 */
    {"global_f64", MODULE_F64, UINT64_C(0x4084D4CCCCCCCCCD)}, /* 666.6 */
};

static enum cay_status define(struct engine_linker *linker, const char *name, struct engine_extern value,
                              struct cay_error *error) {
  return engine_linker_define(linker, "spectest", strlen("spectest"), name, strlen(name), value, error);
}

static enum cay_status define_function(struct engine_store *store, struct engine_linker *linker, size_t index,
                                       struct cay_error *error) {
  struct module_func_type type = {.params = functions[index].params,
                                  .param_count = functions[index].param_count,
                                  .param_slots = functions[index].param_count};
  struct engine_extern value = {.kind = MODULE_FUNC};
  enum cay_status status =
      engine_function_new(store, &type, print_nothing, NULL, "spectest", functions[index].name, &value.func, error);
  return status == CAY_OK ? define(linker, functions[index].name, value, error) : status;
}

static enum cay_status define_global(struct engine_store *store, struct engine_linker *linker, size_t index,
                                     struct cay_error *error) {
  struct module_global_type type = {.type = globals[index].type};
  const uint64_t bits[2] = {globals[index].bits};
  struct engine_extern value = {.kind = MODULE_GLOBAL};
  enum cay_status status = engine_global_new(store, &type, bits, &value.global, error);
  return status == CAY_OK ? define(linker, globals[index].name, value, error) : status;
}

static enum cay_status define_table(struct engine_store *store, struct engine_linker *linker, const char *name,
                                    bool is_64, struct cay_error *error) {
  struct module_table_type type = {.elem = MODULE_FUNCREF,
                                   .limits = {.min = 10, .max = 20, .has_max = true, .is_64 = is_64}};
  struct engine_extern value = {.kind = MODULE_TABLE};
  enum cay_status status = engine_table_new(store, &type, 0, &value.table, error);
  return status == CAY_OK ? define(linker, name, value, error) : status;
}

static enum cay_status define_memory(struct engine_store *store, struct engine_linker *linker, const char *name,
                                     bool is_shared, struct cay_error *error) {
  struct module_memory_type type = {.limits = {.min = 1, .max = 2, .has_max = true, .is_shared = is_shared},
                                    .page_log2 = 16};
  struct engine_extern value = {.kind = MODULE_MEMORY};
  enum cay_status status = engine_memory_new(store, &type, &value.memory, error);
  return status == CAY_OK ? define(linker, name, value, error) : status;
}

enum cay_status api_wast_define_spectest(struct engine_store *store, struct engine_linker *linker,
                                         module_features features, struct cay_error *error) {
  enum cay_status status = CAY_OK;
  for (size_t i = 0; status == CAY_OK && i < BASE_ARRAY_LEN(functions); i++)
    status = define_function(store, linker, i, error);
  for (size_t i = 0; status == CAY_OK && i < BASE_ARRAY_LEN(globals); i++)
    status = define_global(store, linker, i, error);
  if (status == CAY_OK) status = define_table(store, linker, "table", false, error);
  if (status == CAY_OK && (features & MODULE_FEATURE_BIT(MEMORY64)))
    status = define_table(store, linker, "table64", true, error);
  if (status == CAY_OK) status = define_memory(store, linker, "memory", false, error);
  if (status == CAY_OK && (features & MODULE_FEATURE_BIT(THREADS)))
    status = define_memory(store, linker, "shared_memory", true, error);
  return status;
}
