/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* What the program tells: its standard error, for who wants to hear it, and what crosses the boundary, for digests: each call as numbers in little-endian order, its result, and the bytes that it
 * moved, the same on every host. Results and counts come from the guest's memory, where the call has just put them.
 *
 *   name, NUL | arguments, 8 bytes each | result, 2 bytes (0xFFFF: the guest ended) | results, 8 bytes each | bytes */
#include <assert.h>

#include "wasi/p1/p1.h"

/* Where a function has moved bytes: through the pointer or the buffers that argument `at` is, as many as the 32-bit
 * argument `count_at` says, or the result there, times `scale`; or `scale` bytes, when it is NOWHERE. */
enum from { AN_ARGUMENT, A_RESULT, NOWHERE };
struct moved {
  int (*run)(struct p1_call *call);
  uint8_t at;
  bool has_buffers;
  uint8_t from; /* enum from */
  uint8_t count_at, scale;
};
enum { EVENT_BYTES = 32, STAT_BYTES = 64 };
static const struct moved all_moved[] = {
    {p1_random_get, 0, false, AN_ARGUMENT, 1, 1},
    {p1_fd_readdir, 1, false, A_RESULT, 4, 1},
    {p1_path_readlink, 3, false, A_RESULT, 5, 1},
    {p1_poll_oneoff, 1, false, A_RESULT, 3, EVENT_BYTES},
    {p1_fd_filestat_get, 1, false, NOWHERE, 0, STAT_BYTES},
    {p1_path_filestat_get, 4, false, NOWHERE, 0, STAT_BYTES},
    {p1_fd_read, 1, true, A_RESULT, 3, 1},
    {p1_fd_pread, 1, true, A_RESULT, 4, 1},
    {p1_fd_write, 1, true, A_RESULT, 3, 1},
    {p1_fd_pwrite, 1, true, A_RESULT, 4, 1},
    {p1_sock_recv, 1, true, A_RESULT, 3, 1},
    {p1_sock_send, 1, true, A_RESULT, 4, 1},
};

static void tell(const struct p1_call *call, const void *bytes, size_t len_bytes) {
  call->p1->record(call->p1->record_env, bytes, len_bytes);
}

static void tell_number(const struct p1_call *call, uint64_t value, size_t len_bytes) {
  uint8_t bytes[8];
  for (size_t i = 0; i < len_bytes; i++) bytes[i] = (uint8_t)(value >> 8 * i);
  tell(call, bytes, len_bytes);
}

static void tell_buffers(const struct p1_call *call, uint32_t iovecs, uint32_t count, uint64_t left) {
  struct p1_buffers buffers;
  if (p1_buffers(call, iovecs, count, &buffers)) return;
  for (size_t i = 0; i < buffers.count && left; i++) {
    uint64_t part = buffers.items[i].len_bytes < left ? buffers.items[i].len_bytes : left;
    const uint8_t *from = p1_range(call, buffers.items[i].offset, part);
    if (from) tell(call, from, part);
    left -= part;
  }
}

static void tell_moved(const struct p1_call *call, const struct moved *moved) {
  uint64_t count = 1;
  const uint8_t *result = moved->from == A_RESULT ? p1_range(call, p1_u32(call, moved->count_at), 4) : NULL;
  if (moved->from == AN_ARGUMENT) count = p1_u32(call, moved->count_at);
  if (moved->from == A_RESULT) count = result ? base_racy_load_u32(result) : 0;
  count *= moved->scale;
  if (moved->has_buffers) {
    tell_buffers(call, p1_u32(call, moved->at), p1_u32(call, moved->at + 1u), count);
    return;
  }
  const uint8_t *from = p1_range(call, p1_u32(call, moved->at), count);
  if (from) tell(call, from, count);
}

static void tell_results(const struct p1_call *call) {
  unsigned at = 0;
  for (const char *text = call->function->arguments; *text; text += strcspn(text, " "), text += *text == ' ') {
    const char *kind = strchr(text, ':') + 1;
    if (*kind == '=') {
      const uint8_t *from = p1_range(call, p1_u32(call, at), kind[1] == 'U' ? 8 : 4);
      if (from) tell_number(call, kind[1] == 'U' ? base_racy_load_u64(from) : base_racy_load_u32(from), 8);
    }
    at += *kind == 'p' || *kind == 'v' ? 2 : 1;
  }
}

void p1_record(const struct p1_call *call, int result) {
  enum { ENDED = 0xFFFF };
  size_t count = strlen(call->function->params);
  tell(call, call->function->name, strlen(call->function->name) + 1);
  for (unsigned i = 0; i < count; i++)
    tell_number(call, call->function->params[i] == 'i' ? p1_u32(call, i) : p1_u64(call, i), 8);
  tell_number(call, result == P1_TRAPPED ? ENDED : host_error_p1((enum host_error) - result), 2);
  if (result != 0) return;
  tell_results(call);
  for (size_t i = 0; i < BASE_ARRAY_LEN(all_moved); i++)
    if (all_moved[i].run == call->function->run) tell_moved(call, &all_moved[i]);
}

/* ---- Standard error ------------------------------------------------------------------------------------------------- */

/* In pieces, because other threads of the guest may change the bytes while they are looked at. */
static void say_range(struct p1_call *call, uint64_t at, uint64_t len_bytes) {
  char piece[512];
  uint64_t left_out = len_bytes > WASI_SAID_MAX ? len_bytes - WASI_SAID_MAX : 0;
  at += left_out;
  len_bytes -= left_out;
  for (uint64_t done = 0, part; done < len_bytes; done += part) {
    part = len_bytes - done < sizeof piece ? len_bytes - done : sizeof piece;
    const uint8_t *from = p1_range(call, at + done, part);
    if (!from) return;
    base_racy_move(piece, from, part);
    call->p1->said(call->p1->said_env, piece, part);
  }
}

void p1_say(struct p1_call *call, const struct p1_handle *handle, const struct p1_buffers *buffers) {
  if (handle->once != P1_ONCE_STREAM + 2) return;
  p1_telling(call);
  for (size_t i = 0; i < buffers->count; i++) say_range(call, buffers->items[i].offset, buffers->items[i].len_bytes);
  p1_told(call);
}
