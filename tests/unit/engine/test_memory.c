/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Memories and tables: both kinds of memory, bounds, budgets, limited address space. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_tier.h"

static struct module_memory_type pages(uint64_t min, uint64_t max) {
  return (struct module_memory_type){.limits = {.min = min, .max = max, .has_max = max != UINT64_MAX}, .page_log2 = 16};
}

static void check_memory(struct world *world, bool may_guard) {
  struct engine_memory *memory = NULL;
  struct module_memory_type type = pages(1, 4);
  CHECK_INT(engine_memory_new(world->store, &type, &memory, NULL), CAY_OK);
  if (!may_guard) CHECK(!memory->guarded);
  CHECK_INT(memory->len_bytes, 65536);
  CHECK_INT(memory->base[65535], 0);
  memory->base[65535] = 7;
  CHECK_INT(engine_memory_grow(memory, 0), 1);
  CHECK_INT(engine_memory_grow(memory, 2), 1);
  CHECK_INT(memory->page_count, 3);
  CHECK_INT(memory->base[65535], 7);
  for (uint64_t i = 65536; i < memory->len_bytes; i++)
    if (memory->base[i]) CHECK(!"grown pages are zero");
  CHECK(engine_memory_grow(memory, 2) == UINT64_MAX);
  CHECK(engine_memory_grow(memory, UINT64_MAX) == UINT64_MAX);
  CHECK_INT(engine_memory_grow(memory, 1), 3);
  CHECK_INT(memory->len_bytes, 4 * 65536);
}

TEST(guarded) {
  struct world world = world_new(NULL, NULL);
  check_memory(&world, true);
  world_free(&world);
}

TEST(explicit) {
  struct engine_options options = {.explicit_bounds = true};
  struct world world = world_new(&options, NULL);
  check_memory(&world, false);
  world_free(&world);
}

TEST(explicit_moves) {
  struct engine_options options = {.explicit_bounds = true};
  struct world world = world_new(&options, NULL);
  struct engine_memory *memory = NULL;
  struct module_memory_type type = pages(0, UINT64_MAX);
  CHECK_INT(engine_memory_new(world.store, &type, &memory, NULL), CAY_OK);
  CHECK_INT(memory->len_bytes, 0);
  CHECK(engine_memory_range(memory, 0, 0) != NULL);
  for (uint64_t i = 0; i < 300; i++) {
    CHECK(engine_memory_grow(memory, 1) == i);
    memory->base[i << 16] = (uint8_t)i;
  }
  for (uint64_t i = 0; i < 300; i++) CHECK_INT(memory->base[i << 16], (uint8_t)i);
  CHECK(engine_memory_grow(memory, 65536 - 299) == UINT64_MAX);
  world_free(&world);
}

