/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Door of the room `module`: core WebAssembly modules as immutable data.
 *
 * module_load decodes and validates a binary module in one pass and returns a `struct module` whose tables other
 * rooms read directly. Function bodies stay as bytes; `struct module_body` reads them again, one validated
 * instruction at a time, for whoever translates them (tiers), prints them (inspect) or counts them.
 *
 * Source: WebAssembly Core Specification 3.0, chapters 2 (structure), 3 (validation), 5 (binary format).
 * Ownership: a module is reference-counted; everything it points to lives in its arena or in its byte range.
 * Threads: a loaded module never changes, so any number of threads may read it. */
#ifndef MODULE_MODULE_H
#define MODULE_MODULE_H

#include "base/base.h"
#include "module/ops.gen.h" /* enum module_op: MODULE_OP_I32_ADD, ... in table order; MODULE_OP_COUNT */

/* ---- Types ------------------------------------------------------------------------------------------------------- */

/* A value type in 32 bits, so that types can be compared as numbers.
 * Number and vector types are their binary codes (0x7F i32 ... 0x7B v128).
 * Reference types are MODULE_REF | MODULE_REF_NULL? | heap type; a heap type is a type index or an abstract one. */
typedef uint32_t module_type; /* a typedef because it is a number that is compared everywhere */

enum {
  MODULE_I32 = 0x7F,
  MODULE_I64 = 0x7E,
  MODULE_F32 = 0x7D,
  MODULE_F64 = 0x7C,
  MODULE_V128 = 0x7B,
  MODULE_I8 = 0x78, /* storage types: of fields and elements only */
  MODULE_I16 = 0x77,
  MODULE_REF = 0x80000000u,
  MODULE_REF_NULL = 0x40000000u,
  MODULE_HEAP_ABSTRACT = 0x20000000u, /* set: the low byte is the abstract heap type's code; clear: a type index */
  MODULE_HEAP_MASK = 0x3FFFFFFFu,     /* abstract bit and code, or type index */
  MODULE_HEAP_NOEXN = MODULE_HEAP_ABSTRACT | 0x74,
  MODULE_HEAP_NOFUNC = MODULE_HEAP_ABSTRACT | 0x73,
  MODULE_HEAP_NOEXTERN = MODULE_HEAP_ABSTRACT | 0x72,
  MODULE_HEAP_NONE = MODULE_HEAP_ABSTRACT | 0x71,
  MODULE_HEAP_FUNC = MODULE_HEAP_ABSTRACT | 0x70,
  MODULE_HEAP_EXTERN = MODULE_HEAP_ABSTRACT | 0x6F,
  MODULE_HEAP_ANY = MODULE_HEAP_ABSTRACT | 0x6E,
  MODULE_HEAP_EQ = MODULE_HEAP_ABSTRACT | 0x6D,
  MODULE_HEAP_I31 = MODULE_HEAP_ABSTRACT | 0x6C,
  MODULE_HEAP_STRUCT = MODULE_HEAP_ABSTRACT | 0x6B,
  MODULE_HEAP_ARRAY = MODULE_HEAP_ABSTRACT | 0x6A,
  MODULE_HEAP_EXN = MODULE_HEAP_ABSTRACT | 0x69,
  MODULE_HEAP_BOT = MODULE_HEAP_ABSTRACT, /* below all others: of unreachable code only */
  MODULE_FUNCREF = MODULE_REF | MODULE_REF_NULL | MODULE_HEAP_FUNC,
  MODULE_EXTERNREF = MODULE_REF | MODULE_REF_NULL | MODULE_HEAP_EXTERN,
  MODULE_EXNREF = MODULE_REF | MODULE_REF_NULL | MODULE_HEAP_EXN,
  MODULE_BOTTOM = 0, /* the unknown type of unreachable code; never stored in a module */
};
static inline bool module_type_is_ref(module_type type) { return (type & MODULE_REF) != 0; }
static inline bool module_type_is_narrow(module_type type) { return type == MODULE_I32 || type == MODULE_F32; }
/* Width on the value stack in 8-byte slots: v128 takes two, everything else one. */
static inline uint32_t module_type_slots(module_type type) { return type == MODULE_V128 ? 2 : 1; }
/* "i32", "funcref", "(ref null 3)" ...; `out` of at least 32 bytes is used when the name has to be built. */
const char *module_type_name(module_type type, char out[32]);

