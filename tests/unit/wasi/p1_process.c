/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* WASI 0.1 beside files: arguments, environment, clocks, random, ends, standard streams, poll_oneoff, sockets, trace. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "guest.h"

static void check_strings(const char *sizes, const char *get, uint32_t count, const char *expected, size_t len_bytes) {
  CHECK_INT(call_slots(sizes, (uint64_t[10]){OUT, OUT + 4}), 0);
  CHECK_INT(get32(OUT), count);
  CHECK_INT(get32(OUT + 4), len_bytes);
  CHECK_INT(call_slots(get, (uint64_t[10]){OUT, BYTES}), 0);
  CHECK(memcmp(memory(BYTES), expected, len_bytes) == 0);
  for (uint32_t i = 0, at = 0; i < count; i++) {
    CHECK_INT(get32(OUT + 4 * i), BYTES + at);
    at += (uint32_t)strlen(expected + at) + 1;
  }
}

TEST(arguments_and_environment) {
  struct wasi_config *config = config_new();
  wasi_config_add_arg(config, "prog", NULL);
  wasi_config_add_arg(config, "", NULL);
  wasi_config_add_arg(config, "two words", NULL);
  wasi_config_set_env(config, "A", "1", NULL);
  wasi_config_set_env(config, "AB", "x=y", NULL);
  wasi_config_set_env(config, "A", "2", NULL);
  CHECK_INT(wasi_config_set_env(config, "", "x", NULL), CAY_ERROR_ARGUMENT);
  CHECK_INT(wasi_config_set_env(config, "a=b", "x", NULL), CAY_ERROR_ARGUMENT);
  guest_start(config);
  check_strings("args_sizes_get", "args_get", 3, "prog\0\0two words", 16);
  check_strings("environ_sizes_get", "environ_get", 2, "A=2\0AB=x=y", 11);
  CHECK_INT(CALL(args_get, OUT, MEMORY_BYTES - 15), E_FAULT);
  CHECK_INT(CALL(args_get, MEMORY_BYTES - 11, BYTES), E_FAULT);
  guest_end();
  guest_start(config_new());
  check_strings("args_sizes_get", "args_get", 0, "", 0);
  check_strings("environ_sizes_get", "environ_get", 0, "", 0);
  guest_end();
}

TEST(clocks_and_random) {
  guest_start(config_new());
  for (uint32_t id = 0; id < 4; id++) {
    CHECK_INT(CALL(clock_res_get, id, OUT), 0);
    CHECK(get64(OUT) > 0);
    CHECK_INT(CALL(clock_time_get, id, 0, OUT), 0);
    CHECK(get64(OUT) > 0);
  }
  CHECK_INT(CALL(clock_time_get, 4, 0, OUT), E_INVAL);
  CHECK_INT(CALL(clock_res_get, 4, OUT), E_INVAL);
  CHECK_INT(CALL(clock_time_get, 0, 0, MEMORY_BYTES - 7), E_FAULT);
  CHECK_INT(CALL(random_get, BYTES, 1000), 0);
  CHECK(memcmp(memory(BYTES), memory(BYTES + 500), 500) != 0);
  CHECK_INT(CALL(random_get, BYTES, 0), 0);
  CHECK_INT(CALL(random_get, MEMORY_BYTES - 1, 2), E_FAULT);
  CHECK_INT(CALL(sched_yield, 0), 0);
  guest_end();
}

TEST(replaced_sources) {
  struct wasi_config *config = config_new();
  struct host_clocks fixed = {.kind = HOST_CLOCKS_FIXED, .realtime_ns = 1001};
  wasi_config_set_clocks(config, &fixed);
  wasi_config_set_random_seed(config, 42);
  guest_start(config);
  for (int i = 0; i < 2; i++) {
    CHECK_INT(CALL(clock_time_get, 0, 0, OUT), 0);
    CHECK_INT(get64(OUT), 1001);
    CHECK_INT(CALL(clock_time_get, 1, 0, OUT), 0);
    CHECK_INT(get64(OUT), 1000000000);
  }
  CHECK_INT(CALL(random_get, BYTES, 3), 0);
  CHECK_INT(CALL(random_get, BYTES + 3, 9), 0);
  struct host_random_source same = {.is_seeded = true, .seed = 42};
  char bytes[12];
  CHECK_INT(host_random_fill(&same, bytes, sizeof bytes), 0);
  CHECK(memcmp(memory(BYTES), bytes, sizeof bytes) == 0);
  guest_end();
}

