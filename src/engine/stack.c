/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Stack pairs, and switching to them.
 *
 * One mapping holds both stacks, because mapping is what a short run pays for:
 *
 *     guard | value stack, upwards -> | guard | <- native stack, downwards | guard
 *
 * Only the pages that are touched take memory. A store keeps one pair for its next call; the frames of the last trap
 * are read from it, so it stays mapped until the store is freed. */
#include "engine/internal.h"

#if ENGINE_ANNOUNCES_SWITCHES
#include <sanitizer/common_interface_defs.h>
#endif

struct layout {
  size_t guard_bytes, value_bytes, native_bytes, total_bytes;
};

unsigned engine_native_factor(const struct engine *engine) {
  unsigned factor = engine->options.tier->native_factor;
  return factor ? factor : 1;
}

static struct layout layout_of(const struct engine *engine) {
  struct layout layout;
  size_t page_bytes = base_os_page_bytes();
  layout.guard_bytes = page_bytes > ENGINE_GUARD_BYTES ? page_bytes : ENGINE_GUARD_BYTES;
  layout.value_bytes = engine->options.stack_bytes;
  size_t native_bytes = engine->options.stack_bytes * engine_native_factor(engine) + ENGINE_NATIVE_MARGIN_BYTES;
  layout.native_bytes = engine_arch_switches ? native_bytes : 0;
  layout.total_bytes = 3 * layout.guard_bytes + layout.value_bytes + layout.native_bytes;
  return layout;
}

size_t engine_host_stack_bytes(const struct engine_store *store) {
  return engine_arch_switches ? 0 : store->engine->options.stack_bytes + ENGINE_NATIVE_MARGIN_BYTES;
}

static struct engine_stack *stack_new(const struct engine *engine) {
  struct engine_stack *stack = base_alloc_zero(1, sizeof *stack);
  if (!stack) return NULL;
  struct layout layout = layout_of(engine);
  uint8_t *low = base_os_reserve(layout.total_bytes);
  if (!low) {
    base_free(stack);
    return NULL;
  }
  uint8_t *values = low + layout.guard_bytes;
  uint8_t *native = values + layout.value_bytes + layout.guard_bytes;
  if (!base_os_commit(values, layout.value_bytes) || !base_os_commit(native, layout.native_bytes)) {
    base_os_release(low, layout.total_bytes);
    base_free(stack);
    return NULL;
  }
  stack->values = (uint64_t *)values;
  stack->values_end = (uint64_t *)(values + layout.value_bytes);
  stack->native_low = native;
  stack->native_high = native + layout.native_bytes;
  stack->native_factor = engine_native_factor(engine);
  stack->value_bytes = layout.value_bytes + 2 * layout.guard_bytes;
  stack->native_bytes = layout.native_bytes + layout.guard_bytes;
  assert(stack->value_bytes + stack->native_bytes == layout.total_bytes);
  assert(((uintptr_t)stack->native_high & 15) == 0);
  return stack;
}

struct engine_stack *engine_stack_take(struct engine_store *store) {
  struct engine_stack *stack = store->stack_pool;
  if (!stack) return stack_new(store->engine);
  store->stack_pool = stack->next;
  stack->next = NULL;
  return stack;
}

void engine_stack_give(struct engine_store *store, struct engine_stack *stack) {
  assert(!stack->next);
  stack->next = store->stack_pool;
  store->stack_pool = stack;
}

bool engine_store_reserve_stack(struct engine_store *store) {
  struct engine_stack *stack = engine_stack_take(store);
  if (stack) engine_stack_give(store, stack);
  return stack != NULL;
}

void engine_stacks_free(struct engine_store *store) {
  size_t guard_bytes = layout_of(store->engine).guard_bytes;
  while (store->stack_pool) {
    struct engine_stack *stack = store->stack_pool;
    store->stack_pool = stack->next;
    base_os_release((uint8_t *)stack->values - guard_bytes, stack->value_bytes + stack->native_bytes);
    base_free(stack);
  }
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
  struct crossing crossing = {fn, arg, old};
  void *fake_stack = NULL;
  __sanitizer_start_switch_fiber(&fake_stack, to.low, to.bytes);
  int result = engine_arch_switch_call(sp, on_the_other_side, &crossing, old_sp);
  __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
  return result;
}
#else
int engine_stack_switch(struct engine_native to, void *sp, int (*fn)(void *), void *arg, void **old_sp,
                        struct engine_native *old) {
  (void)to, (void)old;
  return engine_arch_switch_call(sp, fn, arg, old_sp);
}
#endif
