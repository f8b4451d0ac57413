/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Traps and backtraces.
 *
 * A backtrace is read from the activations, innermost first. Between an activation and the one it was entered from
 * stand the host functions that were running in between. Of a deep stack the innermost 48 and the outermost 16 frames
 * are kept; the outermost 16 are a ring while walking, because nobody knows how many follow. */
#include "engine/internal.h"

enum { INNER_FRAMES = 48, OUTER_FRAMES = ENGINE_BACKTRACE_FRAMES - INNER_FRAMES };

static void frame_add(struct engine_thread *thread, struct engine_raw_frame frame) {
  uint64_t index = thread->backtrace_total++;
  uint64_t place = index < INNER_FRAMES ? index : INNER_FRAMES + (index - INNER_FRAMES) % OUTER_FRAMES;
  thread->backtrace[place] = frame;
}

static void host_frames_add(struct engine_thread *thread, const struct engine_host_frame **host,
                            const struct engine_activation *activation) {
  while (*host && (*host)->activation == activation) {
    frame_add(thread, (struct engine_raw_frame){.host = (*host)->call.function});
    *host = (*host)->previous;
  }
}

static void activation_add(struct engine_thread *thread, const struct engine_activation *activation) {
  struct engine_instance *instance = activation->instance;
  const void *site = activation->site;
  uint64_t *fp = activation->fp;
  struct engine_location location = {.crossing = activation->crossing};
  while (site) {
    bool known = instance->tier->locate(instance->code, site, fp, &location);
    frame_add(thread, (struct engine_raw_frame){
                          .instance = instance, .site = site, .fp = fp, .func = known ? location.func : UINT32_MAX});
    if (!known) return;
    site = location.caller_site;
    fp = location.caller_fp;
  }
}

/* Brings the ring of outermost frames into order, outermost last. */
static void ring_unroll(struct engine_thread *thread) {
  if (thread->backtrace_total <= ENGINE_BACKTRACE_FRAMES) return;
  struct engine_raw_frame ring[OUTER_FRAMES];
  uint64_t first = (thread->backtrace_total - INNER_FRAMES) % OUTER_FRAMES;
  for (uint64_t i = 0; i < OUTER_FRAMES; i++) ring[i] = thread->backtrace[INNER_FRAMES + (first + i) % OUTER_FRAMES];
  memcpy(thread->backtrace + INNER_FRAMES, ring, sizeof ring);
}

void engine_backtrace_capture(struct engine_thread *thread) {
  thread->backtrace_total = 0;
  const struct engine_host_frame *host = thread->store->host_frame;
  const struct engine_activation *activation = thread->top;
  host_frames_add(thread, &host, activation);
  for (; activation; activation = activation->previous) {
    activation_add(thread, activation);
    host_frames_add(thread, &host, activation->previous);
  }
  ring_unroll(thread);
  thread->backtrace_count =
      thread->backtrace_total < ENGINE_BACKTRACE_FRAMES ? (uint32_t)thread->backtrace_total : ENGINE_BACKTRACE_FRAMES;
}

enum engine_trap engine_trap_raise(struct engine_thread *thread, enum engine_trap trap) {
  assert(trap != ENGINE_TRAP_NONE);
  enum engine_trap from_fault = atomic_load(&thread->store->fault_trap);
  if (from_fault != ENGINE_TRAP_NONE) {
    atomic_store(&thread->store->fault_trap, ENGINE_TRAP_NONE);
    trap = from_fault;
  }
  thread->trap = trap;
  if (trap == ENGINE_TRAP_EXIT)
    thread->backtrace_count = 0, thread->backtrace_total = 0; /* a wish, not a fault: nobody asks where */
  else
    engine_backtrace_capture(thread);
  return trap;
}

bool engine_backtrace_frame(struct engine_thread *thread, uint32_t index, struct engine_frame *out) {
  if (index >= thread->backtrace_count) return false;
  const struct engine_raw_frame *raw = &thread->backtrace[index];
  *out = (struct engine_frame){.host = raw->host, .func = UINT32_MAX, .offset = UINT32_MAX};
  if (raw->host) return true;
  out->instance = raw->instance;
  const struct engine_tier *tier = raw->instance->tier;
  if (raw->func == UINT32_MAX) return true;
  out->func = raw->func; /* found when the frame was still there: the stack may have been given back since */
  out->offset = tier->offset_of(raw->instance->code, raw->func, raw->site, raw->fp);
  return true;
}
