/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The garbage-collected heap against models: what is reachable stays, everything else goes, and no byte more than the
 * budget is held. Objects are made by the tests themselves, which also say what the roots are. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/heap.h"
#include "engine/internal.h"
#include "fake_tier.h"

enum { BLOCK = 64 * 1024, CELLS_32 = (BLOCK - 1088) / 32 };

/* ---- Types and roots ---------------------------------------------------------------------------------------------- */

static const uint32_t offsets[] = {8,  16,  24,  32,  40,  48,  56,  64,  72,  80, 88,
                                   96, 104, 112, 120, 128, 136, 144, 152, 160, 168};
#define STRUCT_TYPE(refs, bytes) \
  {.kind = ENGINE_TYPE_STRUCT, .fixed_bytes = (bytes), .ref_count = (refs), .ref_offsets = offsets}
static const struct engine_type leaf16 = STRUCT_TYPE(0, 16), leaf32 = STRUCT_TYPE(0, 32), leaf48 = STRUCT_TYPE(0, 48),
                                link16 = STRUCT_TYPE(1, 16), pair32 = STRUCT_TYPE(2, 32),
                                node176 = STRUCT_TYPE(21, 176);
static const struct engine_type refs_array = {
    .kind = ENGINE_TYPE_ARRAY, .elem_log2 = 3, .elem_is_ref = true, .fixed_bytes = 16};
static const struct engine_type bytes_array = {.kind = ENGINE_TYPE_ARRAY, .elem_log2 = 0, .fixed_bytes = 12};

enum { ROOTS = 64 };
static uint64_t roots[ROOTS];
static size_t root_count;

static void mark_roots(struct engine_store *store, struct engine_heap *heap) {
  CHECK(store->heap == heap);
  for (size_t i = 0; i < root_count; i++) engine_heap_mark(heap, roots[i]);
}

static struct world heap_world(uint64_t budget) {
  struct engine_limits limits = {.budget = memory_budget(budget)};
  struct world world = world_new(NULL, &limits);
  CHECK(engine_heap_set_roots(world.store, mark_roots));
  memset(roots, 0, sizeof roots);
  root_count = 0;
  return world;
}

static void heap_world_free(struct world *world) {
  CHECK_INT(engine_heap_stats(world->store).held_bytes, world->store->bytes_used);
  world_free(world);
}

static uint64_t make(struct world *world, const struct engine_type *type) {
  return engine_ref_of(engine_heap_alloc(world->store, type, type->fixed_bytes));
}

static uint64_t make_array(struct world *world, const struct engine_type *type, uint32_t length) {
  uint64_t bytes = type->fixed_bytes + ((uint64_t)length << type->elem_log2);
  struct engine_array *array = engine_heap_alloc(world->store, type, bytes);
  if (array) array->length = length;
  return engine_ref_of(array);
}

static uint64_t *field(uint64_t reference, size_t index) { return (uint64_t *)(uintptr_t)reference + 1 + index; }
static uint64_t *elem(uint64_t reference, size_t index) { return (uint64_t *)(uintptr_t)reference + 2 + index; }

static bool contains(struct world *world, uint64_t reference) {
  return engine_heap_contains(world->store->heap, reference);
}

static bool is_sanitized(void) { return ENGINE_SANITIZED; }

/* ---- Single objects ----------------------------------------------------------------------------------------------- */

TEST(sizes) {
  struct world world = heap_world(0);
  CHECK(!engine_heap_contains(NULL, 16));
  for (uint64_t bytes = 8; bytes < 40000; bytes += bytes < 300 ? 1 : 97) {
    uint64_t before = engine_heap_stats(world.store).allocated_bytes;
    const uint8_t *object = engine_heap_alloc(world.store, &bytes_array, bytes);
    uint64_t cell = engine_heap_stats(world.store).allocated_bytes - before, reference = engine_ref_of(object);
    CHECK(object && reference % 16 == 0 && cell >= bytes);
    if (bytes <= 64) CHECK(cell - bytes < 16);
    if (bytes > 64) CHECK((cell - bytes) * 4 <= cell); /* a large object is rounded to pages */
    if (bytes > 64 && bytes <= 16112) CHECK((cell - bytes) * 5 <= cell);
    CHECK(((const struct engine_object *)object)->type == &bytes_array);
    for (uint64_t i = 8; i < bytes; i++)
      if (object[i]) CHECK(!"a new object is zero");
    CHECK(contains(&world, reference));
    for (uint64_t i = 1; i < 16; i++) CHECK(!contains(&world, reference + i));
    if (bytes > 16) CHECK(!contains(&world, reference + 16));
    memset((uint8_t *)(uintptr_t)reference + 8, 0xFF, (size_t)bytes - 8);
  }
  engine_heap_collect(world.store);
  CHECK_INT(engine_heap_stats(world.store).live_objects, 0);
  for (uint64_t bytes = 8; bytes < 40000; bytes += bytes < 300 ? 1 : 97) { /* reused memory is zero too */
    uint8_t *object = engine_heap_alloc(world.store, &bytes_array, bytes);
    for (uint64_t i = 8; i < bytes; i++)
      if (object[i]) CHECK(!"a reused cell is zero");
  }
  heap_world_free(&world);
}

