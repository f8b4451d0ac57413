/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Private to `api`: the messages between a walled process and its broker. Both ends are one program on one machine, so
 * numbers are as in memory; but whoever reads a message distrusts it. */
#ifndef API_BROKER_H
#define API_BROKER_H

#include "api/parts.h"
#include "inspect/inspect.h"

enum broker_kind {
  BROKER_POSITIONS, /* where byte `offset` of a module comes from; answered by broker_positions_write. The module is what can
                       be read, to its end, from the descriptor that comes with the request, or that of the last one */
  BROKER_REAL_PATH, /* what a path leads to, links followed; answered by it, or by nothing */
  BROKER_PATH_KIND, /* answered by one byte, enum api_path_kind */
  BROKER_NAME,      /* who the path names is looked up; answered by host_network_answer through the descriptor that comes
                       with the request, and not here */
  BROKER_HELPER,    /* the tier's process is started, with the descriptor that comes with the request; not answered */
  BROKER_KIND_COUNT,
};
enum { BROKER_PATH_BYTES = 4096, BROKER_TEXT_BYTES = 512, BROKER_REPLY_BYTES = 32 * 1024 };
struct broker_request {
  uint32_t kind, offset;
  uint32_t path_bytes; /* without the NUL; 0 when the kind has none */
  char path[BROKER_PATH_BYTES];
};
/* The bytes of a request that are sent. */
size_t broker_request_bytes(const struct broker_request *request);
/* Reads what was received, every part of which has to make sense; a NUL stands behind the path. MALFORMED, with the offset
 * of what is wrong. `error` may be NULL. */
enum cay_status broker_request_parse(const void *bytes, size_t len_bytes, struct broker_request *out,
                                     struct cay_error *error);

/* Texts are cut at BROKER_TEXT_BYTES. Returns the bytes of the message. */
size_t broker_positions_write(const struct inspect_position *positions, size_t count,
                              char out[BROKER_REPLY_BYTES]);
/* Returns how many positions there are, at most `capacity`; 0 when anything is wrong. Texts point into `bytes`. */
size_t broker_positions_read(const char *bytes, size_t len_bytes, struct inspect_position *out, size_t capacity);

/* Sends or receives one message, whole; false on any failure. Receiving waits at most `timeout_ms`. Sending does not wait:
 * whoever is too slow to read has too much to do, or is an attacker. */
bool broker_send(int socket, const void *bytes, size_t len_bytes);
bool broker_send_with(int socket, const void *bytes, size_t len_bytes, int fd);
bool broker_receive(int socket, void *bytes, size_t capacity, size_t *len_bytes, int timeout_ms);
/* Writes all to a pipe, whose reader may be gone or slow; without SIGPIPE, which is ignored by whoever calls this. */
bool broker_write(int fd, const void *bytes, size_t len_bytes, int timeout_ms);
/* `*fd` is the one descriptor that came along, the caller's from then on, or -1. */
bool broker_receive_with(int socket, void *bytes, size_t capacity, size_t *len_bytes, int *fd);
enum {
  BROKER_FOREVER = -1,
  BROKER_READER_MS = 10 * 1000,
  BROKER_CLIENT_MS = 15 * 1000,
  BROKER_NAME_MS = 10 * 1000, /* what a lookup may take */
  BROKER_END_MS = 1000,       /* what is waited for the broker's end */
};
_Static_assert((int)BROKER_NAME_MS < (int)HOST_LOOKUP_MS, "who asked hears of the end of a lookup, and not of silence");

/* Of a broker's socket: the process that is served. */
pid_t broker_served(int socket);
/* The broker's life, in a process of its own: answers until the other end of `socket` is closed. `tier`: whose process is
 * started (NULL: none). `network` (NULL: none): the rules for names; a lookup may take `lookup_ms`. `cache` (NULL: none): where
 * what the tier's process makes is kept. */
struct api_cache;
_Noreturn void broker_serve(int socket, const struct engine_tier *tier, const struct host_network *network,
                            int lookup_ms, const struct api_cache *cache);
enum { BROKER_SOCKET_FD = 0, BROKER_FOLDER_FD = 2 }; /* its descriptors, where it has a cache */

#endif
