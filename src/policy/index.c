/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Items by their keys, which strangers choose: open addressing with the process's secret hash key, at most half full. */
#include "policy/parts.h"

#include <assert.h>

static struct policy_index_entry *slot_of(const struct policy_index *index, const char *key, size_t len_bytes) {
  size_t mask = index->capacity - 1, i = (size_t)base_hash(key, len_bytes) & mask;
  for (;; i = (i + 1) & mask) {
    struct policy_index_entry *entry = &index->entries[i];
    if (!entry->key || (entry->len_bytes == len_bytes && memcmp(entry->key, key, len_bytes) == 0)) return entry;
  }
}

size_t policy_index_find(const struct policy_index *index, const char *key, size_t len_bytes) {
  const struct policy_index_entry *entry = index->capacity ? slot_of(index, key, len_bytes) : NULL;
  return entry && entry->key ? entry->item : SIZE_MAX;
}

static bool grow(struct policy_index *index) {
  struct policy_index larger = {.count = index->count, .capacity = index->capacity ? 2 * index->capacity : 64};
  larger.entries = base_alloc_zero(larger.capacity, sizeof *larger.entries);
  if (!larger.entries) return false;
  for (size_t i = 0; i < index->capacity; i++) {
    const struct policy_index_entry *entry = &index->entries[i];
    if (entry->key) *slot_of(&larger, entry->key, entry->len_bytes) = *entry;
  }
  base_free(index->entries);
  *index = larger;
  return true;
}

bool policy_index_add(struct policy_index *index, const char *key, size_t len_bytes, size_t item) {
  if (index->count * 2 >= index->capacity && !grow(index)) return false;
  struct policy_index_entry *entry = slot_of(index, key, len_bytes);
  assert(!entry->key);
  *entry = (struct policy_index_entry){key, len_bytes, item};
  index->count++;
  return true;
}

void policy_index_deinit(struct policy_index *index) {
  base_free(index->entries);
  *index = (struct policy_index){0};
}

/* ---- Sets ------------------------------------------------------------------------------------------------------------ */

bool policy_set_has(const struct policy_set *set, const char *text) {
  return policy_index_find(&set->index, text, strlen(text)) != SIZE_MAX;
}

bool policy_set_add(struct policy_set *set, const char *text) {
  size_t len_bytes = strlen(text);
  if (policy_index_find(&set->index, text, len_bytes) != SIZE_MAX) return true;
  char *copy = base_string_copy(text, len_bytes);
  const char **slot = copy ? BASE_VEC_PUSH(&set->texts) : NULL;
  if (slot && policy_index_add(&set->index, copy, len_bytes, set->texts.count - 1)) {
    *slot = copy;
    return true;
  }
  if (slot) set->texts.count--;
  base_free(copy);
  return false;
}

void policy_set_deinit(struct policy_set *set) {
  for (size_t i = 0; i < set->texts.count; i++) base_free((char *)(uintptr_t)set->texts.items[i]);
  BASE_VEC_DEINIT(&set->texts);
  policy_index_deinit(&set->index);
}