static uint64_t random_state = 88172645463325252u;
static uint64_t random64(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}
static uint32_t below(uint32_t limit) { return (uint32_t)(random64() >> 20) % limit; }

TEST(garbage_references) {
  struct world world = heap_world(0);
  uint64_t large = make_array(&world, &refs_array, 100000), small = make(&world, &leaf32);
  roots[0] = large, roots[1] = small, roots[2] = engine_ref_i31(0xFFFFFFFF), roots[3] = engine_ref_host(1ull << 61);
  root_count = ROOTS;
  uint64_t dead = make(&world, &leaf32), dead_large = make_array(&world, &refs_array, 200000);
  CHECK(contains(&world, dead) && contains(&world, dead_large));
  engine_heap_collect(world.store);
  CHECK(contains(&world, small) && contains(&world, large));
  CHECK(!contains(&world, dead) && !contains(&world, dead_large));
  CHECK(!contains(&world, 0) && !contains(&world, UINT64_MAX) && !contains(&world, (uint64_t)(uintptr_t)&world));
  for (uint64_t i = 1; i < 200; i++) CHECK(!contains(&world, small + i) && !contains(&world, small - i));
  for (uint64_t at = large - 70000; at < large + 1000000; at += 8)
    if (at != large && at != small) CHECK(!contains(&world, at));
  for (int i = 0; i < 100000; i++) {
    uint64_t guess = small ^ (random64() >> below(64));
    if (guess != small && guess != large && contains(&world, guess)) CHECK(!"contains what was never made");
  }
  heap_world_free(&world);
}

/* Host frames hold slots of which nobody knows what they are: the roots function asks before it marks. */
static uint64_t slots[4];
static void mark_contained(struct engine_store *store, struct engine_heap *heap) {
  (void)store;
  for (size_t i = 0; i < BASE_ARRAY_LEN(slots); i++)
    if (engine_heap_contains(heap, slots[i])) engine_heap_mark(heap, slots[i]);
}

TEST(contains_while_collecting) {
  struct world world = heap_world(0);
  for (int round = 0; round < 3; round++) {
    CHECK(engine_heap_set_roots(world.store, mark_roots));
    slots[3] = make(&world, &pair32); /* so that the block stays */
    uint64_t early = make(&world, &pair32), child = make(&world, &leaf16);
    root_count = 1, roots[0] = slots[3];
    *field(early, 0) = child;
    engine_heap_collect(world.store); /* both are dead; `early` still points to the child */
    slots[0] = early, slots[1] = make(&world, &leaf48), slots[2] = slots[1] + 8;
    CHECK(engine_heap_set_roots(world.store, mark_contained));
    engine_heap_collect(world.store);
    CHECK_INT(engine_heap_stats(world.store).live_objects, 2);
    CHECK(!contains(&world, early) && contains(&world, slots[1]) && contains(&world, slots[3]));
  }
  heap_world_free(&world);
}

TEST(cycles) {
  struct world world = heap_world(0);
  uint64_t a = make(&world, &pair32), b = make(&world, &pair32), big = make_array(&world, &refs_array, 50000);
  *field(a, 0) = b, *field(b, 1) = a, *field(a, 1) = big;
  for (size_t i = 0; i < 50000; i++) *elem(big, i) = i % 2 ? a : big;
  root_count = 1, roots[0] = b;
  engine_heap_collect(world.store);
  CHECK_INT(engine_heap_stats(world.store).live_objects, 3);
  roots[0] = 0;
  engine_heap_collect(world.store);
  CHECK_INT(engine_heap_stats(world.store).live_objects, 0);
  CHECK_INT(engine_heap_stats(world.store).live_bytes, 0);
  heap_world_free(&world);
}

