/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Modules and instances of wasm.h.
 *
 * A module is a counted, immutable thing of the room `module`; sharing it is one more reference, and its serialized form
 * its bytes: compiled code is found again by them, not carried along. An instance gets its reference before its start
 * function runs, so that nothing can fail after that. */
#include <inttypes.h>

#include "api/standard.h"

static struct module *inner(const wasm_module_t *module) {
  return module->ref.store ? standard_inner(&module->ref) : NULL;
}

/* ---- Modules ------------------------------------------------------------------------------------------------------------------ */

/* Takes over a reference to `module`. Two modules with equal bytes are two objects, so the key is the address of the
 * loaded module, which is the same only after sharing. */
static wasm_module_t *wrap(wasm_store_t *store, struct module *module) {
  wasm_module_t *object = (wasm_module_t *)standard_take(store, STANDARD_MODULE, standard_key(module));
  if (!object) base_error_memory(&store->error);
  if (!object || object->ref.references > 1) module_release(module); /* the object has its own */
  return object;
}

static enum cay_status load(wasm_store_t *store, const wasm_byte_vec_t *binary, enum module_bytes bytes,
                            struct module **out) {
  return module_load((const uint8_t *)binary->data, binary->size, bytes, store->engine->engine->features, NULL, out,
                     &store->error);
}

wasm_module_t *wasm_module_new(wasm_store_t *store, const wasm_byte_vec_t *binary) {
  struct module *module = NULL;
  assert(store && binary && "a module is loaded in a store, from bytes");
  return load(store, binary, MODULE_BYTES_COPY, &module) == CAY_OK ? wrap(store, module) : NULL;
}

bool wasm_module_validate(wasm_store_t *store, const wasm_byte_vec_t *binary) {
  struct module *module = NULL;
  if (load(store, binary, MODULE_BYTES_BORROW, &module) != CAY_OK) return false;
  module_release(module);
  return true;
}

void wasm_module_serialize(const wasm_module_t *module, wasm_byte_vec_t *out) {
  const struct module *loaded = inner(module);
  if (loaded)
    standard_name(out, (const char *)loaded->bytes, loaded->len_bytes);
  else
    wasm_byte_vec_new_empty(out);
}

wasm_module_t *wasm_module_deserialize(wasm_store_t *store, const wasm_byte_vec_t *bytes) {
  return wasm_module_new(store, bytes);
}

wasm_shared_module_t *wasm_module_share(const wasm_module_t *module) {
  struct module *loaded = inner(module);
  return loaded ? (wasm_shared_module_t *)module_retain(loaded) : NULL;
}

void wasm_shared_module_delete(wasm_shared_module_t *shared) { module_release((struct module *)shared); }

wasm_module_t *wasm_module_obtain(wasm_store_t *store, const wasm_shared_module_t *shared) {
  return wrap(store, module_retain((struct module *)(uintptr_t)shared));
}

/* ---- What it imports and exports ------------------------------------------------------------------------------------------------ */

static wasm_externtype_t *type_of(const struct module *module, enum module_extern_kind kind, uint32_t index) {
  switch (kind) {
  case MODULE_FUNC: return standard_functype(module_func_type_of(module, index));
  case MODULE_TABLE: return standard_tabletype(&module->tables[index].type, module->tables[index].type.limits.min);
  case MODULE_MEMORY: return standard_memorytype(&module->memories[index], module->memories[index].limits.min);
  case MODULE_GLOBAL: return standard_globaltype(&module->globals[index].type);
  case MODULE_TAG: return standard_tagtype();
  }
  return NULL;
}

static wasm_importtype_t *import_of(const struct module *module, const struct module_import *import) {
  wasm_name_t from, name;
  standard_name(&from, import->module.bytes, import->module.len_bytes);
  standard_name(&name, import->name.bytes, import->name.len_bytes);
  return wasm_importtype_new(&from, &name, type_of(module, import->kind, import->index));
}

void wasm_module_imports(const wasm_module_t *module, wasm_importtype_vec_t *out) {
  const struct module *loaded = inner(module);
  wasm_importtype_vec_new_uninitialized(out, loaded ? loaded->import_count : 0);
  for (size_t i = 0; i < out->size; i++) {
    out->data[i] = import_of(loaded, &loaded->imports[i]);
    if (out->data[i]) continue;
    wasm_importtype_vec_delete(out);
    return;
  }
}

static wasm_exporttype_t *export_of(const struct module *module, const struct module_export *export) {
  wasm_name_t name;
  standard_name(&name, export->name.bytes, export->name.len_bytes);
  return wasm_exporttype_new(&name, type_of(module, export->kind, export->index));
}

void wasm_module_exports(const wasm_module_t *module, wasm_exporttype_vec_t *out) {
  const struct module *loaded = inner(module);
  wasm_exporttype_vec_new_uninitialized(out, loaded ? loaded->export_count : 0);
  for (size_t i = 0; i < out->size; i++) {
    out->data[i] = export_of(loaded, &loaded->exports[i]);
    if (out->data[i]) continue;
    wasm_exporttype_vec_delete(out);
    return;
  }
}

/* ---- Instances ------------------------------------------------------------------------------------------------------------------ */