/* Whether a value of the type may be left at its default, zero or null. */
static inline bool module_type_has_default(module_type type) { return !(type & MODULE_REF) || (type & MODULE_REF_NULL); }
/* A reference to a defined type: the low bits are its index. */
static inline bool module_type_is_defined(module_type type) {
  return (type & (MODULE_REF | MODULE_HEAP_ABSTRACT)) == MODULE_REF;
}
enum module_def_kind { MODULE_DEF_FUNC, MODULE_DEF_STRUCT, MODULE_DEF_ARRAY };

struct module_func_type {
  const module_type *params, *results;
  uint32_t param_count, result_count;
  uint32_t param_slots, result_slots; /* widths in 8-byte slots */
  bool has_references;
};
/* A field lies `offset` bytes into an object: behind a header of 8 bytes, each aligned to its size (v128: to 8). An array
 * has its length there; element 0 follows at 12, or 16 for wider elements. Subtypes keep their supertype's places. */
struct module_field {
  module_type type; /* may be a storage type */
  bool is_mutable;
  uint32_t offset;
};

/* A defined type: an entry of the type section. Types are equal when their recursive groups are, so each group that
 * repeats an earlier one is mapped to it: `canonical` is the smallest index of the same type, and references inside
 * types name canonical indices. Equality of value types is then equality of numbers. */
struct module_def_type {
  uint8_t kind; /* enum module_def_kind */
  bool is_final;
  uint8_t depth;      /* how many supertypes it has */
  bool has_default;   /* of a structure: all its fields have one */
  uint32_t super;     /* canonical index, or MODULE_NO_TYPE */
  uint32_t canonical;
  uint32_t group_start, group_count;
  uint32_t place, reach; /* canonical types in a row, each with its subtypes behind it: [place, place + reach); reach 0:
                            not laid out, as while the section is read, in modules without supertypes, in engines */
  union {
    struct module_func_type func;
    struct {
      const struct module_field *fields; /* of an array: its element */
      uint32_t field_count;
      uint32_t object_bytes; /* of a structure, a multiple of 8 */
    };
  };
};
enum { MODULE_NO_TYPE = UINT32_MAX, MODULE_SUBTYPE_DEPTH_MAX = 63 };
enum { MODULE_TYPE_INDEX_MAX = (1 << 27) - 1 }; /* groups of types are told apart up to here */

/* Recursive groups of an array of defined types, each once; zero-initialise. */
struct module_group_set {
  struct module_group_slot *slots;
  uint32_t slot_count, used;
  BASE_VEC(uint32_t) key;
};
/* Looks for a group that equals types[start, start + count) among those that were added, `types` holding them all, and
 * adds it when there is none; `*found` is its start. References into the group are indices from `start` on, all others
 * those of canonical types. False: out of memory, or indices beyond MODULE_TYPE_INDEX_MAX. */
bool module_groups_intern(struct module_group_set *set, const struct module_def_type *types, uint32_t start,
                          uint32_t count, uint32_t *found);
/* The same without adding: `*found` is `start` when there is none. */
bool module_groups_find(struct module_group_set *set, const struct module_def_type *types, uint32_t start,
                        uint32_t count, uint32_t *found);
void module_groups_deinit(struct module_group_set *set);
/* Bytes that a value of a value or storage type takes in an object; alignment is the same, at most 8. */
uint32_t module_storage_bytes(module_type type);
/* The same type with its index replaced by `index`. */
static inline module_type module_type_with_index(module_type type, uint32_t index) {
  return (type & ~(module_type)MODULE_HEAP_MASK) | index;
}

