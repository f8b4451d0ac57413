/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The types of wasm.h: what modules and objects say of themselves, as structs that the embedder can make and look into.
 *
 * Value types, and the type of tags, are constants that are never freed, so that most types cost no memory. The four
 * other types of externals start with their kind; converting among them is a comparison. They belong to no store. */
#include "api/standard.h"

static_assert(sizeof(float32_t) == 4 && sizeof(float64_t) == 8, "values of wasm.h are the guest's");

/* ---- Value types -------------------------------------------------------------------------------------------------------- */

static const struct {
  wasm_valtype_t type;
  module_type inner; /* MODULE_BOTTOM: can only be looked at */
} value_types[] = {
    {{WASM_I32}, MODULE_I32},
    {{WASM_I64}, MODULE_I64},
    {{WASM_F32}, MODULE_F32},
    {{WASM_F64}, MODULE_F64},
    {{WASM_EXTERNREF}, MODULE_EXTERNREF},
    {{WASM_FUNCREF}, MODULE_FUNCREF},
    {{CAY_WASM_V128}, MODULE_BOTTOM},
    {{CAY_WASM_REF}, MODULE_BOTTOM},
};

static wasm_valtype_t *valtype(wasm_valkind_t kind) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(value_types); i++)
    if (value_types[i].type.kind == kind) return (wasm_valtype_t *)(uintptr_t)&value_types[i].type;
  return NULL;
}

module_type standard_type_of(wasm_valkind_t kind) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(value_types); i++)
    if (value_types[i].type.kind == kind) return value_types[i].inner;
  return MODULE_BOTTOM;
}

wasm_valkind_t standard_kind_of(module_type type) {
  if (type == MODULE_V128) return CAY_WASM_V128;
  for (size_t i = 0; i < BASE_ARRAY_LEN(value_types); i++)
    if (value_types[i].inner == type) return value_types[i].type.kind;
  assert(module_type_is_ref(type));
  return CAY_WASM_REF;
}

wasm_valtype_t *wasm_valtype_new(wasm_valkind_t kind) {
  return standard_type_of(kind) == MODULE_BOTTOM ? NULL : valtype(kind);
}
void wasm_valtype_delete(wasm_valtype_t *type) {}
wasm_valtype_t *wasm_valtype_copy(const wasm_valtype_t *type) { return valtype(type->kind); }
wasm_valkind_t wasm_valtype_kind(const wasm_valtype_t *type) { return type->kind; }

/* ---- Functions ---------------------------------------------------------------------------------------------------------- */

static bool is_whole(const wasm_valtype_vec_t *types) {
  for (size_t i = 0; i < types->size; i++)
    if (!types->data[i]) return false;
  return !standard_vec_failed(types->data);
}

wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *params, wasm_valtype_vec_t *results) {
  bool is_complete = is_whole(params) && is_whole(results);
  wasm_functype_t *type = is_complete ? base_alloc_zero(1, sizeof *type) : NULL;
  if (!type) {
    wasm_valtype_vec_delete(params);
    wasm_valtype_vec_delete(results);
    return NULL;
  }
  *type = (wasm_functype_t){.base = {WASM_EXTERN_FUNC}, .params = *params, .results = *results};
  return type;
}

const wasm_valtype_vec_t *wasm_functype_params(const wasm_functype_t *type) { return &type->params; }
const wasm_valtype_vec_t *wasm_functype_results(const wasm_functype_t *type) { return &type->results; }

static void valtypes(wasm_valtype_vec_t *out, const module_type *types, uint32_t count) {
  wasm_valtype_vec_new_uninitialized(out, count);
  for (size_t i = 0; i < out->size; i++) out->data[i] = valtype(standard_kind_of(types[i]));
}

wasm_externtype_t *standard_functype(const struct module_func_type *type) {
  wasm_valtype_vec_t params, results;
  valtypes(&params, type->params, type->param_count);
  valtypes(&results, type->results, type->result_count);
  return (wasm_externtype_t *)wasm_functype_new(&params, &results);
}

/* ---- Globals, tables, memories, tags -------------------------------------------------------------------------------------- */

wasm_globaltype_t *wasm_globaltype_new(wasm_valtype_t *content, wasm_mutability_t mutability) {
  wasm_globaltype_t *type = content ? base_alloc_zero(1, sizeof *type) : NULL;
  if (type) *type = (wasm_globaltype_t){.base = {WASM_EXTERN_GLOBAL}, .mutability = mutability, .content = content};
  return type;
}
const wasm_valtype_t *wasm_globaltype_content(const wasm_globaltype_t *type) { return type->content; }
wasm_mutability_t wasm_globaltype_mutability(const wasm_globaltype_t *type) { return type->mutability; }