/* ---- Random graphs ------------------------------------------------------------------------------------------------ */

/* What a test knows of an object: its references in the heap are compared with `edges`, its other bytes with `id`. */
enum { MODEL_MAX = 4000, EDGES_MAX = 700 };
struct model_object {
  uint64_t reference;
  uint32_t edge_count, id, byte_count;
  bool is_array, is_reached;
  struct model_object **edges;
};
static struct model_object *model[MODEL_MAX];
static size_t model_count;
static struct model_object *model_roots[ROOTS];
static uint32_t next_id;

static uint64_t *edge_at(const struct model_object *object, size_t index) {
  return object->is_array ? elem(object->reference, index) : field(object->reference, index);
}

static void model_reach(void) {
  static struct model_object *stack[MODEL_MAX];
  size_t count = 0;
  for (size_t i = 0; i < model_count; i++) model[i]->is_reached = false;
  for (size_t i = 0; i < ROOTS; i++)
    if (model_roots[i] && !model_roots[i]->is_reached)
      model_roots[i]->is_reached = true, stack[count++] = model_roots[i];
  while (count) {
    struct model_object *object = stack[--count];
    for (size_t i = 0; i < object->edge_count; i++) {
      struct model_object *to = object->edges[i];
      if (to && !to->is_reached) to->is_reached = true, stack[count++] = to;
    }
  }
}

static void model_free(struct model_object *object) {
  free(object->edges);
  free(object);
}

static void check_object(const struct model_object *object) {
  for (size_t i = 0; i < object->edge_count; i++)
    CHECK(*edge_at(object, i) == (object->edges[i] ? object->edges[i]->reference : 0));
  const uint8_t *bytes = (const uint8_t *)(uintptr_t)object->reference + 12;
  for (size_t i = 0; i < object->byte_count; i++)
    if (bytes[i] != (uint8_t)object->id) CHECK(!"an object's bytes changed");
}

/* After a collection: what is reached is there and unchanged; the rest is not, and leaves the model. `newest` was
 * allocated since, perhaps where something died. */
static void model_check(struct world *world, uint64_t newest) {
  model_reach();
  size_t kept = 0;
  for (size_t i = 0; i < model_count; i++) {
    bool is_there = contains(world, model[i]->reference) && model[i]->reference != newest;
    CHECK(is_there == model[i]->is_reached);
    if (model[i]->is_reached) {
      check_object(model[i]);
      model[kept++] = model[i];
    } else {
      model_free(model[i]);
    }
  }
  model_count = kept;
  CHECK_INT(engine_heap_stats(world->store).live_objects, kept);
  CHECK_INT(engine_heap_stats(world->store).held_bytes, world->store->bytes_used);
}

static struct engine_type struct_types[9]; /* by number of references */

static struct model_object *model_describe(void) {
  struct model_object *object = calloc(1, sizeof *object);
  object->id = next_id++;
  switch (below(8)) {
  case 0:
    object->is_array = true;
    object->edge_count = below(20) == 0 ? below(EDGES_MAX) : below(20);
    break;
  case 1: object->byte_count = below(20) == 0 ? below(100000) : below(2000); break;
  default: object->edge_count = below(9);
  }
  object->edges = calloc(object->edge_count + 1, sizeof(struct model_object *));
  return object;
}

static uint64_t model_allocate(struct world *world, const struct model_object *object) {
  if (object->is_array) return make_array(world, &refs_array, object->edge_count);
  if (object->byte_count) return make_array(world, &bytes_array, object->byte_count);
  return make(world, &struct_types[object->edge_count]);
}

static void model_add(struct world *world) {
  struct model_object *object = model_describe();
  uint64_t collections = engine_heap_stats(world->store).collections;
  object->reference = model_allocate(world, object);
  bool has_collected = engine_heap_stats(world->store).collections != collections;
  if (has_collected) model_check(world, object->reference);
  CHECK(object->reference != 0);
  if (object->byte_count) memset((uint8_t *)(uintptr_t)object->reference + 12, (uint8_t)object->id, object->byte_count);
  for (size_t i = 0; i < model_count; i++) CHECK(model[i]->reference != object->reference || !has_collected);
  model[model_count++] = object;
  size_t root = below(ROOTS);
  if (below(3) == 0) model_roots[root] = object, roots[root] = object->reference;
}

