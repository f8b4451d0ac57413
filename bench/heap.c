/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What an allocation in the garbage-collected heap costs, and how long its pauses are. Without guests: the loops here
 * are C, so that nothing but the heap is measured. In processor time, because a busy machine would say more about itself.
 * Prints two tables, for docs/heap.md. */
#include "engine/heap.h"
#include "engine/internal.h"
#include "tiers/tiers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static const uint32_t ref_offsets[] = {8, 16};
static const struct engine_type list_type = {
    .kind = ENGINE_TYPE_STRUCT, .fixed_bytes = 32, .ref_count = 2, .ref_offsets = ref_offsets};
static const struct engine_type refs_type = {
    .kind = ENGINE_TYPE_ARRAY, .elem_log2 = 3, .elem_is_ref = true, .fixed_bytes = 16};
static const struct engine_type bytes_type = {.kind = ENGINE_TYPE_ARRAY, .fixed_bytes = 16};

static struct engine_store *store;
static uint64_t root;

static void mark_root(struct engine_store *of, struct engine_heap *heap) {
  (void)of;
  engine_heap_mark(heap, root);
}

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "heap: %s\n", what);
  exit(1);
}

static struct engine *start(void) {
  struct engine *engine = NULL;
  struct cay_error error;
  const struct engine_options options = {.tier = &tiers_interp};
  if (engine_new(&options, &engine, &error) != CAY_OK || engine_store_new(engine, NULL, &store, &error) != CAY_OK)
    fail(error.text);
  root = 0;
  if (!engine_heap_set_roots(store, mark_root)) fail("no memory");
  return engine;
}

static void stop(struct engine *engine) {
  engine_store_free(store);
  engine_free(engine);
}

static void *make(const struct engine_type *type, uint64_t bytes) {
  void *object = engine_heap_alloc(store, type, bytes);
  if (!object) fail("the heap is exhausted");
  return object;
}

static uint64_t make_array(const struct engine_type *type, uint32_t length) {
  struct engine_array *array = make(type, type->fixed_bytes + ((uint64_t)length << type->elem_log2));
  array->length = length;
  return engine_ref_of(array);
}

static uint64_t *field(uint64_t reference, size_t index) { return (uint64_t *)(uintptr_t)reference + 1 + index; }
static uint64_t *elem(uint64_t reference, size_t index) { return (uint64_t *)(uintptr_t)reference + 2 + index; }

/* ---- Allocation --------------------------------------------------------------------------------------------------- */

static void report_allocation(const char *what, uint64_t bytes, uint64_t count, uint64_t start_ns) {
  double ns = (double)(cpu_ns() - start_ns);
  struct engine_heap_stats stats = engine_heap_stats(store);
  printf("| %s, %" PRIu64 " bytes | %.1f | %.2f | %" PRIu64 " |\n", what, bytes, ns / (double)count,
         (double)bytes * (double)count / ns, stats.collections);
}

static void garbage(uint64_t bytes, uint64_t total) {
  struct engine *engine = start();
  uint64_t start_ns = cpu_ns(), count = total / bytes;
  for (uint64_t i = 0; i < count; i++) make(&bytes_type, bytes);
  report_allocation("garbage", bytes, count, start_ns);
  stop(engine);
}

/* A tenth lives until as many others were kept as the table has places. */
static void changing_tenth(uint64_t total, uint32_t places) {
  struct engine *engine = start();
  root = make_array(&refs_type, places);
  uint64_t start_ns = cpu_ns(), count = total / 32;
  uint32_t place = 0, turn = 0;
  for (uint64_t i = 0; i < count; i++) {
    uint64_t object = engine_ref_of(make(&list_type, 32));
    if (++turn < 10) continue;
    turn = 0;
    *elem(root, place) = object;
    if (++place == places) place = 0;
  }
  char what[64];
  snprintf(what, sizeof what, "a changing tenth of which %u live", places);
  report_allocation(what, 32, count, start_ns);
  stop(engine);
}

static void system_allocator(uint64_t total) {
  uint64_t start_ns = cpu_ns(), count = total / 32;
  for (uint64_t i = 0; i < count; i++) {
    void *volatile object = calloc(1, 32);
    free(object);
  }
  double ns = (double)(cpu_ns() - start_ns);
  printf("| for comparison: calloc and free, 32 bytes | %.1f | %.2f | |\n", ns / (double)count, (double)total / ns);
}