/* Whether a garbage collector follows references of the type: all hierarchies but that of functions. */
bool module_ref_is_traced(const struct module_def_type *types, module_type ref);
static inline bool module_type_is_traced(const struct module_def_type *types, module_type type) {
  return module_type_is_ref(type) && module_ref_is_traced(types, type);
}
/* Subtyping of canonical types (specification 3.3.3-3.3.7). MODULE_BOTTOM matches everything as the first. */
bool module_types_match(const struct module_def_type *types, module_type sub, module_type super);
bool module_type_lists_match(const struct module_def_type *types, const module_type *sub, const module_type *super,
                             uint32_t count);
bool module_heap_types_match(const struct module_def_type *types, module_type sub, module_type super);
/* "(i32, i64) -> (f32)", truncated with "..." to `capacity`. Returns `out`. */
const char *module_func_type_text(const struct module_func_type *type, char *out, size_t capacity);

struct module_limits {
  uint64_t min, max; /* max == UINT64_MAX when there is none */
  bool has_max, is_64, is_shared;
};
/* The type of an index into a table or of an address in a memory. */
static inline module_type module_address_type(const struct module_limits *limits) {
  return limits->is_64 ? MODULE_I64 : MODULE_I32;
}
struct module_table_type { module_type elem; struct module_limits limits; };
struct module_memory_type { struct module_limits limits; /* in pages */ uint8_t page_log2; /* 16 or 0 */ };
struct module_global_type { module_type type; bool is_mutable; };

enum module_extern_kind { MODULE_FUNC = 0, MODULE_TABLE = 1, MODULE_MEMORY = 2, MODULE_GLOBAL = 3, MODULE_TAG = 4 };
const char *module_extern_kind_name(enum module_extern_kind kind); /* "function", "table", ... */

struct module_name { const char *bytes; uint32_t len_bytes; }; /* UTF-8, not NUL-terminated, into the module's bytes */

struct module_import {
  struct module_name module, name;
  enum module_extern_kind kind;
  uint32_t index; /* in the index space of its kind */
};
struct module_export {
  struct module_name name;
  enum module_extern_kind kind;
  uint32_t index;
};

/* A constant expression, kept as the byte range of its instructions (final `end` included). */
struct module_const_expr { uint32_t offset, len_bytes; };

struct module_func { /* all functions, imported ones first */
  uint32_t type;        /* index into types */
  uint32_t body_offset; /* of the locals vector; 0 for an import */
  uint32_t body_bytes;
  uint32_t frame_slots; /* params + locals + deepest operand stack, in slots; 0 for an import */
};
struct module_table { struct module_table_type type; struct module_const_expr init; /* len 0: null */ };
struct module_tag { uint32_t type; /* of functions without results; its parameters are the exception's values */ };
struct module_global { struct module_global_type type; struct module_const_expr init; /* len 0 for an import */ };

enum module_segment_mode { MODULE_SEGMENT_ACTIVE, MODULE_SEGMENT_PASSIVE, MODULE_SEGMENT_DECLARED };
struct module_elem {
  enum module_segment_mode mode;
  module_type type;
  uint32_t table;
  struct module_const_expr offset;
  uint32_t count;
  const uint32_t *func_indices;            /* count of them, or NULL when the items are expressions */
  const struct module_const_expr *exprs;   /* count of them, or NULL */
};
struct module_data_segment {
  enum module_segment_mode mode;
  uint32_t memory;
  struct module_const_expr offset;
  uint32_t bytes_offset, len_bytes; /* contents, in the module's bytes */
};
struct module_custom { struct module_name name; uint32_t offset, len_bytes; /* contents after the name */ };

/* ---- Proposals and limits ---------------------------------------------------------------------------------------- */

/* Proposals that can be switched. A bit whose semantics no tier runs yet is not in MODULE_FEATURES_RUNNABLE; such a
 * proposal is refused where a module uses it, even when it is switched on. */
