/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Recursive groups: which are equal (specification 3.3.1, "rolling up"), and what is a subtype of what.
 *
 * Two groups are equal when they read the same with every reference into the group itself replaced by its position
 * there. So a group is spelled as a sequence of words in that way and looked up by the hash of its spelling; references
 * out of the group name canonical types, which makes equality a matter of numbers and a look-up linear in the group.
 * The hash has a secret key, so nobody can build groups that collide. Modules use this while they are decoded, engines
 * to make types of different modules comparable.
 *
 * Subtyping of defined types walks up the declared supertypes, at most MODULE_SUBTYPE_DEPTH_MAX steps, while a type
 * section is read; for the code behind it, where two bytes can ask a thousand times, the section lays all types out in
 * a row such that subtypes are a range. */
#include <assert.h>

#include "module/internal.h"

struct module_group_slot {
  uint64_t hash; /* 0: free */
  uint32_t start;
};

/* ---- Spelling ---------------------------------------------------------------------------------------------------- */

/* Two bits that no type has, and no index up to MODULE_TYPE_INDEX_MAX. */
enum { OWN = 0x10000000 /* in an index: a position in the group */, MUTABLE = 0x08000000 /* in a field's type */ };
static_assert(MODULE_TYPE_INDEX_MAX < MUTABLE, "spellings of different groups differ");

static uint32_t spelled_index(uint32_t index, uint32_t start) {
  return index != MODULE_NO_TYPE && index >= start ? OWN | (index - start) : index;
}

static module_type spelled(module_type type, uint32_t start) {
  if (!module_type_is_defined(type)) return type;
  return module_type_with_index(type, spelled_index(type & MODULE_HEAP_MASK, start));
}

static uint32_t spelled_words(const struct module_def_type *type) {
  enum { HEAD = 4 };
  return HEAD + (type->kind == MODULE_DEF_FUNC ? type->func.param_count + type->func.result_count : type->field_count);
}

static uint32_t *spell_types(uint32_t *out, const module_type *types, uint32_t count, uint32_t start) {
  for (uint32_t i = 0; i < count; i++) *out++ = spelled(types[i], start);
  return out;
}

static uint32_t *spell(uint32_t *out, const struct module_def_type *type, uint32_t start) {
  enum { FINAL = 0x100 };
  *out++ = type->kind | (type->is_final ? FINAL : 0);
  *out++ = spelled_index(type->super, start);
  if (type->kind == MODULE_DEF_FUNC) {
    *out++ = type->func.param_count;
    *out++ = type->func.result_count;
    out = spell_types(out, type->func.params, type->func.param_count, start);
    return spell_types(out, type->func.results, type->func.result_count, start);
  }
  *out++ = type->field_count;
  *out++ = 0;
  for (uint32_t i = 0; i < type->field_count; i++)
    *out++ = spelled(type->fields[i].type, start) ^ (type->fields[i].is_mutable ? MUTABLE : 0);
  return out;
}

/* Whether the group at `other` is spelled as the one at `start`, which is `key`; `scratch` has room for its widest type. */
static bool is_spelled(const struct module_def_type *types, uint32_t other, uint32_t start, uint32_t count,
                       const uint32_t *key, uint32_t *scratch) {
  for (uint32_t i = 0; i < count; i++) {
    const struct module_def_type *type = &types[other + i];
    uint32_t words = spelled_words(type);
    if (words != spelled_words(&types[start + i])) return false;
    spell(scratch, type, other);
    if (memcmp(scratch, key, words * sizeof *key) != 0) return false;
    key += words;
  }
  return true;
}

/* ---- The set ----------------------------------------------------------------------------------------------------- */

static bool reserve(struct module_group_set *set) {
  if ((set->used + 1) * 2 <= set->slot_count) return true;
  uint32_t count = set->slot_count ? set->slot_count * 2 : 64;
  struct module_group_slot *slots = base_alloc_zero(count, sizeof *slots);
  if (!slots) return false;
  for (uint32_t i = 0; i < set->slot_count; i++) {
    if (set->slots[i].hash == 0) continue;
    uint32_t at = (uint32_t)set->slots[i].hash & (count - 1);
    while (slots[at].hash != 0) at = (at + 1) & (count - 1);
    slots[at] = set->slots[i];
  }
  base_free(set->slots);
  set->slots = slots;
  set->slot_count = count;
  return true;
}

/* The slot of the group, or the free one where it belongs; NULL: out of memory, or of indices. */
static struct module_group_slot *slot_of(struct module_group_set *set, const struct module_def_type *types,
                                         uint32_t start, uint32_t count, uint64_t *hash_out) {
  size_t words = 0, widest = 0;
  if (count > MODULE_TYPE_INDEX_MAX || start > MODULE_TYPE_INDEX_MAX - count) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t own = spelled_words(&types[start + i]);
    words += own;
    widest = own > widest ? own : widest;
  }
  if (!reserve(set) || !BASE_VEC_RESERVE(&set->key, words + widest + 1)) return NULL;
  uint32_t *key = set->key.items, *end = key;
  for (uint32_t i = 0; i < count; i++) end = spell(end, &types[start + i], start);
  assert((size_t)(end - key) == words);
  uint64_t hash = base_hash(key, words * sizeof *key);
  hash += hash == 0;
  uint32_t mask = set->slot_count - 1, at = (uint32_t)hash & mask;
  for (; set->slots[at].hash != 0; at = (at + 1) & mask) {
    const struct module_group_slot *slot = &set->slots[at];
    if (slot->hash != hash || types[slot->start].group_count != count) continue;
    if (is_spelled(types, slot->start, start, count, key, end)) break;
  }
  *hash_out = hash;
  return &set->slots[at];
}

