/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Who owns what in wasm.h, for each of its types of objects by the same few scenarios: vectors take over, copy and end their
 * elements; types are copied and cast; references are copied, compared, cast to what they are and to nothing else, and share
 * what the host ties to an object, whose finalizer runs once. Meant for AddressSanitizer. The argument is the tier. */
#include "world.h"

/* ---- Vectors --------------------------------------------------------------------------------------------------------- */

/* `make` gives an element, which the vector owns; `check` looks at one. */
#define VECTOR_OF(name, make, check)                                                        \
  static void vector_of_##name(void) {                                                      \
    wasm_##name##_vec_t empty, room, taken, copy;                                           \
    wasm_##name##_vec_new_empty(&empty);                                                    \
    CHECK(empty.size == 0 && empty.data == NULL);                                           \
    wasm_##name##_vec_delete(&empty);                                                       \
    wasm_##name##_vec_new_uninitialized(&room, 3);                                          \
    CHECK_INT(room.size, 3);                                                                \
    for (int i = 0; i < 3; i++) CHECK(room.data[i] == NULL);                                \
    room.data[1] = make;                                                                    \
    wasm_##name##_vec_copy(&copy, &room);                                                   \
    CHECK(copy.size == 3 && !copy.data[0] && !copy.data[2]);                                \
    CHECK(copy.data != room.data);                                                          \
    wasm_##name##_vec_delete(&room); /* with element 1, without the others */               \
    CHECK(check(copy.data[1]));                                                             \
    wasm_##name##_vec_delete(&copy);                                                        \
    wasm_##name##_t *elements[2] = {make, make};                                            \
    wasm_##name##_vec_new(&taken, 2, elements);                                             \
    CHECK(taken.size == 2 && taken.data[0] == elements[0] && taken.data[1] == elements[1]); \
    wasm_##name##_vec_copy(&copy, &taken);                                                  \
    wasm_##name##_vec_delete(&taken);                                                       \
    CHECK(copy.size == 2 && check(copy.data[0]) && check(copy.data[1]));                    \
    wasm_##name##_vec_delete(&copy);                                                        \
  }

static wasm_name_t *name_of(wasm_name_t *out, const char *text) {
  wasm_name_new_from_string(out, text);
  return out;
}
static bool is_name(const wasm_name_t *name, const char *text) {
  return name->size == strlen(text) && memcmp(name->data, text, name->size) == 0;
}

static wasm_functype_t *functype_make(void) {
  return wasm_functype_new_2_1(wasm_valtype_new_i32(), wasm_valtype_new_f64(), wasm_valtype_new_externref());
}
static bool is_functype(const wasm_functype_t *type) {
  const wasm_valtype_vec_t *params = wasm_functype_params(type), *results = wasm_functype_results(type);
  return params->size == 2 && wasm_valtype_kind(params->data[0]) == WASM_I32 &&
         wasm_valtype_kind(params->data[1]) == WASM_F64 && results->size == 1 &&
         wasm_valtype_kind(results->data[0]) == WASM_EXTERNREF;
}

static wasm_globaltype_t *globaltype_make(void) { return wasm_globaltype_new(wasm_valtype_new_i64(), WASM_VAR); }
static bool is_globaltype(const wasm_globaltype_t *type) {
  return wasm_valtype_kind(wasm_globaltype_content(type)) == WASM_I64 && wasm_globaltype_mutability(type) == WASM_VAR;
}

static const wasm_limits_t limits = {3, 70};
static bool are_limits(const wasm_limits_t *found) { return found->min == limits.min && found->max == limits.max; }
static wasm_tabletype_t *tabletype_make(void) { return wasm_tabletype_new(wasm_valtype_new_funcref(), &limits); }
static bool is_tabletype(const wasm_tabletype_t *type) {
  return wasm_valtype_kind(wasm_tabletype_element(type)) == WASM_FUNCREF && are_limits(wasm_tabletype_limits(type));
}
static wasm_memorytype_t *memorytype_make(void) { return wasm_memorytype_new(&limits); }
static bool is_memorytype(const wasm_memorytype_t *type) { return are_limits(wasm_memorytype_limits(type)); }