#define MODULE_FEATURES(X)                                                                                  \
  X(MUTABLE_GLOBALS, "mutable-globals") X(SIGN_EXTENSION, "sign-extension")                                 \
  X(SATURATING_CONVERSION, "saturating-float-to-int") X(MULTI_VALUE, "multi-value")                         \
  X(BULK_MEMORY, "bulk-memory") X(REFERENCE_TYPES, "reference-types") X(TAIL_CALL, "tail-call")             \
  X(EXTENDED_CONST, "extended-const") X(SIMD, "simd") X(RELAXED_SIMD, "relaxed-simd")                       \
  X(MULTI_MEMORY, "multi-memory") X(MEMORY64, "memory64") X(FUNCTION_REFERENCES, "function-references")     \
  X(GC, "gc") X(EXCEPTIONS, "exception-handling") X(THREADS, "threads")                                     \
  X(WIDE_ARITHMETIC, "wide-arithmetic") X(CUSTOM_PAGE_SIZES, "custom-page-sizes")                           \
  X(LEGACY_EXCEPTIONS, "legacy-exceptions")
enum module_feature {
#define X(NAME, text) MODULE_FEATURE_##NAME,
  MODULE_FEATURES(X)
#undef X
  MODULE_FEATURE_COUNT
};
typedef uint64_t module_features; /* bit set of 1 << enum module_feature */
#define MODULE_FEATURE_BIT(NAME) (UINT64_C(1) << MODULE_FEATURE_##NAME)
#define MODULE_FEATURES_1_0 MODULE_FEATURE_BIT(MUTABLE_GLOBALS)
#define MODULE_FEATURES_RUNNABLE                                                                            \
  (MODULE_FEATURES_1_0 | MODULE_FEATURE_BIT(SIGN_EXTENSION) | MODULE_FEATURE_BIT(SATURATING_CONVERSION) |   \
   MODULE_FEATURE_BIT(MULTI_VALUE) | MODULE_FEATURE_BIT(BULK_MEMORY) | MODULE_FEATURE_BIT(REFERENCE_TYPES) |\
   MODULE_FEATURE_BIT(TAIL_CALL) | MODULE_FEATURE_BIT(EXTENDED_CONST) | MODULE_FEATURE_BIT(MULTI_MEMORY) |  \
   MODULE_FEATURE_BIT(MEMORY64) | MODULE_FEATURE_BIT(CUSTOM_PAGE_SIZES) | MODULE_FEATURE_BIT(SIMD) |        \
   MODULE_FEATURE_BIT(RELAXED_SIMD) | MODULE_FEATURE_BIT(WIDE_ARITHMETIC) | MODULE_FEATURE_BIT(THREADS) |   \
   MODULE_FEATURE_BIT(FUNCTION_REFERENCES) | MODULE_FEATURE_BIT(GC) | MODULE_FEATURE_BIT(EXCEPTIONS) |      \
   MODULE_FEATURE_BIT(LEGACY_EXCEPTIONS))

/* The versions of WebAssembly; `latest` adds the proposals behind 3.0 that cay has. The default is 3.0 and threads. */
#define MODULE_FEATURES_2_0                                                                                 \
  (MODULE_FEATURES_1_0 | MODULE_FEATURE_BIT(SIGN_EXTENSION) | MODULE_FEATURE_BIT(SATURATING_CONVERSION) |   \
   MODULE_FEATURE_BIT(MULTI_VALUE) | MODULE_FEATURE_BIT(BULK_MEMORY) | MODULE_FEATURE_BIT(REFERENCE_TYPES) |\
   MODULE_FEATURE_BIT(SIMD))
#define MODULE_FEATURES_3_0                                                                                 \
  (MODULE_FEATURES_2_0 | MODULE_FEATURE_BIT(TAIL_CALL) | MODULE_FEATURE_BIT(EXTENDED_CONST) |               \
   MODULE_FEATURE_BIT(RELAXED_SIMD) | MODULE_FEATURE_BIT(MULTI_MEMORY) | MODULE_FEATURE_BIT(MEMORY64) |     \
   MODULE_FEATURE_BIT(FUNCTION_REFERENCES) | MODULE_FEATURE_BIT(GC) | MODULE_FEATURE_BIT(EXCEPTIONS))