static enum cay_status import_in(const wasm_store_t *store, const struct module *module, size_t index,
                                 const wasm_extern_t *value, struct engine_extern *out, struct cay_error *error) {
  char from[64], name[64];
  const struct module_import *import = &module->imports[index];
  if (!value || value->ref.store != store) {
    base_printable(from, sizeof from, import->module.bytes, import->module.len_bytes);
    base_printable(name, sizeof name, import->name.bytes, import->name.len_bytes);
    return base_error_set(error, CAY_ERROR_LINK, "import %zu, \"%s\" \"%s\", is given %s", index, from, name,
                          value ? "an object of another store" : "nothing");
  }
  void *given = standard_inner(&value->ref);
  switch ((enum standard_kind)value->ref.kind) {
  case STANDARD_FUNC: *out = (struct engine_extern){.kind = MODULE_FUNC, .func = given}; return CAY_OK;
  case STANDARD_TABLE: *out = (struct engine_extern){.kind = MODULE_TABLE, .table = given}; return CAY_OK;
  case STANDARD_MEMORY: *out = (struct engine_extern){.kind = MODULE_MEMORY, .memory = given}; return CAY_OK;
  case STANDARD_TAG: *out = (struct engine_extern){.kind = MODULE_TAG, .tag = given}; return CAY_OK;
  default: break;
  }
  assert(value->ref.kind == STANDARD_GLOBAL);
  *out = (struct engine_extern){.kind = MODULE_GLOBAL, .global = {given, ((const wasm_global_t *)value)->type}};
  return CAY_OK;
}

static enum cay_status imports_in(const wasm_store_t *store, const struct module *module,
                                  const wasm_extern_vec_t *given, struct engine_extern *out, struct cay_error *error) {
  size_t given_count = given ? given->size : 0;
  for (size_t i = 0; i < module->import_count; i++) {
    enum cay_status status = import_in(store, module, i, i < given_count ? given->data[i] : NULL, &out[i], error);
    if (status != CAY_OK) return status;
  }
  return CAY_OK;
}

/* The engine's instance, not yet started. */
static enum cay_status make(wasm_store_t *store, struct module *module, const wasm_extern_vec_t *given,
                            struct engine_instance **out) {
  struct engine_extern few[16];
  bool is_few = module->import_count <= BASE_ARRAY_LEN(few);
  struct engine_extern *imports = is_few ? few : base_alloc_zero(module->import_count, sizeof *imports);
  if (!imports) return base_error_memory(&store->error);
  enum cay_status status = imports_in(store, module, given, imports, &store->error);
  if (status == CAY_OK) status = engine_instance_new(store->inner, module, imports, NULL, out, &store->error);
  if (!is_few) base_free(imports);
  return status;
}

static wasm_trap_t *start(wasm_store_t *store, struct engine_instance *instance) {
  struct module *module = instance->module;
  if (module->start_func == UINT32_MAX) return NULL;
  enum engine_trap trap = engine_call(store->inner, instance->functions[module->start_func], (uint64_t[1]){0});
  return trap == ENGINE_TRAP_NONE ? NULL : standard_trap_of_call(store, trap);
}

static wasm_instance_t *instance_new(wasm_store_t *store, struct module *module, const wasm_extern_vec_t *given,
                                     wasm_trap_t **trap) {
  struct engine_instance *made = NULL;
  wasm_instance_t *object = NULL;
  if (make(store, module, given, &made) == CAY_OK) {
    object = (wasm_instance_t *)standard_take(store, STANDARD_INSTANCE, standard_key(made));
    if (!object) base_error_memory(&store->error);
  }
  *trap = object ? start(store, made) : standard_trap_of_error(store, &store->error);
  if (!*trap) return object;
  standard_release((wasm_ref_t *)object);
  return NULL;
}

wasm_instance_t *wasm_instance_new(wasm_store_t *store, const wasm_module_t *module, const wasm_extern_vec_t *imports,
                                   wasm_trap_t **out) {
  wasm_trap_t *trap = NULL;
  wasm_instance_t *instance = NULL;
  assert(store && module && "an instance is made in a store, of a module");
  if (inner(module))
    instance = instance_new(store, inner(module), imports, &trap);
  else
    trap = standard_trap_new(store, "the module's store was deleted");
  if (out)
    *out = trap;
  else if (trap)
    standard_release(&trap->ref);
  return instance;
}

static bool export_find(struct engine_instance *instance, uint32_t index, struct engine_extern *out) {
  const struct module_export *export = &instance->module->exports[index];
  return engine_export(instance, export->name.bytes, export->name.len_bytes, out);
}

void wasm_instance_exports(const wasm_instance_t *instance, wasm_extern_vec_t *out) {
  wasm_store_t *store = instance->ref.store;
  struct engine_instance *made = store ? standard_inner(&instance->ref) : NULL;
  wasm_extern_vec_new_uninitialized(out, made ? made->module->export_count : 0);
  for (size_t i = 0; i < out->size; i++) {
    struct engine_extern value;
    if (export_find(made, (uint32_t)i, &value)) out->data[i] = standard_extern(store, &value);
    if (out->data[i]) continue;
    base_error_memory(&store->error);
    wasm_extern_vec_delete(out);
    return;
  }
}
