/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Quotas: what counts, what is given back, and that threads together get exactly what one would. */
#include <pthread.h>

#include "scratch.h"

enum { LIMIT = 1000 };
static char bytes[4096];
static struct host_object *root;

static void begin(uint64_t limit_bytes) {
  mkdir("q", 0755);
  root = grant("q", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
  CHECK_INT(host_directory_set_quota(root, limit_bytes, NULL), CAY_OK);
}

static void end(void) {
  host_object_release(root);
  scratch_remove();
  mkdir(scratch, 0700);
  if (chdir(scratch) != 0) abort();
}

static struct host_object *open_file(const char *name, uint32_t flags, uint32_t object_flags) {
  struct host_open how = {
      .open_flags = flags, .access = HOST_RIGHT_READ | HOST_RIGHT_WRITE, .object_flags = object_flags};
  struct host_object *file = NULL;
  if (host_open_at(root, path_of(name), &how, &file)) abort();
  return file;
}

/* Bytes written, or the error. */
static int put(struct host_object *file, size_t len_bytes) {
  struct host_buffer buffers[2] = {plain(bytes, len_bytes / 2), plain(bytes, len_bytes - len_bytes / 2)};
  size_t done = 0;
  int result = host_write(file, buffers, 2, &done);
  return result ? result : (int)done;
}
static int put_at(struct host_object *file, size_t len_bytes, uint64_t offset) {
  struct host_buffer buffer = plain(bytes, len_bytes);
  size_t done = 0;
  int result = host_write_at(file, &buffer, 1, offset, &done);
  return result ? result : (int)done;
}

static uint64_t used(void) { return host_object_quota_used(root); }

TEST(writes) {
  begin(LIMIT);
  struct host_object *file = open_file("a", HOST_OPEN_CREATE, 0);
  CHECK_INT(put(file, 600), 600);
  CHECK_INT(put_at(file, 600, 0), 600);
  CHECK_INT(used(), 600);
  CHECK_INT(put(file, 600), 400);
  CHECK_INT(put(file, 1), -HOST_ERROR_DQUOT);
  CHECK_INT(put(file, 0), 0);
  CHECK_INT(put_at(file, 10, 995), 5);
  CHECK_INT(put_at(file, 10, 2000), -HOST_ERROR_DQUOT);
  CHECK_INT(put_at(file, 1000, 0), 1000);
  struct host_object *other = open_file("b", HOST_OPEN_CREATE, 0);
  CHECK_INT(put(other, 1), -HOST_ERROR_DQUOT);
  struct host_stat status;
  CHECK_INT(host_stat(file, &status), 0);
  CHECK_INT(status.size_bytes, LIMIT);
  host_object_release(other);
  host_object_release(file);
  end();
}

TEST(holes_appends_sizes) {
  begin(LIMIT);
  struct host_object *file = open_file("a", HOST_OPEN_CREATE, 0),
                     *log = open_file("log", HOST_OPEN_CREATE, HOST_FLAG_APPEND);
  CHECK_INT(put_at(file, 10, 490), 10);
  CHECK_INT(used(), 500);
  CHECK_INT(put(log, 300), 300);
  CHECK_INT(put_at(log, 300, 0), 200);
  CHECK_INT(put(log, 1), -HOST_ERROR_DQUOT);
  CHECK_INT(host_set_size(file, 501), -HOST_ERROR_DQUOT);
  CHECK_INT(host_set_size(file, 100), 0);
  CHECK_INT(used(), 600);
  CHECK_INT(host_set_size(file, 500), 0);
  CHECK_INT(host_set_size(file, 0), 0);
  int allocated = host_allocate(file, 0, 400);
  CHECK(allocated == 0 || allocated == -HOST_ERROR_NOTSUP);
  CHECK_INT(used(), allocated ? 500 : 900);
  CHECK_INT(host_allocate(file, 100, 500), -HOST_ERROR_DQUOT);
  CHECK_INT(host_set_flags(log, 0), 0);
  CHECK_INT(put_at(log, 100, 0), 100);
  CHECK_INT(used(), allocated ? 500 : 900);
  host_object_release(log);
  host_object_release(file);
  end();
}

TEST(giving_back) {
  begin(LIMIT);
  write_file("q/old", "0123456789");
  struct host_object *file = open_file("old", HOST_OPEN_TRUNCATE, 0);
  CHECK_TEXT(read_file("q/old"), "");
  CHECK_INT(used(), 0);
  CHECK_INT(put(file, 1200), 1000);
  /* Bytes that were there before are nobody's to give back. */
  write_file("q/older", "0123456789");
  CHECK_INT(host_unlink_at(root, path_of("older")), 0);
  CHECK_INT(used(), LIMIT);
  host_object_release(file);
  CHECK_INT(host_link_at(root, path_of("old"), false, root, path_of("second")), 0);
  CHECK_INT(host_unlink_at(root, path_of("old")), 0);
  CHECK_INT(used(), LIMIT);
  CHECK_INT(host_unlink_at(root, path_of("second")), 0);
  CHECK_INT(used(), 0);
  file = open_file("a", HOST_OPEN_CREATE, 0);
  CHECK_INT(put(file, 700), 700);
  host_object_release(file);
  file = open_file("a", HOST_OPEN_TRUNCATE, 0);
  CHECK_INT(used(), 0);
  CHECK_INT(put(file, 700), 700);
  host_object_release(file);
  file = open_file("b", HOST_OPEN_CREATE, 0);
  CHECK_INT(put(file, 300), 300);
  host_object_release(file);
  CHECK_INT(host_rename_at(root, path_of("b"), root, path_of("a")), 0);
  CHECK_INT(used(), 300);
  end();
}

/* A file without a name keeps its space until nobody has it open. */
TEST(nameless_files) {
  begin(LIMIT);
  struct host_object *one = open_file("a", HOST_OPEN_CREATE, 0), *two = open_file("a", 0, 0);
  CHECK_INT(put(one, 500), 500);
  CHECK_INT(host_unlink_at(root, path_of("a")), 0);
  CHECK_INT(used(), 500);
  CHECK_INT(put(one, 100), 100);
  host_object_release(one);
  CHECK_INT(used(), 600);
  CHECK_INT(put_at(two, 1000, 600), 400);
  host_object_release(two);
  CHECK_INT(used(), 0);
  end();
}

TEST(moves_between_quotas) {
  begin(LIMIT);
  mkdir("r", 0755), write_file("r/file", "x");
  struct host_object *free_directory = grant("r", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO);
  CHECK_INT(host_rename_at(free_directory, path_of("file"), root, path_of("file")), -HOST_ERROR_XDEV);
  CHECK_INT(host_link_at(free_directory, path_of("file"), false, root, path_of("file")), -HOST_ERROR_XDEV);
  host_object_release(free_directory);
  end();
}

TEST(single_file) {
  struct host_object *synthetic, *file;
  struct host_file_grant one = {.host_path = "one", .rights = HOST_RIGHT_WRITE | HOST_RIGHT_READ, .quota_bytes = 5};
  write_file("one", "0123456789");
  CHECK_INT(host_grant_synthetic(&synthetic, NULL), CAY_OK);
  CHECK_INT(host_grant_file(synthetic, "one", &one, NULL), CAY_OK);
  CHECK_INT(open_with(synthetic, "one", 0, HOST_RIGHT_WRITE, &file), 0);
  CHECK_INT(put(file, 20), 15);
  CHECK_INT(put(file, 20), -HOST_ERROR_DQUOT);
  host_object_release(file);
  host_object_release(synthetic);
}

/* ---- Threads --------------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 400 };

static void *fill(void *number) {
  char name[16];
  snprintf(name, sizeof name, "t%d", *(int *)number);
  size_t *kept = base_alloc_zero(1, sizeof *kept);
  for (int i = 0; i < ROUNDS; i++) {
    struct host_object *own = open_file(name, HOST_OPEN_CREATE, HOST_FLAG_APPEND);
    struct host_object *shared = open_file("shared", HOST_OPEN_CREATE, HOST_FLAG_APPEND);
    int wrote = put(own, 7);
    if (wrote > 0) *kept += (size_t)wrote;
    wrote = put(shared, 3);
    if (wrote > 0) *kept += (size_t)wrote;
    if (i % 50 == 49) {
      struct host_stat status;
      CHECK_INT(host_stat(own, &status), 0);
      CHECK_INT(host_unlink_at(root, path_of(name)), 0);
      *kept -= status.size_bytes;
    }
    host_object_release(shared);
    host_object_release(own);
  }
  return kept;
}

TEST(threads) {
  begin(5000);
  pthread_t threads[THREADS];
  int numbers[THREADS];
  size_t kept = 0;
  for (int i = 0; i < THREADS; i++) {
    numbers[i] = i;
    pthread_create(&threads[i], NULL, fill, &numbers[i]);
  }
  for (int i = 0; i < THREADS; i++) {
    void *own = NULL;
    pthread_join(threads[i], &own);
    kept += *(size_t *)own;
    base_free(own);
  }
  CHECK_INT(used(), kept);
  CHECK(used() <= 5000);
  struct stat status;
  CHECK(stat("q/shared", &status) == 0 && (size_t)status.st_size <= kept);
  end();
}

/* ---- Threads that want more than that ---------------------------------------------------------------------------------- */

static struct host_object *attacked;
static atomic_bool is_over;

static void *move_about(void *unused) {
  uint64_t position;
  while (!is_over) {
    host_seek(attacked, 0, HOST_SEEK_SET, &position);
    host_seek(attacked, 1 << 28, HOST_SEEK_SET, &position);
    CHECK_INT(host_set_flags(attacked, HOST_FLAG_APPEND), 0);
    CHECK_INT(host_set_flags(attacked, 0), 0);
  }
  return unused;
}

static void *read_on(void *unused) {
  static char other[4096];
  struct host_buffer buffer = plain(other, sizeof other);
  size_t done;
  while (!is_over) host_read(attacked, &buffer, 1, &done);
  return unused;
}

/* Whatever moves the position or makes the file append between judging a write and doing it. */
TEST(positions_that_move) {
  begin(4096);
  attacked = open_file("a", HOST_OPEN_CREATE, 0);
  is_over = false;
  pthread_t mover, reader;
  pthread_create(&mover, NULL, move_about, NULL);
  pthread_create(&reader, NULL, read_on, NULL);
  struct host_stat status = {0};
  for (uint64_t end_ns = base_os_monotonic_ns() + 500000000; base_os_monotonic_ns() < end_ns;) {
    int result = put(attacked, 100);
    CHECK(result > 0 || result == -HOST_ERROR_DQUOT);
    CHECK_INT(host_stat(attacked, &status), 0);
  }
  is_over = true;
  pthread_join(mover, NULL);
  pthread_join(reader, NULL);
  CHECK(status.size_bytes <= 4096);
  CHECK_INT(used(), status.size_bytes);
  host_object_release(attacked);
  end();
}

static void *make_nameless(void *unused) {
  while (!is_over) {
    struct host_object *file = open_file("nameless", HOST_OPEN_CREATE, 0);
    CHECK_INT(put(file, 1000), 1000);
    CHECK_INT(host_unlink_at(root, path_of("nameless")), 0);
    host_object_release(file);
  }
  return unused;
}

/* The inode of a file that goes may be that of the next new one. */
TEST(inodes_that_return) {
  enum { FILES = 8000 };
  begin(1 << 30);
  char name[16];
  pthread_t other;
  is_over = false;
  pthread_create(&other, NULL, make_nameless, NULL);
  for (int i = 0; i < FILES; i++) {
    snprintf(name, sizeof name, "f%d", i);
    struct host_object *file = open_file(name, HOST_OPEN_CREATE, 0);
    CHECK_INT(put(file, 1000), 1000);
    host_object_release(file);
  }
  is_over = true;
  pthread_join(other, NULL);
  CHECK_INT(used(), FILES * 1000);
  end();
}

/* More files than the table starts with. */
TEST(many_files) {
  begin(100000);
  char name[16];
  for (int i = 0; i < 1000; i++) {
    snprintf(name, sizeof name, "f%d", i);
    struct host_object *file = open_file(name, HOST_OPEN_CREATE, 0);
    CHECK_INT(put(file, 10), 10);
    host_object_release(file);
  }
  CHECK_INT(used(), 10000);
  for (int i = 0; i < 1000; i++) {
    snprintf(name, sizeof name, "f%d", i);
    CHECK_INT(host_unlink_at(root, path_of(name)), 0);
  }
  CHECK_INT(used(), 0);
  end();
}

/* What is known of files is memory of the program that made them. */
TEST(entries_are_memory) {
  enum { ENOUGH = 100 };
  begin(100000);
  struct base_budget *budget = base_budget_new(NULL);
  struct host_object *plain_one = root;
  root = host_object_counted(plain_one, budget, false);
  base_budget_set_limit(budget, BASE_LIMIT_MEMORY, 80 * ENOUGH);
  char name[16];
  int made = 0;
  for (struct host_object *file; made <= 2 * ENOUGH; made++) {
    snprintf(name, sizeof name, "f%d", made);
    int result = open_with(root, name, HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &file);
    if (result) CHECK_INT(result, -HOST_ERROR_NOMEM);
    if (result) break;
    CHECK_INT(put(file, 1), 1);
    host_object_release(file);
  }
  CHECK(made > ENOUGH / 2 && made <= 2 * ENOUGH); /* an entry has 80 bytes, or fewer where addresses have four */
  CHECK_INT(base_budget_last_hit(budget), BASE_LIMIT_MEMORY);
  for (int i = 0; i < made; i++) {
    snprintf(name, sizeof name, "f%d", i);
    CHECK_INT(host_unlink_at(root, path_of(name)), 0);
  }
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_MEMORY), 0);
  CHECK_INT(used(), 0);
  struct host_object *last;
  CHECK_INT(open_with(root, "last", HOST_OPEN_CREATE, HOST_RIGHT_WRITE, &last), 0);
  CHECK_INT(put(last, 1), 1);
  host_object_release(last);
  CHECK(base_budget_used(budget, BASE_LIMIT_MEMORY) > 0);
  host_object_release(plain_one);
  end();
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_MEMORY), 0);
  base_budget_release(budget);
}

TEST_MAIN({
  scratch_enter();
  RUN(writes)
  RUN(holes_appends_sizes)
  RUN(giving_back)
  RUN(nameless_files)
  RUN(moves_between_quotas)
  RUN(single_file)
  RUN(threads)
  RUN(positions_that_move)
  RUN(inodes_that_return)
  RUN(many_files)
  RUN(entries_are_memory)
})