#define MODULE_FEATURES_LATEST ((UINT64_C(1) << MODULE_FEATURE_COUNT) - 1)
#define MODULE_FEATURES_DEFAULT                                                                             \
  ((MODULE_FEATURES_3_0 | MODULE_FEATURE_BIT(THREADS)) & MODULE_FEATURES_RUNNABLE)
const char *module_feature_name(enum module_feature feature);
/* `features` with one proposal switched: on together with what it needs, off together with what needs it. */
module_features module_features_switch(module_features features, enum module_feature feature, bool on);

/* Limits with their defaults (specification, appendix "Implementation Limitations", and the JS API's numbers). */
struct module_load_limits {
  uint64_t module_bytes;      /* 1 GiB */
  uint32_t types, funcs, imports, exports, globals, data_segments, elem_segments, memories, tags;
  uint32_t tables;            /* 65,000: what the tiers can address */
  uint32_t func_body_bytes;   /* 7,654,321 */
  uint32_t params, results;   /* 1,000 each */
  uint32_t struct_fields;     /* 10,000 */
  uint32_t locals;            /* 50,000, parameters included */
  uint32_t frame_slots;       /* 65,000: what the tiers can address */
  uint32_t br_table_targets;  /* 65,520 */
  uint32_t elem_segment_items;/* 10,000,000 */
  uint32_t nesting;           /* 50,000 nested blocks */
};
extern const struct module_load_limits module_default_limits;

/* ---- The module -------------------------------------------------------------------------------------------------- */

struct module {
  atomic_uint references;
  const uint8_t *bytes;
  size_t len_bytes;
  module_features features;      /* what it was validated with */
  module_features features_used; /* proposals that the module needs */

  struct module_def_type *types;
  struct module_import *imports;
  struct module_func *funcs;
  struct module_table *tables;
  struct module_memory_type *memories;
  struct module_global *globals;
  struct module_tag *tags;
  struct module_export *exports;
  struct module_elem *elems;
  struct module_data_segment *datas;
  struct module_custom *customs;
  uint32_t type_count, import_count, func_count, table_count, memory_count, global_count, export_count, elem_count,
    data_count, custom_count, tag_count;
  /* Imported items come first in their index space. */
  uint32_t imported_func_count, imported_table_count, imported_memory_count, imported_global_count, imported_tag_count;
  uint32_t start_func; /* UINT32_MAX: none */
  uint32_t code_offset, code_bytes; /* contents of the code section */
  uint8_t *funcs_referenced; /* bit set: functions that ref.func may name (exported, in elements, in globals) */

  struct module_private *private_part; /* names, arena, owned file; module/ only */
};

static inline const struct module_func_type *module_func_type_of(const struct module *module, uint32_t func) {
  return &module->types[module->funcs[func].type].func;
}

/* Who owns the bytes given to module_load. */
enum module_bytes { MODULE_BYTES_BORROW /* the caller keeps them alive and unchanged */, MODULE_BYTES_COPY };

/* Decodes and validates. On success `*out` holds one reference. Linear in len_bytes; memory bounded by a small
 * multiple of it (a count in the input is never trusted before the bytes that back it are seen).
 * Errors: CAY_ERROR_MALFORMED, _INVALID, _UNSUPPORTED (a component, a proposal that is off), _LIMIT, _MEMORY, with the
 * offset and a sentence that names section and function. `limits` NULL: the defaults. */
enum cay_status module_load(const uint8_t *bytes, size_t len_bytes, enum module_bytes ownership,
                            module_features features, const struct module_load_limits *limits, struct module **out,
                            struct cay_error *error);
/* As module_load, taking ownership of `file` (emptied) on success. */
enum cay_status module_load_file(struct base_file *file, module_features features,
                                 const struct module_load_limits *limits, struct module **out,
                                 struct cay_error *error);
struct module *module_retain(struct module *module);
void module_release(struct module *module); /* NULL allowed */

