/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The relay: stands between a process whose code is of the tier `auto` and helpers, passes on what they say, and shows the
 * helpers' answers to somebody who keeps them (tiers_relay).
 *
 * Who asks may be an attacker that has taken over the guest's process. It chooses modules, options, functions and what their calls are
 * said to go to, which makes code no more than slow; what is kept is the helper's answer to just that, under a key that is made here, of
 * the bytes that the helper was given. And each module
 * has a helper of its own, so that one which takes its helper over makes no other one's code.
 *
 * There is one thing at a time, a request and its answers, so everything here waits. But not for who has ended: the socket of who
 * asks may be kept open by whatever an attacker has done with it, even by being sent through itself, so it is his process whose end
 * counts. */
#include <poll.h>

#include "tiers/baseline/baseline.h"
#include "tiers/optimizer/optimizer.h"
#include "tiers/tiers.h"

enum { MOST_MODULE_BYTES = 1 << 28 };

struct relayed {
  struct tiers_kept_key key;
  uint8_t *bytes; /* the module's; NULL: there is none */
  uint32_t len_bytes;
  struct optimizer_helper helper;   /* which has the module; socket -1: there is none */
  bool *is_wanted;                  /* by function: it is in what is made afresh */
  struct optimizer_targets targets; /* of calls, in this run and earlier ones */
};

static struct {
  struct relayed modules[TIERS_RELAY_MODULES];
  unsigned count, oldest;  /* oldest: who goes for another one when there is no room */
  struct relayed *current; /* that requests are about; NULL: none */
  bool is_left;            /* nobody waits for the answers any more */
} relay;

static unsigned index_of(const struct relayed *module) { return (unsigned)(module - relay.modules); }

static void module_forget(struct relayed *module) {
  if (!module->bytes) return;
  optimizer_helper_end(&module->helper);
  base_free(module->bytes);
  base_free(module->is_wanted);
  BASE_VEC_DEINIT(&module->targets.list);
  *module = (struct relayed){.helper.socket = -1};
}

/* ---- Talking --------------------------------------------------------------------------------------------------------------- */

static void be_left(const struct tiers_relay *how) {
  if (relay.is_left) return;
  relay.is_left = true;
  for (unsigned i = 0; i < relay.count; i++)
    if (relay.modules[i].helper.process) optimizer_linger(relay.modules[i].helper.process, how->linger_cpu_s);
  how->left(how->env);
}

/* Until the socket can be read from, or written to. False: it is that of the process that asks, which has ended; what it had
 * sent is there all the same. */
static bool await(const struct tiers_relay *how, int socket, short events) {
  bool is_asker = socket == how->asker;
  for (;;) {
    struct pollfd fds[] = {{.fd = socket, .events = events}, {.fd = relay.is_left ? -1 : how->life, .events = POLLIN}};
    if (poll(fds, BASE_ARRAY_LEN(fds), is_asker && relay.is_left ? 0 : -1) < 0) continue;
    if (fds[1].revents) be_left(how);
    if (fds[0].revents) return true;
    if (is_asker && relay.is_left) return false;
  }
}

static bool hear(const struct tiers_relay *how, int socket, void *to, size_t count) {
  const struct optimizer_helper other = {.socket = socket};
  for (uint8_t *at = to; count > 0;) {
    ptrdiff_t got = await(how, socket, POLLIN) ? optimizer_helper_receive(&other, at, count) : -1;
    if (got < 0) return false;
    at += got;
    count -= (size_t)got;
  }
  return true;
}

static bool tell(const struct tiers_relay *how, int socket, const void *bytes, size_t count) {
  const struct optimizer_helper other = {.socket = socket};
  for (const uint8_t *at = bytes; count > 0;) {
    ptrdiff_t sent = await(how, socket, POLLOUT) ? optimizer_helper_send(&other, at, count) : -1;
    if (sent < 0) return false;
    at += sent;
    count -= (size_t)sent;
  }
  return true;
}

/* ---- What is wanted afresh --------------------------------------------------------------------------------------------------- */

static void want_batch(struct relayed *module, const struct optimizer_batch *batch) {
  for (uint32_t i = 0; i < batch->pair_count; i++) module->is_wanted[batch->functions[i].entry] = true;
}

static void want_kept(struct relayed *module, const struct tiers_kept *kept) {
  struct tiers_kept_reader reader = {.at = kept->answers, .end = kept->answers + kept->answers_bytes};
  enum cay_status status = CAY_OK;
  while (!status && reader.at < reader.end) {
    struct optimizer_batch batch;
    status = optimizer_batch_read(tiers_kept_take, &reader, module->key.entry_count, &batch, NULL);
    if (!status) want_batch(module, &batch);
    if (!status) optimizer_targets_add(&module->targets, batch.targets, batch.target_count, true);
    optimizer_batch_free(&batch);
  }
}

