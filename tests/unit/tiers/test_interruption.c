/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Endless loops of every kind are interrupted wherever they are: from another thread, and by the handler of a signal that has
 * hit the loop itself. Times are random, so that in many rounds calls, returns and functions of the host are hit, too. */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "builder.h"

enum { TAKES_INT, NOTHING, ROUNDS = 25, LONGEST_NS = 300000 };

static const char *const loops[] = {"spins", "calls", "recurses", "fills", "leaves", "throws", "is thrown"};

static enum engine_trap host_returns(struct engine_call *call, uint64_t *slots) {
  (void)call, (void)slots;
  return ENGINE_TRAP_NONE;
}

static void build(struct builder *b) {
  TYPE(b, FUNC_TYPE, 1, T_I32, 1, T_I32);
  TYPE(b, FUNC_TYPE, 0, 0);
  IMPORT_FUNC(b, "host", NOTHING);
  MEMORY(b, 0, 1);
  FUNC(b, NULL, TAKES_INT, NO_LOCALS, GET(0), 0x28, 2, 0, GET(0), I32_ADD); /* 1: reads memory */
  FUNC(b, "ends", TAKES_INT, NO_LOCALS, GET(0), I32(2), I32_LT_U, IF(T_I32), GET(0), ELSE, GET(0), I32(1), I32_SUB,
       CALL(2), GET(0), I32(2), I32_SUB, CALL(2), I32_ADD, END); /* 2: Fibonacci's numbers */
  FUNC(b, "spins", TAKES_INT, NO_LOCALS, LOOP(T_VOID), GET(0), 0x28, 2, 0, SET(0), BR(0), END, UNREACHABLE);
  FUNC(b, "calls", TAKES_INT, NO_LOCALS, LOOP(T_VOID), GET(0), CALL(1), SET(0), BR(0), END, UNREACHABLE);
  FUNC(b, "recurses", TAKES_INT, NO_LOCALS, LOOP(T_VOID), I32(6), CALL(2), SET(0), BR(0), END, UNREACHABLE);
  FUNC(b, "fills", TAKES_INT, NO_LOCALS, LOOP(T_VOID), I32(0), I32(0), I32(9), 0xFC, 11, 0, BR(0), END, UNREACHABLE);
  TAG(b, NULL, NOTHING);
  FUNC(b, "leaves", TAKES_INT, NO_LOCALS, LOOP(T_VOID), CALL(0), BR(0), END, UNREACHABLE);
  FUNC(b, "throws", TAKES_INT, NO_LOCALS, LOOP(T_VOID), BLOCK(T_VOID), TRY_TABLE(T_VOID, 1), CATCH_ALL(0), THROW(0),
       END, END, BR(0), END, UNREACHABLE);
  FUNC(b, NULL, TAKES_INT, NO_LOCALS, THROW(0)); /* 9 */
  FUNC(b, "is thrown", TAKES_INT, NO_LOCALS, LOOP(T_VOID), BLOCK(T_VOID), TRY_TABLE(T_VOID, 1), CATCH_ALL(0), GET(0),
       CALL(9), DROP, END, END, BR(0), END, UNREACHABLE);
}

static struct engine_instance *instance_with(struct world *world, const struct builder *b) {
  struct engine_extern import = host_function(world, &no_values, host_returns, NULL);
  return instance_of(world, b, &import, CAY_OK);
}

/* What the loop is of is in the backtrace, and nothing that does not exist is. */
static void check_backtrace(const struct engine_thread *thread) {
  CHECK(thread->backtrace_count >= 1);
  for (uint32_t i = 0; i < thread->backtrace_count; i++)
    CHECK(thread->backtrace[i].func < 11 || thread->backtrace[i].func == UINT32_MAX);
}

static void check_interrupted(struct world *world, struct engine_instance *instance, const char *name) {
  CHECK_TRAP(world, instance, name, 0, ENGINE_TRAP_INTERRUPTED);
  check_backtrace(instance->thread);
}

static void in_loops(void (*check)(struct world *world, struct engine_instance *instance, const char *name)) {
  static struct builder b;
  b = (struct builder){0};
  build(&b);
  for (int is_explicit = 0; is_explicit < 2; is_explicit++) {
    struct world world = world_of(&(struct mode){.is_explicit = is_explicit});
    struct engine_instance *instance = instance_with(&world, &b);
    for (size_t i = 0; instance && i < BASE_ARRAY_LEN(loops); i++) check(&world, instance, loops[i]);
    world_free(&world);
  }
}

