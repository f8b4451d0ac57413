/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Calls in every direction, stacks, traps, backtraces, interruption and faults. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_tier.h"

static const module_type i64s[] = {MODULE_I64, MODULE_I64};
static const struct module_func_type i64_to_i64 = {
    .params = i64s, .param_count = 1, .results = i64s, .result_count = 1};

/* Function 0 is imported ("env" "h"), 1 to 4 are own; all (i64) -> (i64); a memory of one page; all exported by one
 * letter: a to d. */
static struct module *calling_module(void) {
  struct bytes bytes = module_start(), section = {.count = 0};
  SECTION(&bytes, 1, 1, 0x60, 1, 0x7E, 1, 0x7E);
  SECTION(&bytes, 2, 1, 3, 'e', 'n', 'v', 1, 'h', 0, 0);
  SECTION(&bytes, 3, 4, 0, 0, 0, 0);
  SECTION(&bytes, 5, 1, 1, 1, 4);
  SECTION(&bytes, 7, 4, 1, 'a', 0, 1, 1, 'b', 0, 2, 1, 'c', 0, 3, 1, 'd', 0, 4);
  PUT(&section, 4);
  for (int i = 0; i < 4; i++) PUT(&section, 4, 0, 0x42, 0, 0x0B);
  put_section(&bytes, 10, &section);
  return module_of(&bytes);
}

struct scene {
  struct world world;
  struct module *module;
  struct engine_function *host;
  struct engine_instance *instance;
};

static struct engine_instance *another_instance(struct scene *scene, struct engine_function *host) {
  struct engine_extern import = {.kind = MODULE_FUNC, .func = host};
  struct engine_instance *instance = NULL;
  CHECK_INT(engine_instantiate(scene->world.store, scene->module, &import, "main", &instance, NULL), CAY_OK);
  return instance;
}

static struct scene scene_with(const struct engine_options *options, engine_host_function host, bool on_host_stack) {
  struct scene scene = {.world = world_new(options, NULL), .module = calling_module()};
  CHECK_INT(engine_function_new(scene.world.store, &i64_to_i64, host, NULL, "env", "h", &scene.host, NULL), CAY_OK);
  scene.host->on_host_stack = on_host_stack;
  scene.instance = another_instance(&scene, scene.host);
  return scene;
}

static void scene_free(struct scene *scene) {
  module_release(scene->module);
  world_free(&scene->world);
}

static enum engine_trap call(struct scene *scene, uint32_t func, uint64_t *value) {
  return engine_call(scene->world.store, scene->instance->functions[func], value);
}

static bool on_guest_stack(const struct engine_thread *thread) {
  const uint8_t *here = __builtin_frame_address(0);
  return here >= thread->stack->native_low && here < thread->stack->native_high;
}

/* ---- Bodies --------------------------------------------------------------------------------------------------------- */

static bool seen_on_guest_stack;

static enum engine_trap body_add_one(struct engine_thread *thread, struct engine_activation *activation, uint64_t *fp) {
  (void)activation;
  seen_on_guest_stack = on_guest_stack(thread);
  fp[0]++;
  return ENGINE_TRAP_NONE;
}

/* Passes its argument to the imported function, ten slots above its own, and returns the result plus 1000. */
static enum engine_trap body_call_host(struct engine_thread *thread, struct engine_activation *activation,
                                       uint64_t *fp) {
  if (fp + 11 > thread->stack->values_end) return engine_trap_raise(thread, ENGINE_TRAP_STACK_EXHAUSTED);
  uint64_t local = fp[0];
  fp[10] = local;
  enum engine_trap trap = engine_call_from_guest(thread, activation->instance->functions[0], fp + 10);
  if (trap != ENGINE_TRAP_NONE) return trap;
  CHECK(fp[0] == local); /* nobody wrote below the slots */
  fp[0] = fp[10] + 1000;
  return ENGINE_TRAP_NONE;
}

static enum engine_trap body_trap(struct engine_thread *thread, struct engine_activation *activation, uint64_t *fp) {
  (void)activation, (void)fp;
  return engine_trap_raise(thread, ENGINE_TRAP_UNREACHABLE);
}

static void bodies_default(void) {
  fake_bodies[1] = body_add_one;
  fake_bodies[2] = body_call_host;
  fake_bodies[3] = body_trap;
  fake_bodies[4] = body_add_one;
}

