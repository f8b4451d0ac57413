/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The relay: stands between a process whose code is of the tier `auto` and the helper, passes on what they say, and shows the
 * helper's answers to somebody who keeps them (tiers_relay).
 *
 * Who asks may be an attacker that has taken over the guest's process. It chooses a module, options and functions; what is kept
 * is the helper's answer to just that, under a key that is made here, of the bytes that the helper was given. And each module
 * gets a helper of its own, so that one which takes its helper over makes no other one's code.
 *
 * There is one thing at a time, a request and its answers, so everything here waits. */
#include "tiers/baseline/baseline.h"
#include "tiers/optimizer/optimizer.h"
#include "tiers/tiers.h"

static struct {
  struct optimizer_helper helper;
  struct wire_request request; /* the last one that went to the helper */
  struct wire_item *items;     /* room for one of each function */
  bool *is_wanted;             /* by function: it is in what is made afresh */
  bool is_left;                /* nobody waits for the answers any more */
} relay = {.helper.socket = -1};

static void forget_module(void) {
  optimizer_helper_end(&relay.helper);
  base_free(relay.items);
  base_free(relay.is_wanted);
  relay.items = NULL;
  relay.is_wanted = NULL;
}

/* ---- What is wanted afresh --------------------------------------------------------------------------------------------------- */

static void want_batch(const struct optimizer_batch *batch) {
  for (uint32_t i = 0; i < batch->pair_count; i++) relay.is_wanted[batch->functions[i].entry] = true;
}

static void want_kept(const struct tiers_kept *kept) {
  struct tiers_kept_reader reader = {.at = kept->answers, .end = kept->answers + kept->answers_bytes};
  enum cay_status status = CAY_OK;
  while (!status && reader.at < reader.end) {
    struct optimizer_batch batch;
    status = optimizer_batch_read(tiers_kept_take, &reader, relay.request.entry_count, &batch, NULL);
    if (!status) want_batch(&batch);
    optimizer_batch_free(&batch);
  }
}

/* ---- Requests ------------------------------------------------------------------------------------------------------------- */

/* The next `count` bytes of the asker's. `hash` may be NULL. */
static bool pass(const struct tiers_relay *how, size_t count, struct base_sha256 *hash) {
  uint8_t bytes[16 * 1024];
  while (count > 0) {
    size_t part = count < sizeof bytes ? count : sizeof bytes;
    if (!optimizer_hear_from(how->asker, bytes, part) || !optimizer_tell_to(relay.helper.socket, bytes, part))
      return false;
    if (hash) base_sha256_add(hash, bytes, part);
    count -= part;
  }
  return true;
}

static bool tell_request(void) { return optimizer_tell_to(relay.helper.socket, &relay.request, sizeof relay.request); }

/* A module comes with the request, and goes to a new helper. */
static bool pass_module(const struct tiers_relay *how) {
  struct tiers_kept_key key = {.features = relay.request.features,
                               .processor = tiers_processor(),
                               .cpu = TIERS_CPU_NATIVE,
                               .flags = relay.request.flags,
                               .level = TIERS_LEVEL_DEFAULT,
                               .entry_count = relay.request.entry_count};
  struct base_sha256 hash;
  forget_module();
  if (key.entry_count > WIRE_MOST_ITEMS) return false;
  relay.items = base_alloc((size_t)key.entry_count * sizeof *relay.items + 1);
  relay.is_wanted = base_alloc_zero((size_t)key.entry_count + 1, sizeof *relay.is_wanted);
  if (!relay.items || !relay.is_wanted) return false;
  if (optimizer_helper_start(&relay.helper, NULL) != CAY_OK || !tell_request()) return false;
  base_sha256_init(&hash);
  if (!pass(how, relay.request.module_bytes, &hash)) return false;
  base_sha256_finish(&hash, key.module);
  tiers_kept_build(key.build);
  const struct tiers_kept *kept = how->begin(how->env, &key);
  if (kept) want_kept(kept);
  return true;
}

