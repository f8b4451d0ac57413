/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Files as a run sees them that must not depend on the host. */
#include "scratch.h"

enum { TIME_NS = 5000000000 };

static struct host_stat stat_of(uint64_t device, uint64_t inode, uint64_t links) {
  return (struct host_stat){
      .device = device, .inode = inode, .links = links, .size_bytes = 7, .modify_ns = 1, .kind = HOST_KIND_REGULAR};
}

static uint64_t number(struct host_uniform *uniform, uint64_t device, uint64_t inode) {
  struct host_stat stat = stat_of(device, inode, 1);
  CHECK_INT(host_uniform_stat(uniform, &stat), 0);
  CHECK_INT(stat.device, 0);
  CHECK_INT(stat.size_bytes, 7);
  CHECK_INT(stat.modify_ns, TIME_NS);
  CHECK_INT(stat.access_ns, TIME_NS);
  CHECK_INT(stat.change_ns, TIME_NS);
  return stat.inode;
}

TEST(inodes_are_numbered) {
  struct host_uniform *uniform = host_uniform_new(TIME_NS);
  CHECK_INT(number(uniform, 1, 500), 1);
  CHECK_INT(number(uniform, 2, 500), 2);
  CHECK_INT(number(uniform, 1, 500), 1);
  struct host_stat gone = stat_of(1, 500, 1), linked = stat_of(2, 500, 2), nameless = stat_of(9, 9, 0);
  host_uniform_forget(uniform, &linked); /* it has another name */
  CHECK_INT(number(uniform, 2, 500), 2);
  host_uniform_forget(uniform, &gone);
  CHECK_INT(number(uniform, 1, 500), 3);
  CHECK_INT(host_uniform_stat(uniform, &nameless), 0);
  CHECK_INT(nameless.inode, 0);
  CHECK_INT(number(uniform, 9, 9), 4);
  host_uniform_free(uniform);
}

/* Whatever is taken out, the others are still found. */
TEST(many_inodes) {
  enum { MANY = 5000 };
  struct host_uniform *uniform = host_uniform_new(TIME_NS);
  for (uint64_t i = 1; i <= MANY; i++) CHECK_INT(number(uniform, 1, i * 4096), i);
  for (uint64_t i = 1; i <= MANY; i += 3) {
    struct host_stat gone = stat_of(1, i * 4096, 1);
    host_uniform_forget(uniform, &gone);
  }
  for (uint64_t i = 1; i <= MANY; i++)
    if (i % 3 != 1) CHECK_INT(number(uniform, 1, i * 4096), i);
  CHECK_INT(number(uniform, 1, 4096), MANY + 1);
  host_uniform_free(uniform);
}

TEST(directories) {
  struct host_uniform *uniform = host_uniform_new(TIME_NS);
  struct host_stat stat = {.device = 1, .inode = 2, .links = 17, .size_bytes = 4096, .kind = HOST_KIND_DIRECTORY};
  CHECK_INT(host_uniform_stat(uniform, &stat), 0);
  CHECK_INT(stat.links, 1);
  CHECK_INT(stat.size_bytes, 0);
  host_uniform_free(uniform);
}

/* In order, with kinds and numbers; what comes and goes meanwhile is seen from the next start on. */
TEST(names_in_order) {
  static const char *const expected[] = {".", "..", "B", "a", "a.b", "b"};
  struct host_uniform *uniform = host_uniform_new(TIME_NS);
  mkdir("ordered", 0755);
  mkdir("ordered/B", 0755);
  write_file("ordered/b", "");
  write_file("ordered/a.b", "");
  write_file("ordered/a", "");
  struct host_object *directory = grant("ordered", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
  struct host_listing *listing;
  struct host_entry entry;
  bool found = false;
  CHECK_INT(host_listing_open(directory, uniform, &listing), 0);
  for (uint64_t cookie = 0; cookie < 6; cookie++) {
    CHECK_INT(host_listing_read(listing, cookie, &entry, &found), 0);
    CHECK(found);
    CHECK_TEXT(entry.name, expected[cookie]);
    CHECK_INT(entry.next_cookie, cookie + 1);
    CHECK_INT(entry.inode, cookie == 1 ? 0 : cookie == 0 ? 1 : cookie);
    CHECK_INT(entry.kind, cookie < 3 ? HOST_KIND_DIRECTORY : HOST_KIND_REGULAR);
    if (cookie == 2) write_file("ordered/aa", "");
  }
  CHECK_INT(host_listing_read(listing, 6, &entry, &found), 0);
  CHECK(!found);
  CHECK_INT(host_listing_read(listing, UINT64_MAX, &entry, &found), 0);
  CHECK(!found);
  CHECK_INT(host_listing_read(listing, 0, &entry, &found), 0);
  CHECK_INT(host_listing_read(listing, 5, &entry, &found), 0);
  CHECK_TEXT(entry.name, "aa");
  host_listing_close(listing);
  host_object_release(directory);
  host_uniform_free(uniform);
}

/* The names that a listing holds count as the program's memory, until they are read anew or the listing is closed. */
TEST(names_count_as_memory) {
  struct base_budget *budget = base_budget_new(NULL);
  struct host_uniform *uniform = host_uniform_new(TIME_NS);
  struct host_object *own = grant("ordered", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
  struct host_object *directory = host_object_counted(own, budget, false);
  struct host_listing *listing;
  struct host_entry entry;
  bool found = false;
  CHECK_INT(host_listing_open(directory, uniform, &listing), 0);
  uint64_t empty_bytes = base_budget_used(budget, BASE_LIMIT_MEMORY);
  CHECK_INT(host_listing_read(listing, 0, &entry, &found), 0);
  uint64_t full_bytes = base_budget_used(budget, BASE_LIMIT_MEMORY);
  CHECK(full_bytes > empty_bytes);
  CHECK_INT(host_listing_read(listing, 0, &entry, &found), 0);
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_MEMORY), full_bytes);
  base_budget_set_limit(budget, BASE_LIMIT_MEMORY, full_bytes - 1);
  CHECK_INT(host_listing_read(listing, 0, &entry, &found), -HOST_ERROR_NOMEM);
  host_listing_close(listing);
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_MEMORY), 0);
  host_object_release(directory);
  host_object_release(own);
  host_uniform_free(uniform);
  base_budget_release(budget);
}

/* The table of inodes is memory of the program that looks at files. */
TEST(inodes_are_memory) {
  struct host_uniform *uniform = host_uniform_new(TIME_NS);
  struct base_budget *budget = base_budget_new(NULL);
  base_budget_set_limit(budget, BASE_LIMIT_MEMORY, 10000);
  host_uniform_set_budget(uniform, budget);
  int result = 0;
  uint64_t seen = 0;
  for (; result == 0 && seen < 10000; seen += result == 0) {
    struct host_stat status = {.device = 1, .inode = seen + 1, .links = 1, .kind = HOST_KIND_REGULAR};
    result = host_uniform_stat(uniform, &status);
  }
  CHECK_INT(result, -HOST_ERROR_NOMEM);
  CHECK(seen > 50 && seen < 10000 / 24);
  CHECK_INT(base_budget_last_hit(budget), BASE_LIMIT_MEMORY);
  CHECK(base_budget_used(budget, BASE_LIMIT_MEMORY) > 0);
  host_uniform_free(uniform);
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_MEMORY), 0);
  base_budget_release(budget);
}

TEST_MAIN(scratch_enter(); RUN(inodes_are_numbered) RUN(many_inodes) RUN(directories) RUN(names_in_order)
              RUN(names_count_as_memory) RUN(inodes_are_memory) scratch_remove())
