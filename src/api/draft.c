/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* A file of the cache in the making: answers are added as they come, and in the end it gets its head and its name. Whatever
 * fails ends the writing and nothing else; killed at any moment it leaves a file that nobody looks at, which the next one
 * removes (cache_trim). */
#include <unistd.h>

#include "api/cache.h"

#if TIERS_HAS_OPTIMIZER

void draft_give_up(struct draft *draft) {
  if (draft->fd < 0) return;
  unlinkat(draft->cache->folder, draft->name, 0);
  close(draft->fd);
  draft->fd = -1;
}

void draft_begin(struct draft *draft, const struct api_cache *cache, const struct tiers_kept_key *key) {
  uint8_t head[TIERS_KEPT_HEAD_BYTES] = {0};
  *draft = (struct draft){.cache = cache, .kept.key = *key};
  draft->fd = cache_begin(cache, draft->name, sizeof draft->name);
  if (draft->fd >= 0 && !base_os_write_all(draft->fd, head, sizeof head)) draft_give_up(draft);
}

static void add(struct draft *draft, const void *bytes, size_t len_bytes) {
  if (draft->fd < 0) return;
  draft->kept.answers_bytes += len_bytes;
  if (draft->kept.answers_bytes > draft->cache->most_bytes || !base_os_write_all(draft->fd, bytes, len_bytes))
    draft_give_up(draft);
}

void draft_add(struct draft *draft, const struct tiers_answer *answer) {
  uint8_t head[TIERS_KEPT_ANSWER_HEAD_BYTES];
  if (draft->fd < 0) return;
  tiers_kept_answer_head(answer->bytes, answer->len_bytes, head);
  draft->kept.answer_count++;
  add(draft, head, sizeof head);
  add(draft, answer->bytes, answer->len_bytes);
}

void draft_add_kept(struct draft *draft, const struct tiers_kept *kept) {
  draft->kept.answer_count += kept->answer_count;
  add(draft, kept->answers, kept->answers_bytes);
}

bool draft_finish(struct draft *draft, bool is_part) {
  uint8_t head[TIERS_KEPT_HEAD_BYTES];
  char name[CACHE_NAME_BYTES];
  if (draft->fd < 0) return false;
  draft->kept.is_part = is_part;
  tiers_kept_head(&draft->kept, head);
  cache_name(&draft->kept.key, name);
  if (pwrite(draft->fd, head, sizeof head, 0) != (ssize_t)sizeof head ||
      !cache_commit(draft->cache, draft->fd, draft->name, name)) {
    draft_give_up(draft);
    return false;
  }
  close(draft->fd);
  draft->fd = -1;
  return true;
}

#endif
