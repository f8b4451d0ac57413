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
  struct wire_request request; /* the last one */
  bool is_left;                /* nobody waits for the answers any more */
} relay = {.helper.socket = -1};

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
  optimizer_helper_end(&relay.helper);
  if (optimizer_helper_start(&relay.helper, NULL) != CAY_OK || !tell_request()) return false;
  base_sha256_init(&hash);
  if (!pass(how, relay.request.module_bytes, &hash)) return false;
  base_sha256_finish(&hash, key.module);
  tiers_kept_build(key.build);
  how->begin(how->env, &key, relay.request.module_bytes);
  return true;
}

static bool pass_request(const struct tiers_relay *how) {
  if (!optimizer_hear_from(how->asker, &relay.request, sizeof relay.request)) return false;
  /* What could be chosen and is not: all but these numbers is in the key. */
  relay.request.mix = 0;
  relay.request.level = TIERS_LEVEL_DEFAULT;
  relay.request.cpu = TIERS_CPU_NATIVE;
  if (relay.request.item_count == 0 || relay.request.item_count > WIRE_MOST_ITEMS) return false;
  bool is_passed = relay.request.module_bytes ? pass_module(how) : relay.helper.socket >= 0 && tell_request();
  return is_passed && pass(how, relay.request.item_count * sizeof(struct wire_item), NULL);
}

/* ---- Answers --------------------------------------------------------------------------------------------------------------- */

static bool hear_helper(void *env, void *to, size_t count) {
  (void)env;
  return optimizer_hear_from(relay.helper.socket, to, count);
}

static bool pass_answer(void *env, const struct tiers_answer *answer) {
  const struct tiers_relay *how = env;
  how->take(how->env, answer);
  if (!relay.is_left && !optimizer_tell_to(how->asker, answer->bytes, answer->len_bytes)) {
    relay.is_left = true;
    optimizer_linger(relay.helper.process, how->linger_cpu_s);
  }
  return true;
}

/* To the end of those to one request. False: there will be no more. */
static bool pass_answers(const struct tiers_relay *how) {
  bool goes_on = true, is_last = false;
  while (goes_on && !is_last) {
    struct optimizer_batch batch;
    goes_on = optimizer_batch_read(hear_helper, NULL, relay.request.entry_count, &batch, NULL) == CAY_OK &&
              optimizer_batch_hand_out(&batch, pass_answer, (void *)(uintptr_t)how, NULL);
    is_last = batch.is_last;
    optimizer_batch_free(&batch);
  }
  return goes_on;
}

/* ---- The whole ------------------------------------------------------------------------------------------------------------- */

void tiers_auto_relay(const struct tiers_relay *how) {
  while (!relay.is_left && pass_request(how) && pass_answers(how)) {
  }
  relay.is_left = true;
}

bool tiers_auto_relay_rest(const struct tiers_relay *how) {
  if (relay.helper.socket < 0) return false;
  optimizer_linger(relay.helper.process, how->linger_cpu_s);
  relay.request.module_bytes = relay.request.item_count = 0;
  return tell_request() && pass_answers(how);
}

void tiers_auto_relay_end(void) { optimizer_helper_end(&relay.helper); }
