/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Linear memories.
 *
 * Two kinds. A guarded memory reserves every address that a 32-bit index plus a 32-bit offset can reach, so that
 * compiled code needs no bounds checks and the base never moves. An explicit one reserves what it is likely to need and
 * moves when that is not enough; code compares with len_bytes. Which kind a memory is depends on what the process can
 * afford; a memory whose pages fit the caps never fails for want of address space alone. One with 64-bit addresses or
 * pages of one byte is always explicit. Shared memories (shared.c) are of both kinds, but never move.
 *
 * A page takes the host's memory when it is touched first, so that a sparse memory may be far larger than the machine's.
 * Copying it would touch every page; so the reservation is generous where address space is plenty, and a large memory
 * that outgrows it is given other addresses by the system. Growing by single bytes costs little: the system is asked
 * once for each of its own pages.
 *
 * The store's budget counts lengths, not touched pages: what a guest may get does not depend on what it has used so
 * far, and a guest that may grow to a size may also fill it. Who runs sparse programs gives them a budget that is as
 * large as what they reserve, or none.
 *
 * Invariants
 *  1. [base, base + len_bytes) is readable and writable; in a guarded memory everything after it is without access.
 *  2. len_bytes = page_count << page_log2, and the budget holds len_bytes of this memory.
 *  3. Pages beyond len_bytes have never been written since they were mapped, so growing needs no clearing. */
#include "engine/internal.h"

enum { PAGE_LOG2 = 16 };
/* Index, offset, and the widest access rounded up to a page of any system. */
#define GUARDED_BYTES ((UINT64_C(8) << 30) + (UINT64_C(64) << 10))

/* What an explicit memory reserves at least where address space is plenty, until all of them have so much. */
#define GENEROUS_BYTES_32 (UINT64_C(4) << 30)
#define GENEROUS_BYTES_64 (UINT64_C(1) << 40)
#define GENEROUS_TOTAL_BYTES (UINT64_C(32) << 40)
/* A memory larger than this is copied only when there is no other way. */
#define COPIED_BYTES_MAX (UINT64_C(1) << 30)

static uint8_t empty_byte;
struct engine_memory engine_empty_memory = {.base = &empty_byte, .type = {.page_log2 = PAGE_LOG2}};

/* Address space that the memories of the process have reserved, the guarded ones' part of it, and how many memories have
 * mappings of their own. */
static atomic_ullong reserved_total, guarded_total;
static atomic_size_t separate_count;

/* A memory takes three mappings: what is accessible, of this what a snapshot's image lies in, and what is reserved. All of them
 * together may take half of what the process may have. Fewer than FEW are few on any system that is asked. */
enum { SEPARATE_MAPPINGS = 3, FEW_SEPARATE = 4096 };
static bool is_crowded(void) {
  size_t count = atomic_load(&separate_count);
  return count >= FEW_SEPARATE && (count + 1) * SEPARATE_MAPPINGS > engine_os_map_limit() / 2;
}

/* What a memory has reserved from now on; 0: nothing any more. */
static void set_reserved(struct engine_memory *memory, size_t bytes, bool is_merged) {
  bool was_separate = memory->reserved_bytes && !memory->is_merged, is_separate = bytes && !is_merged;
  atomic_fetch_add(&reserved_total, bytes);
  atomic_fetch_sub(&reserved_total, memory->reserved_bytes);
  atomic_fetch_add(&separate_count, (size_t)is_separate - (size_t)was_separate);
  memory->reserved_bytes = bytes;
  memory->is_merged = is_merged;
}

uint64_t engine_os_pages(uint64_t bytes) {
  uint64_t page = base_os_page_bytes();
  return (bytes + page - 1) & ~(page - 1);
}

/* Where address space is limited, guard pages may take a quarter of it: the rest is for those who cannot do without. */
static bool guard_affordable(void) {
  uint64_t space = engine_os_address_space();
  return space == UINT64_MAX || atomic_load(&guarded_total) + GUARDED_BYTES <= space / 4;
}

static bool reserve_guarded(struct engine_memory *memory, struct engine_store *store, uint64_t len_bytes) {
  if (!store->engine->has_faults || memory->type.limits.is_64 || memory->type.page_log2 != PAGE_LOG2) return false;
  if (!guard_affordable() || is_crowded()) return false;
  uint8_t *base = base_os_reserve((size_t)GUARDED_BYTES);
  if (!base) return false;
  if (!base_os_commit(base, (size_t)len_bytes)) {
    base_os_release(base, (size_t)GUARDED_BYTES);
    return false;
  }
  atomic_fetch_add(&guarded_total, GUARDED_BYTES);
  memory->base = base;
  memory->guarded = true;
  set_reserved(memory, (size_t)GUARDED_BYTES, false);
  store->has_guarded = true;
  return true;
}

