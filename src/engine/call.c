/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Calls between host and guest, in every direction.
 *
 *   host -> guest    engine_call: takes a stack pair, copies the arguments to its value stack, switches, invokes
 *   guest -> host    engine_call_from_guest: on the guest's native stack, or switched to the host's (on_host_stack)
 *   host -> guest    again from inside such a host function: continues both stacks where they are
 *   guest -> guest   of another instance: a new activation on the same stacks
 *
 * Invariants
 *  1. thread->stack is set exactly while a call of this store is running; only one pair is in use at a time.
 *  2. store->guest_sp is NULL exactly when code of this store's call runs on the guest's native stack; otherwise it is
 *     where that stack may be continued.
 *  3. thread->value_top is above every slot in use whenever a host function runs.
 *  4. Every function here leaves thread->top, value_top and store->guest_sp, host_frame as it found them; host_sp means
 *     something only while there is a stack. */
#include "engine/internal.h"

static uint32_t slots_needed(const struct module_func_type *type) {
  return type->param_slots > type->result_slots ? type->param_slots : type->result_slots;
}

/* ---- Headroom ------------------------------------------------------------------------------------------------------ */

static bool on_host_stack(const struct engine_store *store) {
  return !engine_arch_switches || !store->thread.stack || store->guest_sp;
}

/* Whether the current native stack has room for one more nested call. It may be the guest's, the host thread's, or that
 * of another store whose host function called us, which checks for itself. The host's keeps as much free as the
 * guest's, or a quarter where it is small. */
static bool has_headroom(const struct engine_store *store) {
  const uint8_t *here = __builtin_frame_address(0);
  const struct engine_stack *stack = store->thread.stack;
  if (here >= stack->native_low && here < stack->native_high)
    return here - stack->native_low > ENGINE_NATIVE_MARGIN_BYTES;
  struct engine_native host = engine_os_stack();
  const uint8_t *low = host.low;
  if (here < low || here >= low + host.bytes) return true;
  size_t margin = host.bytes / 4 < ENGINE_NATIVE_MARGIN_BYTES ? host.bytes / 4 : ENGINE_NATIVE_MARGIN_BYTES;
  return (size_t)(here - low) > margin;
}

/* The same for a guest stack that will be continued where it was left. */
static bool guest_has_headroom(const struct engine_store *store) {
  return !store->guest_sp ||
         (const uint8_t *)store->guest_sp - store->thread.stack->native_low > ENGINE_NATIVE_MARGIN_BYTES;
}

static bool fits(const struct engine_thread *thread, const uint64_t *base_fp, const struct module_func_type *type) {
  return (uint64_t)(thread->stack->values_end - base_fp) > slots_needed(type);
}

/* ---- Into the guest ------------------------------------------------------------------------------------------------ */

static struct engine_activation activation_of(struct engine_thread *thread, struct engine_function *function,
                                              uint64_t *fp, const void *site) {
  return (struct engine_activation){.previous = thread->top,
                                    .function = function,
                                    .instance = function->instance,
                                    .site = site, /* NULL: at the start */
                                    .fp = fp,
                                    .base_fp = fp};
}

static enum engine_trap enter_here(struct engine_thread *thread, struct engine_function *function, uint64_t *fp,
                                   const void *site) {
  struct engine_activation activation = activation_of(thread, function, fp, site);
  thread->top = &activation;
  int trap = function->instance->tier->invoke(&activation);
  assert(thread->top == &activation);
  thread->top = activation.previous;
  return (enum engine_trap)trap;
}

/* Runs the linked activation on the guest's native stack, which goes on at `sp`; on the caller's where there are none. */
static int enter_there(struct engine_store *store, void *sp, struct engine_activation *activation) {
  struct engine_thread *thread = &store->thread;
  struct engine_native host_native = store->host_native;
  struct engine_native native = {thread->stack->native_low,
                                 (size_t)(thread->stack->native_high - thread->stack->native_low)};
  int trap = engine_stack_switch(native, sp, activation->instance->tier->invoke, activation, &thread->host_sp,
                                 &store->host_native);
  if (ENGINE_ANNOUNCES_SWITCHES) store->host_native = host_native;
  return trap;
}

/* Nearly always one or two: nothing that a wide copy or a call of one would be worth its checks for. */
static void copy_slots(uint64_t *to, const uint64_t *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    to[i] = from[i];
    __asm__("" ::: "memory"); /* compilers would make it one */
  }
}

