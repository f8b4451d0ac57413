/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What objects take from a budget: bytes moved, entries made, listings; and what they do at its end. */
#include <errno.h>
#include <sys/socket.h>

#include "scratch.h"

static struct base_budget *budget;
static char bytes[64];

static struct host_object *counted_folder(void) {
  struct host_object *plain_one = grant(".", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
  budget = base_budget_new(NULL);
  struct host_object *folder = host_object_counted(plain_one, budget, false);
  host_object_release(plain_one);
  return folder;
}

static uint64_t used(enum base_limit limit) { return base_budget_used(budget, limit); }

#define CHECK_EXHAUSTED(result, limit)              \
  do {                                              \
    int got = (result);                             \
    CHECK(host_is_exhausted(got));                  \
    CHECK_INT(host_exhausted(got), limit);          \
    CHECK_INT(base_budget_last_hit(budget), limit); \
  } while (0)

TEST(writes_are_cut) {
  struct host_object *folder = counted_folder(), *file;
  base_budget_set_limit(budget, BASE_LIMIT_WRITTEN, 10);
  CHECK_INT(open_with(folder, "cut", HOST_OPEN_CREATE, HOST_RIGHT_READ | HOST_RIGHT_WRITE, &file), 0);
  struct host_buffer buffers[] = {plain(bytes, 4), plain(bytes, 4)};
  size_t done = 0;
  CHECK_INT(host_write(file, buffers, 2, &done), 0);
  CHECK_INT(base_budget_last_hit(budget), BASE_LIMIT_COUNT);
  CHECK_EXHAUSTED(host_write_at(file, buffers, 2, 8, &done), BASE_LIMIT_WRITTEN);
  CHECK_INT(done, 2);
  CHECK_EXHAUSTED(host_write(file, buffers, 1, &done), BASE_LIMIT_WRITTEN);
  CHECK_INT(used(BASE_LIMIT_WRITTEN), 10);
  struct host_stat status;
  CHECK_INT(host_stat(file, &status), 0);
  CHECK_INT(status.size_bytes, 10);
  host_object_release(file);
  host_object_release(folder);
  base_budget_release(budget);
}

/* What ends exactly where the limit does can be read to its end. */
TEST(reads_meet_the_end_first) {
  write_file("ten", "0123456789");
  for (uint64_t limit = 9; limit < 12; limit++) {
    struct host_object *folder = counted_folder(), *file;
    base_budget_set_limit(budget, BASE_LIMIT_READ, limit);
    CHECK_INT(open_with(folder, "ten", 0, HOST_RIGHT_READ, &file), 0);
    struct host_buffer buffers[] = {plain(bytes, 3), plain(bytes + 3, 50)};
    size_t done = 0;
    if (limit < 10) {
      CHECK_EXHAUSTED(host_read(file, buffers, 2, &done), BASE_LIMIT_READ);
      CHECK_INT(done, limit);
    } else {
      CHECK_INT(host_read(file, buffers, 2, &done), 0);
      CHECK_INT(done, 10);
      CHECK_INT(host_read(file, buffers, 2, &done), 0);
      CHECK_INT(done, 0);
      CHECK_INT(base_budget_last_hit(budget), BASE_LIMIT_COUNT);
    }
    CHECK_INT(used(BASE_LIMIT_READ), limit < 10 ? limit : 10);
    host_object_release(file);
    host_object_release(folder);
    base_budget_release(budget);
  }
}

TEST(entries_that_are_made) {
  struct host_object *folder = counted_folder(), *file;
  write_file("old", "");
  base_budget_set_limit(budget, BASE_LIMIT_CREATED, 4);
  const uint32_t exclusive = HOST_OPEN_CREATE | HOST_OPEN_EXCLUSIVE;
  CHECK_INT(open_with(folder, "old", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file), 0);
  host_object_release(file);
  CHECK_INT(open_with(folder, "old", exclusive, HOST_RIGHT_WRITE, &file), -HOST_ERROR_EXIST);
  CHECK_INT(open_with(folder, "none/new", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file), -HOST_ERROR_NOENT);
  CHECK_INT(host_make_directory_at(folder, path_of("old")), -HOST_ERROR_EXIST);
  CHECK_INT(used(BASE_LIMIT_CREATED), 0);
  CHECK_INT(open_with(folder, "new", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file), 0);
  host_object_release(file);
  CHECK_INT(host_make_directory_at(folder, path_of("new.d")), 0);
  CHECK_INT(host_symlink_at(path_of("old"), folder, path_of("new.s")), 0);
  CHECK_INT(host_link_at(folder, path_of("old"), false, folder, path_of("new.l")), 0);
  CHECK_INT(used(BASE_LIMIT_CREATED), 4);
  CHECK_INT(base_budget_last_hit(budget), BASE_LIMIT_COUNT);
  CHECK_INT(host_make_directory_at(folder, path_of("more")), -HOST_ERROR_DQUOT);
  CHECK_INT(host_symlink_at(path_of("old"), folder, path_of("more")), -HOST_ERROR_DQUOT);
  CHECK_INT(host_link_at(folder, path_of("old"), false, folder, path_of("more")), -HOST_ERROR_DQUOT);
  CHECK_INT(open_with(folder, "more", exclusive, HOST_RIGHT_WRITE, &file), -HOST_ERROR_DQUOT);
  CHECK_INT(open_with(folder, "more", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file), -HOST_ERROR_DQUOT);
  CHECK(access("more", F_OK) != 0);
  CHECK_INT(base_budget_last_hit(budget), BASE_LIMIT_CREATED);
  CHECK_INT(open_with(folder, "new", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file), 0); /* it is there */
  host_object_release(file);
  host_object_release(folder);
  base_budget_release(budget);
}

TEST(storage_and_listings) {
  struct host_object *folder = counted_folder(), *file;
  struct host_listing *listing;
  base_budget_set_limit(budget, BASE_LIMIT_WRITTEN, 1 << 20);
  base_budget_set_limit(budget, BASE_LIMIT_MEMORY, 50000);
  CHECK_INT(open_with(folder, "storage", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file), 0);
  int allocated = host_allocate(file, 0, 1 << 19);
  CHECK(allocated == 0 || allocated == -HOST_ERROR_NOTSUP);
  uint64_t taken = used(BASE_LIMIT_WRITTEN);
  CHECK(taken <= 1 << 19);
  CHECK_INT(host_allocate(file, 0, 1 << 19), allocated);
  CHECK_INT(used(BASE_LIMIT_WRITTEN), taken); /* was there */
  CHECK_EXHAUSTED(host_allocate(file, 1 << 20, 1 << 30), BASE_LIMIT_WRITTEN);
  CHECK_INT(host_listing_open(folder, NULL, &listing), 0);
  CHECK(used(BASE_LIMIT_MEMORY) >= 32768);
  struct host_listing *second;
  CHECK_INT(host_listing_open(folder, NULL, &second), -HOST_ERROR_NOMEM);
  host_listing_close(listing);
  CHECK_INT(used(BASE_LIMIT_MEMORY), 0);
  host_object_release(file);
  host_object_release(folder);
  base_budget_release(budget);
}

/* A socket that takes less than it is given pays for what it took. */
TEST(sockets_and_output) {
  int pair[2];
  CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  struct host_object *socket, *twin, *pipe_end, *out;
  static char large[1 << 20];
  struct host_buffer buffer = plain(large, sizeof large), few = plain(large, 5);
  size_t done = 0;
  budget = base_budget_new(NULL);
  CHECK_INT(host_grant_fd(pair[0], HOST_RIGHT_READ | HOST_RIGHT_WRITE, &socket, NULL), CAY_OK);
  twin = host_object_counted(socket, budget, false);
  CHECK_INT(host_send(twin, &buffer, 1, &done), 0);
  CHECK(done > 0 && done < sizeof large);
  CHECK_INT(used(BASE_LIMIT_SENT), done);
  CHECK_INT(used(BASE_LIMIT_WRITTEN), done);
  CHECK_INT(host_write(twin, &buffer, 1, &done), HOST_PENDING);
  CHECK_INT(used(BASE_LIMIT_SENT), used(BASE_LIMIT_WRITTEN));
  host_object_release(twin);
  base_budget_release(budget);
  budget = base_budget_new(NULL);
  base_budget_set_limit(budget, BASE_LIMIT_OUTPUT, 8);
  base_budget_set_limit(budget, BASE_LIMIT_WRITTEN, 9);
  CHECK_INT(host_memory_sink(&pipe_end, NULL), CAY_OK);
  out = host_object_counted(pipe_end, budget, true);
  CHECK_INT(host_write(out, &few, 1, &done), 0);
  CHECK_EXHAUSTED(host_write(out, &few, 1, &done), BASE_LIMIT_OUTPUT);
  CHECK_INT(done, 3);
  CHECK_INT(used(BASE_LIMIT_WRITTEN), 8); /* what the other limit did not allow is given back */
  host_object_release(out);
  host_object_release(pipe_end);
  host_object_release(socket);
  base_budget_release(budget);
  close(pair[0]);
  close(pair[1]);
}

TEST_MAIN({
  scratch_enter();
  RUN(writes_are_cut)
  RUN(reads_meet_the_end_first)
  RUN(entries_that_are_made)
  RUN(storage_and_listings)
  RUN(sockets_and_output)
})
