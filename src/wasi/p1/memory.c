/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Guest memory as the calls see it. Every pointer is checked here; nothing is copied but numbers and iovecs. */
#include "wasi/p1/p1.h"

enum { MAX_TOTAL_BYTES = 0x7FFFF000 }; /* what one system call moves at most; keeps sums in 32 bits */

uint8_t *p1_range(const struct p1_call *call, uint64_t at, uint64_t len_bytes) {
  return engine_memory_range(call->memory, at, len_bytes);
}

static void *resolve(void *owner, uint64_t offset, uint64_t len_bytes) {
  return engine_memory_range(owner, offset, len_bytes);
}

int p1_buffers(const struct p1_call *call, uint32_t iovecs, uint32_t count, struct p1_buffers *out) {
  const uint8_t *at = p1_range(call, iovecs, (uint64_t)count * 8);
  if (!at) return -HOST_ERROR_FAULT;
  uint64_t total = 0;
  out->count = 0;
  for (uint32_t i = 0; i < count && i < HOST_BUFFERS_MAX && total < MAX_TOTAL_BYTES; i++, at += 8) {
    uint64_t offset = base_racy_load_u32(at), len_bytes = base_racy_load_u32(at + 4);
    if (!p1_range(call, offset, len_bytes)) return -HOST_ERROR_FAULT;
    if (len_bytes > MAX_TOTAL_BYTES - total) len_bytes = MAX_TOTAL_BYTES - total;
    out->items[out->count++] = (struct host_buffer){call->memory, resolve, offset, len_bytes};
    total += len_bytes;
    assert(total <= MAX_TOTAL_BYTES);
  }
  return 0;
}

bool p1_buffers_advance(struct p1_buffers *buffers, size_t *first, size_t done_bytes) {
  for (; *first < buffers->count; (*first)++) {
    struct host_buffer *buffer = &buffers->items[*first];
    if (done_bytes < buffer->len_bytes) {
      buffer->offset += done_bytes;
      buffer->len_bytes -= done_bytes;
      return true;
    }
    done_bytes -= buffer->len_bytes;
  }
  return false;
}

/* What was checked has to be what is used. */
static int copy_path(struct p1_call *call, const uint8_t *bytes, uint32_t len_bytes, struct host_path *out) {
  enum { LONGEST_BYTES = 65536 };
  assert(call->copy_count < P1_HELD_MAX);
  if (len_bytes > LONGEST_BYTES) return -HOST_ERROR_NAMETOOLONG;
  if (!base_budget_take(call->p1->budget, BASE_LIMIT_MEMORY, len_bytes)) return -HOST_ERROR_NOMEM;
  call->copied_bytes += len_bytes;
  char *copy = base_alloc(len_bytes);
  if (!copy) return -HOST_ERROR_NOMEM;
  call->copies[call->copy_count++] = copy;
  base_racy_move(copy, bytes, len_bytes);
  *out = (struct host_path){copy, len_bytes};
  return 0;
}

int p1_path(struct p1_call *call, unsigned argument, struct host_path *out) {
  uint32_t len_bytes = p1_u32(call, argument + 1);
  const uint8_t *bytes = p1_range(call, p1_u32(call, argument), len_bytes);
  if (!bytes) return -HOST_ERROR_FAULT;
  if (call->memory->shared) return copy_path(call, bytes, len_bytes, out);
  *out = (struct host_path){(const char *)bytes, len_bytes};
  return 0;
}