bool module_groups_find(struct module_group_set *set, const struct module_def_type *types, uint32_t start,
                        uint32_t count, uint32_t *found) {
  uint64_t hash;
  const struct module_group_slot *slot = slot_of(set, types, start, count, &hash);
  if (!slot) return false;
  *found = slot->hash ? slot->start : start;
  return true;
}

bool module_groups_intern(struct module_group_set *set, const struct module_def_type *types, uint32_t start,
                          uint32_t count, uint32_t *found) {
  uint64_t hash;
  struct module_group_slot *slot = slot_of(set, types, start, count, &hash);
  if (!slot) return false;
  if (slot->hash == 0) {
    *slot = (struct module_group_slot){hash, start};
    set->used++;
  }
  *found = slot->start;
  return true;
}

void module_groups_deinit(struct module_group_set *set) {
  base_free(set->slots);
  BASE_VEC_DEINIT(&set->key);
  *set = (struct module_group_set){0};
}

/* ---- Subtyping --------------------------------------------------------------------------------------------------- */

static bool is_defined_subtype(const struct module_def_type *types, uint32_t sub, uint32_t super) {
  if (types[super].reach > 0) return types[sub].place - types[super].place < types[super].reach;
  while (types[sub].depth > types[super].depth) sub = types[sub].super;
  return sub == super;
}

/* The abstract heap type right above a defined type. */
static module_type abstract_of(const struct module_def_type *type) {
  return type->kind == MODULE_DEF_FUNC     ? MODULE_HEAP_FUNC
         : type->kind == MODULE_DEF_STRUCT ? MODULE_HEAP_STRUCT
                                           : MODULE_HEAP_ARRAY;
}

static bool is_in_any(module_type heap) {
  return heap == MODULE_HEAP_ANY || heap == MODULE_HEAP_EQ || heap == MODULE_HEAP_I31 || heap == MODULE_HEAP_STRUCT ||
         heap == MODULE_HEAP_ARRAY;
}

static bool abstract_matches(module_type sub, module_type super) {
  if (sub == super) return true;
  switch (sub) {
  case MODULE_HEAP_BOT: return true;
  case MODULE_HEAP_NONE: return is_in_any(super);
  case MODULE_HEAP_I31:
  case MODULE_HEAP_STRUCT:
  case MODULE_HEAP_ARRAY: return super == MODULE_HEAP_EQ || super == MODULE_HEAP_ANY;
  case MODULE_HEAP_EQ: return super == MODULE_HEAP_ANY;
  case MODULE_HEAP_NOFUNC: return super == MODULE_HEAP_FUNC;
  case MODULE_HEAP_NOEXTERN: return super == MODULE_HEAP_EXTERN;
  case MODULE_HEAP_NOEXN: return super == MODULE_HEAP_EXN;
  default: return false;
  }
}

bool module_heap_types_match(const struct module_def_type *types, module_type sub, module_type super) {
  if (sub == super) return true;
  bool sub_is_abstract = sub & MODULE_HEAP_ABSTRACT, super_is_abstract = super & MODULE_HEAP_ABSTRACT;
  if (sub_is_abstract && super_is_abstract) return abstract_matches(sub, super);
  if (super_is_abstract) return abstract_matches(abstract_of(&types[sub]), super);
  if (!sub_is_abstract) return is_defined_subtype(types, sub, super);
  bool is_func = types[super].kind == MODULE_DEF_FUNC;
  return sub == MODULE_HEAP_BOT || sub == (is_func ? MODULE_HEAP_NOFUNC : MODULE_HEAP_NONE);
}

bool module_ref_is_traced(const struct module_def_type *types, module_type ref) {
  module_type heap = ref & MODULE_HEAP_MASK;
  if (heap & MODULE_HEAP_ABSTRACT) return heap != MODULE_HEAP_FUNC && heap != MODULE_HEAP_NOFUNC;
  return types[heap].kind != MODULE_DEF_FUNC;
}

bool module_types_match(const struct module_def_type *types, module_type sub, module_type super) {
  if (sub == super || sub == MODULE_BOTTOM) return true;
  if (!module_type_is_ref(sub) || !module_type_is_ref(super)) return false;
  if ((sub & MODULE_REF_NULL) && !(super & MODULE_REF_NULL)) return false;
  return module_heap_types_match(types, sub & MODULE_HEAP_MASK, super & MODULE_HEAP_MASK);
}

/* Long lists are mostly of one type, so a pair is compared with the pair before it first. */
bool module_type_lists_match(const struct module_def_type *types, const module_type *sub, const module_type *super,
                             uint32_t count) {
  module_type fitting_sub = MODULE_BOTTOM, fitting_super = MODULE_BOTTOM;
  if (count == 0 || memcmp(sub, super, count * sizeof *sub) == 0) return true;
  for (uint32_t i = 0; i < count; i++) {
    if (sub[i] == super[i] || (sub[i] == fitting_sub && super[i] == fitting_super)) continue;
    if (!module_types_match(types, sub[i], super[i])) return false;
    fitting_sub = sub[i], fitting_super = super[i];
  }
  return true;
}
