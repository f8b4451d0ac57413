/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The line to the helper that compiles while programs run.
 *
 * Nothing here waits, and there is no thread for it: whoever comes by, which is guest code that has counted down (tierup.c),
 * sends what the socket takes and takes what has come. So an exit, a trap or a signal finds nothing under way that would have
 * to be ended, a fork copies no thread's locks, and nothing wakes a program that sleeps. Code that is optimized does not come
 * by; but while all that is busy is optimized, there is nothing that is urgently wanted either. Rejected: a thread that waits
 * for answers, which would need all of that, and the right to start threads behind the wall.
 *
 * One helper serves the process, one request at a time. It keeps the module of the last request, so that a module that asks
 * again need not be sent again.
 *
 * Invariants
 *  1. `asking` is alive: a code object that goes says so (optimizer_line_forget).
 *  2. The lock is taken before a code object's. Nobody forks in between, so a child finds both free; it asks for nothing. */
#include "tiers/optimizer/optimizer.h"

#include <assert.h>
#include <pthread.h>

struct part {
  const uint8_t *bytes;
  size_t left;
};
enum { PART_REQUEST, PART_MODULE, PART_TARGETS, PART_ITEMS, PARTS };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
  struct optimizer_helper helper;
  uint64_t loaded;              /* number of the code object whose module the helper has; 0: none */
  struct baseline_code *asking; /* whose request is under way; NULL: nobody's */
  struct wire_request request;
  BASE_VEC(struct wire_item) items;
  struct optimizer_targets targets;
  struct part parts[PARTS]; /* of the request, that are still to be sent */
  uint8_t *heard;           /* the batch that comes */
  size_t heard_bytes, capacity;
} line = {.helper.socket = -1};
static bool is_child;

static void hang_up(void) {
  (is_child ? optimizer_helper_forget : optimizer_helper_end)(&line.helper);
  line.loaded = 0;
  line.asking = NULL;
  line.heard_bytes = 0;
}

/* ---- The lock ------------------------------------------------------------------------------------------------------------ */

/* Nor shall its copy of the socket keep the helper from seeing that the parent has ended. */
static void after_fork(void) {
  is_child = true;
  hang_up();
  pthread_mutex_unlock(&lock);
}

static void watch_forks(void) { pthread_atfork(optimizer_line_lock, optimizer_line_unlock, after_fork); }

void optimizer_line_lock(void) { pthread_mutex_lock(&lock); }
bool optimizer_line_trylock(void) { return pthread_mutex_trylock(&lock) == 0; }
void optimizer_line_unlock(void) { pthread_mutex_unlock(&lock); }

/* ---- The end of a request ------------------------------------------------------------------------------------------------ */

static void give_up(struct baseline_code *code, const struct cay_error *error) {
  optimizer_watch_of(code)->is_over = true;
  code->optimizer_ended = *error;
}

static void lose(const struct cay_error *error) {
  give_up(line.asking, error);
  hang_up();
}

/* ---- Asking --------------------------------------------------------------------------------------------------------------- */

static bool start(struct baseline_code *code) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  struct cay_error error;
  if (line.helper.socket >= 0) return true;
  pthread_once(&once, watch_forks);
  enum cay_status status = optimizer_helper_start(&line.helper, &error);
  if (status && status != CAY_ERROR_LIMIT) give_up(code, &error);
  return status == CAY_OK;
}

/* Takes what the code object wants, and tells what it has seen: all of it, since what a function is inlined into is not known here. */
static bool make_request(struct baseline_code *code, enum wire_when when) {
  struct optimizer_watch *watch = optimizer_watch_of(code);
  const struct module *module = code->module;
  line.targets.list.count = 0;
  if (!BASE_VEC_RESERVE(&line.items, watch->wanted.count) ||
      !optimizer_targets_seen(code, optimizer_least_votes(), &line.targets))
    return false;
  memcpy(line.items.items, watch->wanted.items, watch->wanted.count * sizeof *line.items.items);
  line.items.count = watch->wanted.count;
  watch->wanted.count = 0;
  bool is_known = line.loaded == watch->number;
  line.request = (struct wire_request){.magic = WIRE_MAGIC,
                                       .layout = optimizer_layout(),
                                       .features = module->features,
                                       .flags = optimizer_flags(code->module, &code->made_with, optimizer_own_cpu()),
                                       .level = TIERS_LEVEL_DEFAULT,
                                       .mix = optimizer_mix(),
                                       .module_bytes = is_known ? 0 : (uint32_t)module->len_bytes,
                                       .item_count = (uint32_t)line.items.count,
                                       .target_count = (uint32_t)line.targets.list.count,
                                       .entry_count = code_entry_count(code),
                                       .when = when};
  return true;
}

static size_t target_bytes(void) { return line.targets.list.count * sizeof *line.targets.list.items; }
static size_t item_bytes(void) { return line.items.count * sizeof *line.items.items; }

static void begin(struct baseline_code *code) {
  struct optimizer_watch *watch = optimizer_watch_of(code);
  const struct module *module = code->module;
  if (!start(code) || !make_request(code, WIRE_NOW)) return;
  line.parts[PART_REQUEST] = (struct part){(const uint8_t *)&line.request, sizeof line.request};
  line.parts[PART_MODULE] = (struct part){module->bytes, line.request.module_bytes};
  line.parts[PART_TARGETS] = (struct part){(const uint8_t *)line.targets.list.items, target_bytes()};
  line.parts[PART_ITEMS] = (struct part){(const uint8_t *)line.items.items, item_bytes()};
  line.loaded = watch->number;
  line.asking = code;
  code->has_asked = true;
}