TEST(bulk) {
  struct world world = world_new(NULL, NULL);
  struct engine_memory *memory = NULL;
  struct module_memory_type type = pages(1, 1);
  CHECK_INT(engine_memory_new(world.store, &type, &memory, NULL), CAY_OK);
  CHECK_INT(engine_memory_fill(memory, 65530, 0x1AB, 6), ENGINE_TRAP_NONE);
  CHECK_INT(memory->base[65535], 0xAB);
  CHECK_INT(engine_memory_fill(memory, 65530, 1, 7), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(memory->base[65535], 0xAB);
  CHECK_INT(engine_memory_fill(memory, 65536, 1, 0), ENGINE_TRAP_NONE);
  CHECK_INT(engine_memory_fill(memory, 65537, 1, 0), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(engine_memory_fill(memory, UINT64_MAX, 1, 2), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(engine_memory_copy(memory, 65528, memory, 65530, 6), ENGINE_TRAP_NONE);
  CHECK_INT(memory->base[65528], 0xAB);
  CHECK_INT(engine_memory_copy(memory, 0, memory, 65535, 2), ENGINE_TRAP_MEMORY_BOUNDS);
  CHECK_INT(engine_memory_copy(memory, 65535, memory, 0, 2), ENGINE_TRAP_MEMORY_BOUNDS);
  world_free(&world);
}

/* Steps of 64 MiB must not show, but where somebody stops the guest. */
TEST(bulk_of_many_steps) {
  const uint64_t mib = UINT64_C(1) << 20, count = 200 * mib;
  struct world world = world_new(NULL, NULL);
  struct engine_memory *memory = NULL;
  struct module_memory_type type = pages(8000, 8000);
  if (engine_memory_new(world.store, &type, &memory, NULL) == CAY_OK) {
    for (uint64_t i = 0; i < count / mib; i++) memory->base[i * mib] = (uint8_t)(i + 1);
    CHECK_INT(engine_memory_copy(memory, 3 * mib, memory, 0, count), ENGINE_TRAP_NONE);
    for (uint64_t i = 0; i < count / mib; i++) CHECK_INT(memory->base[(i + 3) * mib], (uint8_t)(i + 1));
    CHECK_INT(engine_memory_copy(memory, 1 * mib, memory, 3 * mib, count), ENGINE_TRAP_NONE);
    for (uint64_t i = 0; i < count / mib; i++) CHECK_INT(memory->base[(i + 1) * mib], (uint8_t)(i + 1));
    CHECK_INT(engine_memory_fill(memory, 0, 9, count), ENGINE_TRAP_NONE);
    CHECK_INT(memory->base[count - 1], 9);
    CHECK_INT(memory->base[count], (uint8_t)(count / mib));
    engine_interrupt(world.store);
    CHECK_INT(engine_memory_fill(memory, 0, 7, count), ENGINE_TRAP_INTERRUPTED);
    CHECK_INT(memory->base[64 * mib - 1], 7);
    CHECK_INT(memory->base[64 * mib], 9);
    CHECK_INT(engine_memory_copy(memory, 1, memory, 0, count), ENGINE_TRAP_INTERRUPTED);
    CHECK_INT(engine_memory_copy(memory, 0, memory, 1, 64 * mib), ENGINE_TRAP_NONE);
    engine_interrupt_clear(world.store);
  }
  world_free(&world);
}

TEST(budget) {
  struct engine_limits limits = {.budget = memory_budget(3 * 65536 + 80), .memories = 2};
  struct world world = world_new(NULL, &limits);
  struct engine_memory *memory = NULL, *second = NULL;
  struct module_memory_type type = pages(1, UINT64_MAX), large = pages(3, UINT64_MAX);
  CHECK_INT(engine_memory_new(world.store, &type, &memory, NULL), CAY_OK);
  struct cay_error error = {0};
  CHECK_INT(engine_memory_new(world.store, &large, &second, &error), CAY_ERROR_LIMIT);
  CHECK_TEXT(error.text,
             "a memory of 196608 bytes exceeds the memory limit of 196688 bytes, of which 65536 are in use");
  CHECK(engine_memory_grow(memory, 3) == UINT64_MAX);
  CHECK_INT(engine_memory_grow(memory, 2), 1);
  struct module_table_type table_type = {.elem = MODULE_FUNCREF, .limits = {.min = 10}};
  struct engine_table *table = NULL;
  CHECK_INT(engine_table_new(world.store, &table_type, 0, &table, NULL), CAY_OK);
  CHECK(engine_table_grow(table, 1, 0) == UINT64_MAX);
  struct module_memory_type none = pages(0, 0);
  CHECK_INT(engine_memory_new(world.store, &none, &second, NULL), CAY_OK);
  CHECK_INT(engine_memory_new(world.store, &none, &second, NULL), CAY_ERROR_LIMIT);
  world_free(&world);
}

TEST(tables) {
  struct engine_limits limits = {.table_elements = 100};
  struct world world = world_new(NULL, &limits);
  struct module_table_type type = {.elem = MODULE_EXTERNREF, .limits = {.min = 2, .max = 50, .has_max = true}};
  struct engine_table *table = NULL;
  CHECK_INT(engine_table_new(world.store, &type, 5, &table, NULL), CAY_OK);
  CHECK_INT(table->elems[1], 5);
  CHECK_INT(engine_table_grow(table, 0, 6), 2);
  CHECK_INT(engine_table_grow(table, 3, 6), 2);
  CHECK_INT(engine_table_grow(table, 45, 7), 5);
  CHECK(engine_table_grow(table, 1, 6) == UINT64_MAX);
  CHECK_INT(table->elems[4], 6);
  CHECK_INT(table->elems[49], 7);
  CHECK_INT(engine_table_fill(table, 48, 9, 3), ENGINE_TRAP_TABLE_BOUNDS);
  CHECK_INT(engine_table_fill(table, 48, 9, 2), ENGINE_TRAP_NONE);
  CHECK_INT(engine_table_fill(table, 50, 9, 0), ENGINE_TRAP_NONE);
  CHECK_INT(engine_table_fill(table, 51, 9, 0), ENGINE_TRAP_TABLE_BOUNDS);
  CHECK_INT(engine_table_copy(table, 0, table, 48, 2), ENGINE_TRAP_NONE);
  CHECK_INT(table->elems[0], 9);
  CHECK_INT(engine_table_copy(table, 0, table, 49, 2), ENGINE_TRAP_TABLE_BOUNDS);
  type.limits.min = 101, type.limits.max = 200;
  CHECK_INT(engine_table_new(world.store, &type, 5, &table, NULL), CAY_ERROR_LIMIT);
  world_free(&world);
}

/* In a process with little address space: 700 MiB of memory fit a limit of 1 GiB, whatever kind it becomes. */
static int limited_space(void) {
  struct rlimit limit = {1u << 30, 1u << 30};
  if (setrlimit(RLIMIT_AS, &limit) != 0) return 2;
  if (base_os_reserve((size_t)1 << 31)) return 0; /* an emulator that does not enforce it */
  struct world world = world_new(NULL, NULL);
  struct engine_memory *memory = NULL;
  struct module_memory_type type = pages(1, UINT64_MAX);
  CHECK_INT(engine_memory_new(world.store, &type, &memory, NULL), CAY_OK);
  CHECK(!memory->guarded);
  while (engine_memory_grow(memory, 64) != UINT64_MAX && memory->page_count < 11200) memory->base[0]++;
  CHECK(memory->page_count >= 11200);
  CHECK_INT(memory->base[0], 174);
  CHECK_INT(memory->base[memory->len_bytes - 1], 0);
  struct module_memory_type too_large = pages(65535, UINT64_MAX);
  /* Too large for what is left of the address space, or for any that this CPU has. */
  CHECK_INT(engine_memory_new(world.store, &too_large, &memory, NULL),
            sizeof(size_t) > 4 ? CAY_ERROR_MEMORY : CAY_ERROR_LIMIT);
  world_free(&world);
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

static long resident_kib(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0;
}

/* 1.5 TiB of which two pages are touched grow beyond what was reserved: they move, and nothing is copied. */
TEST(sparse_moves) {
  if (sizeof(void *) < 8) return;
  const uint64_t tib = UINT64_C(1) << 40;
  void *room = base_os_reserve((size_t)(10 * tib));
  if (!room) return; /* no such address space here */
  base_os_release(room, (size_t)(10 * tib));
  struct world world = world_new(NULL, NULL);
  struct engine_memory *memory = NULL;
  struct module_memory_type type = {.limits = {.min = (tib + tib / 2) >> 16, .is_64 = true}, .page_log2 = 16};
  CHECK_INT(engine_memory_new(world.store, &type, &memory, NULL), CAY_OK);
  CHECK(!memory->guarded && memory->reserved_bytes < 4 * tib);
  long before_kib = resident_kib();
  memory->base[5] = 1;
  memory->base[tib] = 2;
  CHECK(engine_memory_grow(memory, 4 * tib >> 16) == type.limits.min);
  CHECK_INT(memory->base[5], 1);
  CHECK_INT(memory->base[tib], 2);
  memory->base[memory->len_bytes - 1] = 3;
  CHECK(engine_memory_grow(memory, 1) != UINT64_MAX); /* and once more, after the mapping was extended */
  CHECK_INT(memory->base[memory->len_bytes - 65537], 3);
  CHECK_INT(memory->base[tib], 2);
  CHECK(engine_memory_grow(memory, UINT64_MAX >> 17) == UINT64_MAX);
  CHECK_INT(memory->base[tib], 2);
  CHECK(resident_kib() - before_kib < 64 * 1024);
  world_free(&world);
}

/* More memories than address space has room for with guard pages: the later ones check bounds. */
TEST(many) {
  struct world world = world_new(NULL, NULL);
  struct module_memory_type type = pages(1, 2);
  struct engine_memory *memory = NULL;
  for (int i = 0; i < 17000; i++) {
    struct cay_error error = {0};
    if (engine_memory_new(world.store, &type, &memory, &error) != CAY_OK) {
      fprintf(stderr, "memory %d: %s\n", i, error.text);
      CHECK(!"17,000 memories");
      break;
    }
    memory->base[0] = 1;
    if (i % 1000 == 0) CHECK_INT(engine_memory_grow(memory, 1), 1);
  }
  world_free(&world);
}

TEST_MAIN(RUN(guarded) RUN(explicit) RUN(explicit_moves) RUN(bulk) RUN(bulk_of_many_steps) RUN(budget) RUN(tables)
              RUN(address_space) RUN(sparse_moves) RUN(many))