/* Unreached objects may be gone already only after a collection, and those have left the model. */
static void model_connect(void) {
  struct model_object *from = model[below((uint32_t)model_count)], *to = model[below((uint32_t)model_count)];
  if (!from->edge_count) return;
  size_t index = below(from->edge_count);
  if (below(10) == 0) to = NULL;
  from->edges[index] = to;
  *edge_at(from, index) = to ? to->reference : 0;
}

static void random_graphs(int steps, bool is_stressed, size_t mark_words) {
  struct world world = heap_world(0);
  root_count = ROOTS;
  memset(model_roots, 0, sizeof model_roots);
  for (uint32_t i = 0; i < BASE_ARRAY_LEN(struct_types); i++)
    struct_types[i] = (struct engine_type)STRUCT_TYPE(i, 8 + 8 * i);
  if (is_stressed) CHECK(engine_heap_set_stress(world.store, true));
  CHECK(engine_heap_set_mark_words(world.store, mark_words));
  for (int step = 0; step < steps; step++) {
    if (model_count < MODEL_MAX) model_add(&world);
    for (int i = 0; i < 8; i++) model_connect();
    size_t root = below(ROOTS);
    if (below(6) == 0) model_roots[root] = NULL, roots[root] = 0;
    if (model_count == MODEL_MAX || below(500) == 0) {
      engine_heap_collect(world.store);
      model_check(&world, 0);
      if (model_count > MODEL_MAX / 2) memset(model_roots, 0, sizeof model_roots), memset(roots, 0, sizeof roots);
    }
  }
  for (size_t i = 0; i < model_count; i++) model_free(model[i]);
  model_count = 0;
  heap_world_free(&world);
}

TEST(graphs) { random_graphs(is_sanitized() ? 10000 : 60000, false, 0); }
TEST(graphs_stressed) { random_graphs(is_sanitized() ? 300 : 1500, true, 0); }
TEST(graphs_small_stack) { random_graphs(is_sanitized() ? 10000 : 60000, false, 1); }

/* ---- Deep and wide ------------------------------------------------------------------------------------------------ */

enum { TEETH = 20 };
/* A chain whose nodes also hold many objects with references: they gather on the mark stack. It leads from the oldest
 * to the newest, against the order in which overflowed blocks are scanned again. */
static void make_comb(struct world *world, uint32_t length) {
  uint64_t last = 0;
  root_count = 1;
  for (uint32_t i = 0; i < length; i++) {
    uint64_t node = make(world, &node176);
    *(last ? field(last, TEETH) : roots) = node;
    for (size_t k = 0; k < TEETH; k++) *field(node, k) = make(world, &link16);
    last = node;
  }
}

TEST(long_list) {
  struct world world = heap_world(0);
  enum { LENGTH = 10 * 1000 * 1000 };
  root_count = 1;
  for (int i = 0; i < LENGTH; i++) {
    uint64_t node = make(&world, &link16);
    *field(node, 0) = roots[0];
    roots[0] = node;
  }
  engine_heap_collect(world.store);
  CHECK_INT(engine_heap_stats(world.store).live_objects, LENGTH);
  CHECK_INT(engine_heap_stats(world.store).live_bytes, LENGTH * 16);
  CHECK_INT(engine_heap_stats(world.store).rescans, 0);
  roots[0] = 0;
  engine_heap_collect(world.store);
  CHECK_INT(engine_heap_stats(world.store).live_objects, 0);
  heap_world_free(&world);
}

static void *refuse(void *owner, void *old, size_t new_bytes) {
  (void)owner;
  if (new_bytes) return NULL;
  free(old);
  return NULL;
}

