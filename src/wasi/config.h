/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `wasi`: what a configuration holds. */
#ifndef WASI_CONFIG_H
#define WASI_CONFIG_H

#include "wasi/wasi.h"

struct wasi_preopen {
  struct host_object *directory;
  char *guest_path;
  char *host_path; /* NULL: not known */
  char *rule;      /* what granted it; NULL: not known (its own flag is made up when somebody asks), or single files, each
                      of which has its own (host_granted_file) */
  bool is_synthetic;
};
struct wasi_socket {
  struct host_object *object;
  char *rule; /* NULL: not known */
};
struct wasi_stream {
  struct host_object *object;
  bool is_set; /* false: the default; true without an object: closed */
};

struct wasi_config {
  BASE_VEC(char *) args;
  BASE_VEC(char *) env; /* "NAME=value" */
  struct wasi_stream streams[3];
  BASE_VEC(struct wasi_preopen) preopens;
  BASE_VEC(struct wasi_socket) sockets;
  struct host_clocks clocks;
  struct host_random_source random;
  bool is_uniform;
};

#endif
