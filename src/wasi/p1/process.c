/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Arguments, environment, random bytes, and ways to end. */
#include "wasi/p1/p1.h"

/* `strings` are `count` NUL-terminated strings in a row. They go to `buffer`, and their addresses to `pointers`. */
static int give_strings(struct p1_call *call, const struct base_text *strings, uint32_t count) {
  uint32_t pointers = p1_u32(call, 0), buffer = p1_u32(call, 1);
  uint8_t *pointer = p1_range(call, pointers, (uint64_t)count * 4);
  uint8_t *bytes = p1_range(call, buffer, strings->len_bytes);
  if (!pointer || !bytes) return -HOST_ERROR_FAULT;
  if (strings->len_bytes) base_racy_move(bytes, strings->bytes, strings->len_bytes);
  for (size_t at = 0, i = 0; i < count; i++) {
    base_racy_store_u32(pointer + 4 * i, (uint32_t)(buffer + at));
    at += strlen(strings->bytes + at) + 1;
  }
  return 0;
}

static int give_sizes(struct p1_call *call, const struct base_text *strings, uint32_t count) {
  uint8_t *count_out = p1_range(call, p1_u32(call, 0), 4), *bytes_out = p1_range(call, p1_u32(call, 1), 4);
  if (!count_out || !bytes_out) return -HOST_ERROR_FAULT;
  base_racy_store_u32(count_out, count);
  base_racy_store_u32(bytes_out, (uint32_t)strings->len_bytes);
  return 0;
}

int p1_args_get(struct p1_call *call) {
  int result = p1_once(call, P1_ONCE_ARGS);
  return result ? result : give_strings(call, &call->p1->args, call->p1->arg_count);
}

int p1_args_sizes_get(struct p1_call *call) {
  int result = p1_once(call, P1_ONCE_ARGS);
  return result ? result : give_sizes(call, &call->p1->args, call->p1->arg_count);
}

int p1_environ_get(struct p1_call *call) {
  int result = p1_once(call, P1_ONCE_ENV);
  return result ? result : give_strings(call, &call->p1->env, call->p1->env_count);
}

int p1_environ_sizes_get(struct p1_call *call) {
  int result = p1_once(call, P1_ONCE_ENV);
  return result ? result : give_sizes(call, &call->p1->env, call->p1->env_count);
}

/* In parts, because 4 GiB take the kernel ten seconds and a guest can be stopped between them. */
static int fill_random(struct p1_call *call, uint8_t *out, uint32_t len_bytes) {
  enum { PART_BYTES = 1 << 24 };
  int result = 0;
  for (uint32_t done = 0, part; done < len_bytes && result == 0; done += part) {
    if (atomic_load_explicit(&call->thread->interrupted, memory_order_relaxed)) return p1_interrupted(call);
    part = len_bytes - done < PART_BYTES ? len_bytes - done : PART_BYTES;
    BASE_RACY_BEGIN();
    result = host_random_fill(&call->p1->random, out + done, part);
    BASE_RACY_END();
  }
  return result;
}

int p1_random_get(struct p1_call *call) {
  uint32_t len_bytes = p1_u32(call, 1);
  uint8_t *out = p1_range(call, p1_u32(call, 0), len_bytes);
  int result = out ? p1_once(call, P1_ONCE_RANDOM) : -HOST_ERROR_FAULT;
  return result ? result : fill_random(call, out, len_bytes);
}

int p1_sched_yield(struct p1_call *call) {
  (void)call;
  host_yield();
  return 0;
}

static int end_with(struct p1_call *call, uint32_t code) {
  call->trap = engine_exit(call->thread, code);
  return P1_TRAPPED;
}

int p1_proc_exit(struct p1_call *call) { return end_with(call, p1_u32(call, 0)); }

/* What a signal does by default, in the order of the specification's numbers: the number that shells add to 128, 0 for
 * signals that are ignored, -1 for those that would stop the process, which a guest cannot. */
static const signed char signals[] = {0 /* none */,
                                      1 /* hup */,
                                      2 /* int */,
                                      3 /* quit */,
                                      4 /* ill */,
                                      5 /* trap */,
                                      6 /* abrt */,
                                      7 /* bus */,
                                      8 /* fpe */,
                                      9 /* kill */,
                                      10 /* usr1 */,
                                      11 /* segv */,
                                      12 /* usr2 */,
                                      13 /* pipe */,
                                      14 /* alrm */,
                                      15 /* term */,
                                      0 /* chld */,
                                      0 /* cont */,
                                      -1 /* stop */,
                                      -1 /* tstp */,
                                      -1 /* ttin */,
                                      -1 /* ttou */,
                                      0 /* urg */,
                                      24 /* xcpu */,
                                      25 /* xfsz */,
                                      26 /* vtalrm */,
                                      27 /* prof */,
                                      0 /* winch */,
                                      29 /* poll */,
                                      30 /* pwr */,
                                      31 /* sys */};

int p1_proc_raise(struct p1_call *call) {
  uint32_t signal = p1_u32(call, 0);
  if (signal >= BASE_ARRAY_LEN(signals)) return -HOST_ERROR_INVAL;
  if (signals[signal] < 0) return -HOST_ERROR_NOTSUP;
  return signals[signal] == 0 ? 0 : end_with(call, 128 + (uint32_t)signals[signal]);
}
