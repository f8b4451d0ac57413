/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `api`: the messages between a walled process and its broker. Both ends are one program on one machine, so
 * numbers are as in memory; but whoever reads a message distrusts it. */
#ifndef API_BROKER_H
#define API_BROKER_H

#include "api/parts.h"
#include "inspect/inspect.h"

enum broker_kind {
  BROKER_POSITIONS, /* where byte `offset` of module `module` comes from; answered by broker_positions_write */
  BROKER_REAL_PATH, /* what a path leads to, links followed; answered by it, or by nothing */
  BROKER_PATH_KIND, /* answered by one byte, enum api_path_kind */
  BROKER_KIND_COUNT,
};
enum { BROKER_PATH_BYTES = 4096, BROKER_TEXT_BYTES = 512, BROKER_REPLY_BYTES = 32 * 1024 };
struct broker_request {
  uint32_t kind, module, offset;
  uint32_t path_bytes; /* without the NUL; 0 when the kind has none */
  char path[BROKER_PATH_BYTES];
};
/* The bytes of a request that are sent. */
size_t broker_request_bytes(const struct broker_request *request);
/* Reads what was received: true, if every part makes sense, with a NUL behind the path. */
bool broker_request_parse(const void *bytes, size_t len_bytes, size_t module_count, struct broker_request *out);

/* Texts are cut at BROKER_TEXT_BYTES. Returns the bytes of the message. */
size_t broker_positions_write(const struct inspect_position *positions, size_t count,
                              char out[BROKER_REPLY_BYTES]);
/* Returns how many positions there are, at most `capacity`; 0 when anything is wrong. Texts point into `bytes`. */
size_t broker_positions_read(const char *bytes, size_t len_bytes, struct inspect_position *out, size_t capacity);

/* Sends or receives one message, whole; false on any failure. Waits at most `timeout_ms`. */
bool broker_send(int socket, const void *bytes, size_t len_bytes);
bool broker_receive(int socket, void *bytes, size_t capacity, size_t *len_bytes, int timeout_ms);
enum { BROKER_FOREVER = -1, BROKER_READER_MS = 10 * 1000, BROKER_CLIENT_MS = 15 * 1000 };

/* The broker's life, in a process of its own: answers until the other end of `socket` is closed. */
_Noreturn void broker_serve(int socket, const cay_run *run);

#endif