TEST(ends) {
  guest_start(config_new());
  struct engine_thread *thread = engine_store_thread(store);
  CHECK_INT(CALL(proc_exit, 7), -1);
  CHECK_INT(last_trap, ENGINE_TRAP_EXIT);
  CHECK_INT(thread->exit_code, 7);
  CHECK_INT(CALL(proc_raise, 6), -1);
  CHECK_INT(thread->exit_code, 134);
  CHECK_INT(CALL(proc_raise, 15), -1);
  CHECK_INT(thread->exit_code, 143);
  CHECK_INT(CALL(proc_raise, 30), -1);
  CHECK_INT(thread->exit_code, 159);
  CHECK_INT(CALL(proc_raise, 0), 0);
  CHECK_INT(CALL(proc_raise, 16), 0);
  CHECK_INT(CALL(proc_raise, 18), E_NOTSUP);
  CHECK_INT(CALL(proc_raise, 31), E_INVAL);
  guest_end();
}

TEST(default_streams) {
  guest_start(config_new());
  CHECK_INT(CALL(fd_read, 0, iovec(BYTES, 10), 1, OUT), 0);
  CHECK_INT(get32(OUT), 0);
  CHECK_INT(CALL(fd_write, 1, iovec(BYTES, 10), 1, OUT), 0);
  CHECK_INT(get32(OUT), 10);
  CHECK_INT(CALL(fd_write, 0, iovec(BYTES, 10), 1, OUT), E_NOTCAPABLE);
  CHECK_INT(CALL(fd_prestat_get, 3, OUT), E_BADF);
  guest_end();
  struct wasi_config *config = config_new();
  wasi_config_set_stdio(config, 1, NULL, NULL);
  guest_start(config);
  CHECK_INT(CALL(fd_write, 1, iovec(BYTES, 10), 1, OUT), E_BADF);
  CHECK_INT(CALL(fd_write, 2, iovec(BYTES, 10), 1, OUT), 0);
  guest_end();
}

/* ---- poll_oneoff ------------------------------------------------------------------------------------------------------ */

static void put_clock(uint32_t at, uint64_t userdata, uint32_t clock, uint64_t timeout, uint16_t flags) {
  bool old = strcmp(surface, "wasi_unstable") == 0;
  memset(memory(at), 0, old ? 56 : 48);
  base_store_u64(memory(at), userdata);
  uint32_t body = at + 16 + (old ? 8 : 0);
  base_store_u32(memory(body), clock);
  base_store_u64(memory(body + 8), timeout);
  base_store_u16(memory(body + 24), flags);
}
static void put_handle(uint32_t at, uint64_t userdata, uint8_t type, uint32_t fd) {
  memset(memory(at), 0, 56);
  base_store_u64(memory(at), userdata);
  memory(at)[8] = type;
  base_store_u32(memory(at + 16), fd);
}
enum { EVENTS = 0x6000 };
static uint32_t event(uint32_t index) { return EVENTS + 32 * index; }

static int pipe_fds[2];