/* False: not everything is sent yet. */
static bool send_parts(void) {
  for (size_t i = 0; i < BASE_ARRAY_LEN(line.parts); i++)
    for (struct part *part = &line.parts[i]; part->left > 0;) {
      ptrdiff_t sent = optimizer_helper_send(&line.helper, part->bytes, part->left);
      if (sent <= 0) return false; /* what has ended is told by receiving */
      part->bytes += sent;
      part->left -= (size_t)sent;
    }
  return true;
}

/* ---- Hearing -------------------------------------------------------------------------------------------------------------- */

static bool reserve(size_t bytes) {
  if (bytes <= line.capacity) return true;
  uint8_t *larger = base_resize(line.heard, bytes);
  if (!larger) return false;
  line.heard = larger;
  line.capacity = bytes;
  return true;
}

/* Until `bytes` of the batch are there. False: they are not, or it is over. */
static bool hear(size_t bytes, struct cay_error *error) {
  if (!reserve(bytes)) {
    base_error_memory(error);
    lose(error);
    return false;
  }
  while (line.heard_bytes < bytes) {
    ptrdiff_t got = optimizer_helper_receive(&line.helper, line.heard + line.heard_bytes, bytes - line.heard_bytes);
    if (got < 0) {
      base_error_set(error, CAY_ERROR_SYSTEM, "cay-llvm has ended, or is not beside cay");
      lose(error);
    }
    if (got <= 0) return false;
    line.heard_bytes += (size_t)got;
  }
  return true;
}

static bool read_heard(void *at, void *to, size_t count) {
  const uint8_t **from = at;
  memcpy(to, *from, count);
  *from += count;
  return true;
}

/* What one took too long for ends a helper of this process; a relay goes on. */
static void end_request(struct baseline_code *code, enum wire_last last) {
  line.asking = NULL;
  if (last != WIRE_FORGOTTEN) return;
  optimizer_want_again(code, line.items.items, line.items.count);
  line.loaded = 0;
  if (line.helper.process) hang_up();
}

/* A batch that has come whole. */
static void take(struct cay_error *error) {
  enum { KEPT_BYTES = 1 << 20 };
  struct baseline_code *code = line.asking;
  struct optimizer_batch batch;
  const uint8_t *at = line.heard;
  enum cay_status status = optimizer_batch_read(read_heard, &at, code_entry_count(code), &batch, error);
  if (!status) optimizer_keep(code, &batch);
  if (!status && !optimizer_install(code, &batch)) status = base_error_memory(error);
  enum wire_last last = batch.last;
  optimizer_batch_free(&batch);
  line.heard_bytes = 0;
  if (line.capacity > KEPT_BYTES) {
    base_free(line.heard);
    line.heard = NULL;
    line.capacity = 0;
  }
  if (status)
    lose(error);
  else if (last != WIRE_MORE)
    end_request(code, last);
}

/* False: nothing more has come. */
static bool hear_batch(void) {
  struct wire_batch head;
  struct cay_error error;
  size_t bytes;
  if (!hear(sizeof head, &error)) return false;
  memcpy(&head, line.heard, sizeof head);
  if (optimizer_batch_bytes(&head, code_entry_count(line.asking), &bytes, &error)) {
    lose(&error);
    return false;
  }
  if (!hear(bytes, &error)) return false;
  take(&error);
  return true;
}

bool optimizer_line_advance(struct baseline_code *code) {
  for (bool has_heard = false;; has_heard = true) {
    struct optimizer_watch *watch = optimizer_watch_of(code);
    if (!is_child && !line.asking && watch->wanted.count > 0 && !watch->is_over) begin(code); /* or another time */
    if (!line.asking) return has_heard;
    send_parts();
    if (!hear_batch()) return has_heard;
  }
}

void optimizer_line_finish(struct baseline_code *code) {
  optimizer_line_advance(code);
  while (line.asking) {
    optimizer_helper_wait(&line.helper, line.parts[PART_ITEMS].left > 0);
    optimizer_line_advance(code);
  }
}

void optimizer_line_forget(struct baseline_code *code) {
  if (line.asking == code) hang_up();
}

static bool send_at_once(const void *bytes, size_t count) {
  return count == 0 || optimizer_helper_send(&line.helper, bytes, count) == (ptrdiff_t)count;
}

/* Of what is under way nothing may be left to send, and the module has to be there. What does not go through at once is lost,
 * and the line with it, which nobody needs any more. */
void optimizer_line_leave(struct baseline_code *code) {
  struct optimizer_watch *watch = optimizer_watch_of(code);
  bool is_free = line.asking ? line.asking == code && line.parts[PART_ITEMS].left == 0 : true;
  if (is_child || !is_free || line.loaded != watch->number || watch->wanted.count == 0) return;
  if (!make_request(code, WIRE_LATER)) return;
  if (!send_at_once(&line.request, sizeof line.request) || !send_at_once(line.targets.list.items, target_bytes()) ||
      !send_at_once(line.items.items, item_bytes()))
    hang_up();
}
