/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The names of a directory in order. */
#ifndef HOST_UNIFORM_H
#define HOST_UNIFORM_H

#include "host/object.h"

struct host_name {
  char *bytes;
};
struct host_names {
  BASE_VEC(struct host_name) items; /* without "." and ".." */
  struct base_budget *budget;       /* that counts them: the directory's; NULL: none */
  bool is_overlay;                  /* what the overlay keeps for itself is left out, and what shows twice */
  uint64_t counted_bytes;
};
void host_names_deinit(struct host_names *names);
int host_names_read(struct host_names *names, const struct host_layers *directory);
/* The entry at `cookie`; 0 reads the directory anew. Without `uniform` inodes are the host's. */
int host_names_entry(struct host_names *names, struct host_uniform *uniform, const struct host_layers *directory,
                     uint64_t cookie, struct host_entry *out, bool *found);

#endif