static uint8_t *reserve_and_commit(uint64_t capacity, uint64_t len_bytes) {
  if (capacity > SIZE_MAX / 2) return NULL;
  uint8_t *base = base_os_reserve((size_t)capacity);
  if (base && !base_os_commit(base, (size_t)engine_os_pages(len_bytes))) {
    base_os_release(base, (size_t)capacity);
    base = NULL;
  }
  return base;
}

/* What to reserve for a memory of `len_bytes`, first what would be best. Under a limit of address space, or when the
 * process has reserved much already, that is room to double. */
static void capacities(const struct engine_memory *memory, uint64_t len_bytes, uint64_t out[3]) {
  uint64_t max_bytes = memory->max_pages << memory->type.page_log2;
  uint64_t least = memory->type.limits.is_64 ? GENEROUS_BYTES_64 : GENEROUS_BYTES_32;
  bool is_generous = sizeof(void *) > 4 && engine_os_address_space() == UINT64_MAX &&
                     atomic_load(&reserved_total) <= GENEROUS_TOTAL_BYTES;
  uint64_t doubled = len_bytes < max_bytes / 2 ? len_bytes * 2 : max_bytes;
  if (least > max_bytes) least = max_bytes;
  out[0] = is_generous && doubled < least ? least : doubled;
  out[1] = doubled;
  out[2] = len_bytes;
  for (int i = 0; i < 3; i++) out[i] = engine_os_pages(out[i] ? out[i] : 1);
}

/* Nothing but what is accessible, so that the system makes one mapping of it and its neighbours. */
static uint8_t *place_merged(uint64_t *capacity, uint64_t len_bytes) {
  *capacity = engine_os_pages(len_bytes ? len_bytes : 1);
  return *capacity > SIZE_MAX / 2 ? NULL : base_os_map((size_t)*capacity);
}

/* Places `len_bytes` in a new mapping with room to grow where there is space for that, and copies what is there. */
static bool explicit_move(struct engine_memory *memory, uint64_t len_bytes) {
  uint64_t candidates[3], capacity = 0;
  uint8_t *base = is_crowded() ? place_merged(&capacity, len_bytes) : NULL;
  bool is_merged = base != NULL;
  capacities(memory, len_bytes, candidates);
  for (size_t i = 0; !base && i < BASE_ARRAY_LEN(candidates); i++)
    base = reserve_and_commit(capacity = candidates[i], len_bytes);
  if (!base) return false;
  if (memory->base) {
    memcpy(base, memory->base, (size_t)memory->len_bytes);
    base_os_release(memory->base, memory->reserved_bytes);
  }
  memory->base = base;
  memory->has_image = false;
  set_reserved(memory, (size_t)capacity, is_merged);
  return true;
}

/* Where a shared memory stays: room for its maximum, or for as much of it as there is. Beyond what it needs at once it
 * may take a quarter of a limited address space, and no more than a terabyte. */
static bool reserve_whole(struct engine_memory *memory, uint64_t len_bytes) {
  uint64_t space = engine_os_address_space() / 4, capacity = memory->max_pages << memory->type.page_log2;
  uint64_t needed = engine_os_pages(len_bytes ? len_bytes : 1);
  if (space > GENEROUS_BYTES_64) space = GENEROUS_BYTES_64;
  if (capacity > space) capacity = space;
  capacity = capacity > needed ? engine_os_pages(capacity) : needed;
  while (!(memory->base = reserve_and_commit(capacity, len_bytes))) {
    if (capacity == needed) return false;
    capacity = capacity / 2 > needed ? engine_os_pages(capacity / 2) : needed;
  }
  set_reserved(memory, (size_t)capacity, false);
  if (memory->max_pages > capacity >> memory->type.page_log2) memory->max_pages = capacity >> memory->type.page_log2;
  return true;
}

static bool place(struct engine_memory *memory, struct engine_store *store, uint64_t len_bytes) {
  if (reserve_guarded(memory, store, len_bytes)) return true;
  return memory->shared ? reserve_whole(memory, len_bytes) : explicit_move(memory, len_bytes);
}