const struct module_export *module_export_find(const struct module *module, const char *name, size_t len_bytes);
const struct module_custom *module_custom_find(const struct module *module, const char *name);
/* A function's name from the name section, else from its import or an export; len 0 when there is none. The name
 * section is read on the first call (thread-safe); a broken name section is ignored. */
struct module_name module_func_name(const struct module *module, uint32_t func);
struct module_name module_local_name(const struct module *module, uint32_t func, uint32_t local);
/* What the section "metadata.code.branch_hint" says of the condition of the `if` or `br_if` at `offset` (as in struct
 * module_insn). The section is read on the first call (thread-safe); a broken one is ignored. */
enum module_hint { MODULE_HINT_NONE, MODULE_HINT_UNLIKELY, MODULE_HINT_LIKELY };
enum module_hint module_branch_hint(const struct module *module, uint32_t func, uint32_t offset);
/* What is wrong with that section: CAY_ERROR_MALFORMED or _INVALID; CAY_OK also when there is none. */
enum cay_status module_branch_hints_check(const struct module *module, struct cay_error *error);
/* The function whose body contains `offset`, or UINT32_MAX. */
uint32_t module_func_at(const struct module *module, uint32_t offset);

/* ---- The instruction table --------------------------------------------------------------------------------------- */

enum module_imm { /* the immediates that follow an opcode, in the binary format's order */
  MODULE_IMM_NONE, MODULE_IMM_BLOCK, MODULE_IMM_LABEL, MODULE_IMM_BR_TABLE, MODULE_IMM_FUNC,
  MODULE_IMM_CALL_INDIRECT /* type, table */, MODULE_IMM_TYPE, MODULE_IMM_LOCAL, MODULE_IMM_GLOBAL, MODULE_IMM_TABLE,
  MODULE_IMM_TABLE_TABLE /* dst, src */, MODULE_IMM_ELEM, MODULE_IMM_ELEM_TABLE /* elem, table */, MODULE_IMM_MEMORY,
  MODULE_IMM_MEMORY_MEMORY /* dst, src */, MODULE_IMM_DATA, MODULE_IMM_DATA_MEMORY /* data, memory */,
  MODULE_IMM_MEMARG, MODULE_IMM_MEMARG_LANE, MODULE_IMM_LANE, MODULE_IMM_SHUFFLE, MODULE_IMM_I32, MODULE_IMM_I64,
  MODULE_IMM_F32, MODULE_IMM_F64, MODULE_IMM_V128, MODULE_IMM_HEAP, MODULE_IMM_SELECT_TYPES, MODULE_IMM_TAG,
  MODULE_IMM_TRY_TABLE, MODULE_IMM_TYPE_FIELD, MODULE_IMM_TYPE_DATA, MODULE_IMM_TYPE_ELEM, MODULE_IMM_TYPE_LEN,
  MODULE_IMM_TYPE_TYPE, MODULE_IMM_CAST /* flags, label, heap, heap */, MODULE_IMM_FENCE,
};
enum module_op_flags {
  MODULE_OP_TRAPS = 1,       /* can trap */
  MODULE_OP_CONST = 2,       /* allowed in constant expressions */
  MODULE_OP_CONST_EXT = 4,   /* allowed there with extended-const */
  MODULE_OP_TERMINATES = 8,  /* code after it is unreachable */
  MODULE_OP_CONTROL = 16,    /* structured control: block, loop, if, else, end, try_table */
  MODULE_OP_SPECIAL = 32,    /* operand types depend on context; validated by a hand-written part */
  MODULE_OP_LOAD = 64, MODULE_OP_STORE = 128, MODULE_OP_ATOMIC = 256,
  MODULE_OP_NAN32 = 512,     /* a NaN among the result's f32 may have any sign and payload */
  MODULE_OP_NAN64 = 1024,    /* the same of f64 */
};
struct module_op_info { /* one row of ops.def */
  const char *mnemonic;
  uint8_t prefix;          /* 0, 0xFB, 0xFC, 0xFD or 0xFE; 0xFF: not of modules */
  uint8_t imm;             /* enum module_imm */
  uint8_t feature;         /* enum module_feature; MODULE_FEATURE_COUNT: WebAssembly 1.0 */
  uint8_t access_log2;     /* memory instructions: log2 of the bytes accessed */
  uint16_t code;           /* after the prefix */
  uint16_t flags;          /* enum module_op_flags */
  uint8_t param_count, result_count;
  uint8_t params[4], results[2]; /* low bytes of number types; 0x70/0x6F: funcref/externref; unless SPECIAL */
  uint8_t addresses;       /* bits: which of them (params 0..3, results 4..5) have the memory's address type, i32 here */
};
extern const struct module_op_info module_ops[MODULE_OP_COUNT];