/* Who filled in the halves of a slot one by one wrote 32 bits, and a load of 64 would wait for them. */
static uint64_t low_half(const uint64_t *slot) { return *(const volatile uint32_t *)(const volatile void *)slot; }
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "as the guest's memory is");

static void copy_arguments(uint64_t *to, const uint64_t *from, const struct module_func_type *type) {
  for (const module_type *at = type->params, *end = at + type->param_count; at < end; at++) {
    *to++ = module_type_is_narrow(*at) ? low_half(from) : *from;
    from++;
    if (BASE_UNLIKELY(*at == MODULE_V128)) *to++ = *from++;
    __asm__("" ::: "memory");
  }
}

static void stack_set(struct engine_thread *thread, struct engine_stack *stack) {
  assert(!thread->stack && !thread->top && !thread->store->guest_sp);
  thread->stack = stack;
  thread->value_top = stack->values;
  if (BASE_UNLIKELY(thread->value_limit != stack->values_end)) engine_thread_limit(thread, stack->values_end);
}

static void stack_unset(struct engine_thread *thread) {
  assert(!thread->top && !thread->store->guest_sp);
  engine_stack_give(thread->stack);
  thread->stack = NULL;
  thread->value_top = NULL;
}

/* Makes `thread` the one whose memories the calling host thread's faults are looked up in; returns the one before. */
static struct engine_thread *faults_enter(struct engine_thread *thread) {
  struct engine_thread *before = engine_host_thread.running;
  engine_host_thread.running = thread;
  return before;
}

BASE_COLD static enum engine_trap no_stack(struct engine_thread *thread) {
  return engine_trap_raise(thread, ENGINE_TRAP_OUT_OF_MEMORY);
}

/* What a call costs is this function: it is kept straight, and what it calls inline or rare. */
static enum engine_trap call_outermost(struct engine_store *store, struct engine_function *function, uint64_t *slots) {
  struct engine_thread *thread = &store->thread;
  if (BASE_UNLIKELY(!engine_host_thread.has_signal_stack) && store->has_guarded && !engine_faults_thread())
    return no_stack(thread);
  struct engine_stack *stack = engine_stack_take(store);
  if (BASE_UNLIKELY(!stack)) return no_stack(thread);
  stack_set(thread, stack);
  uint64_t *values = stack->values;
  struct engine_thread *interrupted_one = faults_enter(thread);
  engine_signals_settle(); /* a host function of another store, which was interrupted, may be calling */
  engine_signals_enter(thread);
  struct engine_activation activation = activation_of(thread, function, values, NULL);
  thread->top = &activation;
  copy_arguments(values, slots, function->type);
  int trap = enter_there(store, stack->native_high, &activation);
  __asm__("" : "+r"(store)); /* or addresses in it, once made, would be kept on the native stack all the time */
  thread = &store->thread;
  if (BASE_LIKELY(trap == ENGINE_TRAP_NONE)) copy_slots(slots, values, function->type->result_slots);
  assert(thread->top == &activation);
  thread->top = NULL;
  faults_enter(interrupted_one);
  engine_signals_settle();
  stack_unset(thread);
  if (BASE_UNLIKELY(thread->fuel != 0)) engine_fuel_settle(thread);
  return (enum engine_trap)trap;
}

/* From a function of the host, which runs on the guest's native stack or, when it was switched to, on the host's. */
static enum engine_trap enter_nested(struct engine_store *store, struct engine_function *function, uint64_t *fp) {
  struct engine_thread *thread = &store->thread;
  if (!engine_arch_switches || !store->guest_sp) return enter_here(thread, function, fp, NULL);
  void *guest_sp = store->guest_sp, *host_sp = thread->host_sp;
  struct engine_activation activation = activation_of(thread, function, fp, NULL);
  thread->top = &activation;
  store->guest_sp = NULL;
  int trap = enter_there(store, guest_sp, &activation);
  store->guest_sp = guest_sp;
  thread->host_sp = host_sp;
  assert(thread->top == &activation);
  thread->top = activation.previous;
  return (enum engine_trap)trap;
}

static __attribute__((noinline)) enum engine_trap call_nested(struct engine_store *store,
                                                              struct engine_function *function, uint64_t *slots) {
  struct engine_thread *thread = &store->thread;
  uint64_t *value_top = thread->value_top;
  assert(value_top >= thread->stack->values && value_top < thread->stack->values_end);
  if (!has_headroom(store) || !guest_has_headroom(store) || !fits(thread, value_top, function->type))
    return engine_trap_raise(thread, ENGINE_TRAP_STACK_EXHAUSTED);
  struct engine_thread *other = faults_enter(thread); /* a call of another store may be in between */
  copy_arguments(value_top, slots, function->type);
  enum engine_trap trap = enter_nested(store, function, value_top);
  if (trap == ENGINE_TRAP_NONE) copy_slots(slots, value_top, function->type->result_slots);
  faults_enter(other);
  thread->value_top = value_top;
  return trap;
}