/* ---- Plain calls ---------------------------------------------------------------------------------------------------- */

static bool host_on_guest_stack, host_saw_caller;

static enum engine_trap host_double(struct engine_call *call, uint64_t *slots) {
  host_on_guest_stack = call->thread->stack && on_guest_stack(call->thread);
  host_saw_caller = call->caller != NULL;
  slots[0] *= 2;
  return ENGINE_TRAP_NONE;
}

TEST(calls) {
  struct scene scene = scene_with(NULL, host_double, false);
  bodies_default();
  uint64_t value = 5;
  CHECK_INT(call(&scene, 1, &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 6);
  CHECK(seen_on_guest_stack == engine_arch_switches);
  CHECK_INT(call(&scene, 2, &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 1012);
  CHECK(host_on_guest_stack == engine_arch_switches && host_saw_caller);
  CHECK_INT(call(&scene, 0, &value), ENGINE_TRAP_NONE); /* the host function itself */
  CHECK_INT(value, 2024);
  CHECK(!host_saw_caller);
  scene.host->on_host_stack = true;
  CHECK_INT(call(&scene, 2, &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 5048);
  CHECK(!host_on_guest_stack);
  const struct engine_thread *thread = engine_store_thread(scene.world.store);
  CHECK(!thread->top && !thread->stack);
  scene_free(&scene);
}

/* ---- Re-entrance ---------------------------------------------------------------------------------------------------- */

static struct engine_function *reentered;
static int depth_left;

static enum engine_trap host_reenter(struct engine_call *call, uint64_t *slots) {
  if (depth_left-- <= 0) return ENGINE_TRAP_NONE;
  uint64_t value = slots[0] + 1, canary = value;
  uint64_t *top = call->thread->value_top;
  enum engine_trap trap = engine_call(call->thread->store, reentered, &value);
  CHECK(call->thread->value_top == top);
  CHECK(slots[0] + 1 == canary);
  slots[0] = value;
  return trap;
}

static void check_reentrance(bool on_host_stack) {
  struct scene scene = scene_with(NULL, host_reenter, on_host_stack);
  bodies_default();
  reentered = scene.instance->functions[2];
  depth_left = 100;
  uint64_t value = 0;
  CHECK_INT(call(&scene, 2, &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 100 + 101 * 1000);
  scene_free(&scene);
}

TEST(reentrance) { check_reentrance(false); }
TEST(reentrance_on_host_stack) { check_reentrance(true); }

/* Without end: a trap, on whichever stack is full first. */
static void check_exhaustion(bool on_host_stack) {
  struct engine_options options = {.stack_bytes = 1024 * 1024};
  struct scene scene = scene_with(&options, host_reenter, on_host_stack);
  bodies_default();
  reentered = scene.instance->functions[2];
  for (int i = 0; i < 2; i++) {
    depth_left = 100000000;
    uint64_t value = 0;
    CHECK_INT(call(&scene, 2, &value), ENGINE_TRAP_STACK_EXHAUSTED);
    struct engine_thread *thread = engine_store_thread(scene.world.store);
    CHECK_INT(thread->trap, ENGINE_TRAP_STACK_EXHAUSTED);
    CHECK_INT(thread->backtrace_count, ENGINE_BACKTRACE_FRAMES);
    CHECK(thread->backtrace_total > 200);
    struct engine_frame frame;
    for (uint32_t f = 0; f < ENGINE_BACKTRACE_FRAMES; f++)
      CHECK(engine_backtrace_frame(thread, f, &frame) && !frame.instance == !!frame.host);
    CHECK(!frame.host && frame.func == 2); /* the outermost */
    CHECK(!engine_backtrace_frame(thread, ENGINE_BACKTRACE_FRAMES, &frame));
  }
  scene_free(&scene);
}

TEST(exhaustion) { check_exhaustion(false); }
TEST(exhaustion_on_host_stack) { check_exhaustion(true); }

static void *small_thread(void *arg) {
  (void)arg;
  check_exhaustion(true);
  return NULL;
}

TEST(exhaustion_in_a_small_thread) {
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 512 * 1024);
  int failed = pthread_create(&thread, &attributes, small_thread, NULL);
  if (!failed) pthread_join(thread, NULL);
  CHECK_INT(failed, 0);
  pthread_attr_destroy(&attributes);
}

/* Function b of the first instance imports b of the second, which imports the host function. */
TEST(other_instance) {
  struct scene scene = scene_with(NULL, host_double, false);
  bodies_default();
  struct engine_instance *outer = another_instance(&scene, scene.instance->functions[2]);
  uint64_t value = 7;
  CHECK_INT(engine_call(scene.world.store, outer->functions[2], &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 2014);
  scene_free(&scene);
}

static struct scene *other_scene, *back_scene;
static enum engine_trap host_other_store(struct engine_call *call_here, uint64_t *slots) {
  (void)call_here;
  return call(other_scene, 2, slots);
}

TEST(other_store) {
  struct scene inner = scene_with(NULL, host_double, true), outer = scene_with(NULL, host_other_store, false);
  bodies_default();
  other_scene = &inner;
  uint64_t value = 7;
  CHECK_INT(call(&outer, 2, &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 2014);
  outer.host->on_host_stack = true;
  CHECK_INT(call(&outer, 2, &value), ENGINE_TRAP_NONE);
  CHECK_INT(value, 6028);
  scene_free(&outer);
  scene_free(&inner);
}

/* A calls B, whose host function calls A again. */
static enum engine_trap host_back(struct engine_call *call_here, uint64_t *slots) {
  (void)call_here;
  return depth_left-- > 0 ? call(back_scene, 2, slots) : ENGINE_TRAP_NONE;
}

TEST(two_stores_in_turns) {
  for (int kind = 0; kind < 4; kind++) {
    struct engine_options options = {.stack_bytes = 1024 * 1024};
    struct scene a = scene_with(&options, host_other_store, kind & 1);
    struct scene b = scene_with(&options, host_back, kind & 2);
    bodies_default();
    other_scene = &b;
    back_scene = &a;
    depth_left = 20;
    uint64_t value = 0;
    CHECK_INT(call(&a, 2, &value), ENGINE_TRAP_NONE);
    CHECK_INT(value, 42 * 1000);
    depth_left = 100000000;
    CHECK_INT(call(&a, 2, &value), ENGINE_TRAP_STACK_EXHAUSTED);
    scene_free(&a);
    scene_free(&b);
  }
}

/* ---- Traps and backtraces -------------------------------------------------------------------------------------------- */

static enum engine_trap host_call_trapping(struct engine_call *call, uint64_t *slots) {
  enum engine_trap trap = engine_call(call->thread->store, call->caller->functions[3], slots);
  return trap;
}

static void check_frame(struct engine_thread *thread, uint32_t index, const struct engine_function *host,
                        uint32_t func) {
  struct engine_frame frame = {0};
  CHECK(engine_backtrace_frame(thread, index, &frame));
  CHECK(frame.host == host);
  if (host) return;
  CHECK_INT(frame.func, func);
  CHECK_INT(frame.offset, func * 10);
}

/* main.b -> main.b of the inner instance -> host -> inner.c, which traps. */
TEST(backtrace) {
  struct scene scene = scene_with(NULL, host_call_trapping, false);
  bodies_default();
  struct engine_instance *outer = another_instance(&scene, scene.instance->functions[2]);
  struct engine_thread *thread = engine_store_thread(scene.world.store);
  for (int on_host_stack = 0; on_host_stack < 2; on_host_stack++) {
    uint64_t value = 7;
    scene.host->on_host_stack = on_host_stack;
    CHECK_INT(engine_call(scene.world.store, outer->functions[2], &value), ENGINE_TRAP_UNREACHABLE);
    CHECK_INT(thread->trap, ENGINE_TRAP_UNREACHABLE);
    CHECK_INT(thread->backtrace_total, 4);
    check_frame(thread, 0, NULL, 3);
    check_frame(thread, 1, scene.host, 0);
    check_frame(thread, 2, NULL, 2);
    check_frame(thread, 3, NULL, 2);
    CHECK_INT(value, 7);
  }
  uint64_t value = 1;
  CHECK_INT(call(&scene, 1, &value), ENGINE_TRAP_NONE);
  CHECK_INT(thread->trap, ENGINE_TRAP_NONE);
  scene_free(&scene);
}

static uint32_t captured;
static enum engine_trap host_failing(struct engine_call *call, uint64_t *slots) {
  engine_backtrace_capture(call->thread);
  captured = call->thread->backtrace_count;
  if (slots[0] == 1) return engine_exit(call->thread, 42);
  base_error_set(&call->thread->host_error, CAY_ERROR_SYSTEM, "no");
  return ENGINE_TRAP_HOST;
}

TEST(host_traps) {
  struct scene scene = scene_with(NULL, host_failing, false);
  bodies_default();
  struct engine_thread *thread = engine_store_thread(scene.world.store);
  uint64_t value = 0;
  CHECK_INT(call(&scene, 2, &value), ENGINE_TRAP_HOST);
  CHECK_TEXT(thread->host_error.text, "no");
  CHECK_INT(captured, 2);
  CHECK_INT(thread->backtrace_count, 2);
  check_frame(thread, 0, scene.host, 0);
  check_frame(thread, 1, NULL, 2);
  value = 1;
  CHECK_INT(call(&scene, 2, &value), ENGINE_TRAP_EXIT);
  CHECK_INT(thread->exit_code, 42);
  CHECK_INT(thread->trap, ENGINE_TRAP_EXIT);
  CHECK_TEXT(engine_trap_text(ENGINE_TRAP_EXIT), "exit");
  scene_free(&scene);
}

/* A stack of a million frames is walked in bounded time, and both ends of it are kept. */
enum { DEEP = 1000000 };
static struct fake_site *deep_sites;
static enum engine_trap body_deep(struct engine_thread *thread, struct engine_activation *activation, uint64_t *fp) {
  (void)fp;
  const struct fake_site *first = activation->site;
  for (uint32_t i = 0; i < DEEP; i++)
    deep_sites[i] = (struct fake_site){i, i * 10, i + 1 < DEEP ? &deep_sites[i + 1] : first};
  activation->site = deep_sites;
  uint64_t start_ns = base_os_monotonic_ns();
  enum engine_trap trap = engine_trap_raise(thread, ENGINE_TRAP_UNREACHABLE);
  printf("walking %d frames: %.1f ms\n", DEEP + 1, (double)(base_os_monotonic_ns() - start_ns) / 1e6);
  return trap;
}

TEST(deep_backtrace) {
  struct scene scene = scene_with(NULL, host_double, false);
  fake_bodies[1] = body_deep;
  deep_sites = malloc(DEEP * sizeof *deep_sites);
  uint64_t value = 0;
  CHECK_INT(call(&scene, 1, &value), ENGINE_TRAP_UNREACHABLE);
  struct engine_thread *thread = engine_store_thread(scene.world.store);
  CHECK_INT(thread->backtrace_total, DEEP + 1);
  CHECK_INT(thread->backtrace_count, 64);
  const struct fake_site *site = thread->backtrace[47].site, *next = thread->backtrace[48].site;
  CHECK_INT(site->func, 47);
  CHECK_INT(next->func, DEEP + 1 - 16);
  next = thread->backtrace[62].site;
  CHECK_INT(next->func, DEEP - 1);
  free(deep_sites);
  scene_free(&scene);
}

/* ---- Interruption ---------------------------------------------------------------------------------------------------- */

static enum engine_trap body_spin(struct engine_thread *thread, struct engine_activation *activation, uint64_t *fp) {
  (void)activation, (void)fp;
  while (atomic_load_explicit(&thread->stack_limit, memory_order_relaxed)) {
  }
  return engine_trap_raise(thread,
                           atomic_load(&thread->interrupted) ? ENGINE_TRAP_INTERRUPTED : ENGINE_TRAP_STACK_EXHAUSTED);
}

static void *interrupt_soon(void *arg) {
  usleep(2000);
  engine_interrupt(arg);
  return NULL;
}

static enum engine_trap host_interrupts(struct engine_call *call, uint64_t *slots) {
  (void)slots;
  engine_interrupt(call->thread->store);
  return ENGINE_TRAP_NONE;
}

static int woken;
static void wake(void *env) { woken += *(int *)env; }

TEST(interruption) {
  struct scene scene = scene_with(NULL, host_interrupts, true);
  bodies_default();
  fake_bodies[1] = body_spin;
  int three = 3;
  engine_store_set_wake(scene.world.store, wake, &three);
  pthread_t thread;
  CHECK_INT(pthread_create(&thread, NULL, interrupt_soon, scene.world.store), 0);
  uint64_t value = 0;
  CHECK_INT(call(&scene, 1, &value), ENGINE_TRAP_INTERRUPTED);
  pthread_join(thread, NULL);
  CHECK_INT(woken, 3);
  CHECK_INT(call(&scene, 1, &value), ENGINE_TRAP_INTERRUPTED); /* until it is withdrawn */
  engine_interrupt_clear(scene.world.store);
  CHECK_INT(call(&scene, 2, &value), ENGINE_TRAP_INTERRUPTED);
  CHECK_INT(woken, 6);
  engine_interrupt_clear(scene.world.store);
  CHECK_INT(call(&scene, 4, &value), ENGINE_TRAP_NONE);
  scene_free(&scene);
}

/* ---- Faults ----------------------------------------------------------------------------------------------------------- */

FAKE_TEXT static uint8_t guest_load(const volatile uint8_t *base, uint64_t at) { return base[at]; }

static enum engine_trap body_load(struct engine_thread *thread, struct engine_activation *activation, uint64_t *fp) {
  (void)thread;
  fp[0] = guest_load(activation->instance->memory0->base, fp[0]);
  return ENGINE_TRAP_NONE;
}

FAKE_TEXT static uint64_t guest_overflow(uint64_t count) {
  volatile uint8_t frame[512];
  frame[0] = (uint8_t)count;
  return count == 0 ? 0 : guest_overflow(count - 1) + frame[0];
}

static enum engine_trap body_overflow(struct engine_thread *thread, struct engine_activation *activation,
                                      uint64_t *fp) {
  (void)thread, (void)activation;
  fp[0] = guest_overflow(UINT64_MAX);
  return ENGINE_TRAP_NONE;
}

static void check_faults(void) {
  struct scene scene = scene_with(NULL, host_double, false);
  if (!scene.instance->memory0->guarded) {
    puts("skipped: no guard pages in this build");
    scene_free(&scene);
    return;
  }
  bodies_default();
  fake_bodies[1] = body_load;
  fake_bodies[3] = body_overflow;
  struct engine_thread *thread = engine_store_thread(scene.world.store);
  scene.instance->memory0->base[65535] = 9;
  for (int i = 0; i < 3; i++) {
    uint64_t value = 65535;
    CHECK_INT(call(&scene, 1, &value), ENGINE_TRAP_NONE);
    CHECK_INT(value, 9);
    value = 65536;
    CHECK_INT(call(&scene, 1, &value), ENGINE_TRAP_MEMORY_BOUNDS);
    CHECK_INT(thread->trap, ENGINE_TRAP_MEMORY_BOUNDS);
    CHECK_INT(thread->backtrace_count, 1);
    value = (UINT64_C(8) << 30) - 2;
    CHECK_INT(call(&scene, 1, &value), ENGINE_TRAP_MEMORY_BOUNDS);
    CHECK_INT(call(&scene, 3, &value), ENGINE_TRAP_STACK_EXHAUSTED);
    CHECK_INT(thread->trap, ENGINE_TRAP_STACK_EXHAUSTED);
    value = 65536;
    CHECK_INT(call(&scene, 1, &value), ENGINE_TRAP_MEMORY_BOUNDS);
  }
  scene_free(&scene);
}

TEST(faults) { check_faults(); }

static void *faulting_thread(void *arg) {
  (void)arg;
  check_faults();
  return NULL;
}

TEST(faults_in_threads) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    int failed = pthread_create(&threads[i], NULL, faulting_thread, NULL);
    if (!failed) pthread_join(threads[i], NULL);
    CHECK_INT(failed, 0);
  }
}

/* A fault of the host ends a child process the way it would without us. */
static int fault_in_child(void (*prepare)(void)) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    if (prepare) prepare();
    struct scene scene = scene_with(NULL, host_double, false);
    (void)scene;
    raise(SIGSEGV);
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
    _exit(3);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

static void exit_with_4(int number) {
  (void)number;
  _exit(4);
}
static void install_handler(void) { signal(SIGSEGV, exit_with_4); }

TEST(other_faults) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return; /* the sanitizer has its own handler, and there is none of ours */
#endif
#endif
  int status = fault_in_child(NULL);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  status = fault_in_child(install_handler);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
}

TEST_MAIN(RUN(other_faults) RUN(calls) RUN(reentrance) RUN(reentrance_on_host_stack) RUN(exhaustion)
              RUN(exhaustion_on_host_stack) RUN(exhaustion_in_a_small_thread) RUN(other_instance) RUN(other_store)
                  RUN(two_stores_in_turns) RUN(backtrace) RUN(host_traps) RUN(deep_backtrace) RUN(interruption)
                      RUN(faults) RUN(faults_in_threads))