TEST(mark_stack_limits) {
  struct world world = heap_world(0);
  enum { LENGTH = 5000, ALL = LENGTH * (1 + TEETH) };
  make_comb(&world, LENGTH);
  engine_heap_collect(world.store); /* within a sixteenth of the heap */
  uint64_t rescans = engine_heap_stats(world.store).rescans;
  CHECK_INT(engine_heap_stats(world.store).live_objects, ALL);
  CHECK(rescans < 16);
  CHECK(engine_heap_set_mark_words(world.store, 1));
  engine_heap_collect(world.store);
  CHECK_INT(engine_heap_stats(world.store).live_objects, ALL);
  CHECK(engine_heap_stats(world.store).rescans > rescans);
  CHECK(engine_heap_set_mark_words(world.store, 0));
  base_allocator_set(&(struct base_allocator){refuse, NULL});
  engine_heap_collect(world.store); /* the same, because it gets no memory */
  base_allocator_set(NULL);
  CHECK_INT(engine_heap_stats(world.store).live_objects, ALL);
  heap_world_free(&world);
}

/* Arrays of arrays, of which the marker pushes slices and positions; with a stack that overflows all the time. */
TEST(wide) {
  enum { WIDE = 3000, LEAVES = 1000 };
  for (size_t words = 0; words < 2; words++) {
    struct world world = heap_world(0);
    CHECK(engine_heap_set_mark_words(world.store, words));
    root_count = 1;
    roots[0] = make_array(&world, &refs_array, WIDE);
    for (size_t i = 0; i < WIDE; i++) *elem(roots[0], i) = make_array(&world, &refs_array, LEAVES);
    for (size_t i = 0; i < WIDE; i++)
      for (size_t k = 0; k < LEAVES; k++) {
        uint64_t leaf = make(&world, &link16);
        *elem(*elem(roots[0], i), k) = leaf;
        *field(leaf, 0) = roots[0];
      }
    engine_heap_collect(world.store);
    CHECK_INT(engine_heap_stats(world.store).live_objects, 1 + WIDE + WIDE * LEAVES);
    heap_world_free(&world);
  }
}

TEST(huge_array) {
  struct world world = heap_world(0);
  enum { LENGTH = 5 * 1000 * 1000 };
  root_count = 1;
  roots[0] = make_array(&world, &refs_array, LENGTH);
  for (size_t i = 0; i < LENGTH; i += 5) *elem(roots[0], i) = make(&world, &leaf16);
  for (size_t i = 1; i < LENGTH; i += 5) *elem(roots[0], i) = engine_ref_i31((uint32_t)i);
  engine_heap_collect(world.store);
  CHECK_INT(engine_heap_stats(world.store).live_objects, 1 + LENGTH / 5);
  heap_world_free(&world);
}

/* ---- Budget ------------------------------------------------------------------------------------------------------- */

/* Makes rooted objects in a list until there is no more; returns how many. */
static uint64_t fill(struct world *world, const struct engine_type *type) {
  root_count = 1;
  for (uint64_t count = 0;; count++) {
    uint64_t node = make(world, type);
    if (!node) return count;
    *field(node, 0) = roots[0];
    roots[0] = node;
  }
}

TEST(budget_to_the_byte) {
  const struct engine_type list32 = STRUCT_TYPE(1, 32);
  for (uint64_t blocks = 1; blocks < 5; blocks++)
    for (uint64_t less = 0; less < 2; less++) {
      struct world world = heap_world(blocks * BLOCK - less);
      CHECK_INT(fill(&world, &list32), (blocks - less) * CELLS_32);
      CHECK_INT(world.store->bytes_used, (blocks - less) * BLOCK);
      roots[0] = 0; /* and all of it comes back, as often as one likes */
      CHECK_INT(fill(&world, &list32), (blocks - less) * CELLS_32);
      heap_world_free(&world);
    }
}

TEST(budget_of_large) {
  const uint64_t page = base_os_page_bytes(), bytes = 5 * page;
  struct world world = heap_world(bytes * 3 - 1);
  root_count = 3;
  uint32_t length = (uint32_t)(bytes - 64 - 16) / 8;
  CHECK((roots[0] = make_array(&world, &refs_array, length)) != 0);
  CHECK((roots[1] = make_array(&world, &refs_array, length)) != 0);
  CHECK_INT(world.store->bytes_used, 2 * bytes);
  CHECK(make_array(&world, &refs_array, length) == 0);
  CHECK(make_array(&world, &refs_array, length - (uint32_t)page / 8) != 0);
  CHECK_INT(world.store->bytes_used, 3 * bytes - page);
  roots[0] = roots[1] = 0;
  CHECK(make_array(&world, &refs_array, 2 * length) != 0);
  CHECK(make_array(&world, &refs_array, UINT32_MAX) == 0);
  CHECK(engine_heap_alloc(world.store, &refs_array, UINT64_MAX) == NULL);
  CHECK(engine_heap_alloc(world.store, &refs_array, UINT64_MAX / 2) == NULL);
  heap_world_free(&world);
}