void tiers_auto_relay_want(unsigned index, const struct tiers_kept *kept) {
  if (index < relay.count && relay.modules[index].bytes) want_kept(&relay.modules[index], kept);
}

/* ---- Modules ----------------------------------------------------------------------------------------------------------------- */

static struct relayed *module_find(const struct tiers_kept_key *key) {
  for (unsigned i = 0; i < relay.count; i++)
    if (relay.modules[i].bytes && memcmp(&relay.modules[i].key, key, sizeof *key) == 0) return &relay.modules[i];
  return NULL;
}

/* One that is not asked about for the first time, whose bytes are thrown away, or a new one. NULL: no memory. */
static struct relayed *module_take(const struct tiers_relay *how, const struct tiers_kept_key *key, uint8_t *bytes,
                                   uint32_t len_bytes) {
  struct relayed *module = module_find(key);
  bool *is_wanted = module ? NULL : base_alloc_zero((size_t)key->entry_count + 1, sizeof *is_wanted);
  if (module || !is_wanted) {
    base_free(bytes);
    return module;
  }
  bool has_room = relay.count < TIERS_RELAY_MODULES;
  module = &relay.modules[has_room ? relay.count++ : relay.oldest++ % TIERS_RELAY_MODULES];
  module_forget(module);
  *module = (struct relayed){*key, bytes, len_bytes, {.socket = -1}, is_wanted, {.list = {0}}};
  const struct tiers_kept *kept = how->begin(how->env, index_of(module), key);
  if (kept) want_kept(module, kept);
  return module;
}

/* A module comes with the request. What could be chosen and is not is what the key has no room for. */
static bool hear_module(const struct tiers_relay *how, const struct wire_request *request) {
  struct tiers_kept_key key = {.features = request->features,
                               .processor = tiers_processor(),
                               .cpu = TIERS_CPU_NATIVE,
                               .flags = request->flags,
                               .level = TIERS_LEVEL_DEFAULT,
                               .entry_count = request->entry_count};
  relay.current = NULL;
  if (key.entry_count > WIRE_MOST_ITEMS || request->module_bytes > MOST_MODULE_BYTES) return false;
  uint8_t *bytes = base_alloc(request->module_bytes);
  if (!bytes || !hear(how, how->asker, bytes, request->module_bytes)) {
    base_free(bytes);
    return false;
  }
  base_sha256_of(bytes, request->module_bytes, key.module);
  tiers_kept_build(key.build);
  relay.current = module_take(how, &key, bytes, request->module_bytes);
  return relay.current != NULL;
}

/* ---- Requests ------------------------------------------------------------------------------------------------------------- */

/* To the module's helper, which gets the module before, where it is a new one. */
static bool tell_request(const struct tiers_relay *how, struct relayed *module, uint32_t item_count) {
  bool is_new = module->helper.socket < 0;
  struct wire_request request = {.magic = WIRE_MAGIC,
                                 .layout = optimizer_layout(),
                                 .features = module->key.features,
                                 .flags = module->key.flags,
                                 .module_bytes = is_new ? module->len_bytes : 0,
                                 .item_count = item_count,
                                 .target_count = (uint32_t)module->targets.list.count,
                                 .level = module->key.level,
                                 .cpu = module->key.cpu,
                                 .entry_count = module->key.entry_count};
  if (is_new && optimizer_helper_start(&module->helper, NULL) != CAY_OK) return false;
  return tell(how, module->helper.socket, &request, sizeof request) &&
         (!is_new || tell(how, module->helper.socket, module->bytes, module->len_bytes)) &&
         tell(how, module->helper.socket, module->targets.list.items,
              module->targets.list.count * sizeof *module->targets.list.items);
}

/* What was seen in this run goes before what is kept. */
static bool hear_targets(const struct tiers_relay *how, struct relayed *module, uint32_t count) {
  struct wire_target *targets = base_alloc(count * sizeof *targets + 1);
  bool done = targets && hear(how, how->asker, targets, count * sizeof *targets) &&
              optimizer_targets_add(&module->targets, targets, count, false);
  base_free(targets);
  return done;
}

static bool pass_items(const struct tiers_relay *how, const struct relayed *module, uint32_t count) {
  struct wire_item items[512];
  for (uint32_t part; count > 0; count -= part) {
    part = count < BASE_ARRAY_LEN(items) ? count : BASE_ARRAY_LEN(items);
    if (!hear(how, how->asker, items, part * sizeof *items) ||
        !tell(how, module->helper.socket, items, part * sizeof *items))
      return false;
  }
  return true;
}

/* Nothing is answered. */
static bool note_for_later(const struct tiers_relay *how, struct relayed *module, uint32_t count) {
  struct wire_item item;
  for (uint32_t i = 0; i < count; i++) {
    if (!hear(how, how->asker, &item, sizeof item) || item.entry >= module->key.entry_count) return false;
    module->is_wanted[item.entry] = true;
  }
  return true;
}

/* ---- Answers --------------------------------------------------------------------------------------------------------------- */

