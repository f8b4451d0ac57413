/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Stack pairs, and switching to them.
 *
 * One mapping holds both stacks, because mapping is what a short run pays for:
 *
 *     guard | struct engine_stack | value stack, upwards -> | guard | <- native stack, downwards | guard
 *
 * Only the pages that are touched take memory. A pair is used by one outermost call and what is nested in it; afterwards
 * the host thread keeps it for its next call, of whatever store, so that an idle store has none and a call does not map.
 * A store has one of its own only while it is reserved for a call to come. Nothing is read from a stack that was given
 * back: the frames of a trap are noted when it is raised. */
#include "engine/internal.h"

#if ENGINE_ANNOUNCES_SWITCHES
#include <sanitizer/common_interface_defs.h>
#endif

_Thread_local struct engine_host_thread engine_host_thread;

/* A thread keeps at most so many: calls of further stores from functions of the host take one more each. */
enum { KEPT_STACKS = 4 };

struct layout {
  size_t guard_bytes, value_bytes, native_bytes, total_bytes;
};

unsigned engine_native_factor(const struct engine *engine) {
  unsigned factor = engine->options.tier->native_factor;
  return factor ? factor : 1;
}

/* The value stack has a page more than it promises, for the struct. */
static struct layout layout_of(const struct engine *engine) {
  struct layout layout;
  size_t page_bytes = base_os_page_bytes();
  layout.guard_bytes = page_bytes > ENGINE_GUARD_BYTES ? page_bytes : ENGINE_GUARD_BYTES;
  layout.value_bytes = page_bytes + engine->options.stack_bytes;
  size_t native_bytes = engine->options.stack_bytes * engine_native_factor(engine) + ENGINE_NATIVE_MARGIN_BYTES;
  layout.native_bytes = engine_arch_switches ? native_bytes : 0;
  layout.total_bytes = 3 * layout.guard_bytes + layout.value_bytes + layout.native_bytes;
  return layout;
}

/* Mappings are whole pages, which leaves the low bits. */
size_t engine_stack_shape(const struct engine *engine) {
  assert(engine_native_factor(engine) < base_os_page_bytes());
  return layout_of(engine).total_bytes + engine_native_factor(engine);
}

size_t engine_host_stack_bytes(const struct engine_store *store) {
  return engine_arch_switches ? 0 : store->engine->options.stack_bytes + ENGINE_NATIVE_MARGIN_BYTES;
}

static struct engine_stack *stack_new(const struct engine *engine) {
  struct layout layout = layout_of(engine);
  uint8_t *mapping = base_os_reserve(layout.total_bytes);
  if (!mapping) return NULL;
  uint8_t *low = mapping + layout.guard_bytes, *native = low + layout.value_bytes + layout.guard_bytes;
  if (!base_os_commit(low, layout.value_bytes) || !base_os_commit(native, layout.native_bytes)) {
    base_os_release(mapping, layout.total_bytes);
    return NULL;
  }
  enum { HEAD_BYTES = (sizeof(struct engine_stack) + 63) / 64 * 64 };
  struct engine_stack *stack = (struct engine_stack *)(void *)low;
  *stack = (struct engine_stack){.values = (uint64_t *)(void *)(low + HEAD_BYTES),
                                 .values_end = (uint64_t *)(void *)(low + HEAD_BYTES + engine->options.stack_bytes),
                                 .native_low = native,
                                 .native_high = native + layout.native_bytes,
                                 .native_factor = engine_native_factor(engine),
                                 .shape = engine_stack_shape(engine),
                                 .mapping = mapping,
                                 .mapped_bytes = layout.total_bytes};
  assert(((uintptr_t)stack->native_high & 15) == 0);
  return stack;
}

void engine_stack_free(struct engine_stack *stack) {
  if (stack) base_os_release(stack->mapping, stack->mapped_bytes);
}

void engine_stacks_free(void) {
  while (engine_host_thread.stacks) {
    struct engine_stack *stack = engine_host_thread.stacks;
    engine_host_thread.stacks = stack->next;
    engine_stack_free(stack);
  }
}

/* ---- What a thread keeps -------------------------------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* its destructor frees what a thread keeps */
static bool has_key;

/* Another destructor may call a guest yet; then the next round frees its stack. */
static void thread_ends(void *unused) {
  (void)unused;
  engine_host_thread.has_end = false;
  engine_stacks_free();
}

static void make_key(void) { has_key = pthread_key_create(&key, thread_ends) == 0; }

static size_t kept_count(void) {
  size_t count = 0;
  for (const struct engine_stack *stack = engine_host_thread.stacks; stack; stack = stack->next) count++;
  return count;
}

struct engine_stack *engine_stack_find(struct engine_store *store) {
  struct engine_stack *stack = store->reserved_stack;
  store->reserved_stack = NULL;
  if (stack) return stack;
  struct engine_stack **link = &engine_host_thread.stacks;
  while (*link && !engine_stack_fits(*link, store->engine)) link = &(*link)->next;
  stack = *link;
  if (!stack) return stack_new(store->engine);
  *link = stack->next;
  return stack;
}

void engine_stack_keep(struct engine_stack *stack) {
  pthread_once(&once, make_key);
  if (!engine_host_thread.has_end)
    engine_host_thread.has_end = has_key && pthread_setspecific(key, &engine_host_thread) == 0;
  if (!engine_host_thread.has_end) {
    engine_stack_free(stack);
    return;
  }
  if (kept_count() >= KEPT_STACKS) engine_stacks_free();
  stack->next = engine_host_thread.stacks;
  engine_host_thread.stacks = stack;
}

bool engine_store_reserve_stack(struct engine_store *store) {
  if (!store->reserved_stack) store->reserved_stack = stack_new(store->engine);
  return store->reserved_stack != NULL;
}

/* ---- Switching ------------------------------------------------------------------------------------------------------ */

#if ENGINE_ANNOUNCES_SWITCHES
struct crossing {
  int (*fn)(void *);
  void *arg;
  struct engine_native *old;
};

static int on_the_other_side(void *arg) {
  struct crossing *crossing = arg;
  struct engine_native old;
  __sanitizer_finish_switch_fiber(NULL, &old.low, &old.bytes);
  if (crossing->old) *crossing->old = old;
  int result = crossing->fn(crossing->arg);
  __sanitizer_start_switch_fiber(NULL, old.low, old.bytes);
  return result;
}

int engine_stack_switch(struct engine_native to, void *sp, int (*fn)(void *), void *arg, void **old_sp,
                        struct engine_native *old) {
  if (!engine_arch_switches) return engine_arch_switch_call(sp, fn, arg, old_sp);
  struct crossing crossing = {fn, arg, old};
  void *fake_stack = NULL;
  __sanitizer_start_switch_fiber(&fake_stack, to.low, to.bytes);
  int result = engine_arch_switch_call(sp, on_the_other_side, &crossing, old_sp);
  __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
  return result;
}
#endif
