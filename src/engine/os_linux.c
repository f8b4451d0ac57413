/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the process and the thread may use, on Linux. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "engine/internal.h"

uint64_t engine_os_address_space(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

void *engine_os_extend(void *address, size_t old_bytes, size_t new_bytes) {
  void *moved = mremap(address, old_bytes, new_bytes, MREMAP_MAYMOVE);
  return moved == MAP_FAILED ? NULL : moved;
}

static struct engine_native stack_ask(void) {
  struct engine_native stack = {NULL, 0};
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return stack;
  void *low = NULL;
  size_t bytes = 0, guard_bytes = 0;
  if (pthread_attr_getstack(&attributes, &low, &bytes) == 0 &&
      pthread_attr_getguardsize(&attributes, &guard_bytes) == 0 && guard_bytes < bytes)
    stack = (struct engine_native){(char *)low + guard_bytes, bytes - guard_bytes};
  pthread_attr_destroy(&attributes);
  return stack;
}

/* The main thread's stack is read from /proc, which may be missing: then three quarters of the limit, from here. */
static struct engine_native stack_assume(void) {
  enum { USUAL_BYTES = 8 * 1024 * 1024 };
  struct rlimit limit;
  size_t bytes = USUAL_BYTES;
  if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < USUAL_BYTES) bytes = (size_t)limit.rlim_cur;
  bytes = bytes / 4 * 3;
  return (struct engine_native){(char *)__builtin_frame_address(0) - bytes, bytes};
}

struct engine_native engine_os_stack(void) {
  static _Thread_local struct engine_native stack;
  if (!stack.bytes) stack = stack_ask();
  if (!stack.bytes) stack = stack_assume();
  return stack;
}