/* What the heap keeps for later is no reason to refuse a memory. */
TEST(spares_yield) {
  struct world world = heap_world(64 * BLOCK);
  CHECK(fill(&world, &link16) > 0);
  roots[0] = 0;
  engine_heap_collect(world.store);
  CHECK_INT(engine_heap_stats(world.store).spare_bytes, 64 * BLOCK);
  struct module_memory_type type = {.limits = {.min = 60, .max = 60, .has_max = true}, .page_log2 = 16};
  struct engine_memory *memory = NULL;
  CHECK_INT(engine_memory_new(world.store, &type, &memory, NULL), CAY_OK);
  CHECK_INT(engine_heap_stats(world.store).held_bytes, 0);
  CHECK(make_array(&world, &refs_array, 4 * BLOCK / 8) == 0);
  CHECK(make_array(&world, &refs_array, 3 * BLOCK / 8) != 0);
  engine_heap_collect(world.store);
  CHECK_INT(fill(&world, &pair32), 4 * CELLS_32);
  CHECK_INT(world.store->bytes_used, 64 * BLOCK);
  world_free(&world);
}

/* Sizes that change over time: blocks go back to all classes when they are empty. */
TEST(changing_classes) {
  struct world world = heap_world(256 * BLOCK);
  struct engine_type types[] = {STRUCT_TYPE(1, 16), STRUCT_TYPE(1, 200), STRUCT_TYPE(1, 32), STRUCT_TYPE(1, 5000)};
  for (int round = 0; round < 3; round++)
    for (size_t i = 0; i < BASE_ARRAY_LEN(types); i++) {
      roots[0] = 0;
      uint64_t count = fill(&world, &types[i]);
      CHECK(count * (types[i].fixed_bytes + types[i].fixed_bytes / 4) >= 240 * BLOCK);
      CHECK(world.store->bytes_used <= 256 * BLOCK);
    }
  heap_world_free(&world);
}

/* One object is kept in each block: no room for another size, though nearly everything is free. Smaller ones fit. */
TEST(one_in_each_block) {
  enum { BLOCKS = 128 };
  struct world world = heap_world(BLOCKS * BLOCK);
  const struct engine_type list32 = STRUCT_TYPE(1, 32);
  fill(&world, &list32);
  uint64_t kept = 0, blocks = 0, last = 0;
  for (uint64_t node = roots[0], next; node; node = next) {
    next = *field(node, 0);
    if (node / BLOCK == last) continue;
    last = node / BLOCK;
    *field(node, 0) = kept;
    kept = node;
    blocks++;
  }
  CHECK_INT(blocks, BLOCKS);
  roots[0] = kept;
  CHECK(make(&world, &leaf48) == 0);
  CHECK_INT(engine_heap_stats(world.store).live_objects, BLOCKS);
  CHECK_INT(world.store->bytes_used, BLOCKS * BLOCK);
  CHECK_INT(fill(&world, &link16), BLOCKS * (CELLS_32 - 1));
  heap_world_free(&world);
}

/* A loop that allocates 32 bytes at a time and keeps a changing tenth, under a budget of 64 MB. */
TEST(churn) {
  struct world world = heap_world(64 * 1000 * 1000);
  enum { KEPT = 100 * 1000 };
  const uint64_t total = (is_sanitized() ? 100 : 1000) * 1000 * 1000u;
  root_count = 1;
  roots[0] = make_array(&world, &refs_array, KEPT);
  for (uint64_t i = 0; i < total / 32; i++) {
    uint64_t object = make(&world, &leaf32);
    if (!object) {
      CHECK(!"memory stays bounded");
      break;
    }
    if (i % 10 == 0) *elem(roots[0], (size_t)(i / 10 % KEPT)) = object;
  }
  struct engine_heap_stats stats = engine_heap_stats(world.store);
  CHECK(stats.allocated_bytes >= total);
  CHECK(stats.held_bytes <= 16 * 1000 * 1000);
  CHECK(stats.collections >= total / 8 / 1000 / 1000);
  heap_world_free(&world);
}