static void start_with_pipe(void) {
  struct wasi_config *config = config_new();
  struct host_object *reader, *writer;
  if (pipe(pipe_fds) != 0 || host_grant_fd(pipe_fds[0], HOST_RIGHT_READ, &reader, NULL) ||
      host_grant_fd(pipe_fds[1], HOST_RIGHT_WRITE, &writer, NULL))
    abort();
  wasi_config_set_stdio(config, 0, reader, NULL);
  wasi_config_set_stdio(config, 1, writer, NULL);
  host_object_release(reader);
  host_object_release(writer);
  guest_start(config);
}
static void end_with_pipe(void) {
  guest_end();
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST(polling) {
  start_with_pipe();
  for (int round = 0; round < 2; round++) {
    uint32_t stride = round ? 56 : 48;
    surface = round ? "wasi_unstable" : "wasi_snapshot_preview1";
    uint64_t start = base_os_monotonic_ns();
    put_clock(BYTES, 11, 1, 60000000000, 0);
    put_clock(BYTES + stride, 12, 0, 20000000, 0);
    put_handle(BYTES + 2 * stride, 13, 1, 0);
    CHECK_INT(CALL(poll_oneoff, BYTES, EVENTS, 3, OUT), 0);
    CHECK(base_os_monotonic_ns() - start >= 20000000);
    CHECK_INT(get32(OUT), 1);
    CHECK_INT(get64(event(0)), 12);
    CHECK_INT(memory(event(0))[10], 0);
    CHECK_INT(CALL(clock_time_get, 0, 0, OUT), 0);
    put_clock(BYTES, 11, 0, get64(OUT) + 10000000, 1); /* at a moment of the realtime clock */
    CHECK_INT(CALL(poll_oneoff, BYTES, EVENTS, 1, OUT), 0);
    CHECK_INT(get64(event(0)), 11);
    put_clock(BYTES, 15, 1, 1, 1); /* a moment that is over */
    put_handle(BYTES + stride, 16, 2, 1);
    put_handle(BYTES + 2 * stride, 17, 1, 99);
    put_handle(BYTES + 3 * stride, 18, 1, 1);
    CHECK_INT(CALL(poll_oneoff, BYTES, EVENTS, 4, OUT), 0);
    CHECK_INT(get32(OUT), 4);
    CHECK_INT(get64(event(0)), 15);
    CHECK_INT(get64(event(1)), 16);
    CHECK_INT(memory(event(1))[10], 2);
    CHECK_INT(base_load_u16(memory(event(2) + 8)), E_BADF);
    CHECK_INT(base_load_u16(memory(event(3) + 8)), E_NOTCAPABLE);
    if (write(pipe_fds[1], "12345", 5) != 5) abort();
    put_handle(BYTES, 20, 1, 0);
    CHECK_INT(CALL(poll_oneoff, BYTES, EVENTS, 1, OUT), 0);
    CHECK_INT(get64(event(0) + 16), 5);
    CHECK_INT(CALL(fd_read, 0, iovec(BYTES, 10), 1, OUT), 0);
    CHECK_INT(get32(OUT), 5);
  }
  surface = "wasi_snapshot_preview1";
  CHECK_INT(CALL(poll_oneoff, BYTES, EVENTS, 0, OUT), E_INVAL);
  CHECK_INT(CALL(poll_oneoff, BYTES, EVENTS, 0x10000, OUT), E_FAULT);
  CHECK_INT(CALL(poll_oneoff, BYTES, EVENTS, 0xFFFFFFFF, OUT), E_INVAL);
  put_handle(BYTES, 1, 9, 0);
  CHECK_INT(CALL(poll_oneoff, BYTES, EVENTS, 1, OUT), E_INVAL);
  for (uint32_t i = 0; i < 100; i++) put_handle(BYTES + 48 * i, i, 2, 1);
  CHECK_INT(CALL(poll_oneoff, BYTES, EVENTS, 100, OUT), 0);
  CHECK_INT(get32(OUT), 100);
  end_with_pipe();
}

TEST(waking) {
  start_with_pipe();
  CHECK_INT(CALL(fd_fdstat_set_flags, 0, 4 /* nonblock */), 0);
  CHECK_INT(CALL(fd_read, 0, iovec(BYTES, 10), 1, OUT), E_AGAIN);
  CHECK_INT(CALL(fd_fdstat_set_flags, 0, 0), 0);
  wasi_p1_wake(p1);
  CHECK_INT(CALL(fd_read, 0, iovec(BYTES, 10), 1, OUT), -1);
  CHECK_INT(last_trap, ENGINE_TRAP_INTERRUPTED);
  put_clock(BYTES, 11, 1, 60000000000, 0);
  CHECK_INT(CALL(poll_oneoff, BYTES, EVENTS, 1, OUT), -1);
  CHECK_INT(last_trap, ENGINE_TRAP_INTERRUPTED);
  /* A pipe that is full. */
  int result;
  do result = CALL(fd_write, 1, iovec(0, MEMORY_BYTES), 1, OUT);
  while (result == 0);
  CHECK_INT(result, -1);
  wasi_p1_clear(p1);
  CHECK_INT(CALL(fd_read, 0, iovec(BYTES, 10), 1, OUT), 0);
  CHECK_INT(get32(OUT), 10);
  end_with_pipe();
}

/* A guest cannot outlast its time limit by asking for gigabytes of random bytes. */
TEST(random_bytes_can_be_interrupted) {
  guest_start(config_new());
  engine_interrupt(store);
  CHECK_INT(CALL(random_get, BYTES, 1000), -1);
  CHECK_INT(last_trap, ENGINE_TRAP_INTERRUPTED);
  engine_interrupt_clear(store);
  CHECK_INT(CALL(random_get, BYTES, 1000), 0);
  guest_end();
}

/* ---- Sockets ------------------------------------------------------------------------------------------------------------ */

TEST(sockets) {
  struct wasi_config *config = config_new();
  struct host_object *listener;
  char address[64];
  if (host_grant_listener("127.0.0.1:0", &listener, NULL) || !host_object_address(listener, address, sizeof address))
    abort();
  wasi_config_add_socket(config, listener, NULL, NULL);
  host_object_release(listener);
  guest_start(config);
  CHECK_INT(CALL(fd_fdstat_set_flags, 3, 4), 0);
  CHECK_INT(CALL(sock_accept, 3, 0, OUT), E_AGAIN);
  CHECK_INT(CALL(fd_fdstat_set_flags, 3, 0), 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int client = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(client, (struct sockaddr *)&to, sizeof to) != 0) abort();
  CHECK_INT(CALL(sock_accept, 3, 1, OUT), E_INVAL);
  CHECK_INT(CALL(sock_accept, 3, 0, OUT), 0);
  CHECK_INT(get32(OUT), 4);
  if (write(client, "question", 8) != 8) abort();
  CHECK_INT(CALL(sock_recv, 4, iovec(BYTES, 4), 1, 1 /* peek */, OUT, OUT + 4), 0);
  CHECK_INT(CALL(sock_recv, 4, iovec(BYTES, 8), 1, 2 /* wait for all */, OUT, OUT + 4), 0);
  CHECK_INT(get32(OUT), 8);
  CHECK(memcmp(memory(BYTES), "question", 8) == 0);
  CHECK_INT(CALL(sock_recv, 4, iovec(BYTES, 8), 1, 4, OUT, OUT + 4), E_INVAL);
  CHECK_INT(CALL(sock_send, 4, iovec(BYTES, 5), 1, 0, OUT), 0);
  CHECK_INT(CALL(sock_send, 4, iovec(BYTES, 5), 1, 1, OUT), E_INVAL);
  CHECK_INT(CALL(fd_write, 4, iovec(BYTES, 3), 1, OUT), 0);
  CHECK_INT(CALL(sock_shutdown, 4, 2), 0);
  CHECK_INT(CALL(sock_shutdown, 4, 0), E_INVAL);
  char bytes[16];
  size_t got = 0;
  for (ssize_t n; (n = read(client, bytes + got, sizeof bytes - got)) > 0;) got += (size_t)n;
  CHECK_INT(got, 8);
  close(client);
  CHECK_INT(CALL(fd_read, 4, iovec(BYTES, 8), 1, OUT), 0);
  CHECK_INT(get32(OUT), 0);
  CHECK_INT(CALL(fd_fdstat_get, 4, OUT), 0);
  CHECK_INT(memory(OUT)[0], 6);
  guest_end();
}

/* ---- Trace ---------------------------------------------------------------------------------------------------------------- */

static char traced[1024];
static void on_trace(void *env, const char *line) {
  (void)env;
  snprintf(traced, sizeof traced, "%s", line);
}

TEST(trace) {
  struct wasi_config *config = config_new();
  struct wasi_hooks hooks = {.trace = on_trace};
  next_hooks = hooks;
  write_file("data", "x");
  grant_path(config, ".", "/", HOST_RIGHTS_ALL);
  guest_start(config);
  CALL(path_open, 3, 1, PATH("data"), 1 | 8, 0x42, 0, 1 | 4, OUT);
  CHECK_TEXT(traced, "path_open(fd=3, dirflags=symlink_follow, path=\"data\", oflags=creat|trunc, rights_base=0x42, "
                     "rights_inheriting=0x0, fdflags=append|nonblock) = 0 {fd=4}");
  CALL(path_open, 3, 0, PATH("no\x01"), 0, 0, 0, 64, OUT);
  CHECK_TEXT(traced, "path_open(fd=3, dirflags=0, path=\"no\\x01\", oflags=0, rights_base=0x0, rights_inheriting=0x0, "
                     "fdflags=0x40) = EINVAL (invalid argument)");
  CALL(fd_write, 1, iovec(BYTES, 5), 1, OUT);
  CHECK_TEXT(traced, "fd_write(fd=1, iovs=[5]) = 0 {nwritten=5}");
  CALL(fd_write, 99, 0xFFFFFFF0, 5, OUT);
  CHECK_TEXT(traced, "fd_write(fd=99, iovs=(bad pointer 0xfffffff0)) = EBADF (bad file descriptor)");
  CALL(fd_seek, 4, (uint64_t)-3, 2, OUT);
  CHECK_TEXT(traced, "fd_seek(fd=4, offset=-3, whence=end) = ENOTCAPABLE (not granted)");
  CALL(proc_exit, 3);
  CHECK_TEXT(traced, "proc_exit(rval=3) = ? (the program ends)");
  CALL(sched_yield, 0);
  CHECK_TEXT(traced, "sched_yield() = 0");
  CALL(args_sizes_get, OUT, OUT + 4);
  CHECK_TEXT(traced, "args_sizes_get() = 0 {argc=0, argv_buf_size=0}");
  guest_end();
}

TEST_MAIN({
  scratch_enter();
  RUN(arguments_and_environment)
  RUN(clocks_and_random)
  RUN(replaced_sources)
  RUN(ends)
  RUN(default_streams)
  RUN(polling)
  RUN(waking)
  RUN(random_bytes_can_be_interrupted)
  RUN(sockets)
  RUN(trace)
})