static wasm_externtype_t *externtype_make(void) { return wasm_tabletype_as_externtype(tabletype_make()); }
static bool is_externtype(const wasm_externtype_t *type) {
  return wasm_externtype_kind(type) == WASM_EXTERN_TABLE && is_tabletype(wasm_externtype_as_tabletype_const(type));
}
static wasm_importtype_t *importtype_make(void) {
  wasm_name_t module, name;
  return wasm_importtype_new(name_of(&module, "from"), name_of(&name, "what"), externtype_make());
}
static bool is_importtype(const wasm_importtype_t *type) {
  return is_name(wasm_importtype_module(type), "from") && is_name(wasm_importtype_name(type), "what") &&
         is_externtype(wasm_importtype_type(type));
}
static wasm_exporttype_t *exporttype_make(void) {
  wasm_name_t name;
  return wasm_exporttype_new(name_of(&name, "what"), externtype_make());
}
static bool is_exporttype(const wasm_exporttype_t *type) {
  return is_name(wasm_exporttype_name(type), "what") && is_externtype(wasm_exporttype_type(type));
}
static wasm_valtype_t *valtype_make(void) { return wasm_valtype_new_f32(); }
static bool is_valtype(const wasm_valtype_t *type) { return wasm_valtype_kind(type) == WASM_F32; }

static struct world world;
static wasm_frame_t *frame_make(void) {
  wasm_trap_t *trap = call(world_func(&world, "boom"), 0, NULL, NULL);
  wasm_frame_t *frame = wasm_trap_origin(trap);
  wasm_trap_delete(trap);
  return frame;
}
static bool is_frame(const wasm_frame_t *frame) {
  return wasm_frame_func_index(frame) == 3 && wasm_frame_func_offset(frame) == 2 &&
         wasm_frame_module_offset(frame) > 2 && wasm_instance_same(wasm_frame_instance(frame), world.instance);
}
static wasm_extern_t *extern_make(void) { return wasm_extern_copy(wasm_func_as_extern(world_func(&world, "boom"))); }
static bool is_extern(const wasm_extern_t *item) { return wasm_extern_kind(item) == WASM_EXTERN_FUNC; }

VECTOR_OF(valtype, valtype_make(), is_valtype)
VECTOR_OF(functype, functype_make(), is_functype)
VECTOR_OF(globaltype, globaltype_make(), is_globaltype)
VECTOR_OF(tabletype, tabletype_make(), is_tabletype)
VECTOR_OF(memorytype, memorytype_make(), is_memorytype)
VECTOR_OF(externtype, externtype_make(), is_externtype)
VECTOR_OF(importtype, importtype_make(), is_importtype)
VECTOR_OF(exporttype, exporttype_make(), is_exporttype)
VECTOR_OF(frame, frame_make(), is_frame)
VECTOR_OF(extern, extern_make(), is_extern)

static wasm_trap_t *fail_not(const wasm_val_vec_t *args, wasm_val_vec_t *results) {
  wasm_val_copy(&results->data[0], &args->data[0]);
  return NULL;
}

static void world_begin(void) {
  world = world_new();
  wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_func_t *func = wasm_func_new(world.store, type, fail_not);
  wasm_functype_delete(type);
  LOAD(&world, TRAPS_WASM);
  INSTANTIATE(&world, wasm_func_as_extern(func));
  wasm_func_delete(func);
}

TEST(vectors_own_their_elements) {
  world_begin();
  vector_of_valtype();
  vector_of_functype();
  vector_of_globaltype();
  vector_of_tabletype();
  vector_of_memorytype();
  vector_of_externtype();
  vector_of_importtype();
  vector_of_exporttype();
  vector_of_frame();
  vector_of_extern();
  world_free(&world);
}