/* Who hears the answers about a module. */
struct passing {
  const struct tiers_relay *how;
  struct relayed *module;
  bool answers; /* whoever has asked gets them, too */
};

/* An optimizer_source. */
static bool hear_helper(void *env, void *to, size_t count) {
  const struct passing *passing = env;
  return hear(passing->how, passing->module->helper.socket, to, count);
}

static bool pass_answer(void *env, const struct tiers_answer *answer) {
  const struct passing *passing = env;
  const struct tiers_relay *how = passing->how;
  how->take(how->env, index_of(passing->module), answer);
  if (passing->answers && !relay.is_left && !tell(how, how->asker, answer->bytes, answer->len_bytes)) be_left(how);
  return true;
}

/* False: there will be no more. */
static bool pass_batch(struct passing *passing, optimizer_source source, void *from, enum wire_last *last) {
  struct optimizer_batch batch;
  bool done = optimizer_batch_read(source, from, passing->module->key.entry_count, &batch, NULL) == CAY_OK &&
              optimizer_batch_hand_out(&batch, pass_answer, passing, NULL);
  if (done) want_batch(passing->module, &batch);
  *last = batch.last;
  optimizer_batch_free(&batch);
  return done;
}

/* To the end of those to one request. A helper that took too long for one of them has ended, and the next request gets another. */
static bool pass_answers(const struct tiers_relay *how, struct relayed *module) {
  struct passing passing = {how, module, true};
  enum wire_last last = WIRE_MORE;
  while (last == WIRE_MORE)
    if (!pass_batch(&passing, hear_helper, &passing, &last)) return false;
  if (last == WIRE_FORGOTTEN) optimizer_helper_end(&module->helper);
  return true;
}

/* ---- The whole ------------------------------------------------------------------------------------------------------------- */

static bool serve_one(const struct tiers_relay *how) {
  struct wire_request request;
  if (!hear(how, how->asker, &request, sizeof request)) return false;
  if (request.magic != WIRE_MAGIC || request.layout != optimizer_layout()) return false;
  if (request.item_count == 0 || request.item_count > WIRE_MOST_ITEMS) return false;
  if (request.target_count > WIRE_MOST_TARGETS) return false;
  if (request.module_bytes ? !hear_module(how, &request) : !relay.current) return false;
  if (!hear_targets(how, relay.current, request.target_count)) return false;
  if (request.when == WIRE_LATER) return note_for_later(how, relay.current, request.item_count);
  return tell_request(how, relay.current, request.item_count) && pass_items(how, relay.current, request.item_count) &&
         pass_answers(how, relay.current);
}

void tiers_auto_relay(const struct tiers_relay *how) {
  while (serve_one(how)) {
  }
  be_left(how);
  for (unsigned i = 0; i < relay.count; i++)
    optimizer_helper_end(&relay.modules[i].helper); /* which nothing is left for */
}

static uint32_t list_wanted(const struct relayed *module, struct wire_item *out) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < module->key.entry_count; i++)
    if (module->is_wanted[i]) out[count++] = (struct wire_item){i, WIRE_NO_LABEL};
  return count;
}

/* By helpers that have not answered any of it. */
static bool make_afresh(const struct tiers_relay *how, struct relayed *module, const struct wire_item *items,
                        uint32_t count) {
  struct passing passing = {how, module, false};
  struct optimizer_conversation *conversation;
  const struct optimizer_order order = {.bytes = module->bytes,
                                        .len_bytes = module->len_bytes,
                                        .items = items,
                                        .item_count = count,
                                        .targets = module->targets.list.items,
                                        .target_count = (uint32_t)module->targets.list.count,
                                        .features = module->key.features,
                                        .entry_count = module->key.entry_count,
                                        .flags = module->key.flags,
                                        .level = module->key.level,
                                        .cpu = module->key.cpu};
  enum wire_last last = WIRE_MORE;
  bool goes_on = true;
  if (optimizer_ask(&order, &conversation, NULL) != CAY_OK) return false;
  optimizer_conversation_linger(conversation, how->linger_cpu_s);
  while (goes_on && last == WIRE_MORE) {
    goes_on = pass_batch(&passing, optimizer_hear, conversation, &last);
    optimizer_turn(conversation);
  }
  optimizer_end(conversation, false);
  return goes_on;
}

bool tiers_auto_relay_afresh(const struct tiers_relay *how, unsigned index) {
  struct relayed *module = &relay.modules[index];
  if (index >= relay.count || !module->bytes) return false;
  struct wire_item *items = base_alloc((size_t)module->key.entry_count * sizeof *items + 1);
  uint32_t count = items ? list_wanted(module, items) : 0;
  bool done = count > 0 && make_afresh(how, module, items, count);
  base_free(items);
  return done;
}

void tiers_auto_relay_end(void) {
  for (unsigned i = 0; i < relay.count; i++) module_forget(&relay.modules[i]);
  relay.count = 0;
}
