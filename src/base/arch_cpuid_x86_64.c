/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What an x86-64 processor says of itself. In a virtual machine each question leads out of it, which takes microseconds (3.7
 * measured, of a start of 1,500), and the C library has asked nearly all of them when the process began. So its answers are
 * taken where it has them: glibc 2.33 and newer, by a function of the dynamic loader. It is looked up by name, because a
 * library that is needed for it alone would be one more that the command is linked with. */
#include <cpuid.h>
#include <dlfcn.h>
#include <stdatomic.h>

#include "base/base.h"

/* struct cpuid_feature of <sys/platform/x86.h>; all zeros for what that C library does not know. */
struct leaf {
  uint32_t said[4], active[4];
};
typedef const struct leaf *(*look_up)(unsigned index);

/* The places of that header's enum. */
static const struct {
  uint32_t leaf, subleaf;
  unsigned index;
} known[] = {{1, 0, 0}, {7, 0, 1}, {0x80000001u, 0, 2}, {0x0D, 1, 3}, {7, 1, 6}, {0x19, 0, 7}, {0x14, 0, 8}};

static look_up library(void) {
  static _Atomic(look_up) found;
  static atomic_bool is_known;
  if (!atomic_load(&is_known)) {
    void *symbol = dlsym(RTLD_DEFAULT, "__x86_get_cpuid_feature_leaf");
    look_up function = NULL;
    memcpy(&function, &symbol, sizeof function);
    const struct leaf *first = function ? function(0) : NULL;
    if (!first || !first->said[0]) function = NULL; /* which processor it is, is never 0 */
    atomic_store(&found, function);
    atomic_store(&is_known, true);
  }
  return atomic_load(&found);
}

bool base_arch_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]) {
  look_up look = library();
  for (size_t i = 0; look && i < BASE_ARRAY_LEN(known); i++) {
    if (known[i].leaf != leaf || known[i].subleaf != subleaf) continue;
    memcpy(out, look(known[i].index)->said, 4 * sizeof *out);
    return true;
  }
  memset(out, 0, 4 * sizeof *out);
  return __get_cpuid_count(leaf, subleaf, &out[0], &out[1], &out[2], &out[3]);
}
