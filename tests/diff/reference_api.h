/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the differential test uses of wasmtime's C API. The Python wheel that the library lies in has no headers, so it is
 * declared here; the layouts are those of the pinned version. */
#ifndef TESTS_DIFF_REFERENCE_API_H
#define TESTS_DIFF_REFERENCE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KIND_I32, KIND_I64, KIND_F32, KIND_F64, KIND_V128, KIND_FUNCREF, KIND_EXTERNREF, KIND_ANYREF, KIND_EXNREF };
enum { EXTERN_FUNC, EXTERN_GLOBAL, EXTERN_TABLE, EXTERN_MEMORY, EXTERN_SHARED_MEMORY, EXTERN_TAG };
enum { OPTIMIZE_NONE = 0 };

struct wt_vec {
  size_t size;
  void *elems;
}; /* wasm_byte_vec_t, wasm_importtype_vec_t */
struct wt_func {
  uint64_t store;
  void *part;
};
struct wt_place {
  uint64_t store;
  uint32_t parts[3];
}; /* global, table, memory, tag */
struct wt_ref {
  uint64_t store;
  uint32_t parts[2];
  void *part;
}; /* anyref, externref, exnref, structref, arrayref; store 0: null */
struct wt_instance {
  uint64_t store;
  size_t part;
};
struct wt_value {
  uint8_t kind;
  union {
    uint32_t i32;
    uint64_t i64;
    struct wt_ref ref;
    struct wt_func func;
    uint64_t v128[2];
  } of;
};
struct wt_extern {
  uint8_t kind;
  union {
    struct wt_func func;
    struct wt_place place;
    void *shared_memory;
  } of;
};
_Static_assert(sizeof(struct wt_value) == 32 && sizeof(struct wt_extern) == 32 && sizeof(struct wt_place) == 24,
               "the layouts of wasmtime's C API");
typedef void *(*wt_callback)(void *env, void *caller, const struct wt_value *args, size_t arg_count,
                             struct wt_value *results, size_t result_count);
typedef void (*wt_finalizer)(void *env);

/* Proposals that can be switched: the feature as cay names it, the setter. */
#define WT_PROPOSALS(X)                                                \
  X(TAIL_CALL, wasmtime_config_wasm_tail_call_set)                     \
  X(SIMD, wasmtime_config_wasm_simd_set)                               \
  X(RELAXED_SIMD, wasmtime_config_wasm_relaxed_simd_set)               \
  X(THREADS, wasmtime_config_wasm_threads_set)                         \
  X(MULTI_MEMORY, wasmtime_config_wasm_multi_memory_set)               \
  X(MEMORY64, wasmtime_config_wasm_memory64_set)                       \
  X(FUNCTION_REFERENCES, wasmtime_config_wasm_function_references_set) \
  X(GC, wasmtime_config_wasm_gc_set)                                   \
  X(EXCEPTIONS, wasmtime_config_wasm_exceptions_set)                   \
  X(WIDE_ARITHMETIC, wasmtime_config_wasm_wide_arithmetic_set)         \
  X(CUSTOM_PAGE_SIZES, wasmtime_config_wasm_custom_page_sizes_set)