wasm_externtype_t *standard_globaltype(const struct module_global_type *type) {
  return (wasm_externtype_t *)wasm_globaltype_new(valtype(standard_kind_of(type->type)),
                                                  type->is_mutable ? WASM_VAR : WASM_CONST);
}

wasm_tabletype_t *wasm_tabletype_new(wasm_valtype_t *element, const wasm_limits_t *limits) {
  wasm_tabletype_t *type = element ? base_alloc_zero(1, sizeof *type) : NULL;
  if (type) *type = (wasm_tabletype_t){.base = {WASM_EXTERN_TABLE}, .limits = *limits, .element = element};
  return type;
}
const wasm_valtype_t *wasm_tabletype_element(const wasm_tabletype_t *type) { return type->element; }
const wasm_limits_t *wasm_tabletype_limits(const wasm_tabletype_t *type) { return &type->limits; }

static uint32_t saturated(uint64_t size) { return size < UINT32_MAX ? (uint32_t)size : UINT32_MAX; }

static wasm_limits_t limits(const struct module_limits *inner, uint64_t count) {
  return (wasm_limits_t){saturated(count), inner->has_max ? saturated(inner->max) : wasm_limits_max_default};
}

struct module_limits standard_limits_of(const wasm_limits_t *limits) {
  bool has_max = limits->max != wasm_limits_max_default;
  return (struct module_limits){.min = limits->min, .max = has_max ? limits->max : UINT64_MAX, .has_max = has_max};
}

wasm_externtype_t *standard_tabletype(const struct module_table_type *type, uint64_t count) {
  wasm_limits_t range = limits(&type->limits, count);
  return (wasm_externtype_t *)wasm_tabletype_new(valtype(standard_kind_of(type->elem)), &range);
}

wasm_memorytype_t *wasm_memorytype_new(const wasm_limits_t *limits) {
  wasm_memorytype_t *type = base_alloc_zero(1, sizeof *type);
  if (type) *type = (wasm_memorytype_t){.base = {WASM_EXTERN_MEMORY}, .limits = *limits};
  return type;
}
const wasm_limits_t *wasm_memorytype_limits(const wasm_memorytype_t *type) { return &type->limits; }

wasm_externtype_t *standard_memorytype(const struct module_memory_type *type, uint64_t count) {
  wasm_limits_t range = limits(&type->limits, count);
  return (wasm_externtype_t *)wasm_memorytype_new(&range);
}

static const wasm_externtype_t tag_type = {CAY_WASM_EXTERN_TAG};
wasm_externtype_t *standard_tagtype(void) { return (wasm_externtype_t *)(uintptr_t)&tag_type; }

/* ---- As one ----------------------------------------------------------------------------------------------------------------- */

wasm_externkind_t wasm_externtype_kind(const wasm_externtype_t *type) { return type->kind; }

void wasm_externtype_delete(wasm_externtype_t *type) {
  if (!type || type == &tag_type) return;
  if (type->kind == WASM_EXTERN_FUNC) {
    wasm_valtype_vec_delete(&((wasm_functype_t *)type)->params);
    wasm_valtype_vec_delete(&((wasm_functype_t *)type)->results);
  }
  base_free(type);
}

static wasm_externtype_t *functype_copy(const wasm_functype_t *type) {
  wasm_valtype_vec_t params, results;
  wasm_valtype_vec_copy(&params, &type->params);
  wasm_valtype_vec_copy(&results, &type->results);
  return (wasm_externtype_t *)wasm_functype_new(&params, &results);
}

wasm_externtype_t *wasm_externtype_copy(const wasm_externtype_t *type) {
  switch (type->kind) {
  case WASM_EXTERN_FUNC: return functype_copy((const wasm_functype_t *)type);
  case WASM_EXTERN_GLOBAL: {
    const wasm_globaltype_t *global = (const wasm_globaltype_t *)type;
    return (wasm_externtype_t *)wasm_globaltype_new(global->content, global->mutability);
  }
  case WASM_EXTERN_TABLE: {
    const wasm_tabletype_t *table = (const wasm_tabletype_t *)type;
    return (wasm_externtype_t *)wasm_tabletype_new(table->element, &table->limits);
  }
  case WASM_EXTERN_MEMORY: return (wasm_externtype_t *)wasm_memorytype_new(&((const wasm_memorytype_t *)type)->limits);
  default: return standard_tagtype();
  }
}