TEST(vectors_of_bytes_and_values_are_flat) {
  wasm_byte_vec_t bytes, copy, empty;
  wasm_name_new_from_string_nt(&bytes, "text");
  wasm_byte_vec_copy(&copy, &bytes);
  CHECK(copy.size == 5 && copy.data != bytes.data && memcmp(copy.data, "text", 5) == 0);
  wasm_byte_vec_delete(&bytes);
  wasm_byte_vec_delete(&copy);
  wasm_byte_vec_new_uninitialized(&bytes, 2);
  CHECK_INT(bytes.size, 2);
  wasm_byte_vec_delete(&bytes);
  wasm_byte_vec_new_empty(&empty);
  CHECK(empty.size == 0);
  wasm_byte_vec_delete(&empty);

  world = world_new();
  wasm_foreign_t *foreign = wasm_foreign_new(world.store);
  wasm_val_t values[2] = {WASM_I32_VAL(-5), WASM_REF_VAL(wasm_ref_copy(wasm_foreign_as_ref(foreign)))};
  wasm_val_vec_t taken, copied, room, none;
  wasm_val_vec_new(&taken, 2, values);
  wasm_val_vec_copy(&copied, &taken);
  wasm_val_vec_delete(&taken); /* with the reference in it */
  CHECK(copied.size == 2 && copied.data[0].of.i32 == -5);
  CHECK(wasm_ref_same(copied.data[1].of.ref, wasm_foreign_as_ref(foreign)));
  wasm_val_vec_delete(&copied);
  wasm_val_vec_new_uninitialized(&room, 2);
  CHECK_INT(room.size, 2);
  wasm_val_vec_delete(&room);
  wasm_val_vec_new_empty(&none);
  wasm_val_vec_delete(&none);
  wasm_foreign_delete(foreign);
  world_free(&world);
}

/* ---- Types ----------------------------------------------------------------------------------------------------------- */

