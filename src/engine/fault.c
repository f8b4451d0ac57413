/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Whose fault it is, and who is interrupted: the part of fault handling that knows stores. Runs in a signal handler, so it
 * only reads, and writes one atomic. The lists it walks change only in the thread that faulted, and not while its guest code
 * runs. */
#include "engine/internal.h"

static bool in_guard_of(const struct engine_memory *memory, uintptr_t address) {
  return memory->guarded && address - (uintptr_t)memory->base < memory->reserved_bytes;
}

static bool in_guarded_memory(const struct engine_store *store, uintptr_t address) {
  for (const struct engine_memory *memory = store->memories; memory; memory = memory->next)
    if (in_guard_of(memory, address)) return true;
  for (const struct engine_memory_use *use = store->shared; use; use = use->next)
    if (in_guard_of(use->memory, address)) return true;
  return false;
}

/* The native stack's guard lies between it and the value stack. */
static bool in_native_guard(const struct engine_thread *thread, uintptr_t address) {
  return address >= (uintptr_t)thread->stack->values_end && address < (uintptr_t)thread->stack->native_low;
}

bool engine_fault_redirect(struct engine_thread *thread, uintptr_t address, void *machine_context) {
  struct engine_store *store = thread->store;
  if (!thread->top || !thread->stack) return false;
  bool is_stack = in_native_guard(thread, address);
  if (!is_stack && !in_guarded_memory(store, address)) return false;
  if (!store->engine->options.tier->fault(thread->top, machine_context)) return false;
  if (is_stack) atomic_store(&store->fault_trap, ENGINE_TRAP_STACK_EXHAUSTED);
  return true;
}

/* Outside of a call there is nothing to go on at: whoever calls next sees the flag. And where the tier does without the
 * signal, which is another store's then, there is nothing that needs it. */
bool engine_interrupt_redirect(struct engine_thread *thread, void *machine_context) {
  const struct engine_tier *tier = thread->store->engine->options.tier;
  return !tier->interrupt || !thread->top || !thread->stack || tier->interrupt(thread->top, machine_context);
}