#define EXTERN_TYPE(name, KIND)                                                                               \
  void wasm_##name##_delete(wasm_##name##_t *type) { wasm_externtype_delete((wasm_externtype_t *)type); }     \
  wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *type) {                                          \
    return (wasm_##name##_t *)wasm_externtype_copy(&type->base);                                              \
  }                                                                                                           \
  wasm_externtype_t *wasm_##name##_as_externtype(wasm_##name##_t *type) { return (wasm_externtype_t *)type; } \
  const wasm_externtype_t *wasm_##name##_as_externtype_const(const wasm_##name##_t *type) {                   \
    return (const wasm_externtype_t *)type;                                                                   \
  }                                                                                                           \
  wasm_##name##_t *wasm_externtype_as_##name(wasm_externtype_t *type) {                                       \
    return type && type->kind == KIND ? (wasm_##name##_t *)type : NULL;                                       \
  }                                                                                                           \
  const wasm_##name##_t *wasm_externtype_as_##name##_const(const wasm_externtype_t *type) {                   \
    return type && type->kind == KIND ? (const wasm_##name##_t *)type : NULL;                                 \
  }
EXTERN_TYPE(functype, WASM_EXTERN_FUNC)
EXTERN_TYPE(globaltype, WASM_EXTERN_GLOBAL)
EXTERN_TYPE(tabletype, WASM_EXTERN_TABLE)
EXTERN_TYPE(memorytype, WASM_EXTERN_MEMORY)

/* ---- Imports and exports -------------------------------------------------------------------------------------------------- */

struct wasm_importtype_t {
  wasm_name_t module, name;
  wasm_externtype_t *type;
};
struct wasm_exporttype_t {
  wasm_name_t name;
  wasm_externtype_t *type;
};

wasm_importtype_t *wasm_importtype_new(wasm_name_t *module, wasm_name_t *name, wasm_externtype_t *type) {
  bool is_complete = type && !standard_vec_failed(module->data) && !standard_vec_failed(name->data);
  wasm_importtype_t *import = is_complete ? base_alloc_zero(1, sizeof *import) : NULL;
  if (import) {
    *import = (wasm_importtype_t){*module, *name, type};
    return import;
  }
  wasm_byte_vec_delete(module);
  wasm_byte_vec_delete(name);
  wasm_externtype_delete(type);
  return NULL;
}

void wasm_importtype_delete(wasm_importtype_t *import) {
  if (!import) return;
  wasm_byte_vec_delete(&import->module);
  wasm_byte_vec_delete(&import->name);
  wasm_externtype_delete(import->type);
  base_free(import);
}

wasm_importtype_t *wasm_importtype_copy(const wasm_importtype_t *import) {
  wasm_name_t module, name;
  wasm_byte_vec_copy(&module, &import->module);
  wasm_byte_vec_copy(&name, &import->name);
  return wasm_importtype_new(&module, &name, wasm_externtype_copy(import->type));
}

const wasm_name_t *wasm_importtype_module(const wasm_importtype_t *import) { return &import->module; }
const wasm_name_t *wasm_importtype_name(const wasm_importtype_t *import) { return &import->name; }
const wasm_externtype_t *wasm_importtype_type(const wasm_importtype_t *import) { return import->type; }

wasm_exporttype_t *wasm_exporttype_new(wasm_name_t *name, wasm_externtype_t *type) {
  wasm_exporttype_t *export = type && !standard_vec_failed(name->data) ? base_alloc_zero(1, sizeof *export) : NULL;
  if (export) {
    *export = (wasm_exporttype_t){*name, type};
    return export;
  }
  wasm_byte_vec_delete(name);
  wasm_externtype_delete(type);
  return NULL;
}

void wasm_exporttype_delete(wasm_exporttype_t *export) {
  if (!export) return;
  wasm_byte_vec_delete(&export->name);
  wasm_externtype_delete(export->type);
  base_free(export);
}

wasm_exporttype_t *wasm_exporttype_copy(const wasm_exporttype_t *export) {
  wasm_name_t name;
  wasm_byte_vec_copy(&name, &export->name);
  return wasm_exporttype_new(&name, wasm_externtype_copy(export->type));
}

const wasm_name_t *wasm_exporttype_name(const wasm_exporttype_t *export) { return &export->name; }
const wasm_externtype_t *wasm_exporttype_type(const wasm_exporttype_t *export) { return export->type; }