/* ---- Pauses ------------------------------------------------------------------------------------------------------- */

static void report_pause(const char *what) {
  for (int i = 0; i < 3; i++) engine_heap_collect(store);
  uint64_t start_ns = cpu_ns();
  for (int i = 0; i < 5; i++) engine_heap_collect(store);
  double ns = (double)(cpu_ns() - start_ns) / 5;
  struct engine_heap_stats stats = engine_heap_stats(store);
  printf("| %s | %" PRIu64 " | %.1f | %.2f | %.1f |\n", what, stats.live_objects, (double)stats.live_bytes / 1e6,
         ns / 1e6, ns / (double)stats.live_objects);
}

static void pause_of_list(uint32_t count) {
  struct engine *engine = start();
  for (uint32_t i = 0; i < count; i++) {
    uint64_t node = engine_ref_of(make(&list_type, 32));
    *field(node, 0) = root;
    root = node;
  }
  report_pause("a list, in order of allocation");
  stop(engine);
}

static uint64_t random_state = 88172645463325252u;
static uint64_t random64(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

/* Every object is an element of one array and refers to two others, anywhere. */
static void pause_of_graph(uint32_t count) {
  struct engine *engine = start();
  root = make_array(&refs_type, count);
  for (uint32_t i = 0; i < count; i++) *elem(root, i) = engine_ref_of(make(&list_type, 32));
  for (uint32_t i = 0; i < count; i++)
    for (size_t k = 0; k < 2; k++) *field(*elem(root, i), k) = *elem(root, random64() % count);
  report_pause("objects that refer to two others, anywhere");
  stop(engine);
}

static uint64_t make_tree(unsigned depth) {
  uint64_t node = engine_ref_of(make(&list_type, 32));
  if (depth == 0) return node;
  *field(node, 0) =
      make_tree(depth - 1); /* what is below is rooted by nothing: the trigger is not reached in between */
  *field(node, 1) = make_tree(depth - 1);
  return node;
}

static void no_roots(struct engine_store *of, struct engine_heap *heap) { (void)of, (void)heap; }

static void pause_of_garbage(void) {
  struct engine *engine = start();
  if (!engine_heap_set_roots(store, no_roots)) fail("no memory");
  uint64_t sum_ns = 0;
  for (int round = 0; round < 50; round++) {
    for (uint64_t i = 0; i < 4 * 1000 * 1000 / 32; i++) make(&list_type, 32);
    uint64_t start_ns = cpu_ns();
    engine_heap_collect(store);
    sum_ns += cpu_ns() - start_ns;
  }
  printf("| nothing lives | 0 | 0.0 | %.3f | |\n", (double)sum_ns / 50 / 1e6);
  stop(engine);
}

static void pause_of_trees(void) {
  struct engine *engine = start();
  root = make_array(&refs_type, 64);
  for (size_t i = 0; i < 64; i++) *elem(root, i) = make_tree(14);
  report_pause("64 binary trees");
  stop(engine);
}

static void pause_of_bytes(void) {
  struct engine *engine = start();
  root = make_array(&refs_type, 1000);
  for (size_t i = 0; i < 1000; i++) *elem(root, i) = make_array(&bytes_type, 100000);
  report_pause("arrays of 100,000 bytes");
  stop(engine);
}

int main(int argc, char **argv) {
  const uint64_t gigabytes = argc > 1 ? strtoull(argv[1], NULL, 10) : 4, total = gigabytes * 1000 * 1000 * 1000;
  printf("| allocation | ns each | GB/s | collections |\n|---|---|---|---|\n");
  const uint64_t sizes[] = {16, 24, 32, 64, 256, 1024, 4096, 16000, 20000, 100000, 1000000, 10000000};
  for (size_t i = 0; i < BASE_ARRAY_LEN(sizes); i++) garbage(sizes[i], total);
  changing_tenth(total, 10000);
  changing_tenth(total, 200000);
  changing_tenth(total, 1000000);
  system_allocator(total);
  printf("\n| what lives | objects | MB | pause, ms | ns an object |\n|---|---|---|---|---|\n");
  pause_of_garbage();
  for (uint32_t count = 10000; count <= 10000000; count *= 10) pause_of_list(count);
  for (uint32_t count = 10000; count <= 10000000; count *= 10) pause_of_graph(count);
  pause_of_trees();
  pause_of_bytes();
  return 0;
}