/* Nothing is answered. */
static bool note_for_later(const struct tiers_relay *how, uint32_t count) {
  struct wire_item item;
  for (uint32_t i = 0; i < count; i++) {
    if (!optimizer_hear_from(how->asker, &item, sizeof item) || item.entry >= relay.request.entry_count) return false;
    relay.is_wanted[item.entry] = true;
  }
  return true;
}

/* What could be chosen and is not is what the key has no room for. */
static bool pass_request(const struct tiers_relay *how, const struct wire_request *request) {
  uint32_t entry_count = relay.request.entry_count;
  relay.request = *request;
  relay.request.mix = 0;
  relay.request.level = TIERS_LEVEL_DEFAULT;
  relay.request.cpu = TIERS_CPU_NATIVE;
  relay.request.when = WIRE_NOW;
  if (!request->module_bytes) relay.request.entry_count = entry_count;
  bool is_passed = request->module_bytes ? pass_module(how) : relay.is_wanted && tell_request();
  return is_passed && pass(how, request->item_count * sizeof(struct wire_item), NULL);
}

/* ---- Answers --------------------------------------------------------------------------------------------------------------- */

static bool hear_helper(void *env, void *to, size_t count) {
  (void)env;
  return optimizer_hear_from(relay.helper.socket, to, count);
}

static void be_left(const struct tiers_relay *how) {
  if (relay.is_left) return;
  relay.is_left = true;
  if (relay.helper.process) optimizer_linger(relay.helper.process, how->linger_cpu_s);
}

static bool pass_answer(void *env, const struct tiers_answer *answer) {
  const struct tiers_relay *how = env;
  how->take(how->env, answer);
  if (!relay.is_left && !optimizer_tell_to(how->asker, answer->bytes, answer->len_bytes)) be_left(how);
  return true;
}

/* To the end of those to one request. False: there will be no more. A helper that took too long for one has ended: the next
 * request comes with its module, and gets another one. */
static bool pass_answers(const struct tiers_relay *how) {
  enum wire_last last = WIRE_MORE;
  bool goes_on = true;
  while (goes_on && last == WIRE_MORE) {
    struct optimizer_batch batch;
    goes_on = optimizer_batch_read(hear_helper, NULL, relay.request.entry_count, &batch, NULL) == CAY_OK &&
              optimizer_batch_hand_out(&batch, pass_answer, (void *)(uintptr_t)how, NULL);
    if (goes_on) want_batch(&batch);
    last = batch.last;
    optimizer_batch_free(&batch);
  }
  if (goes_on && last == WIRE_FORGOTTEN) forget_module();
  return goes_on;
}

/* ---- The whole ------------------------------------------------------------------------------------------------------------- */

static bool serve_one(const struct tiers_relay *how) {
  struct wire_request request;
  if (!optimizer_hear_from(how->asker, &request, sizeof request)) return false;
  if (request.magic != WIRE_MAGIC || request.item_count == 0 || request.item_count > WIRE_MOST_ITEMS) return false;
  if (request.when == WIRE_LATER)
    return relay.is_wanted && !request.module_bytes && note_for_later(how, request.item_count);
  bool done = pass_request(how, &request) && pass_answers(how);
  if (!done) forget_module(); /* its helper is in the middle of something */
  return done;
}

void tiers_auto_relay(const struct tiers_relay *how) {
  while (serve_one(how)) {
  }
  be_left(how);
}

bool tiers_auto_relay_afresh(const struct tiers_relay *how) {
  uint32_t count = 0;
  for (uint32_t i = 0; relay.is_wanted && i < relay.request.entry_count; i++)
    if (relay.is_wanted[i]) relay.items[count++] = (struct wire_item){i, WIRE_NO_LABEL};
  if (count == 0) return false;
  relay.request.module_bytes = 0;
  relay.request.item_count = count;
  relay.request.when = WIRE_AFRESH;
  return tell_request() && optimizer_tell_to(relay.helper.socket, relay.items, count * sizeof *relay.items) &&
         pass_answers(how) && relay.is_wanted; /* else some took too long */
}

void tiers_auto_relay_end(void) { forget_module(); }