/* ---- From another thread ---- */

static unsigned seed = 1;

static void *interrupt_later(void *store) {
  seed = seed * 1103515245 + 12345;
  nanosleep(&(struct timespec){.tv_nsec = (long)(seed >> 8) % LONGEST_NS}, NULL);
  engine_interrupt(store);
  return NULL;
}

static void check_from_a_thread(struct world *world, struct engine_instance *instance, const char *name) {
  for (int i = 0; i < ROUNDS; i++) {
    pthread_t other;
    CHECK_INT(pthread_create(&other, NULL, interrupt_later, world->store), 0);
    check_interrupted(world, instance, name);
    pthread_join(other, NULL);
    engine_interrupt_clear(world->store);
  }
  CHECK_CALL(world, instance, "ends", 6, 8); /* nothing is left of it */
}

/* ---- By a signal's handler ---- */

static struct engine_store *interrupted_one;

static void on_alarm(int number) {
  (void)number;
  engine_interrupt(interrupted_one);
}

static void check_by_a_signal(struct world *world, struct engine_instance *instance, const char *name) {
  struct sigaction action = {.sa_handler = on_alarm}, before;
  interrupted_one = world->store;
  sigaction(SIGALRM, &action, &before);
  for (int i = 0; i < ROUNDS; i++) {
    struct itimerval soon = {.it_value = {0, 100 + 7 * i}};
    setitimer(ITIMER_REAL, &soon, NULL);
    check_interrupted(world, instance, name);
    engine_interrupt_clear(world->store);
  }
  sigaction(SIGALRM, &before, NULL);
}

/* ---- What interrupts somebody else ---- */

static int heard;
static bool is_other_blocked, is_mask_kept;

static void on_urgent(int number) {
  sigset_t now;
  (void)number;
  pthread_sigmask(SIG_BLOCK, NULL, &now);
  is_other_blocked = sigismember(&now, SIGUSR1);
  heard++;
}

/* Before the first engine is made, which may install a handler of its own. An emulator of RISC-V forgets masks (qemu 7.2). */
static void listen_once(void) {
  static bool is_listening;
  struct sigaction action = {.sa_handler = on_urgent};
  if (is_listening) return;
  sigaddset(&action.sa_mask, SIGUSR1);
  sigaction(SIGURG, &action, NULL);
  raise(SIGURG);
  is_mask_kept = is_other_blocked;
  is_listening = true;
}

TEST(who_listened_before_still_hears) {
  static struct builder b;
  b = (struct builder){0};
  listen_once();
  build(&b);
  struct world world = world_of(&(struct mode){0});
  struct engine_instance *instance = instance_with(&world, &b);
  heard = 0;
  raise(SIGURG);
  CHECK_INT(heard, 1);
  CHECK(is_other_blocked || !is_mask_kept);
  if (instance) check_from_a_thread(&world, instance, "spins");
  raise(SIGURG);
  CHECK(heard >= 2);
  world_free(&world);
}

/* A store's call within a function of the host that an interrupted store has called: it can be interrupted, too. */
struct inner {
  struct world world;
  struct engine_instance *instance;
  struct engine_store *outer;
};

static enum engine_trap host_calls_inner(struct engine_call *call, uint64_t *slots) {
  struct inner *inner = call->env;
  (void)slots;
  engine_interrupt(inner->outer);
  check_from_a_thread(&inner->world, inner->instance, "spins");
  return ENGINE_TRAP_NONE;
}

TEST(stores_within_each_other) {
  static struct builder b;
  b = (struct builder){0};
  build(&b);
  struct world world = world_of(&(struct mode){0});
  struct inner inner = {.world = world_of(&(struct mode){0}), .outer = world.store};
  inner.instance = instance_with(&inner.world, &b);
  struct engine_extern import = host_function(&world, &no_values, host_calls_inner, &inner);
  struct engine_instance *instance = instance_of(&world, &b, &import, CAY_OK);
  if (inner.instance && instance) {
    check_interrupted(&world, instance, "leaves");
    engine_interrupt_clear(world.store);
    check_from_a_thread(&world, instance, "spins");
  }
  world_free(&inner.world);
  world_free(&world);
}

TEST(from_another_thread) { in_loops(check_from_a_thread); }
TEST(by_a_signal_in_the_loop) { in_loops(check_by_a_signal); }

TIERS_TEST_MAIN(RUN(who_listened_before_still_hears) RUN(from_another_thread) RUN(by_a_signal_in_the_loop)
                    RUN(stores_within_each_other))