/* Without a copy and without room to spare: the mapping itself becomes larger. */
static bool explicit_extend(struct engine_memory *memory, uint64_t len_bytes) {
  assert(!memory->guarded);
  uint64_t mapped = engine_os_pages(memory->len_bytes), wanted = engine_os_pages(len_bytes);
  if (mapped == 0 || wanted > SIZE_MAX / 2 || memory->has_image) return false;
  if (memory->reserved_bytes > mapped) base_os_release(memory->base + mapped, memory->reserved_bytes - (size_t)mapped);
  set_reserved(memory, (size_t)mapped, memory->is_merged);
  uint8_t *base = engine_os_extend(memory->base, (size_t)mapped, (size_t)wanted);
  if (!base) return false;
  memory->base = base;
  set_reserved(memory, (size_t)wanted, false);
  return true;
}

/* The declared maximum, or what indices can reach: with pages of one byte one page less, so that the size is a number
 * of the index's type. Never more than the host can address. */
static uint64_t max_pages_of(const struct module_memory_type *type) {
  uint64_t max = (uint64_t)(SIZE_MAX / 2) >> type->page_log2;
  uint64_t reached = type->page_log2 == 0 ? UINT32_MAX : (UINT64_C(1) << 32) >> type->page_log2;
  if (!type->limits.is_64 && max > reached) max = reached;
  if (type->limits.has_max && type->limits.max < max) max = type->limits.max;
  return max;
}

/* A shared memory's bytes are nobody's alone: they count in the budget only. */
static bool take(struct engine_memory *memory, struct engine_store *store, uint64_t bytes) {
  return memory->shared ? base_budget_take(memory->budget, BASE_LIMIT_MEMORY, bytes) : engine_budget_take(store, bytes);
}

static void give(struct engine_memory *memory, struct engine_store *store, uint64_t bytes) {
  if (memory->shared)
    base_budget_give(memory->budget, BASE_LIMIT_MEMORY, bytes);
  else
    engine_budget_give(store, bytes);
}

enum cay_status engine_memory_set_up(struct engine_memory *memory, struct engine_store *store,
                                     const struct module_memory_type *type, struct cay_error *error) {
  memory->type = *type;
  memory->budget = store->budget;
  memory->max_pages = max_pages_of(type);
  uint64_t pages = type->limits.min;
  if (pages > memory->max_pages)
    return base_error_set(error, CAY_ERROR_LIMIT, "a memory of %llu pages does not fit the address space",
                          (unsigned long long)pages);
  uint64_t bytes = pages << memory->type.page_log2;
  char limit[ENGINE_LIMIT_TEXT_BYTES];
  if (!take(memory, store, bytes))
    return base_error_set(error, CAY_ERROR_LIMIT, "a memory of %llu bytes exceeds %s", (unsigned long long)bytes,
                          engine_budget_text(store->budget, limit));
  if (!place(memory, store, bytes)) {
    give(memory, store, bytes);
    return base_error_set(error, CAY_ERROR_MEMORY, "the system has no room for a memory of %llu bytes",
                          (unsigned long long)bytes);
  }
  assert(memory->base && memory->reserved_bytes >= bytes);
  memory->page_count = pages;
  memory->len_bytes = bytes;
  return CAY_OK;
}

enum cay_status engine_memory_new(struct engine_store *store, const struct module_memory_type *type,
                                  struct engine_memory **out, struct cay_error *error) {
  if (store->memory_count >= store->limits.memories)
    return base_error_set(error, CAY_ERROR_LIMIT, "more than %u memories", store->limits.memories);
  if (type->limits.is_shared) return engine_shared_new(store, type, out, error);
  struct engine_memory *memory = base_arena_alloc(&store->arena, 1, sizeof *memory);
  if (!memory) return base_error_memory(error);
  memory->store = store;
  enum cay_status status = engine_memory_set_up(memory, store, type, error);
  if (status != CAY_OK) return status;
  memory->next = store->memories;
  store->memories = memory;
  store->memory_count++;
  *out = memory;
  return CAY_OK;
}

void engine_memory_deinit(struct engine_memory *memory) {
  base_os_release(memory->base, memory->reserved_bytes);
  set_reserved(memory, 0, false);
  if (memory->guarded) atomic_fetch_sub(&guarded_total, GUARDED_BYTES);
}

void engine_memories_drop(struct engine_store *store, uint32_t count) {
  for (; store->memory_count > count; store->memory_count--) {
    struct engine_memory *memory = store->memories;
    store->memories = memory->next;
    engine_budget_give(store, memory->len_bytes);
    engine_memory_deinit(memory);
  }
}