#define WT_FUNCTIONS(X)                                                                                               \
  X(void *, wasm_config_new, (void))                                                                                  \
  X(void, wasmtime_config_max_wasm_stack_set, (void *config, size_t bytes))                                           \
  X(void, wasmtime_config_async_stack_size_set, (void *config, uint64_t bytes))                                       \
  X(void, wasmtime_config_parallel_compilation_set, (void *config, bool on))                                          \
  X(void, wasmtime_config_cranelift_opt_level_set, (void *config, uint8_t level))                                     \
  X(void, wasmtime_config_wasm_compact_imports_set, (void *config, bool on))                                          \
  X(void, wasmtime_config_wasm_stack_switching_set, (void *config, bool on))                                          \
  X(void, wasmtime_config_wasm_relaxed_simd_deterministic_set, (void *config, bool on))                               \
  X(void, wasmtime_config_shared_memory_set, (void *config, bool on))                                                 \
  X(void *, wasm_engine_new_with_config, (void *config))                                                              \
  X(void, wasm_engine_delete, (void *engine))                                                                         \
  X(void *, wasmtime_store_new, (void *engine, void *env, wt_finalizer finalizer))                                    \
  X(void *, wasmtime_store_context, (void *store))                                                                    \
  X(void, wasmtime_store_delete, (void *store))                                                                       \
  X(void *, wasmtime_module_new, (void *engine, const uint8_t *bytes, size_t len_bytes, void **out))                  \
  X(void *, wasmtime_module_validate, (void *engine, const uint8_t *bytes, size_t len_bytes))                         \
  X(void, wasmtime_module_imports, (void *module, struct wt_vec *out))                                                \
  X(void, wasmtime_module_delete, (void *module))                                                                     \
  X(void *, wasmtime_instance_new,                                                                                    \
    (void *context, void *module, const struct wt_extern *imports, size_t count, struct wt_instance *out,             \
     void **trap))                                                                                                    \
  X(bool, wasmtime_instance_export_nth,                                                                               \
    (void *context, const struct wt_instance *instance, size_t index, char **name, size_t *name_bytes,                \
     struct wt_extern *out))                                                                                          \
  X(void, wasmtime_extern_delete, (struct wt_extern * item))                                                          \
  X(void, wasmtime_func_new,                                                                                          \
    (void *context, const void *type, wt_callback callback, void *env, wt_finalizer finalizer, struct wt_func *out))  \
  X(void *, wasmtime_func_call,                                                                                       \
    (void *context, const struct wt_func *func, const struct wt_value *args, size_t arg_count,                        \
     struct wt_value *results, size_t result_count, void **trap))                                                     \
  X(void *, wasmtime_global_new,                                                                                      \
    (void *context, const void *type, const struct wt_value *value, struct wt_place *out))                            \
  X(void, wasmtime_global_get, (void *context, const struct wt_place *global, struct wt_value *out))                  \
  X(void *, wasmtime_global_set, (void *context, const struct wt_place *global, const struct wt_value *value))        \
  X(void *, wasmtime_memory_new, (void *context, const void *type, struct wt_place *out))                             \
  X(uint8_t *, wasmtime_memory_data, (void *context, const struct wt_place *memory))                                  \
  X(size_t, wasmtime_memory_data_size, (void *context, const struct wt_place *memory))                                \
  X(bool, wasmtime_memorytype_isshared, (const void *type))                                                           \
  X(void *, wasmtime_sharedmemory_new, (void *engine, const void *type, void **out))                                  \
  X(uint8_t *, wasmtime_sharedmemory_data, (const void *memory))                                                      \
  X(size_t, wasmtime_sharedmemory_data_size, (const void *memory))                                                    \
  X(void *, wasmtime_table_new, (void *context, const void *type, const struct wt_value *init, struct wt_place *out)) \
  X(uint64_t, wasmtime_table_size, (void *context, const struct wt_place *table))                                     \
  X(bool, wasmtime_table_get, (void *context, const struct wt_place *table, uint64_t at, struct wt_value *out))       \
  X(void *, wasmtime_table_set,                                                                                       \
    (void *context, const struct wt_place *table, uint64_t at, const struct wt_value *value))                         \
  X(void *, wasmtime_tag_new, (void *context, const void *type, struct wt_place *out))                                \
  X(bool, wasmtime_tag_eq, (void *context, const struct wt_place *a, const struct wt_place *b))                       \
  X(bool, wasmtime_externref_new, (void *context, void *value, wt_finalizer finalizer, struct wt_ref *out))           \
  X(void *, wasmtime_externref_data, (void *context, const struct wt_ref *ref))                                       \
  X(uint32_t, wasmtime_externref_to_raw, (void *context, const struct wt_ref *ref))                                   \
  X(void, wasmtime_externref_from_raw, (void *context, uint32_t raw, struct wt_ref *out))                             \
  X(void, wasmtime_externref_unroot, (struct wt_ref * ref))                                                           \
  X(uint32_t, wasmtime_anyref_to_raw, (void *context, const struct wt_ref *ref))                                      \
  X(void, wasmtime_anyref_from_raw, (void *context, uint32_t raw, struct wt_ref *out))                                \
  X(void, wasmtime_anyref_from_i31, (void *context, uint32_t value, struct wt_ref *out))                              \
  X(bool, wasmtime_anyref_i31_get_u, (void *context, const struct wt_ref *ref, uint32_t *out))                        \
  X(bool, wasmtime_anyref_is_struct, (void *context, const struct wt_ref *ref))                                       \
  X(bool, wasmtime_anyref_is_array, (void *context, const struct wt_ref *ref))                                        \
  X(bool, wasmtime_anyref_as_struct, (void *context, const struct wt_ref *ref, struct wt_ref *out))                   \
  X(bool, wasmtime_anyref_as_array, (void *context, const struct wt_ref *ref, struct wt_ref *out))                    \
  X(void, wasmtime_anyref_unroot, (struct wt_ref * ref))                                                              \
  X(void *, wasmtime_structref_type, (void *context, const struct wt_ref *ref))                                       \
  X(void *, wasmtime_structref_field, (void *context, const struct wt_ref *ref, size_t index, struct wt_value *out))  \
  X(void, wasmtime_structref_unroot, (struct wt_ref * ref))                                                           \
  X(size_t, wasmtime_struct_type_num_fields, (const void *type))                                                      \
  X(void, wasmtime_struct_type_delete, (void *type))                                                                  \
  X(void *, wasmtime_arrayref_len, (void *context, const struct wt_ref *ref, uint32_t *out))                          \
  X(void *, wasmtime_arrayref_get, (void *context, const struct wt_ref *ref, uint32_t index, struct wt_value *out))   \
  X(void, wasmtime_arrayref_unroot, (struct wt_ref * ref))                                                            \
  X(void *, wasmtime_exnref_new,                                                                                      \
    (void *context, const struct wt_place *tag, const struct wt_value *fields, size_t count, struct wt_ref *out))     \
  X(void *, wasmtime_context_set_exception, (void *context, const struct wt_ref *ref))                                \
  X(void *, wasmtime_exnref_tag, (void *context, const struct wt_ref *ref, struct wt_place *out))                     \
  X(size_t, wasmtime_exnref_field_count, (void *context, const struct wt_ref *ref))                                   \
  X(void *, wasmtime_exnref_field, (void *context, const struct wt_ref *ref, size_t index, struct wt_value *out))     \
  X(void, wasmtime_exnref_unroot, (struct wt_ref * ref))                                                              \
  X(bool, wasmtime_context_take_exception, (void *context, struct wt_ref *out))                                       \
  X(void, wasmtime_val_unroot, (struct wt_value * value))                                                             \
  X(void *, wasmtime_trap_new, (const char *text, size_t len_bytes))                                                  \
  X(bool, wasmtime_trap_code, (const void *trap, uint8_t *code))                                                      \
  X(void, wasm_trap_message, (const void *trap, struct wt_vec *out))                                                  \
  X(void, wasm_trap_delete, (void *trap))                                                                             \
  X(void, wasmtime_error_message, (const void *error, struct wt_vec *out))                                            \
  X(void, wasmtime_error_delete, (void *error))                                                                       \
  X(void, wasm_byte_vec_delete, (struct wt_vec * vec))                                                                \
  X(void, wasm_importtype_vec_delete, (struct wt_vec * vec))                                                          \
  X(const void *, wasm_importtype_type, (const void *import))                                                         \
  X(const void *, wasm_externtype_as_functype_const, (const void *type))                                              \
  X(const void *, wasm_externtype_as_globaltype_const, (const void *type))                                            \
  X(const void *, wasm_externtype_as_tabletype_const, (const void *type))                                             \
  X(const void *, wasm_externtype_as_memorytype_const, (const void *type))                                            \
  X(const void *, wasm_externtype_as_tagtype_const, (const void *type))

#endif
