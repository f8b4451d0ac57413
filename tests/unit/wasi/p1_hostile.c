/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* WASI 0.1 against guests that mean harm: every function with every kind of wrong argument, and a host whose memory
 * runs out at every point. The sanitizers judge; here it is only checked that results stay in range. */
#include "guest.h"
#include "wasi/p1/p1.h"

static int kind_matches(char kind, char letter) {
  bool is_64 = kind == 'U' || kind == 'I' || kind == 'R';
  return is_64 == (letter == 'I');
}

/* The types in the table are those that the names and kinds for --trace imply. */
TEST(table_is_consistent) {
  CHECK_INT(p1_function_count, 46);
  for (unsigned i = 0; i < p1_function_count; i++) {
    const struct p1_function *function = &p1_functions[i];
    const char *letter = function->params;
    for (const char *at = function->arguments; (at = strchr(at, ':')); at++) {
      bool is_result = at[1] == '=';
      char kind = at[is_result ? 2 : 1];
      if (is_result) kind = 'x';
      CHECK(*letter && kind_matches(kind, *letter++));
      if (kind == 'p' || kind == 'v') CHECK_INT(*letter++, 'i');
    }
    CHECK_INT(*letter, 0);
    CHECK(strcmp(function->results, "i") == 0 || strcmp(function->name, "proc_exit") == 0);
  }
}

static uint64_t random_state = 88172645463325252u;
static uint64_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}

static uint64_t hostile_value(void) {
  static const uint64_t values[] = {0,
                                    1,
                                    2,
                                    3,
                                    4,
                                    5,
                                    6,
                                    7,
                                    8,
                                    31,
                                    32,
                                    64,
                                    255,
                                    OUT,
                                    IOVECS,
                                    BYTES,
                                    TEXT,
                                    MEMORY_BYTES - 1,
                                    MEMORY_BYTES - 4,
                                    MEMORY_BYTES - 8,
                                    MEMORY_BYTES,
                                    0x10001,
                                    1024,
                                    1025,
                                    0x7FFFFFFF,
                                    0x80000000,
                                    0xFFFFFFFF,
                                    0xFFFFFFF8,
                                    0x7FFFFFFFFFFFFFFF,
                                    0x8000000000000000,
                                    UINT64_MAX,
                                    ALL_RIGHTS};
  uint64_t choice = next_random();
  if (choice % 8 == 0) return next_random();
  if (choice % 8 == 1) return next_random() % MEMORY_BYTES;
  return values[(choice >> 8) % (sizeof values / sizeof values[0])];
}

static void fill_memory(void) {
  static const char *const texts[] = {"file", "dir", ".", "..", "dir/../file", "/", "new", "link", "dir/inner", ""};
  for (uint32_t at = 0; at < MEMORY_BYTES; at += 8) base_store_u64(memory(at), next_random() % 5 ? 0 : hostile_value());
  for (uint32_t at = 0; at < MEMORY_BYTES - 64; at += 509) {
    const char *text = texts[next_random() % 10];
    memcpy(memory(at), text, strlen(text) + 1);
  }
}

TEST(any_arguments) {
  struct wasi_config *config = config_new();
  grant_path(config, "root", "/", HOST_RIGHTS_ALL);
  grant_path(config, "root/file", "/single/name", HOST_RIGHTS_READ_ONLY);
  wasi_config_add_arg(config, "argument", NULL);
  guest_start(config);
  limit_handles(200);
  wasi_p1_wake(p1); /* nothing may wait */
  static const char *const surfaces[] = {"wasi_snapshot_preview1", "wasi_unstable"};
  for (int i = 0; i < 40000; i++) {
    if (i % 16 == 0) fill_memory();
    const struct p1_function *function = &p1_functions[next_random() % p1_function_count];
    uint64_t slots[10];
    for (size_t at = 0; at < 10; at++)
      slots[at] =
          at < strlen(function->params) && function->params[at] == 'I' ? hostile_value() : (uint32_t)hostile_value();
    if (strcmp(function->name, "fd_allocate") == 0) slots[2] %= 100000;
    if (strcmp(function->name, "fd_filestat_set_size") == 0) slots[1] %= 100000;
    surface = surfaces[next_random() % 2];
    int result = call_slots(function->name, slots);
    CHECK(result >= -1 && result <= 76);
    CHECK(result >= 0 || last_trap == ENGINE_TRAP_EXIT || last_trap == ENGINE_TRAP_INTERRUPTED);
  }
  surface = surfaces[0];
  guest_end();
}

