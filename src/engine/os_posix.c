/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the process and the thread may use, on POSIX systems. */
#include <pthread.h>
#include <sys/resource.h>

#include "engine/internal.h"

uint64_t engine_os_address_space(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

uintptr_t engine_os_stack_low(void) {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
  void *low = NULL;
  size_t bytes = 0, guard_bytes = 0;
  bool known = pthread_attr_getstack(&attributes, &low, &bytes) == 0 &&
               pthread_attr_getguardsize(&attributes, &guard_bytes) == 0;
  pthread_attr_destroy(&attributes);
  return known ? (uintptr_t)low + guard_bytes : 0;
}