/* The instructions that nearly all code is made of, by their opcode, for those who go through code fast. Number types are
 * their codes. */
enum module_short_kind {
  MODULE_SHORT_NONE, /* none of them */
  MODULE_SHORT_UNARY, MODULE_SHORT_BINARY, MODULE_SHORT_LOAD, MODULE_SHORT_STORE,
  MODULE_SHORT_INTEGER, MODULE_SHORT_FLOAT, /* constants */
  MODULE_SHORT_NOP, MODULE_SHORT_BLOCK, MODULE_SHORT_LOOP, MODULE_SHORT_IF, MODULE_SHORT_ELSE, MODULE_SHORT_END,
  MODULE_SHORT_BR, MODULE_SHORT_BR_IF, MODULE_SHORT_RETURN, MODULE_SHORT_CALL, MODULE_SHORT_DROP, MODULE_SHORT_SELECT,
  MODULE_SHORT_LOCAL_GET, MODULE_SHORT_LOCAL_SET, MODULE_SHORT_LOCAL_TEE, MODULE_SHORT_GLOBAL_GET,
  MODULE_SHORT_GLOBAL_SET,
};
enum { MODULE_SHORT_LOCALS = 128 }; /* those whose index takes one byte */
struct module_op_short {
  uint16_t op;
  uint8_t kind;      /* enum module_short_kind */
  uint8_t len_bytes; /* with the shortest immediates */
  uint8_t params[2], result;
  uint8_t access_log2;
  module_features feature; /* the bit of the proposal that brought it, or 0 */
};
extern const struct module_op_short module_op_shorts[256];

/* ---- Instructions ------------------------------------------------------------------------------------------------ */

struct module_memarg { uint64_t offset; uint32_t memory; uint8_t align_log2; uint8_t lane; };

struct module_insn {
  uint16_t op;          /* enum module_op */
  uint32_t offset;      /* of the opcode, in the module's bytes */
  union {
    struct { uint32_t index[3]; uint32_t flags; }; /* indices in the order of the immediates */
    struct module_memarg memarg;
    uint32_t i32;
    uint64_t i64;       /* also the bits of f32 (low half) and f64 */
    uint8_t v128[16];
    module_type type;   /* ref.null's type (nullable reference to the heap type); typed select's type */
    struct { uint32_t target_count; uint32_t targets_offset; } br_table; /* target_count + 1 LEBs, default last */
    struct { int64_t raw; uint32_t catches_offset, catch_count; } block; /* raw s33 block type (a type index, or
      negative: -0x40 none, a value type's code - 0x80, or INT64_MIN + module_type); try_table's catches */
  } imm;
};

/* Decodes one instruction at `*cursor` without validation (for the disassembler), advancing it. */
enum cay_status module_insn_decode(const struct module *module, uint32_t *cursor, uint32_t end,
                                   struct module_insn *out, struct cay_error *error);
/* Reads the instruction at `*cursor` of a body that module_load has accepted, advancing it: as module_body_next hands it
 * out, but for drop and select, which come without their operand's type. False: the bytes are not what they were. */
bool module_insn_again(const struct module *module, uint32_t *cursor, struct module_insn *out);
/* The value type of a raw block type below 0 that is not MODULE_BLOCK_EMPTY. */
#define MODULE_BLOCK_EMPTY ((int64_t)-0x40)
module_type module_block_value_type(int64_t raw);
/* Adds "i32.const 7", "br_table 0 1 2", "call 3 (;name;)" ... in the text format's spelling. */
void module_insn_text(const struct module *module, const struct module_insn *insn, struct base_text *out);