TEST(huge_counts) {
  struct wasi_config *config = config_new();
  grant_path(config, "root", "/", HOST_RIGHTS_ALL);
  guest_start(config);
  memset(memory(0), 0, MEMORY_BYTES);
  int fd = open_path("many", 1, ALL_RIGHTS, 0);
  CHECK_INT(CALL(fd_write, fd, 0, 0xFFFFFFFF, OUT), E_FAULT);
  CHECK_INT(CALL(fd_write, fd, 0, 0x20000000, OUT), E_FAULT);
  CHECK_INT(CALL(fd_write, fd, 0x4000, 2000, OUT), 0); /* all empty, beyond what one system call takes */
  for (uint32_t i = 0; i < 1500; i++) base_store_u32(memory(0x4000 + 8 * i + 4), 1);
  CHECK_INT(CALL(fd_write, fd, 0x4000, 1500, OUT), 0);
  CHECK_INT(get32(OUT), 1024);
  CHECK_INT(CALL(fd_write, fd, iovec(BYTES, MEMORY_BYTES), 1, OUT), E_FAULT);
  CHECK_INT(CALL(fd_write, fd, iovec(0xFFFFFFFF, 0xFFFFFFFF), 1, OUT), E_FAULT);
  CHECK_INT(CALL(fd_write, fd, iovec(MEMORY_BYTES, 0), 1, OUT), 0);
  CHECK_INT(CALL(fd_read, fd, iovec(BYTES, 1), 1, MEMORY_BYTES - 3), E_FAULT);
  CHECK_INT(CALL(fd_pread, fd, iovec(BYTES, 1), 1, UINT64_MAX, OUT), E_INVAL);
  CHECK_INT(CALL(fd_seek, fd, INT64_MIN, 0, OUT), E_INVAL);
  CHECK_INT(CALL(fd_seek, fd, 0, 3, OUT), E_INVAL);
  guest_end();
  unlink("root/many");
}

TEST(called_without_a_memory) {
  guest_start(config_new());
  struct engine_extern found;
  struct module_name module_name = {surface, (uint32_t)strlen(surface)}, function = {"fd_close", 8};
  CHECK(engine_linker_find(linker, module_name, function, &found));
  struct engine_call call = {.thread = engine_store_thread(store), .function = found.func, .env = found.func->env};
  uint64_t slots[1] = {0};
  CHECK_INT(found.func->host(&call, slots), ENGINE_TRAP_HOST);
  guest_end();
}

/* ---- Out of memory ---------------------------------------------------------------------------------------------------- */

static long allocations_left, allocations_alive;

static void *failing_resize(void *owner, void *old, size_t new_bytes) {
  (void)owner;
  if (new_bytes == 0) {
    if (old) allocations_alive--;
    free(old);
    return NULL;
  }
  if (allocations_left-- <= 0) return NULL;
  if (!old) allocations_alive++;
  return realloc(old, new_bytes);
}

/* Configures and makes a surface; whether everything succeeded. */
static bool configure(void) {
  struct wasi_config *config = NULL;
  struct wasi_p1 *made = NULL;
  struct host_object *listener = NULL;
  struct cay_error error;
  bool fine = wasi_config_new(&config, &error) == CAY_OK && wasi_config_add_arg(config, "a", &error) == CAY_OK &&
              wasi_config_set_env(config, "N", "v", &error) == CAY_OK &&
              wasi_config_set_env(config, "N", "w", &error) == CAY_OK &&
              wasi_config_inherit_stdio(config, &error) == CAY_OK &&
              try_grant(config, "root", "/", HOST_RIGHTS_ALL, &error) == CAY_OK &&
              try_grant(config, "root/file", "/one/file", HOST_RIGHTS_ALL, &error) == CAY_OK &&
              try_grant(config, "root/file", "/one/two", HOST_RIGHTS_ALL, &error) == CAY_OK &&
              host_grant_listener("127.0.0.1:0", &listener, &error) == CAY_OK &&
              wasi_config_add_socket(config, listener, NULL, &error) == CAY_OK &&
              wasi_p1_new(config, NULL, &made, &error) == CAY_OK;
  if (!fine) CHECK_INT(error.status, CAY_ERROR_MEMORY);
  host_object_release(listener);
  wasi_p1_free(made);
  wasi_config_free(config);
  return fine;
}

TEST(out_of_memory) {
  struct base_allocator allocator = {.resize = failing_resize};
  base_allocator_set(&allocator);
  long needed = 0;
  for (bool fine = false; !fine && needed < 1000; needed++) {
    allocations_left = needed;
    fine = configure();
    CHECK_INT(allocations_alive, 0);
  }
  CHECK(needed > 20 && needed < 1000);
  base_allocator_set(NULL);
}

static void prepare(void) {
  scratch_enter();
  mkdir("root", 0755), mkdir("root/dir", 0755);
  write_file("root/file", "text"), write_file("root/dir/inner", "inner");
}

TEST_MAIN({
  prepare();
  RUN(table_is_consistent)
  RUN(any_arguments)
  RUN(huge_counts)
  RUN(called_without_a_memory)
  RUN(out_of_memory)
})