/* A copy outlives what it was made of, and is cast to and fro without being copied. */
#define TYPE_IS_CAST(name, KIND)                                                          \
  do {                                                                                    \
    wasm_##name##_t *first = name##_make(), *copy = wasm_##name##_copy(first);            \
    const wasm_##name##_t *constant = copy;                                               \
    CHECK(copy != first);                                                                 \
    wasm_##name##_delete(first);                                                          \
    CHECK(is_##name(copy));                                                               \
    wasm_externtype_t *cast = wasm_##name##_as_externtype(copy);                          \
    CHECK_INT(wasm_externtype_kind(cast), KIND);                                          \
    CHECK(wasm_##name##_as_externtype_const(constant) == cast);                           \
    CHECK(wasm_externtype_as_##name(cast) == copy);                                       \
    CHECK(wasm_externtype_as_##name##_const(cast) == constant);                           \
    CHECK((wasm_externtype_as_functype(cast) != NULL) == (KIND == WASM_EXTERN_FUNC));     \
    CHECK((wasm_externtype_as_globaltype(cast) != NULL) == (KIND == WASM_EXTERN_GLOBAL)); \
    CHECK((wasm_externtype_as_tabletype(cast) != NULL) == (KIND == WASM_EXTERN_TABLE));   \
    CHECK((wasm_externtype_as_memorytype(cast) != NULL) == (KIND == WASM_EXTERN_MEMORY)); \
    wasm_externtype_t *whole = wasm_externtype_copy(cast);                                \
    wasm_externtype_delete(cast); /* is the type itself */                                \
    CHECK(is_##name(wasm_externtype_as_##name(whole)));                                   \
    wasm_externtype_delete(whole);                                                        \
  } while (0)

/* Takes its type over; parameters are i32, i64, f32 as far as they go, results f64, i32. */
static void functype_of(wasm_functype_t *type, size_t params, size_t results) {
  static const wasm_valkind_t kinds[2][3] = {{WASM_I32, WASM_I64, WASM_F32}, {WASM_F64, WASM_I32}};
  const wasm_valtype_vec_t *found[2] = {wasm_functype_params(type), wasm_functype_results(type)};
  CHECK(found[0]->size == params && found[1]->size == results);
  for (int side = 0; side < 2; side++)
    for (size_t i = 0; i < found[side]->size; i++) CHECK_INT(wasm_valtype_kind(found[side]->data[i]), kinds[side][i]);
  wasm_functype_delete(type);
}

TEST(short_types_of_functions) {
#define A wasm_valtype_new_i32()
#define B wasm_valtype_new_i64()
#define C wasm_valtype_new_f32()
#define D wasm_valtype_new_f64()
  functype_of(wasm_functype_new_0_0(), 0, 0);
  functype_of(wasm_functype_new_1_0(A), 1, 0);
  functype_of(wasm_functype_new_2_0(A, B), 2, 0);
  functype_of(wasm_functype_new_3_0(A, B, C), 3, 0);
  functype_of(wasm_functype_new_0_1(D), 0, 1);
  functype_of(wasm_functype_new_1_1(A, D), 1, 1);
  functype_of(wasm_functype_new_2_1(A, B, D), 2, 1);
  functype_of(wasm_functype_new_3_1(A, B, C, D), 3, 1);
  functype_of(wasm_functype_new_0_2(D, A), 0, 2);
  functype_of(wasm_functype_new_1_2(A, D, A), 1, 2);
  functype_of(wasm_functype_new_2_2(A, B, D, A), 2, 2);
  functype_of(wasm_functype_new_3_2(A, B, C, D, A), 3, 2);
}

TEST(types_are_copied_and_cast) {
  TYPE_IS_CAST(functype, WASM_EXTERN_FUNC);
  TYPE_IS_CAST(globaltype, WASM_EXTERN_GLOBAL);
  TYPE_IS_CAST(tabletype, WASM_EXTERN_TABLE);
  TYPE_IS_CAST(memorytype, WASM_EXTERN_MEMORY);
  wasm_valtype_t *value = valtype_make(), *value_copy = wasm_valtype_copy(value);
  wasm_valtype_delete(value);
  CHECK(is_valtype(value_copy) && wasm_valtype_is_num(value_copy) && !wasm_valtype_is_ref(value_copy));
  CHECK(wasm_valkind_is_num(WASM_F64) && wasm_valkind_is_ref(WASM_FUNCREF));
  wasm_valtype_delete(value_copy);
  wasm_importtype_t *import = importtype_make(), *import_copy = wasm_importtype_copy(import);
  wasm_importtype_delete(import);
  CHECK(is_importtype(import_copy));
  wasm_importtype_delete(import_copy);
  wasm_exporttype_t *export = exporttype_make(), *export_copy = wasm_exporttype_copy(export);
  wasm_exporttype_delete(export);
  CHECK(is_exporttype(export_copy));
  wasm_exporttype_delete(export_copy);
  world_begin();
  wasm_frame_t *frame = frame_make(), *frame_copy = wasm_frame_copy(frame);
  wasm_frame_delete(frame);
  CHECK(is_frame(frame_copy));
  wasm_frame_delete(frame_copy);
  world_free(&world);
}

/* ---- References ------------------------------------------------------------------------------------------------------ */

enum kind { TRAP, FOREIGN, MODULE, FUNC, GLOBAL, TABLE, MEMORY, INSTANCE, KINDS };

static void is_of_kind(wasm_ref_t *ref, enum kind kind) {
  const wasm_ref_t *constant = ref;
  const void *const found[2][KINDS] = {
      {wasm_ref_as_trap(ref), wasm_ref_as_foreign(ref), wasm_ref_as_module(ref), wasm_ref_as_func(ref),
       wasm_ref_as_global(ref), wasm_ref_as_table(ref), wasm_ref_as_memory(ref), wasm_ref_as_instance(ref)},
      {wasm_ref_as_trap_const(constant), wasm_ref_as_foreign_const(constant), wasm_ref_as_module_const(constant),
       wasm_ref_as_func_const(constant), wasm_ref_as_global_const(constant), wasm_ref_as_table_const(constant),
       wasm_ref_as_memory_const(constant), wasm_ref_as_instance_const(constant)}};
  bool is_extern = kind >= FUNC && kind <= MEMORY;
  for (int i = 0; i < KINDS; i++) CHECK((found[0][i] != NULL) == (i == (int)kind) && found[0][i] == found[1][i]);
  CHECK((wasm_ref_as_extern(ref) != NULL) == is_extern && (wasm_ref_as_extern_const(constant) != NULL) == is_extern);
}

static int finalized;
static void finalize(void *info) { finalized += *(int *)info; }

/* What is tied to one reference is found by the other; a finalizer runs when something else is tied, and never again. */
#define INFO_IS_SHARED(name, one, other)                                     \
  do {                                                                       \
    static int first = 1, second = 100;                                      \
    finalized = 0;                                                           \
    CHECK(wasm_##name##_same(one, other) && wasm_##name##_same(other, one)); \
    CHECK(wasm_##name##_get_host_info(one) == NULL);                         \
    wasm_##name##_set_host_info_with_finalizer(one, &first, finalize);       \
    CHECK(wasm_##name##_get_host_info(other) == &first && finalized == 0);   \
    wasm_##name##_set_host_info(other, &second);                             \
    CHECK(wasm_##name##_get_host_info(one) == &second && finalized == 1);    \
    wasm_##name##_set_host_info(one, NULL);                                  \
    CHECK(wasm_##name##_get_host_info(other) == NULL && finalized == 1);     \
  } while (0)

#define REFERENCES(name, KIND)                                                                    \
  static void references_to_##name(wasm_##name##_t *object, wasm_##name##_t *another) {           \
    const wasm_##name##_t *constant = object;                                                     \
    wasm_##name##_t *copy = wasm_##name##_copy(object);                                           \
    CHECK(copy && !wasm_##name##_same(object, another));                                          \
    INFO_IS_SHARED(name, object, copy);                                                           \
    wasm_ref_t *ref = wasm_##name##_as_ref(object);                                               \
    CHECK(wasm_##name##_as_ref_const(constant) == ref && wasm_ref_as_##name(ref) == object);      \
    is_of_kind(ref, KIND);                                                                        \
    wasm_ref_t *of_copy = wasm_ref_copy(wasm_##name##_as_ref(copy));                              \
    wasm_##name##_delete(copy);                                                                   \
    CHECK(wasm_ref_same(of_copy, ref) && !wasm_ref_same(of_copy, wasm_##name##_as_ref(another))); \
    INFO_IS_SHARED(ref, of_copy, ref);                                                            \
    wasm_ref_delete(of_copy);                                                                     \
  }
REFERENCES(trap, TRAP)
REFERENCES(foreign, FOREIGN)
REFERENCES(module, MODULE)
REFERENCES(func, FUNC)
REFERENCES(global, GLOBAL)
REFERENCES(table, TABLE)
REFERENCES(memory, MEMORY)
REFERENCES(instance, INSTANCE)

/* An external is what it was cast from. */
#define EXTERNALS(name, KIND)                                                                      \
  static void external_##name(wasm_##name##_t *object) {                                           \
    const wasm_##name##_t *constant = object;                                                      \
    wasm_extern_t *cast = wasm_##name##_as_extern(object);                                         \
    const wasm_extern_t *cast_constant = wasm_##name##_as_extern_const(constant);                  \
    CHECK(cast == cast_constant && wasm_extern_kind(cast) == KIND);                                \
    CHECK(wasm_extern_as_##name(cast) == object && wasm_extern_as_##name##_const(cast) == object); \
    CHECK((wasm_extern_as_func(cast) != NULL) == (KIND == WASM_EXTERN_FUNC));                      \
    CHECK((wasm_extern_as_global(cast) != NULL) == (KIND == WASM_EXTERN_GLOBAL));                  \
    CHECK((wasm_extern_as_table(cast) != NULL) == (KIND == WASM_EXTERN_TABLE));                    \
    CHECK((wasm_extern_as_memory(cast) != NULL) == (KIND == WASM_EXTERN_MEMORY));                  \
    wasm_externtype_t *type = wasm_extern_type(cast);                                              \
    CHECK_INT(wasm_externtype_kind(type), KIND);                                                   \
    wasm_externtype_delete(type);                                                                  \
    wasm_extern_t *copy = wasm_extern_copy(cast);                                                  \
    INFO_IS_SHARED(extern, cast, copy);                                                            \
    CHECK(wasm_extern_as_ref(cast) == wasm_##name##_as_ref(object));                               \
    CHECK(wasm_extern_as_ref_const(cast_constant) == wasm_##name##_as_ref_const(constant));        \
    CHECK(wasm_ref_as_extern(wasm_##name##_as_ref(object)) == cast);                               \
    wasm_extern_delete(copy);                                                                      \
  }
EXTERNALS(func, WASM_EXTERN_FUNC)
EXTERNALS(global, WASM_EXTERN_GLOBAL)
EXTERNALS(table, WASM_EXTERN_TABLE)
EXTERNALS(memory, WASM_EXTERN_MEMORY)

static wasm_global_t *global_make(void) {
  wasm_globaltype_t *type = globaltype_make();
  wasm_global_t *global = wasm_global_new(world.store, type, &(wasm_val_t)WASM_I64_VAL(7));
  wasm_globaltype_delete(type);
  wasm_globaltype_t *found = wasm_global_type(global);
  CHECK(is_globaltype(found));
  wasm_globaltype_delete(found);
  return global;
}
static wasm_table_t *table_make(void) {
  wasm_tabletype_t *type = tabletype_make();
  wasm_table_t *table = wasm_table_new(world.store, type, NULL);
  wasm_tabletype_delete(type);
  wasm_tabletype_t *found = wasm_table_type(table);
  CHECK(is_tabletype(found));
  wasm_tabletype_delete(found);
  return table;
}
static wasm_memory_t *memory_make(void) {
  wasm_memorytype_t *type = memorytype_make();
  wasm_memory_t *memory = wasm_memory_new(world.store, type);
  wasm_memorytype_delete(type);
  wasm_memorytype_t *found = wasm_memory_type(memory);
  CHECK(is_memorytype(found));
  wasm_memorytype_delete(found);
  return memory;
}
static wasm_module_t *module_make(void) {
  static const unsigned char bytes[] = {STATE_WASM};
  wasm_byte_vec_t binary = {sizeof bytes, (char *)(uintptr_t)bytes};
  return wasm_module_new(world.store, &binary);
}
static wasm_instance_t *instance_make(void) {
  wasm_module_t *module = module_make();
  wasm_extern_vec_t none = WASM_EMPTY_VEC;
  wasm_instance_t *instance = wasm_instance_new(world.store, module, &none, NULL);
  wasm_module_delete(module);
  return instance;
}
static wasm_trap_t *trap_make(void) { return trap_new(world.store, "made by the host"); }
static wasm_foreign_t *foreign_make(void) { return wasm_foreign_new(world.store); }
static wasm_func_t *func_make(void) {
  wasm_functype_t *type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_func_t *func = wasm_func_new(world.store, type, fail_not);
  wasm_functype_delete(type);
  CHECK(wasm_func_param_arity(func) == 1 && wasm_func_result_arity(func) == 1);
  return func;
}

/* Two different objects, and what is to be said of them; the finalizer of `last` runs at `now` the last reference's end, or the
 * store's. */
#define OBJECTS(name, more)                                              \
  do {                                                                   \
    wasm_##name##_t *object = name##_make(), *another = name##_make();   \
    references_to_##name(object, another);                               \
    more;                                                                \
    wasm_##name##_delete(another);                                       \
    wasm_##name##_set_host_info_with_finalizer(object, &last, finalize); \
    finalized = 0;                                                       \
    wasm_##name##_delete(object);                                        \
    ends_at_once += finalized / last;                                    \
  } while (0)

TEST(references_are_copied_compared_and_cast) {
  static int last = 1000;
  int ends_at_once = 0;
  world_begin();
  OBJECTS(trap, );
  OBJECTS(foreign, );
  OBJECTS(module, );
  CHECK_INT(ends_at_once, 3);
  OBJECTS(func, external_func(object));
  OBJECTS(global, external_global(object));
  OBJECTS(table, external_table(object));
  OBJECTS(memory, external_memory(object));
  OBJECTS(instance, );
  CHECK_INT(ends_at_once, 3);
  finalized = 0;
  world_free(&world);
  CHECK_INT(finalized, 5 * last); /* the others end with their store */
}

TEST(a_shared_module_is_of_no_store) {
  world = world_new();
  wasm_module_t *module = module_make();
  wasm_shared_module_t *shared = wasm_module_share(module);
  wasm_store_t *other = wasm_store_new(world.engine);
  wasm_module_delete(module);
  wasm_store_delete(world.store);
  world.store = other;
  wasm_module_t *one = wasm_module_obtain(other, shared), *two = wasm_module_obtain(other, shared);
  CHECK(one && two);
  wasm_shared_module_delete(shared);
  wasm_extern_vec_t none = WASM_EMPTY_VEC;
  wasm_instance_t *instance = wasm_instance_new(other, two, &none, NULL);
  CHECK(instance != NULL);
  wasm_byte_vec_t bytes;
  wasm_module_serialize(one, &bytes);
  CHECK_INT(bytes.size, sizeof((unsigned char[]){STATE_WASM}));
  wasm_byte_vec_delete(&bytes);
  wasm_module_delete(one);
  wasm_module_delete(two);
  wasm_instance_delete(instance);
  world.module = NULL;
  world.instance = NULL;
  world_free(&world);
}

int main(int argc, char **argv) {
  test_tier = argc > 1 ? argv[1] : NULL;
  RUN(vectors_own_their_elements)
  RUN(vectors_of_bytes_and_values_are_flat)
  RUN(short_types_of_functions)
  RUN(types_are_copied_and_cast)
  RUN(references_are_copied_compared_and_cast)
  RUN(a_shared_module_is_of_no_store)
  printf("%d checks, %d failed\n", test_checks, test_failures);
  return test_failures != 0;
}