/* ---- Failures ----------------------------------------------------------------------------------------------------- */

static int allocations_left;
static void *fail_later(void *owner, void *old, size_t new_bytes) {
  (void)owner;
  if (new_bytes == 0) {
    free(old);
    return NULL;
  }
  return allocations_left-- > 0 ? realloc(old, new_bytes) : NULL;
}

static bool exercise(struct world *world) {
  if (!engine_heap_set_roots(world->store, mark_roots)) return false;
  root_count = 4;
  for (uint32_t i = 0; i < 40; i++) {
    roots[0] = make_array(world, &refs_array, 300000); /* a region each */
    roots[1] = make(world, &pair32);
    if (!roots[0] || !roots[1]) return false;
    *field(roots[1], 0) = roots[0], *field(roots[1], 1) = roots[2];
    roots[2] = roots[1];
  }
  engine_heap_collect(world->store);
  CHECK_INT(engine_heap_stats(world->store).live_objects, 80);
  return true;
}

TEST(allocation_failure) {
  bool is_done = false;
  for (int count = 0; !is_done && count < 100; count++) {
    memset(roots, 0, sizeof roots);
    struct world world = world_new(NULL, NULL);
    allocations_left = count;
    base_allocator_set(&(struct base_allocator){fail_later, NULL});
    is_done = exercise(&world);
    base_allocator_set(NULL);
    memset(roots, 0, sizeof roots);
    CHECK(exercise(&world)); /* and the store is as good as before */
    heap_world_free(&world);
  }
  CHECK(is_done);
}

/* With little address space: what the system refuses is reported, and what died can be used again. */
static int limited_space(void) {
  struct rlimit limit = {256u << 20, 256u << 20};
  test_failures = 0;
  if (setrlimit(RLIMIT_AS, &limit) != 0) return 2;
  if (base_os_reserve((size_t)1 << 30)) return 0; /* an emulator that does not enforce it */
  struct world world = heap_world(0);
  uint64_t first = fill(&world, &link16);
  CHECK(first * 16 > 100u << 20);
  roots[0] = 0;
  CHECK(make_array(&world, &refs_array, 8 << 20) != 0);
  roots[0] = 0;
  CHECK(fill(&world, &pair32) * 2 > first / 10 * 9);
  heap_world_free(&world);
  return test_failures != 0;
}

TEST(address_space) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  return; /* needs more address space than any limit leaves */
#endif
#endif
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) _exit(limited_space());
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK_INT(status, 0);
}

TEST(stress) {
  struct world world = heap_world(0);
  CHECK(engine_heap_set_stress(world.store, true));
  root_count = 1;
  uint64_t dead = roots[0] = make(&world, &leaf32);
  *field(dead, 0) = 5;
  CHECK(make(&world, &leaf16) != 0); /* collects; the first one is a root */
  CHECK_INT(engine_heap_stats(world.store).live_objects, 1);
  CHECK_INT(*field(dead, 0), 5);
  roots[0] = make(&world, &leaf32);
  CHECK(make(&world, &leaf16) != 0);
  CHECK(!contains(&world, dead) && *field(dead, 0) == 0xDADADADADADADADAu);
  CHECK(engine_heap_set_stress(world.store, false));
  uint64_t before = engine_heap_stats(world.store).collections;
  for (int i = 0; i < 1000; i++) CHECK(make(&world, &leaf16) != 0);
  CHECK_INT(engine_heap_stats(world.store).collections, before);
  heap_world_free(&world);
}

TEST(no_heap) {
  struct world world = world_new(NULL, NULL);
  engine_heap_collect(world.store);
  CHECK_INT(engine_heap_stats(world.store).held_bytes, 0);
  CHECK(world.store->heap == NULL);
  world_free(&world);
}

TEST_MAIN(RUN(sizes) RUN(garbage_references) RUN(contains_while_collecting) RUN(cycles) RUN(graphs) RUN(graphs_stressed)
              RUN(graphs_small_stack) RUN(long_list) RUN(mark_stack_limits) RUN(wide) RUN(huge_array)
                  RUN(budget_to_the_byte) RUN(budget_of_large) RUN(spares_yield) RUN(changing_classes)
                      RUN(one_in_each_block) RUN(churn) RUN(allocation_failure) RUN(address_space) RUN(stress)
                          RUN(no_heap))