bool engine_memory_commit(struct engine_memory *memory, uint64_t len_bytes) {
  uint64_t from = engine_os_pages(memory->len_bytes), to = engine_os_pages(len_bytes);
  assert(to <= memory->reserved_bytes);
  return base_os_commit(memory->base + from, (size_t)(to - from));
}

static bool grow_mapping(struct engine_memory *memory, uint64_t len_bytes) {
  if (engine_os_pages(len_bytes) <= memory->reserved_bytes) return engine_memory_commit(memory, len_bytes);
  assert(!memory->guarded);
  if (memory->len_bytes > COPIED_BYTES_MAX && explicit_extend(memory, len_bytes)) return true;
  return explicit_move(memory, len_bytes) || explicit_extend(memory, len_bytes);
}

uint64_t engine_memory_grow(struct engine_memory *memory, uint64_t delta_pages) {
  if (memory->shared) return engine_shared_grow(memory, delta_pages);
  uint64_t old_pages = memory->page_count;
  assert(memory->store && old_pages <= memory->max_pages);
  assert(memory->len_bytes == old_pages << memory->type.page_log2);
  if (delta_pages == 0) return old_pages;
  if (delta_pages > memory->max_pages - old_pages) return UINT64_MAX;
  uint64_t delta_bytes = delta_pages << memory->type.page_log2;
  if (!engine_budget_take(memory->store, delta_bytes)) return UINT64_MAX;
  if (!grow_mapping(memory, memory->len_bytes + delta_bytes)) {
    engine_budget_give(memory->store, delta_bytes);
    return UINT64_MAX;
  }
  memory->page_count += delta_pages;
  memory->len_bytes += delta_bytes;
  assert(memory->len_bytes <= memory->reserved_bytes);
  return old_pages;
}

/* ---- Bulk operations ------------------------------------------------------------------------------------------------ */

/* Long ones are done in steps, so that whoever stops the guest need not wait until all of a huge memory is touched. */
#define STEP_BYTES (UINT64_C(64) << 20)

/* Of a shared memory nobody knows here which thread is at work. */
static bool is_stopped(const struct engine_memory *memory) {
  return !memory->shared && atomic_load_explicit(&memory->store->thread.interrupted, memory_order_relaxed);
}

static void fill_step(const struct engine_memory *memory, uint8_t *to, uint8_t value, uint64_t count) {
  if (memory->shared)
    base_racy_fill(to, value, (size_t)count);
  else
    memset(to, value, (size_t)count);
}

enum engine_trap engine_memory_fill(struct engine_memory *memory, uint64_t at, uint32_t value, uint64_t count) {
  uint8_t *to = engine_memory_range(memory, at, count);
  if (!to) return ENGINE_TRAP_MEMORY_BOUNDS;
  for (; BASE_UNLIKELY(count > STEP_BYTES); to += STEP_BYTES, count -= STEP_BYTES) {
    fill_step(memory, to, (uint8_t)value, STEP_BYTES);
    if (is_stopped(memory)) return ENGINE_TRAP_INTERRUPTED;
  }
  fill_step(memory, to, (uint8_t)value, count);
  return ENGINE_TRAP_NONE;
}

static void copy_step(bool is_shared, uint8_t *target, const uint8_t *source, uint64_t count) {
  if (is_shared)
    base_racy_move(target, source, (size_t)count);
  else
    memmove(target, source, (size_t)count);
}

enum engine_trap engine_memory_copy(struct engine_memory *to, uint64_t to_at, struct engine_memory *from,
                                    uint64_t from_at, uint64_t count) {
  uint8_t *target = engine_memory_range(to, to_at, count);
  const uint8_t *source = engine_memory_range(from, from_at, count);
  if (!target || !source) return ENGINE_TRAP_MEMORY_BOUNDS;
  bool is_shared = to->shared || from->shared;
  bool from_end =
      (uintptr_t)target > (uintptr_t)source; /* where they overlap, what is read later must not be written */
  for (; BASE_UNLIKELY(count > STEP_BYTES); count -= STEP_BYTES) {
    uint64_t at = from_end ? count - STEP_BYTES : 0;
    copy_step(is_shared, target + at, source + at, STEP_BYTES);
    if (!from_end) target += STEP_BYTES, source += STEP_BYTES;
    if (is_stopped(to)) return ENGINE_TRAP_INTERRUPTED;
  }
  copy_step(is_shared, target, source, count);
  return ENGINE_TRAP_NONE;
}
