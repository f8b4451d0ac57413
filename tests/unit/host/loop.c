/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The event loop: deadlines, readiness, and being woken from threads and signal handlers at any moment. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "scratch.h"

static struct host_loop *loop;

static struct host_object *object_of(int fd, uint32_t rights) {
  struct host_object *object = NULL;
  struct cay_error error;
  if (host_grant_fd(fd, rights, &object, &error)) abort();
  return object;
}

TEST(deadlines) {
  uint64_t start = base_os_monotonic_ns();
  CHECK_INT(host_loop_wait(loop, NULL, 0, start + 50000000), 0);
  uint64_t took = base_os_monotonic_ns() - start;
  CHECK(took >= 50000000 && took < 5000000000);
  CHECK_INT(host_loop_wait(loop, NULL, 0, start), 0);
  CHECK_INT(host_loop_wait(loop, NULL, 0, 0), 0);
}

TEST(readiness) {
  int fds[2];
  if (pipe(fds) != 0) abort();
  struct host_object *reader = object_of(fds[0], HOST_RIGHT_READ), *writer = object_of(fds[1], HOST_RIGHT_WRITE);
  struct host_wait waits[] = {{.object = reader, .interest = HOST_READABLE},
                              {.object = writer, .interest = HOST_WRITABLE}};
  CHECK_INT(host_loop_wait(loop, waits, 1, base_os_monotonic_ns() + 1000000), 0);
  CHECK_INT(waits[0].ready, 0);
  CHECK_INT(host_loop_wait(loop, waits, 2, HOST_NO_DEADLINE), 1);
  CHECK_INT(waits[0].ready, 0);
  CHECK_INT(waits[1].ready, HOST_WRITABLE);
  if (write(fds[1], "abc", 3) != 3) abort();
  CHECK_INT(host_loop_wait(loop, waits, 2, HOST_NO_DEADLINE), 2);
  CHECK_INT(waits[0].ready, HOST_READABLE);
  CHECK_INT(host_readable_bytes(reader), 3);
  close(fds[1]);
  CHECK_INT(host_loop_wait(loop, waits, 1, HOST_NO_DEADLINE), 1);
  CHECK(waits[0].hangup);
  host_object_release(reader);
  host_object_release(writer);
  close(fds[0]);
}

TEST(files_are_always_ready) {
  write_file("file", "12345");
  struct host_object *root = grant(".", HOST_RIGHTS_ALL, HOST_RESOLVER_AUTO), *file;
  CHECK_INT(open_with(root, "file", 0, HOST_RIGHT_READ, &file), 0);
  struct host_wait wait = {.object = file, .interest = HOST_READABLE};
  CHECK_INT(host_loop_wait(loop, &wait, 1, HOST_NO_DEADLINE), 1);
  CHECK_INT(wait.ready, HOST_READABLE);
  CHECK_INT(host_readable_bytes(file), 5);
  host_object_release(file);
  host_object_release(root);
}

static void *wake_soon(void *unused) {
  (void)unused;
  struct timespec delay = {.tv_nsec = 30000000};
  nanosleep(&delay, NULL);
  host_loop_wake(loop);
  return NULL;
}

TEST(woken_by_a_thread) {
  pthread_t thread;
  pthread_create(&thread, NULL, wake_soon, NULL);
  CHECK_INT(host_loop_wait(loop, NULL, 0, HOST_NO_DEADLINE), -HOST_ERROR_INTR);
  pthread_join(thread, NULL);
  CHECK(host_loop_woken(loop));
  CHECK_INT(host_loop_wait(loop, NULL, 0, HOST_NO_DEADLINE), -HOST_ERROR_INTR);
  host_loop_clear(loop);
  CHECK(!host_loop_woken(loop));
  CHECK_INT(host_loop_wait(loop, NULL, 0, base_os_monotonic_ns() + 1000000), 0);
}