/* ---- Reading a body, validated ----------------------------------------------------------------------------------- */

enum module_frame_kind { MODULE_FRAME_FUNC, MODULE_FRAME_BLOCK, MODULE_FRAME_LOOP, MODULE_FRAME_IF, MODULE_FRAME_ELSE,
                         MODULE_FRAME_TRY_TABLE, MODULE_FRAME_TRY /* legacy */, MODULE_FRAME_CATCH,
                         MODULE_FRAME_CATCH_ALL };
struct module_frame { /* a control frame of the validation algorithm */
  uint8_t kind;
  bool unreachable;
  bool entered_unreachable; /* the code in front of the construct was already unreachable */
  uint32_t height;          /* operand count below the parameters */
  uint32_t init_height;     /* count of `inits` when it was entered */
  uint32_t param_count, result_count;
  const module_type *params, *results; /* results NULL: the one in `single` */
  module_type single;
};
static inline const module_type *module_frame_results(const struct module_frame *frame) {
  return frame->results ? frame->results : &frame->single;
}

/* Locals of one type in a row: those below `end` that no earlier run has. Kept as the binary format groups them: two
 * bytes can declare 50,000 locals, and a module can hold a million such functions. */
struct module_local_run {
  uint32_t end;
  module_type type;
};

/* One reader holds all state of validating one body or constant expression. Reuse it for many bodies: its vectors
 * keep their capacity. Zero-initialise before first use, module_body_deinit at the end. */
struct module_body {
  const struct module *module;
  const struct module_load_limits *limits;
  uint32_t func;            /* UINT32_MAX: a constant expression */
  uint32_t cursor, end;     /* byte offsets */
  bool is_const;
  bool has_memory64;        /* the module has a memory with 64-bit addresses */
  const struct module_func_type *type;
  uint32_t local_count;                 /* parameters included */
  BASE_VEC(struct module_local_run) local_runs; /* without the parameters */
  uint8_t short_locals[MODULE_SHORT_LOCALS];    /* the number types of the first locals; 0: something else */
  BASE_VEC(module_type) operands;
  /* Locals without a default that have been set, newest last, and a bit for each; bits are zero between bodies. */
  BASE_VEC(uint32_t) inits;
  BASE_VEC(uint8_t) init_bits;
  BASE_VEC(struct module_frame) frames; /* [0] is the function; empty after the last `end` */
  uint32_t operand_slots, max_operand_slots;
  uint32_t locals_slots;
  module_features features_used;        /* grows as instructions need them */
  bool was_unreachable;                 /* the instruction just returned stands in unreachable code */
  struct cay_error *error;
};

/* Prepares `body` for function `func` (not imported): reads its locals. */
enum cay_status module_body_begin(struct module_body *body, const struct module *module, uint32_t func,
                                  struct cay_error *error);
/* Decodes and validates the next instruction and applies its effect on operands and frames.
 * Returns 1: `*out` is the next instruction; 0: the body is complete (its last `end` was returned before);
 * -1: invalid or malformed, the error given to _begin is filled.
 * After a return of 1: `body->was_unreachable` tells whether a translator must skip it; operands/frames describe the
 * state AFTER the instruction, except that for `br`-like and terminating instructions operands are already cut. For
 * `drop` and untyped `select` the operand's type is in `out->imm.type` (MODULE_BOTTOM when unknown). */
int module_body_next(struct module_body *body, struct module_insn *out);
void module_body_deinit(struct module_body *body);

/* The type of a local; parameters come first. */
static inline module_type module_body_local(const struct module_body *body, uint32_t local) {
  if (local < body->type->param_count) return body->type->params[local];
  size_t low = 0, high = body->local_runs.count - 1;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (local < body->local_runs.items[middle].end)
      high = middle;
    else
      low = middle + 1;
  }
  return body->local_runs.items[low].type;
}

#endif