/* ---- Host functions ------------------------------------------------------------------------------------------------- */

static int host_invoke(void *arg) {
  struct engine_host_frame *frame = arg;
  return (int)frame->call.function->host(&frame->call, frame->slots);
}

static enum engine_trap host_invoke_switching(struct engine_store *store, struct engine_host_frame *frame) {
  if (!frame->call.function->on_host_stack || on_host_stack(store)) return (enum engine_trap)host_invoke(frame);
  void *sp = (void *)((uintptr_t)store->thread.host_sp & ~(uintptr_t)15);
  int trap = engine_stack_switch(store->host_native, sp, host_invoke, frame, &store->guest_sp, NULL);
  store->guest_sp = NULL;
  return (enum engine_trap)trap;
}

/* A host function that lost the exception which it means to throw: the next call of the guest let it go. */
BASE_COLD static enum engine_trap nothing_thrown(struct engine_thread *thread) {
  base_error_set(&thread->host_error, CAY_ERROR_ARGUMENT, "the host function threw, but set no exception");
  return ENGINE_TRAP_HOST;
}

/* Runs a host function with its frame recorded; a trap that a nested call has reported keeps its own backtrace. */
static enum engine_trap host_call(struct engine_store *store, struct engine_instance *caller,
                                  struct engine_function *function, uint64_t *slots) {
  struct engine_thread *thread = &store->thread;
  struct engine_host_frame frame = {
      .call = {.thread = thread, .caller = caller, .function = function, .env = function->env},
      .slots = slots,
      .activation = thread->top,
      .previous = store->host_frame};
  store->host_frame = &frame;
  thread->trap = ENGINE_TRAP_NONE;
  enum engine_trap trap = host_invoke_switching(store, &frame);
  if (BASE_UNLIKELY(trap == ENGINE_TRAP_NONE && atomic_load_explicit(&thread->interrupted, memory_order_relaxed)))
    trap = ENGINE_TRAP_INTERRUPTED;
  if (BASE_UNLIKELY(trap == ENGINE_TRAP_EXCEPTION && !thread->exception)) trap = nothing_thrown(thread);
  if (BASE_UNLIKELY(trap != ENGINE_TRAP_NONE && trap != thread->trap)) engine_trap_raise(thread, trap);
  if (trap == ENGINE_TRAP_NONE) thread->trap = ENGINE_TRAP_NONE; /* whatever a nested call came to was dealt with */
  assert(store->host_frame == &frame && thread->top == frame.activation);
  store->host_frame = frame.previous;
  return trap;
}

/* ---- The two doors -------------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) enum engine_trap call_host(struct engine_store *store,
                                                            struct engine_function *function, uint64_t *slots) {
  copy_arguments(slots, slots, function->type);
  return host_call(store, NULL, function, slots);
}

enum engine_trap engine_call(struct engine_store *store, struct engine_function *function, uint64_t *slots) {
  assert(!function->instance || function->instance->store == store);
  if (BASE_UNLIKELY(!function->instance)) return call_host(store, function, slots);
  store->thread.trap = ENGINE_TRAP_NONE;
  store->thread.exception = 0;
  return store->thread.stack ? call_nested(store, function, slots) : call_outermost(store, function, slots);
}

enum engine_trap engine_call_from_guest(struct engine_thread *thread, struct engine_function *function,
                                        uint64_t *slots) {
  struct engine_store *store = thread->store;
  assert(thread->top && thread->stack);
  if (!fits(thread, slots, function->type) || !has_headroom(store))
    return engine_trap_raise(thread, ENGINE_TRAP_STACK_EXHAUSTED);
  if (function->instance) return enter_here(thread, function, slots, NULL);
  thread->value_top = slots + slots_needed(function->type);
  return host_call(store, thread->top->instance, function, slots);
}

bool engine_can_nest(const struct engine_thread *thread) { return has_headroom(thread->store); }

enum engine_trap engine_go_on_from_guest(struct engine_thread *thread, struct engine_function *function, uint64_t *fp,
                                         const void *site) {
  assert(site && function->instance);
  return enter_here(thread, function, fp, site);
}