static void on_alarm(int signal) {
  (void)signal;
  host_loop_wake(loop);
}
static void ignore_alarm(int signal) { (void)signal; }

static void alarm_in_ms(int ms, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval timer = {.it_value = {.tv_usec = ms * 1000}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

TEST(woken_by_a_signal) {
  alarm_in_ms(20, on_alarm);
  CHECK_INT(host_loop_wait(loop, NULL, 0, HOST_NO_DEADLINE), -HOST_ERROR_INTR);
  host_loop_clear(loop);
  /* A signal that does not wake only costs another look at the clock. */
  alarm_in_ms(10, ignore_alarm);
  uint64_t start = base_os_monotonic_ns();
  CHECK_INT(host_loop_wait(loop, NULL, 0, start + 60000000), 0);
  CHECK(base_os_monotonic_ns() - start >= 60000000);
}

/* A loop that has never waited has no pipe yet; a wake before the first wait must not be lost. */
TEST(woken_before_the_first_wait) {
  struct host_loop *fresh;
  struct cay_error error;
  CHECK_INT(host_loop_new(&fresh, &error), CAY_OK);
  host_loop_wake(fresh);
  CHECK_INT(host_loop_wait(fresh, NULL, 0, HOST_NO_DEADLINE), -HOST_ERROR_INTR);
  for (int i = 0; i < 100000; i++) host_loop_wake(fresh);
  CHECK_INT(host_loop_wait(fresh, NULL, 0, HOST_NO_DEADLINE), -HOST_ERROR_INTR);
  host_loop_clear(fresh);
  CHECK_INT(host_loop_wait(fresh, NULL, 0, base_os_monotonic_ns() + 1000000), 0);
  host_loop_free(fresh);
}

TEST(clocks) {
  uint64_t a = 0, b = 0, resolution = 0;
  for (int clock = HOST_CLOCK_REALTIME; clock <= HOST_CLOCK_THREAD_CPU; clock++) {
    CHECK_INT(host_clock_now((enum host_clock)clock, &a), 0);
    CHECK_INT(host_clock_now((enum host_clock)clock, &b), 0);
    CHECK(b >= a);
    CHECK_INT(host_clock_resolution((enum host_clock)clock, &resolution), 0);
    CHECK(resolution > 0 && resolution < 1000000000);
  }
  unsigned char bytes[600] = {0}, zero[600] = {0};
  CHECK_INT(host_random(bytes, sizeof bytes), 0);
  CHECK(memcmp(bytes, zero, 600) != 0 && memcmp(bytes + 300, zero, 300) != 0);
  CHECK_INT(host_random(bytes, 0), 0);
}

TEST(sources) {
  uint64_t ns = 0, again = 0;
  struct host_clocks fixed = {.kind = HOST_CLOCKS_FIXED, .realtime_ns = 5};
  struct host_clocks coarse = {.kind = HOST_CLOCKS_COARSE, .step_ns = 1000000000};
  struct host_clocks stepping = {.kind = HOST_CLOCKS_STEPPING, .realtime_ns = 7, .step_ns = 10};
  for (int i = 0; i < 2; i++) {
    CHECK_INT(host_clocks_now(&fixed, HOST_CLOCK_REALTIME, &ns), 0);
    CHECK_INT(ns, 5);
    CHECK_INT(host_clocks_now(&fixed, HOST_CLOCK_THREAD_CPU, &ns), 0);
    CHECK_INT(ns, 1000000000);
  }
  CHECK_INT(host_clocks_now(&coarse, HOST_CLOCK_REALTIME, &ns), 0);
  CHECK_INT(ns % 1000000000, 0);
  CHECK(ns > UINT64_C(1000000000000000000));
  CHECK_INT(host_clocks_resolution(&coarse, HOST_CLOCK_REALTIME, &ns), 0);
  CHECK_INT(ns, 1000000000);
  CHECK_INT(host_clocks_now(&stepping, HOST_CLOCK_REALTIME, &ns), 0);
  CHECK_INT(host_clocks_now(&stepping, HOST_CLOCK_MONOTONIC, &again), 0);
  CHECK_INT(ns, 7);
  CHECK_INT(again, 1000000010);
  CHECK(host_clocks_skip(&stepping, 100));
  CHECK(!host_clocks_skip(&coarse, 100));
  CHECK(!host_clocks_skip(&fixed, 100));
  CHECK_INT(host_clocks_now(&stepping, HOST_CLOCK_REALTIME, &ns), 0);
  CHECK_INT(ns, 127);
}

TEST(seeded_random) {
  struct host_random_source one = {.is_seeded = true, .seed = 1}, parts = one, two = {.is_seeded = true, .seed = 2};
  char whole[37], pieces[37], other[37];
  CHECK_INT(host_random_fill(&one, whole, sizeof whole), 0);
  for (size_t at = 0, n = 1; at < sizeof pieces; at += n, n = n % 11 + 1)
    CHECK_INT(host_random_fill(&parts, pieces + at, n < sizeof pieces - at ? n : sizeof pieces - at), 0);
  CHECK(memcmp(whole, pieces, sizeof whole) == 0);
  CHECK_INT(host_random_fill(&two, other, sizeof other), 0);
  CHECK(memcmp(whole, other, 8) != 0);
  /* The stream of a seed is the same for ever, on every machine. */
  static const unsigned char known[8] = {0xC1, 0x5C, 0x02, 0x89, 0xEC, 0x2D, 0x0A, 0x91};
  CHECK(memcmp(whole, known, 8) == 0);
  struct host_random_source real = {0};
  CHECK_INT(host_random_fill(&real, other, sizeof other), 0);
}

/* What waiting for many needs is in the budget, and can be refused. */
TEST(waiting_is_counted) {
  enum { MANY = 1000 };
  struct host_loop *counted;
  struct cay_error error;
  struct base_budget *budget = base_budget_new(NULL);
  struct host_object *file = object_of(open(".", O_RDONLY), HOST_RIGHT_READ);
  static struct host_wait waits[MANY];
  for (size_t i = 0; i < MANY; i++) waits[i] = (struct host_wait){.object = file, .interest = HOST_READABLE};
  CHECK_INT(host_loop_new(&counted, &error), CAY_OK);
  host_loop_set_budget(counted, budget);
  base_budget_set_limit(budget, BASE_LIMIT_MEMORY, 4000);
  CHECK_INT(host_loop_wait(counted, waits, 2, 0), 2);
  CHECK(base_budget_used(budget, BASE_LIMIT_MEMORY) >= 2 * 8);
  CHECK_INT(host_loop_wait(counted, waits, MANY, 0), -HOST_ERROR_NOMEM);
  CHECK_INT(base_budget_last_hit(budget), BASE_LIMIT_MEMORY);
  base_budget_set_limit(budget, BASE_LIMIT_MEMORY, 100000);
  CHECK_INT(host_loop_wait(counted, waits, MANY, 0), MANY);
  CHECK(base_budget_used(budget, BASE_LIMIT_MEMORY) >= MANY * 8);
  host_loop_free(counted);
  CHECK_INT(base_budget_used(budget, BASE_LIMIT_MEMORY), 0);
  host_object_release(file);
  base_budget_release(budget);
}

TEST_MAIN({
  struct cay_error error;
  scratch_enter();
  if (host_loop_new(&loop, &error)) abort();
  RUN(deadlines)
  RUN(readiness)
  RUN(files_are_always_ready)
  RUN(woken_by_a_thread)
  RUN(woken_by_a_signal)
  RUN(woken_before_the_first_wait)
  RUN(clocks)
  RUN(sources)
  RUN(seeded_random)
  RUN(waiting_is_counted)
  host_loop_free(loop);
})
